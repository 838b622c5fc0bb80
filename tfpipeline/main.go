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

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/process"
	"github.com/specboard/platform/tfpipeline/internal/webidentity"
)

func main() { os.Exit(start(config.Default())) }

// start runs the program in this process. In a job of a workflow it puts the
// way to the role's credentials into the environment, where the SDK and
// Terraform look for them.
func start(platform config.Platform) int {
	if code, ok := relay(); ok {
		return code
	}
	ctx, stop := console.Interruptible(context.Background(), os.Stderr)
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

// relay runs Terraform for terraform-exec, if this process was started for it.
func relay() (code int, ok bool) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	return process.RunRelay(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr, os.Getppid)
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
