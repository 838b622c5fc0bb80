// Demo shows the pipeline at work on this machine, without an AWS account: an
// empty account becomes staging and production, releases come, one fails, and
// one is rolled back to, while people use both environments. It runs the
// program as a person would and leaves nothing behind.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/console"
)

func main() {
	// A second interrupt changes nothing: what was started is being stopped.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	c := &console.Console{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Env: os.Environ()}
	os.Exit(run(ctx, c))
}

// run shows everything and returns the exit code.
func run(ctx context.Context, c *console.Console) int {
	w, err := newWorkspace(ctx, config.Default(), c.Env)
	var left error
	if err == nil {
		d := &demo{workspace: w, tell: newNarrator(c, w.folder), keep: c.Getenv("KEEP") != ""}
		err = d.show(ctx)
		left = w.remove()
		if file := c.Getenv("RECORD"); err == nil && file != "" {
			err = os.WriteFile(file, []byte(recording(d.tell.said)), 0o644)
		}
	}
	if left != nil {
		fmt.Fprintln(c.Err, "demo: this folder is left, delete it:", left)
	}
	switch {
	case ctx.Err() != nil && err != nil:
		fmt.Fprintln(c.Err, "demo: interrupted")
		return console.ExitInterrupted
	case err != nil:
		fmt.Fprintln(c.Err, "demo:", err)
		return console.ExitFailed
	case left != nil:
		return console.ExitFailed
	}
	return console.ExitOK
}

// bake is how long staging must have run a release before production takes it.
// Ten minutes are right for people, and too long for a demonstration.
const bake = time.Second
