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

// Use runs a Cloud for as long as a person or a command uses it.
type Use struct {
	Platform config.Platform
	Console  *console.Console
	// JSON prints the environment as a JSON document, Verbose the output of
	// tasks.
	JSON, Verbose bool
	// Speed divides the intervals of health checks and draining.
	Speed int
	// Shell runs $SHELL in the environment; else Command, if there is one.
	Shell   bool
	Command []string
}

// Run starts the cloud, and stops it when the command, the shell or ctx has
// ended. If the command failed, the error has its exit code.
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
	// Ctrl-C also reaches the command, which may need the endpoint until it
	// ends: once started, the endpoint ends only with Close.
	life, end := context.WithCancelCause(context.WithoutCancel(ctx))
	started := context.AfterFunc(ctx, func() { end(context.Cause(ctx)) })
	cloud, err := StartCloud(life, options)
	if err == nil && !started() {
		err = errors.Join(context.Cause(ctx), cloud.Close())
	}
	return cloud, err
}

// serve runs the command or shell, or waits, while the endpoint runs.
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
			Speed       int               `json:"speed"`
		}{cloud.URL(), set, unset, s.Speed})
	}
	// It is a single write, so that a reader of the file never sees half of
	// it.
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

// RunIn runs a command in another environment, and returns how it ended. An
// interrupt does not kill it: the command and everything that it started get the
// signal themselves, and the endpoint stays while they end. Without a terminal,
// whatever is left of them after that is killed.
func RunIn(ctx context.Context, c *console.Console, env, args []string) error {
	var err error
	if console.Terminal(c.In) {
		// A terminal sends Ctrl-C to every process in it, so the context must
		// not kill the command.
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
