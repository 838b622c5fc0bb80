package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"github.com/specboard/platform/tfpipeline/internal/console"
)

// runIn runs a command with another environment, and passes on how it ended.
// It is not killed by an interrupt: it gets the signal itself, and has the
// endpoint for as long as it takes to end well.
func (a *app) runIn(ctx context.Context, env, args []string) error {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = env
	cmd.Stdin, cmd.Stdout, cmd.Stderr = a.console.In, a.console.Out, a.console.Err
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("run %s: %w", args[0], err)
	}
	if !console.Terminal(a.console.In) {
		// A terminal sends Ctrl-C to both of us; nobody else does.
		defer context.AfterFunc(ctx, func() { _ = cmd.Process.Signal(os.Interrupt) })() // gone already: fine
	}
	err := cmd.Wait()
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
