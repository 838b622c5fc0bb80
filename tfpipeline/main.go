// Tfpipeline plans and applies the platform's Terraform and promotes releases
// on it. Run it without arguments for the list of its commands.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/webidentity"
)

func main() { os.Exit(start(config.Default())) }

// start runs the program in this process. In a job of a workflow it puts the
// way to the role's credentials into the environment, where the SDK and
// Terraform look for them.
func start(platform config.Platform) int {
	ctx, stop := interruptible(context.Background(), os.Stderr)
	defer stop()
	if job, ok := webidentity.Find(os.Getenv); ok {
		variables, end, err := webidentity.Serve(ctx, job)
		if err != nil {
			fmt.Fprintln(os.Stderr, "tfpipeline:", err)
			return console.ExitFailed
		}
		defer end()
		for name, value := range variables {
			// Fails only for names that cannot be: these can.
			_ = os.Setenv(name, value)
		}
	}
	return run(ctx, platform, os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr)
}

// interruptible returns a context that the first interrupt ends. The program
// then ends what it has begun, which a second interrupt does not cut short: a
// Terraform that is killed leaves its lock, and a state that is not saved. Each
// interrupt is answered at once.
func interruptible(parent context.Context, stderr io.Writer) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals, quit := make(chan os.Signal, 2), make(chan struct{})
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		for said := "interrupted: ending what has begun; nothing new begins"; ; said = "interrupted again: still ending what has begun; kill -9 would leave locks and an unsaved state" {
			select {
			case <-signals:
				fmt.Fprintln(stderr, said)
				cancel(console.ErrInterrupted)
			case <-quit:
				return
			}
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(quit)
		cancel(nil)
	}
}

// app is what every command works with.
type app struct {
	platform config.Platform
	// repository is the folder that holds envs/ and modules/.
	repository string
	// lookupNS asks DNS for the name servers of a domain.
	lookupNS func(context.Context, string) ([]*net.NS, error)
	// limits bound the waits of promotions; zero ones are deploy's.
	limits  deploy.Limits
	console *console.Console
}

// run is the program: everything but the process it runs in.
func run(ctx context.Context, platform config.Platform, args, env []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{
		platform: platform, lookupNS: net.DefaultResolver.LookupNS,
		console: &console.Console{In: stdin, Out: stdout, Err: stderr, Env: env},
	}
	return a.run(ctx, args)
}

// run dispatches a command line and ends with its exit code.
func (a *app) run(ctx context.Context, args []string) int {
	return a.console.Fail(a.dispatch(ctx, args))
}
