// Sample is an application to deploy before there is a real one. It serves
// every path, reports its release, drains before it ends, and misbehaves as
// its flags say. Without a command it serves; "sample seed" is the one-off
// task of a first deployment.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}

// behaviour is what the flags ask of the application.
type behaviour struct {
	service, release, address string
	get                       func(string) string // of its environment
	worker                    bool                // without a port
	receive                   string              // the queue that the worker receives from, "": none

	health    string        // path that tells whether it is
	ready     time.Duration // time until it is healthy
	unhealthy bool
	slow      time.Duration // before each answer
	fail      bool
	crash     time.Duration // time from the start to the crash; 0: never
	crashAt   int           // the request or message at which it crashes; 0: none
	exit      int           // the code of a crash
	ignore    bool          // SIGTERM
	drain     time.Duration // time to finish requests in flight
}

const usage = `sample is an application to deploy where there is none yet.

usage: sample [flags] [seed|check|report]

GET /health answers 200 when it is ready, every other path a JSON document that
says service, release and path. A path with ?slow=2s takes that long, one with
?status=500 answers so. ?events=60 streams as many events, 50 a second, and
?call=http://mcp:3002/x answers as another service does. ?send=mail&body=a&body=b
answers when both messages are in that queue. Each flag has a variable: -crash-after is
SAMPLE_CRASH_AFTER. HOST and PORT say where it listens; without PORT it is a
worker, which listens nowhere and works until it is told to end. With -receive it
handles the messages of a queue, each one time, as the database of DB_HOST knows;
told to end, it finishes those that it has. "sample check" is its health command,
"sample report" says how many messages were handled, and "sample seed" is a first
deployment's task.

Flags:
`

// run is the program without the operating system.
func run(ctx context.Context, args, env []string, stdout, stderr io.Writer) int {
	get := func(name string) string {
		for _, kv := range env {
			if value, ok := strings.CutPrefix(kv, name+"="); ok {
				return value
			}
		}
		return ""
	}
	b := behaviour{get: get, address: net.JoinHostPort(get("HOST"), get("PORT")), worker: get("PORT") == ""}
	set := flag.NewFlagSet("sample", flag.ContinueOnError)
	set.SetOutput(stderr)
	set.Usage = func() {
		fmt.Fprint(stderr, usage)
		set.PrintDefaults()
	}
	set.StringVar(&b.service, "service", "sample", "`name` to answer with")
	set.StringVar(&b.release, "release", "unknown", "`version` to answer with")
	set.StringVar(&b.health, "health", "/health", "`path` that tells whether it is healthy")
	set.DurationVar(&b.ready, "ready-after", 0, "time until it is healthy")
	set.BoolVar(&b.unhealthy, "unhealthy", false, "never become healthy: answer 503 at the path of -health")
	set.StringVar(&b.receive, "receive", "", "`queue` that a worker receives from, such as mail, whose URL is in MAIL_QUEUE_URL")
	set.DurationVar(&b.slow, "slow", 0, "time that every answer, or message, takes")
	set.BoolVar(&b.fail, "fail", false, "answer every request but those for the health with 500")
	set.DurationVar(&b.crash, "crash-after", 0, "time after which it exits by itself; 1ns is before it listens")
	set.IntVar(&b.crashAt, "crash-at", 0, "`request`, or message, at which it exits by itself, unanswered, counted from 1 without those for the health")
	set.IntVar(&b.exit, "exit-code", 1, "`code` that it, or seed, exits with when it crashes")
	set.BoolVar(&b.ignore, "ignore-term", false, "go on after SIGTERM, until killed")
	set.DurationVar(&b.drain, "drain", 25*time.Second, "time that requests in flight have to end after SIGTERM")
	var wrong error
	set.VisitAll(func(f *flag.Flag) {
		variable := "SAMPLE_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		if value := get(variable); value != "" {
			if err := f.Value.Set(value); err != nil {
				wrong = errors.Join(wrong, fmt.Errorf("%s=%s: %w", variable, value, err))
			}
		}
	})
	if wrong != nil {
		fmt.Fprintf(stderr, "sample: %v\n", wrong)
		return 2
	}
	if err := set.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	switch set.Arg(0) {
	case "":
		if b.worker {
			return work(ctx, b, stdout, stderr)
		}
		return serve(ctx, b, stdout, stderr)
	case "seed":
		return seed(b, get, stdout, stderr)
	case "check":
		return check(get, stderr)
	case "report":
		return report(ctx, get, stdout, stderr)
	}
	fmt.Fprintf(stderr, "sample: no command %q; see sample -help\n", set.Arg(0))
	return 2
}

// seed checks that it got the variables that it needs. It must not print the
// password.
func seed(b behaviour, get func(string) string, stdout, stderr io.Writer) int {
	for _, name := range []string{"DB_HOST", "DB_PASSWORD", "SUPERADMIN_PASSWORD"} {
		if get(name) == "" {
			fmt.Fprintf(stderr, "sample: seed: %s is not set\n", name)
			return 1
		}
	}
	if b.crash > 0 {
		fmt.Fprintln(stderr, "sample: seed: told to fail")
		return b.exit
	}
	fmt.Fprintln(stdout, "seeded")
	return 0
}
