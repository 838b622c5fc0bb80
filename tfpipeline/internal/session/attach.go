package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"

	"github.com/specboard/platform/tfpipeline/internal/console"
)

// attach connects the console to a channel until the command at its other end ends.
// code is the command's exit code; told is false if it is unknown.
func attach(ctx context.Context, c *console.Console, channel Channel, command Command) (code int, told bool, err error) {
	cmd, release, err := channel.plugin(ctx, c.Env)
	if err != nil {
		return 0, false, err
	}
	defer release()
	output := newTranscript(c.Out, channel.ID, command)
	cmd.Stdout, cmd.Stderr = output, c.Err
	if f, ok := c.In.(*os.File); ok && c.CanAsk() {
		cmd.Stdin = f
		// The plugin changes the terminal. It passes Ctrl-C on to the command: Ctrl-C
		// is not for this program.
		if state, err := term.GetState(int(f.Fd())); err == nil {
			defer func() { _ = term.Restore(int(f.Fd()), state) }() // the terminal has gone
		}
		defer c.Lend()()
	} else {
		in, err := cmd.StdinPipe()
		if err != nil {
			return 0, false, fmt.Errorf("open the session's input: %w", err)
		}
		defer in.Close()
		// The plugin treats the end of its input as a failure, so the pipe stays open.
		// The terminal at the other end reads Ctrl-D as the end of input; after an
		// unfinished line it needs two.
		go func() {
			_, _ = io.Copy(in, c.In)
			_, _ = io.WriteString(in, "\x04\x04")
		}()
	}
	err = cmd.Run()
	if flushed := output.flush(); err == nil {
		err = flushed
	}
	if ctx.Err() != nil {
		return 0, false, context.Cause(ctx)
	}
	if err != nil {
		return 0, false, fmt.Errorf("hold the session %s: %w", channel.ID, errors.Join(err, output.failed))
	}
	return output.code, output.told, nil
}
