package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/specboard/platform/tfpipeline/internal/process"
)

// endpoint is the AWS on this machine, and what leads programs to it.
type endpoint struct {
	url string
	env []string
	// speed is how many times faster it checks health and drains than AWS.
	speed int
	// stop stops it and everything behind it, and returns when it is gone.
	stop func()
	// ended is closed when it has ended; err says why.
	ended chan struct{}
	err   error
}

// startEndpoint starts it. It outlives ctx, so that what is interrupted can end in
// good order; report receives what it says meanwhile.
func (w *workspace) startEndpoint(ctx context.Context, report io.Writer) (*endpoint, error) {
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	out, in := io.Pipe()
	e := &endpoint{ended: make(chan struct{})}
	e.stop = func() { cancel(); <-e.ended }
	go func() {
		defer close(e.ended)
		e.err = process.Run(life, process.Options{Dir: w.checkout, Env: w.env, Stdout: in, Stderr: report, Grace: stopTime, Orphaned: stopTime}, w.program, "local", "-json")
		_ = in.CloseWithError(errors.Join(io.EOF, e.err)) // never fails
	}()
	defer context.AfterFunc(ctx, cancel)()
	var said struct {
		Endpoint    string            `json:"endpoint"`
		Environment map[string]string `json:"environment"`
		Unset       []string          `json:"unset"`
		Speed       int               `json:"speed"`
	}
	if err := json.NewDecoder(out).Decode(&said); err != nil {
		e.stop()
		return nil, fmt.Errorf("start the local AWS: %w", errors.Join(err, e.err))
	}
	go func() { _, _ = io.Copy(io.Discard, out) }() // it ends with the endpoint
	e.url, e.speed = said.Endpoint, said.Speed
	e.env = slices.DeleteFunc(slices.Clone(w.env), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return slices.Contains(said.Unset, name)
	})
	for name, value := range said.Environment {
		e.env = append(e.env, name+"="+value)
	}
	return e, nil
}

// invocation is one run of the program.
type invocation struct {
	args []string
	// folders are flags that name folders, and are not shown.
	folders []string
	// role is the workflow role that it runs as; "" is the administrator.
	role string
	// env is added to the endpoint's.
	env []string
	// report receives what it says on the way.
	report io.Writer
	// waits, if not nil, is called when a resource keeps it waiting.
	waits func()
	// want is the exit code that it must have.
	want int
}

// waiter is called when the program says that a resource takes long.
type waiter func()

func (w waiter) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("still at it: ")) {
		w()
	}
	return len(p), nil
}

// result is how it ended.
type result struct {
	stdout, stderr string
	elapsed        time.Duration
}

// call runs the program against the endpoint.
func (w *workspace) call(ctx context.Context, e *endpoint, i invocation) (result, error) {
	line := slices.Concat([]string{w.program}, i.args, i.folders)
	if i.role != "" {
		line = slices.Concat([]string{w.program, "local", "-as", i.role, "--"}, line)
	}
	var stdout, stderr bytes.Buffer
	report := io.Writer(&stderr)
	if i.report != nil {
		report = io.MultiWriter(&stderr, i.report)
	}
	began := time.Now()
	err := process.Run(ctx, process.Options{
		Dir: w.checkout, Env: slices.Concat(e.env, i.env), Stdout: &stdout, Stderr: report, Grace: stopTime, Orphaned: stopTime, Group: true,
	}, line...)
	r := result{stdout.String(), stderr.String(), time.Since(began)}
	code := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		code = exit.ExitCode()
	} else if err != nil {
		return r, fmt.Errorf("tfpipeline %s: %w", i.args[0], err)
	}
	if ctx.Err() != nil {
		return r, context.Cause(ctx)
	}
	if code != i.want {
		return r, fmt.Errorf("tfpipeline %s: exit %d, expected %d\n%s%s", strings.Join(i.args, " "), code, i.want, r.stdout, r.stderr)
	}
	return r, nil
}
