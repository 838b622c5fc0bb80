// Tfpipeline plans and applies the platform's Terraform and promotes releases
// on it. Run it without arguments for the list of its commands.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

func main() {
	ctx, stop := interruptible(context.Background())
	code := run(ctx, config.Default(), os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// interruptible returns a context that the first interrupt ends, and lets the
// second end the program at once.
func interruptible(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case <-signals:
			cancel(console.ErrInterrupted)
			signal.Stop(signals)
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
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

// command is one verb.
type command struct {
	name, summary string
	// usage is the rest of the line after the name.
	usage string
	// long explains what happens, and shows examples.
	long string
	// flags declares the command's flags and returns what runs it.
	flags func(*flag.FlagSet) func(context.Context, *app, []string) error
}

// commands is the table of verbs, in the order of a platform's life.
func commands() []command {
	return []command{
		planCommand(),
		applyCommand(),
		promoteCommand(),
		rollbackCommand(),
		statusCommand(),
		historyCommand(),
		logsCommand(),
		runTaskCommand(),
		driftCommand(),
		bootstrapCommand(),
		destroyCommand(),
		unlockCommand(),
		validateCommand(),
		localCommand(),
	}
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
	err := a.dispatch(ctx, args)
	if errors.Is(err, flag.ErrHelp) {
		return console.ExitOK
	}
	return a.console.Fail(err)
}

func (a *app) dispatch(ctx context.Context, args []string) error {
	if len(args) == 0 || slices.Contains([]string{"help", "-h", "-help", "--help"}, args[0]) {
		if len(args) < 2 {
			a.help()
			return nil
		}
		args = []string{args[1], "-help"}
	}
	list := commands()
	i := slices.IndexFunc(list, func(c command) bool { return c.name == args[0] })
	if i < 0 {
		return console.Usage(fmt.Sprintf("no command %q", args[0]), "tfpipeline help")
	}
	c := list[i]
	set := flag.NewFlagSet(c.name, flag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.StringVar(&a.repository, "C", a.repository, "repository `folder`, with envs/ and modules/ (default: found from here upwards)")
	do := c.flags(set)
	set.Usage = func() {}
	if err := set.Parse(args[1:]); errors.Is(err, flag.ErrHelp) {
		set.SetOutput(a.console.Out)
		fmt.Fprintf(a.console.Out, "usage: tfpipeline %s %s\n\n%s\n\nFlags:\n", c.name, c.usage, strings.TrimSpace(c.long))
		set.PrintDefaults()
		return err
	} else if err != nil {
		return console.Usage(c.name+": "+err.Error(), "tfpipeline help "+c.name)
	}
	if err := a.findRepository(); err != nil {
		return err
	}
	return do(ctx, a, set.Args())
}

func (a *app) help() {
	fmt.Fprintf(a.console.Out, "Tfpipeline plans and applies the Terraform of %s and promotes releases on it.\n\nusage: tfpipeline COMMAND [flags]\n\nCommands:\n", a.platform.Name)
	for _, c := range commands() {
		fmt.Fprintf(a.console.Out, "  %-10s %s\n", c.name, c.summary)
	}
	fmt.Fprint(a.console.Out, "\ntfpipeline help COMMAND explains one of them.\n")
}

// findRepository looks for envs/ and modules/ here and in the folders above.
func (a *app) findRepository() error {
	if a.repository != "" {
		return nil
	}
	dir, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("find the repository: %w", err)
	}
	for start := dir; ; dir = filepath.Dir(dir) {
		_, envs := os.Stat(filepath.Join(dir, "envs", config.SharedRoot))
		_, modules := os.Stat(filepath.Join(dir, "modules"))
		if envs == nil && modules == nil {
			a.repository = dir
			return nil
		}
		if dir == filepath.Dir(dir) {
			return console.WithNext(fmt.Errorf("find the repository: %w: no envs/%s and modules/ in %s or above", fs.ErrNotExist, config.SharedRoot, start), "make gen")
		}
	}
}
