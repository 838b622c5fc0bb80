package main

import (
	"context"
	"flag"
	"fmt"

	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/localaws"
)

// localOptions is what the command line of local asks for.
type localOptions struct {
	json, shell, verbose bool
	speed                int
	as                   string
	push                 string
	only                 string
	sample               string
}

func localCommand() command {
	return command{
		name:    "local",
		summary: "run an AWS on this machine, to try everything on",
		usage:   "[-json] [-v] [-speed N] [-shell | -- COMMAND [ARGUMENT ...]]",
		args:    true,
		flags: func(set *flag.FlagSet) func(context.Context, *app, []string) error {
			var o localOptions
			set.BoolVar(&o.json, "json", false, "print endpoint and environment as one JSON document")
			set.BoolVar(&o.shell, "shell", false, "run $SHELL in the environment")
			set.BoolVar(&o.verbose, "v", false, "print what tasks print, to standard error")
			set.IntVar(&o.speed, "speed", localaws.DefaultSpeed, "`divisor` of health check intervals, draining and grace periods")
			set.StringVar(&o.as, "as", "", "assume this workflow `role` of a running endpoint (plan, build, deploy-ENV)")
			set.StringVar(&o.push, "push", "", "put the sample application's images into a running endpoint, under this `tag`")
			set.StringVar(&o.only, "only", "", "with -push: only the image of this `service`")
			set.StringVar(&o.sample, "sample", "", "with -push: `arguments` for the sample application")
			return func(ctx context.Context, a *app, args []string) error { return runLocal(ctx, a, o, args) }
		},
	}
}

func runLocal(ctx context.Context, a *app, o localOptions, args []string) error {
	if err := o.check(args); err != nil {
		return err
	}
	if o.as != "" {
		return localaws.Become(ctx, a.platform, a.console, o.as, args)
	}
	if o.push != "" {
		if err := a.findRepository(); err != nil {
			return err
		}
		return localaws.Sample{
			Platform: a.platform, Console: a.console, Repository: a.repository, Cache: cacheDir(), Tag: o.push, Only: o.only, Arguments: o.sample,
		}.Push(ctx)
	}
	return localaws.Use{
		Platform: a.platform, Console: a.console, JSON: o.json, Verbose: o.verbose, Speed: o.speed, Shell: o.shell, Command: args,
	}.Run(ctx)
}

// check refuses what does not go together.
func (o localOptions) check(args []string) error {
	var wrong string
	switch {
	case o.speed < 1:
		wrong = fmt.Sprintf("-speed %d: a divisor is 1 or more", o.speed)
	case o.shell && len(args) > 0:
		wrong = "-shell and a command: one of them"
	case o.push == "" && (o.only != "" || o.sample != ""):
		wrong = "-only and -sample are for -push"
	case o.as != "" && (o.push != "" || o.shell || o.json):
		wrong = "-as works on an endpoint that runs already: it takes neither -push, -shell nor -json"
	case o.push != "" && (o.shell || o.json || len(args) > 0):
		wrong = "-push works on an endpoint that runs already: it takes neither -shell, -json nor a command"
	default:
		return nil
	}
	return console.Usage("local: "+wrong, "tfpipeline help local")
}
