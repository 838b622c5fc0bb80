package localaws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/process"
)

// Use is a Cloud that a person or a command uses until its end.
type Use struct {
	Platform config.Platform
	Console  *console.Console
	// JSON prints the environment as a document, Verbose what tasks print.
	JSON, Verbose bool
	// Speed divides the intervals of health checks and draining.
	Speed int
	// Shell runs $SHELL in the environment; else Command, if there is one.
	Shell   bool
	Command []string
}

// Run starts the cloud, and ends it when the command, the shell or ctx has
// ended. The error of a command has the command's exit code.
func (s Use) Run(ctx context.Context) error {
	cloud, err := s.start(ctx)
	if err != nil {
		return err
	}
	return errors.Join(s.serve(ctx, cloud), cloud.Close())
}

// start starts the endpoint with all that runs behind it.
func (s Use) start(ctx context.Context) (*Cloud, error) {
	options := CloudOptions{
		Options: Options{
			Region: s.Platform.Region, Account: s.Platform.Account, Environ: s.Console.Env,
			Progress: func(line string) { s.Console.Progress("%s", line) },
		},
		Speed: s.Speed,
	}
	if s.Verbose {
		options.Output = func(task, container, line string) { s.Console.Progress("%s/%.8s: %s", container, task, line) }
	}
	// Ctrl-C is also for the command that uses the endpoint, and which may need
	// it until its end: from the start on only Close ends it.
	life, end := context.WithCancelCause(context.WithoutCancel(ctx))
	started := context.AfterFunc(ctx, func() { end(context.Cause(ctx)) })
	cloud, err := StartCloud(life, options)
	if err == nil && !started() {
		err = errors.Join(context.Cause(ctx), cloud.Close())
	}
	return cloud, err
}

// serve is what happens while the endpoint runs.
func (s Use) serve(ctx context.Context, cloud *Cloud) error {
	args := s.Command
	if s.Shell {
		shell := s.Console.Getenv("SHELL")
		if shell == "" {
			shell = "/bin/sh"
		}
		s.Console.Progress("AWS is %s in this shell, until it ends", cloud.URL())
		args = []string{shell}
	}
	if s.JSON || len(args) == 0 {
		if err := s.printEnvironment(cloud); err != nil {
			return err
		}
	}
	if len(args) > 0 {
		return RunIn(ctx, s.Console, cloud.Access().Environ(s.Console.Env), args)
	}
	s.Console.Progress("local AWS at %s until Ctrl-C; load balancers: %s/_localaws/balancers", cloud.URL(), cloud.URL())
	select {
	case <-ctx.Done():
		s.Console.Progress("stopping: everything that was created is gone")
		return nil // as asked
	case <-cloud.Done():
		return console.WithNext(fmt.Errorf("run the local endpoint: %w", cloud.Err()), "tfpipeline local")
	}
}

// printEnvironment tells a shell, or a program, what to export.
func (s Use) printEnvironment(cloud *Cloud) error {
	set, unset := cloud.Access().Variables(s.Console.Env)
	if s.JSON {
		return json.NewEncoder(s.Console.Out).Encode(struct {
			Endpoint    string            `json:"endpoint"`
			Environment map[string]string `json:"environment"`
			Unset       []string          `json:"unset"`
		}{cloud.URL(), set, unset})
	}
	// In one write, so that a file that has something has everything.
	var lines strings.Builder
	for _, name := range slices.Sorted(maps.Keys(set)) {
		fmt.Fprintf(&lines, "export %s='%s'\n", name, strings.ReplaceAll(set[name], "'", `'\''`))
	}
	fmt.Fprintf(&lines, "unset %s\n", strings.Join(unset, " "))
	_, err := fmt.Fprint(s.Console.Out, lines.String())
	return err
}

// commandGrace is how long a command may take to end after an interrupt.
const commandGrace = 2 * time.Minute

// RunIn runs a command with another environment, and passes on how it ended.
// An interrupt does not kill it: the command, and everything that it started,
// gets the signal itself, and has the endpoint for as long as it takes to end
// well. Nothing of it goes on after that.
func RunIn(ctx context.Context, c *console.Console, env, args []string) error {
	var err error
	if console.Terminal(c.In) {
		// A terminal sends Ctrl-C to everything that runs in it.
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Env = env
		cmd.Stdin, cmd.Stdout, cmd.Stderr = c.In, c.Out, c.Err
		err = cmd.Run()
	} else {
		err = process.Run(ctx, process.Options{
			Env: env, Stdin: c.In, Stdout: c.Out, Stderr: c.Err, Grace: commandGrace, Orphaned: commandGrace, Group: true,
		}, args...)
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		code := exit.ExitCode()
		if code < 0 { // a signal
			code = console.ExitInterrupted
		}
		return console.WithCode(code, fmt.Errorf("%s: %w", args[0], err))
	}
	if err != nil {
		return fmt.Errorf("run %s: %w", args[0], err)
	}
	return nil
}
