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

	"golang.org/x/term"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

func main() {
	ctx, stop := interruptible(context.Background())
	code := run(ctx, os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr)
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
			cancel(errInterrupted)
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
	env        []string
	// lookupNS asks DNS for the name servers of a domain.
	lookupNS func(context.Context, string) ([]*net.NS, error)
	// limits bound the waits of promotions; zero ones are deploy's.
	limits deploy.Limits
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
}

// getenv looks a variable up in the program's environment.
func (a *app) getenv(name string) string {
	for _, kv := range slices.Backward(a.env) {
		if k, v, ok := strings.Cut(kv, "="); ok && k == name {
			return v
		}
	}
	return ""
}

// progress tells a person what is going on; it is not the answer.
func (a *app) progress(format string, args ...any) {
	fmt.Fprintf(a.stderr, format+"\n", args...)
}

// terminal reports whether a stream is one.
func terminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// colour reports whether a stream wants colours (https://no-color.org).
func (a *app) colour(stream io.Writer) bool {
	return a.getenv("NO_COLOR") == "" && a.getenv("TERM") != "dumb" && terminal(stream)
}

// ci reports whether a machine runs the program.
func (a *app) ci() bool {
	v := a.getenv("CI")
	return v != "" && v != "false" && v != "0"
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
func run(ctx context.Context, args, env []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{
		platform: config.Default(), env: env, lookupNS: net.DefaultResolver.LookupNS,
		stdin: stdin, stdout: stdout, stderr: stderr,
	}
	return a.end(a.dispatch(ctx, args))
}

// end tells of an error, with the next command to run, and returns the
// program's exit code.
func (a *app) end(err error) int {
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return exitOK
	}
	if e, ok := errors.AsType[codeError](err); ok && e == errChanges {
		return e.code // said by the plan itself
	}
	fmt.Fprintf(a.stderr, "tfpipeline: %v\n", err)
	if u, ok := errors.AsType[usageError](err); ok && u.hint != "" {
		fmt.Fprintf(a.stderr, "next: %s\n", u.hint)
	}
	if h, ok := errors.AsType[hinted](err); ok {
		fmt.Fprintf(a.stderr, "next: %s\n", h.next)
	}
	if e, ok := errors.AsType[*deploy.Error](err); ok && e.Next != "" {
		fmt.Fprintf(a.stderr, "next: %s\n", e.Next)
	}
	return exitCode(err)
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
		return usageError{fmt.Sprintf("no command %q", args[0]), "tfpipeline help"}
	}
	c := list[i]
	set := flag.NewFlagSet(c.name, flag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.StringVar(&a.repository, "C", a.repository, "repository `folder`, with envs/ and modules/ (default: found from here upwards)")
	do := c.flags(set)
	set.Usage = func() {}
	if err := set.Parse(args[1:]); errors.Is(err, flag.ErrHelp) {
		set.SetOutput(a.stdout)
		fmt.Fprintf(a.stdout, "usage: tfpipeline %s %s\n\n%s\n\nFlags:\n", c.name, c.usage, strings.TrimSpace(c.long))
		set.PrintDefaults()
		return err
	} else if err != nil {
		return usageError{c.name + ": " + err.Error(), "tfpipeline help " + c.name}
	}
	if err := a.findRepository(); err != nil {
		return err
	}
	return do(ctx, a, set.Args())
}

func (a *app) help() {
	fmt.Fprintf(a.stdout, "Tfpipeline plans and applies the Terraform of %s and promotes releases on it.\n\nusage: tfpipeline COMMAND [flags]\n\nCommands:\n", a.platform.Name)
	for _, c := range commands() {
		fmt.Fprintf(a.stdout, "  %-10s %s\n", c.name, c.summary)
	}
	fmt.Fprint(a.stdout, "\ntfpipeline help COMMAND explains one of them.\n")
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
			return next(fmt.Errorf("find the repository: %w: no envs/%s and modules/ in %s or above", fs.ErrNotExist, config.SharedRoot, start), "make gen")
		}
	}
}
