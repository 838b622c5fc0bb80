package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"strings"
	"time"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/redact"
)

// taskPace is the pause between two looks at a task that is followed.
const taskPace = 2 * time.Second

func runTaskCommand() command {
	return command{
		name:    "run",
		summary: "run a one-off task by hand",
		usage:   "-env ENV -task NAME [-timeout D] [-force] [-- COMMAND...]",
		env:     environments, refusal: noServices, args: true,
		long: `
Runs a one-off task, such as migrate, with the image of the release that is
deployed, and follows its log to its end. What stands behind -- takes the place
of its command. It exits 0 if the task did, else 1, and says the task's own exit
code. A promotion at work is not disturbed: while the environment's lock is
held, it is refused unless -force is given.

Ctrl-C stops the following and not the task; the command that stops it is
printed.

Examples:
  tfpipeline run -env staging -task migrate
  tfpipeline run -env production -task migrate -- migrate status`,
		flags: func(set *flag.FlagSet) func(context.Context, *app, []string) error {
			var o runOptions
			set.StringVar(&o.env, "env", "", "environment")
			set.StringVar(&o.task, "task", "", "`name` of the one-off task")
			set.DurationVar(&o.timeout, "timeout", time.Hour, "how long to follow it")
			set.BoolVar(&o.force, "force", false, "run it although somebody holds the lock")
			return func(ctx context.Context, a *app, args []string) error {
				o.command = args
				return a.runTask(ctx, o)
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

// checkTask says which one-off tasks there are if there is none of that name.
func (a *app) checkTask(env, name string) (config.Task, error) {
	if t, ok := a.platform.Task(name); ok {
		return t, nil
	}
	var names []string
	for _, t := range a.platform.Tasks {
		names = append(names, t.Name)
	}
	message := fmt.Sprintf("no one-off task %q; there are %s", name, strings.Join(names, ", "))
	if name == "" {
		message = "which one-off task? Name one of " + strings.Join(names, ", ")
	}
	if len(names) == 0 {
		return config.Task{}, console.Usage("the platform has no one-off tasks", "")
	}
	return config.Task{}, console.Usage(message, "tfpipeline run -env "+env+" -task "+names[0])
}

func (a *app) runTask(ctx context.Context, o runOptions) error {
	task, err := a.checkTask(o.env, o.task)
	if err != nil {
		return err
	}
	if o.timeout <= 0 {
		return console.Usage("-timeout must be more than 0, such as 10m", "tfpipeline run -env "+o.env+" -task "+o.task)
	}
	e, err := a.openEnvironment(ctx, o.env, "run")
	if err != nil {
		return err
	}
	if err := a.nobodyAtWork(ctx, e, o); err != nil {
		return err
	}
	run, err := a.prepareTask(ctx, e, task, o.command)
	if err != nil {
		return err
	}
	arn, err := e.ecs.RunTask(ctx, run)
	if err != nil {
		return fmt.Errorf("%s: %w", o.env, err)
	}
	a.console.Progress("%s: task %s is started: %s", o.env, o.task, arn)
	return a.followTask(ctx, e, arn, o)
}

// nobodyAtWork refuses while the environment's lock is held.
func (a *app) nobodyAtWork(ctx context.Context, e *environment, o runOptions) error {
	holder, err := e.lock.Holder(ctx)
	switch {
	case o.force:
		return nil
	case err != nil:
		return explain(o.env, err)
	case holder == nil:
		return nil
	}
	return console.WithNext(fmt.Errorf("%s: the lock is not free: %s %s by %s since %s", o.env, holder.Kind, holder.Release, holder.Actor, holder.Since.UTC().Format(time.RFC3339)),
		"tfpipeline status -env %s; if it must be now: -force", o.env)
}

// prepareTask registers a revision of the task with the deployed release's
// image: the template that Terraform applied has a placeholder.
func (a *app) prepareTask(ctx context.Context, e *environment, task config.Task, command []string) (deploy.TaskRun, error) {
	records, _, err := e.history.Records(ctx)
	if err != nil {
		return deploy.TaskRun{}, explain(e.Name, err)
	}
	current := lastDeployed(records)
	if current == nil || current.Release.Digests[task.Service] == "" {
		return deploy.TaskRun{}, console.WithNext(fmt.Errorf("%s: no release is deployed, so there is no image to run task %s with", e.Name, task.Name), "tfpipeline promote -env %s -release TAG", e.Name)
	}
	outputs, err := (&infrastructure{app: a, env: e.Name, cfg: e.cfg}).Outputs(ctx)
	if err != nil {
		return deploy.TaskRun{}, err
	}
	template := outputs.Templates[task.Name]
	if template == "" {
		return deploy.TaskRun{}, console.WithNext(fmt.Errorf("%s: the state has no task definition for task %s", e.Name, task.Name), "tfpipeline apply -env %s", e.Name)
	}
	release, name := current.Release, cmp.Or(current.Release.Tag, current.Release.Commit)
	definition, err := e.ecs.Register(ctx, deploy.Revision{
		Name: task.Name, Template: template,
		Image: a.platform.RepositoryURL(task.Service) + "@" + release.Digests[task.Service],
		Tags:  map[string]string{"release": name, "commit": release.Commit, "template": template[strings.LastIndexByte(template, '/')+1:]},
	})
	if err != nil {
		return deploy.TaskRun{}, fmt.Errorf("%s: %w", e.Name, err)
	}
	token := "by-hand-" + strings.ToLower(rand.Text())
	return deploy.TaskRun{
		Name: task.Name, TaskDefinition: definition, Token: token, StartedBy: token,
		Command: command, Environment: map[string]string{"RELEASE": name}, Placement: outputs.Placements[task.Name],
	}, nil
}

// followTask prints a task's log to its end.
func (a *app) followTask(ctx context.Context, e *environment, arn string, o runOptions) error {
	ctx, cancel := context.WithTimeoutCause(ctx, o.timeout, fmt.Errorf("not done within %s", o.timeout))
	defer cancel()
	f := &follower{app: a, environment: e, hide: a.redactor()}
	begun := time.Now()
	for {
		task, err := e.ecs.DescribeTask(ctx, arn)
		switch {
		case ctx.Err() != nil:
			return a.stillRuns(ctx, o, arn)
		case err != nil && !deploy.IsTransient(err):
			return fmt.Errorf("%s: %w", o.env, err)
		case err == nil && !task.Known && time.Since(begun) > time.Minute:
			return console.WithNext(fmt.Errorf("%s: ECS does not know task %s", o.env, arn), "tfpipeline logs -env %s -task %s", o.env, o.task)
		case err == nil && task.Known:
			f.read(ctx, task)
			if task.State == deploy.TaskStopped {
				return f.finish(ctx, task, o)
			}
		}
		if !pause(ctx, cmp.Or(a.limits.Tick, taskPace)) {
			return a.stillRuns(ctx, o, arn)
		}
	}
}

// stillRuns is the end of the following, not of the task.
func (a *app) stillRuns(ctx context.Context, o runOptions, arn string) error {
	return console.WithNext(fmt.Errorf("%s: task %s goes on: %s: %w", o.env, o.task, arn, context.Cause(ctx)),
		"tfpipeline logs -env %s -task %s -follow; to stop it: aws ecs stop-task --cluster %s --task %s", o.env, o.task, a.platform.Cluster(o.env), arn)
}

// pause waits; false if the context ended first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// follower prints the log of one task.
type follower struct {
	app         *app
	environment *environment
	hide        redact.Redactor
	cursor      string
	warned      bool
}

// read prints what is new, and reports whether anything was.
func (f *follower) read(ctx context.Context, t deploy.Task) bool {
	lines, cursor, err := f.environment.ecs.TaskLog(ctx, t, f.cursor)
	if err != nil {
		if !f.warned && ctx.Err() == nil {
			f.warned = true
			f.app.console.Progress("warning: read the log: %v", err)
		}
		return false
	}
	f.cursor = cursor
	for _, l := range lines {
		fmt.Fprintln(f.app.console.Out, f.hide.Hide(l.Message))
	}
	return len(lines) > 0
}

// finish reads the last lines, which come some seconds late, and says how the
// task ended.
func (f *follower) finish(ctx context.Context, t deploy.Task, o runOptions) error {
	for range 5 {
		if !pause(ctx, cmp.Or(f.app.limits.Tick, taskPace)) || !f.read(ctx, t) {
			break
		}
	}
	switch {
	case t.ExitCode == nil:
		return console.WithNext(fmt.Errorf("%s: task %s never began, or has no exit code: %s %s", o.env, o.task, t.StopCode, f.hide.Hide(t.Reason)), "tfpipeline logs -env %s -task %s", o.env, o.task)
	case *t.ExitCode != 0:
		return errors.New(strings.TrimSuffix(fmt.Sprintf("%s: task %s ended with exit code %d: %s", o.env, o.task, *t.ExitCode, f.hide.Hide(t.Reason)), ": "))
	}
	f.app.console.Progress("%s: task %s ended with exit code 0 (%s)", o.env, o.task, t.Stopped.Sub(t.Started).Round(time.Second))
	return nil
}
