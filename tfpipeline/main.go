// Tfpipeline plans and applies the platform's Terraform and promotes releases
// on it. Run it without arguments for the list of its commands.
package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/signal"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/process"
	"github.com/specboard/platform/tfpipeline/internal/session"
	"github.com/specboard/platform/tfpipeline/internal/webidentity"
)

func main() { os.Exit(start(config.Default(), deploy.Limits{})) }

// start runs the program in this process. In a GitHub job it first serves the
// role's credentials and sets the environment variables by which the SDK and
// Terraform find them.
func start(platform config.Platform, limits deploy.Limits) int {
	if code, ok := relay(); ok {
		return code
	}
	c := &console.Console{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}
	ctx, stop := c.Interruptible(context.Background())
	defer stop()
	if job, ok := webidentity.Find(os.Getenv); ok {
		variables, end, err := webidentity.Serve(ctx, job)
		if err != nil {
			fmt.Fprintln(os.Stderr, "tfpipeline:", err)
			return console.ExitFailed
		}
		defer end()
		for name, value := range variables {
			// Setenv fails only for an invalid name, and these names are
			// constants.
			_ = os.Setenv(name, value)
		}
	}
	c.Env = os.Environ()
	a := &app{platform: platform, lookupNS: net.DefaultResolver.LookupNS, limits: limits, cache: cacheDir(), console: c}
	return a.run(ctx, os.Args[1:])
}

// relay runs Terraform for terraform-exec, or AWS's Session Manager plugin, if this
// process was started for it.
func relay() (code int, ok bool) {
	if code, ok := session.RunPlugin(os.Args[1:]); ok {
		return code, true
	}
	ctx, stop := signal.NotifyContext(context.Background(), console.Interrupts()...)
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
	// limits bound the waits of promotions; a zero field means deploy's
	// default.
	limits deploy.Limits
	// cache is the folder for files that are kept between runs.
	cache string
	// terraform is the program to run; "" finds or installs one. aws are options of the
	// SDK besides this process's environment. Tests set them, since many run at a time.
	terraform string
	aws       []func(*awsconfig.LoadOptions) error
	console   *console.Console
}

// run dispatches a command line and ends with its exit code.
func (a *app) run(ctx context.Context, args []string) int {
	return a.console.Fail(a.program().Run(ctx, args))
}
