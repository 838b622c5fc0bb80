// Command migrate brings a database's schema to what this build carries,
// while the releases that run now go on serving.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// Exit codes, as everywhere in the platform.
const (
	exitDone        = 0
	exitFailed      = 1
	exitPending     = 2 // status -detailed-exitcode
	exitInterrupted = 130
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal stops with care, the second at once.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
}

// command is one verb.
type command struct {
	name, summary string
	run           func(ctx context.Context, p *program, args []string) error
}

// program is what a verb may use of the outside.
type program struct {
	env            map[string]string
	stdout, stderr io.Writer
}

func commands() []command {
	return []command{
		{"up", "apply what is pending", up},
		{"status", "show what is applied, what is pending, and what does not match", status},
		{"baseline", "record what another tool has made as applied", baseline},
		{"drift", "compare the database with what its migrations make", drift},
		{"version", "show the newest migration in this build, and its release", version},
		{"new", "make the file of the next migration", create},
	}
}

const usage = `migrate brings a database's schema to what this build carries, while the
releases that run now go on serving.

Usage: migrate COMMAND [flags]

%s
Help on one: migrate COMMAND -help

Which database, in this order:
  DATABASE_URL   postgres://user:password@host:5432/name
  DB_HOST, DB_PORT, DB_NAME, DB_USER, DB_PASSWORD
                 one by one. DB_PASSWORD may also be the JSON document of the
                 secret, and so may DB_SECRET; it fills in what is missing.
  PGHOST, PGPORT, PGDATABASE, PGUSER, PGPASSWORD
                 fill in what is still missing.

TLS: only a unix socket and the loopback address may be plain. Any other host
must show a certificate for its name, on RDS one of Amazon's: PGSSLROOTCERT or
RDS_CA_BUNDLE names the bundle where it is not in a usual place.

Exit codes: 0 as asked; 1 failed or refused; 2 something is pending (status
-detailed-exitcode); 130 interrupted. A run that stopped, however it stopped,
goes on when it is started again.
`

// run is the whole program, without the operating system.
func run(ctx context.Context, args, env []string, _ io.Reader, stdout, stderr io.Writer) int {
	p := &program{env: map[string]string{}, stdout: stdout, stderr: stderr}
	for _, entry := range env {
		if name, value, ok := strings.Cut(entry, "="); ok {
			p.env[name] = value
		}
	}
	name := ""
	if len(args) > 0 {
		name = args[0]
	}
	switch name {
	case "help", "-h", "-help", "--help":
		fmt.Fprintf(stdout, usage, table())
		return exitDone
	}
	for _, c := range commands() {
		if c.name == name {
			return p.exit(ctx, c.run(ctx, p, args[1:]))
		}
	}
	if name == "" {
		fmt.Fprintf(stderr, usage, table())
		return exitFailed
	}
	return p.exit(ctx, fmt.Errorf("no command %q; see migrate -help", name))
}

func table() string {
	var b strings.Builder
	for _, c := range commands() {
		fmt.Fprintf(&b, "  %-9s %s\n", c.name, c.summary)
	}
	return b.String()
}

// errPending is the answer of status -detailed-exitcode.
var errPending = errors.New("migrations are pending")

func (p *program) exit(ctx context.Context, err error) int {
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return exitDone
	case errors.Is(err, errPending):
		return exitPending
	}
	fmt.Fprintf(p.stderr, "migrate: %v\n", err)
	if ctx.Err() != nil {
		return exitInterrupted
	}
	return exitFailed
}

// newFlags makes a flag set that prints nothing by itself.
func newFlags(name string) *flag.FlagSet {
	f := flag.NewFlagSet("migrate "+name, flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.Usage = func() {}
	return f
}

// parse parses flags; asked for help, it prints it. Nothing may be left over.
func (p *program) parse(f *flag.FlagSet, about string, args []string) error {
	err := f.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		f.SetOutput(p.stdout)
		fmt.Fprintf(p.stdout, "%s\n\nFlags:\n", strings.TrimSpace(about))
		f.PrintDefaults()
		return err
	case err != nil:
		return fmt.Errorf("%w; see %s -help", err, f.Name())
	case f.NArg() > 0:
		return fmt.Errorf("%q is not a flag; see %s -help", f.Arg(0), f.Name())
	}
	return nil
}
