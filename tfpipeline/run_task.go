package main

import (
	"context"
	"flag"
	"fmt"
	"time"

	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/flags"
	"github.com/specboard/platform/tfpipeline/internal/root"
)

func runTaskCommand() command {
	return command{
		name:    "run",
		summary: "run a one-off task by hand",
		usage:   "-env ENV -task NAME [-timeout D] [-force] [-- COMMAND...]",
		env:     environments, refusal: noServices, args: true,
		flags: func(set *flag.FlagSet) func(context.Context, *app, []string) error {
			var o runOptions
			set.StringVar(&o.env, "env", "", "environment")
			set.StringVar(&o.task, "task", "", "`name` of the one-off task")
			set.DurationVar(&o.timeout, "timeout", time.Hour, "how long to follow it")
			set.BoolVar(&o.force, "force", false, "run it although somebody holds the lock, or has frozen the environment")
			return func(ctx context.Context, a *app, args []string) error {
				o.command = args
				return runTask(ctx, a, o)
			}
		},
	}
}

type runOptions struct {
	env, task string
	command   []string
	timeout   time.Duration
	force     bool
}

func runTask(ctx context.Context, a *app, o runOptions) error {
	if err := flags.Named("one-off task", o.task, a.platform.TaskNames(), "tfpipeline run -env "+o.env+" -task"); err != nil {
		return err
	}
	if o.timeout <= 0 {
		return console.Usage("-timeout must be more than 0, such as 10m", "tfpipeline run -env "+o.env+" -task "+o.task)
	}
	e, err := a.openEnvironment(ctx, o.env, "run")
	if err != nil {
		return err
	}
	i := &root.Infrastructure{Options: a.rootOptions(e.cloud), Environment: e.Name}
	p, err := a.pipeline(e, i)
	if err != nil {
		return err
	}
	defer a.console.Begin(console.InFlight{
		Work: []string{fmt.Sprintf("%s: task %s goes on if it has been started", o.env, o.task)}, Next: fmt.Sprintf("tfpipeline logs -env %s -task %s -follow", o.env, o.task),
	}).End()
	p.Observe = func(event deploy.Event) {
		switch event.Kind {
		case deploy.EventLog:
			a.console.Answer("%s", event.Message)
		case deploy.EventWarning:
			a.console.Progress("warning: %s", event.Message)
		default:
			a.console.Progress("%s: %s", o.env, event.Message)
		}
	}
	ended, err := p.Run(ctx, deploy.TaskRequest{Task: o.task, Command: o.command, Timeout: o.timeout, Force: o.force})
	if err != nil {
		return root.TaskNext(o.env, o.task, a.platform.Cluster(o.env), err)
	}
	a.console.Progress("%s: task %s ended with exit code 0 (%s)", o.env, o.task, ended.Stopped.Sub(ended.Started).Round(time.Second))
	return nil
}
