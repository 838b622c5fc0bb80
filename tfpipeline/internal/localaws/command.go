package localaws

import (
	"context"
	"flag"
	"fmt"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/console"
)

// Command is what a command line asks of the local endpoint: to run one, or to
// do something on one that runs already.
type Command struct {
	json, shell, verbose bool
	speed                int
	as                   string
	push, only           string
	bad, sample          string
}

// Declare declares the flags.
func (o *Command) Declare(set *flag.FlagSet) {
	set.BoolVar(&o.json, "json", false, "print endpoint, environment and speed as one JSON document")
	set.BoolVar(&o.shell, "shell", false, "run $SHELL in the environment")
	set.BoolVar(&o.verbose, "v", false, "print what tasks print, to standard error")
	set.IntVar(&o.speed, "speed", DefaultSpeed, "`divisor` of health check intervals, draining and grace periods")
	set.StringVar(&o.as, "as", "", "assume this workflow `role` of a running endpoint (plan, build, deploy-ENV)")
	set.StringVar(&o.push, "push", "", "put the sample application's images into a running endpoint, under this `tag`")
	set.StringVar(&o.only, "only", "", "with -push: only the image of this `service`")
	set.StringVar(&o.bad, "bad", "", "make a release whose image of this `service` fails, on a running endpoint")
	set.StringVar(&o.sample, "sample", "", "with -push or -bad: `arguments` for the sample application")
}

// Run does what was asked. find returns the checkout that the sample application
// is built from, and cache is the folder that keeps its images.
func (o Command) Run(ctx context.Context, p config.Platform, c *console.Console, find func() (string, error), cache string, args []string) error {
	if err := o.check(args); err != nil {
		return err
	}
	if o.as != "" {
		return Become(ctx, p, c, o.as, args)
	}
	if o.push != "" || o.bad != "" {
		repository, err := find()
		if err != nil {
			return err
		}
		s := Sample{Platform: p, Console: c, Repository: repository, Cache: cache, Tag: o.push, Only: o.only, Bad: o.bad, Arguments: o.sample}
		if o.bad != "" {
			return s.PushBad(ctx)
		}
		return s.Push(ctx)
	}
	return Use{Platform: p, Console: c, JSON: o.json, Verbose: o.verbose, Speed: o.speed, Shell: o.shell, Command: args}.Run(ctx)
}

// check refuses what does not go together.
func (o Command) check(args []string) error {
	var wrong string
	switch {
	case o.speed < 1:
		wrong = fmt.Sprintf("-speed %d: a divisor is 1 or more", o.speed)
	case o.shell && len(args) > 0:
		wrong = "-shell and a command: one of them"
	case o.push == "" && o.only != "" || o.push == "" && o.bad == "" && o.sample != "":
		wrong = "-only is for -push, and -sample for -push and -bad"
	case o.bad != "" && (o.push != "" || o.as != "" || o.shell || o.json || len(args) > 0):
		wrong = "-bad works on an endpoint that runs already: it takes neither -push, -as, -shell, -json nor a command"
	case o.as != "" && (o.push != "" || o.shell || o.json):
		wrong = "-as works on an endpoint that runs already: it takes neither -push, -shell nor -json"
	case o.push != "" && (o.shell || o.json || len(args) > 0):
		wrong = "-push works on an endpoint that runs already: it takes neither -shell, -json nor a command"
	default:
		return nil
	}
	return console.Usage("local: "+wrong, "tfpipeline help local")
}
