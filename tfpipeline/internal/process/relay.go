package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// relayVariable tells this program to run as a relay.
const relayVariable = "TFPIPELINE_RELAY"

// Relay runs a program on behalf of a library that starts programs by path and
// does not expose their processes, such as terraform-exec. The library starts
// this program instead, with relayVariable in its environment. The relay runs
// the real program with the same arguments, as Run does, and passes on
// interrupts and the exit code.
type Relay struct {
	// Program is the path of the program to run.
	Program string
	// Grace, Orphaned and Note are those of Options.
	Grace, Orphaned time.Duration
	Note            string
}

// Variable is the relay as a variable of the environment.
func (r Relay) Variable() (name, value string, err error) {
	content, err := json.Marshal(r)
	return relayVariable, string(content), err
}

// RunRelay runs the relay that the environment asks for; ok is false if it
// asks for none. parent returns the id of the parent process: when that
// changes, the parent has died, so the relay exits and its watcher ends the
// program. The code is the program's exit code, or 128 plus the signal's
// number if a signal ended it.
func RunRelay(ctx context.Context, args, env []string, stdout, stderr io.Writer, parent func() int) (code int, ok bool) {
	i := slices.IndexFunc(env, func(v string) bool { return strings.HasPrefix(v, relayVariable+"=") })
	if i < 0 {
		return 0, false
	}
	var r Relay
	if err := json.Unmarshal([]byte(strings.TrimPrefix(env[i], relayVariable+"=")), &r); err != nil {
		fmt.Fprintf(stderr, "read %s: %v\n", relayVariable, err)
		return 127, true
	}
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, Options{
			Env: slices.Delete(slices.Clone(env), i, i+1), Stdout: stdout, Stderr: stderr,
			Grace: r.Grace, Orphaned: r.Orphaned, Note: r.Note,
		}, slices.Concat([]string{r.Program}, args)...)
	}()
	born := parent()
	look := time.NewTicker(time.Second)
	defer look.Stop()
	for {
		select {
		case err := <-ended:
			return exitCode(err, stderr), true
		case <-look.C:
			if parent() != born {
				return 127, true
			}
		}
	}
}

func exitCode(err error, stderr io.Writer) int {
	if err == nil {
		return 0
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			return 128 + int(status.Signal())
		}
		return exit.ExitCode()
	}
	fmt.Fprintln(stderr, err)
	return 127
}
