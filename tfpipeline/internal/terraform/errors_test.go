package terraform

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"
)

func TestClassify(t *testing.T) {
	tests := []struct {
		name, text, want string
		is               func(error) bool
	}{
		{"stale", "exit status 1\nError: Saved plan is stale\n\nThe given plan file can no longer be applied",
			"the plan is stale: the state has changed since it was made",
			func(err error) bool { _, ok := errors.AsType[*StalePlanError](err); return ok }},
		{"bucket", "Error: Failed to get existing workspaces: S3 bucket \"x\" does not exist.",
			"the state bucket does not exist",
			func(err error) bool { _, ok := errors.AsType[*NoBucketError](err); return ok }},
		{"lock that went away meanwhile", "Error: Error acquiring the state lock\n\nError message: 412\n",
			"Error: Error acquiring the state lock\n\nError message: 412",
			func(err error) bool { _, ok := errors.AsType[*CommandError](err); return ok }},
		{"frame, colours and warnings", "\x1b[33m╷\x1b[0m\n│ Warning: old\n╵\n\x1b[31m╷\x1b[0m\n│ Error: new\n│ more\n╵",
			"Error: new\nmore",
			func(err error) bool { _, ok := errors.AsType[*CommandError](err); return ok }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := classify(errors.New(tt.text))
			if err.Error() != tt.want || !tt.is(err) {
				t.Errorf("classify = %T %q, want %q", err, err, tt.want)
			}
		})
	}
}

// An error of terraform-exec panics when the program succeeded and the context
// ended right after.
type panicking struct{}

func (panicking) Error() string { var err error; return err.Error() }

func TestErrorThatPanics(t *testing.T) {
	err := classify(fmt.Errorf("run: %w", panicking{}))
	if err.Error() == "" {
		t.Error("no text")
	}
	if got := message(panicking{}); got != "terraform ended with an error that cannot be shown" {
		t.Errorf("message = %q", got)
	}
}

// Any ended context looks like a cancellation and like a deadline in the
// library's errors; only its cause tells which it was.
func TestCauseOfAnEndedContext(t *testing.T) {
	cause := errors.New("the lease was lost")
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(cause)
	if got := explain(ctx, panicking{}); got != cause {
		t.Errorf("explain = %v, want the cause", got)
	}
	deadline, stop := context.WithDeadline(context.Background(), time.Unix(0, 0))
	defer stop()
	if got := explain(deadline, errors.New("killed")); !errors.Is(got, context.DeadlineExceeded) || errors.Is(got, context.Canceled) {
		t.Errorf("explain = %v, want a deadline and nothing else", got)
	}
}
