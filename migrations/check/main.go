// Command check judges migrations before they meet a database that serves
// traffic: lint reads them, prove runs them on a scratch PostgreSQL and
// measures.
//
//	go run ./migrations/check lint
//	go run ./migrations/check lint -schema deployed.sql new.sql
//	go run ./migrations/check prove -schema deployed.sql -queries queries.sql new.sql
//
// It has its own main because PostgreSQL's parser needs a C compiler and a
// minute to build, which neither the pipeline nor the migrate binary may cost.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
)

// Exit codes.
const (
	exitClean   = 0 // nothing found that is an error
	exitFound   = 1 // at least one error was found
	exitTrouble = 2 // nothing could be said: wrong usage, unreadable files, no server
)

func main() {
	debug.SetGCPercent(400) // a short run with much to read; memory is no concern
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// stdio is what a command reads and writes.
type stdio struct {
	env    []string
	in     io.Reader
	out    io.Writer
	errout io.Writer
}

type command struct {
	name, summary string
	run           func(ctx context.Context, args []string, std stdio) int
}

var commands = []command{
	{"lint", "read migrations and report what would stop or break the running release", runLint},
	{"prove", "run migrations on a scratch PostgreSQL and measure what they do", runProve},
	{"rules", "list the rules, or explain one", runRules},
}

func run(ctx context.Context, args, env []string, stdin io.Reader, stdout, stderr io.Writer) int {
	std := stdio{env: env, in: stdin, out: stdout, errout: stderr}
	if len(args) == 0 {
		usage(stderr)
		return exitTrouble
	}
	switch args[0] {
	case "help", "-h", "-help", "--help":
		if len(args) > 1 {
			args = []string{args[1], "-h"}
			break
		}
		usage(stdout)
		return exitClean
	}
	for _, c := range commands {
		if c.name == args[0] {
			return c.run(ctx, args[1:], std)
		}
	}
	fmt.Fprintf(stderr, "check: there is no command %q\n", args[0])
	usage(stderr)
	return exitTrouble
}

func usage(w io.Writer) {
	fmt.Fprint(w, "Check judges migrations before they meet a database that serves traffic.\n\nUsage: go run ./migrations/check COMMAND [flags] [FILE.sql …]\n\n")
	for _, c := range commands {
		fmt.Fprintf(w, "  %-8s %s\n", c.name, c.summary)
	}
	fmt.Fprint(w, "\nCOMMAND -h explains a command. Without files the project's own migrations are judged.\n")
}

// getenv returns a variable of the environment; "" if it is not there.
func (s stdio) getenv(name string) string {
	value := ""
	for _, e := range s.env {
		if n, v, _ := strings.Cut(e, "="); n == name {
			value = v
		}
	}
	return value
}

// colours reports whether the output is a terminal that wants colours.
func (s stdio) colours() bool {
	if s.getenv("NO_COLOR") != "" || s.getenv("TERM") == "dumb" {
		return false
	}
	f, ok := s.out.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
