package console_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/specboard/platform/tfpipeline/internal/console"
)

func TestExitCode(t *testing.T) {
	refused := errors.New("refused")
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, console.ExitOK},
		{refused, console.ExitFailed},
		{console.Usage("which?", ""), console.ExitFailed},
		{console.ErrChanges, console.ExitChanges},
		{console.ErrInterrupted, console.ExitInterrupted},
		{fmt.Errorf("plan: %w", context.Canceled), console.ExitInterrupted},
		// An error's own code counts, not what ended the work.
		{console.WithNext(console.WithCode(console.ExitRolledBack, context.Canceled), "look"), console.ExitRolledBack},
	} {
		if got := console.ExitCode(c.err); got != c.want {
			t.Errorf("%v: exit %d, want %d", c.err, got, c.want)
		}
	}
}

func TestFail(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
		code int
	}{
		{nil, "", console.ExitOK},
		{console.ErrChanges, "", console.ExitChanges},
		{errors.New("no"), "tfpipeline: no\n", console.ExitFailed},
		{console.Usage("which?", "tfpipeline help"), "tfpipeline: which?\nnext: tfpipeline help\n", console.ExitFailed},
		// One next step, that of whoever added one last.
		{console.WithNext(fmt.Errorf("plan: %w", console.WithNext(errors.New("no"), "inner")), "outer %d", 2), "tfpipeline: plan: no\nnext: outer 2\n", console.ExitFailed},
		{fmt.Errorf("plan: %w", console.WithNext(errors.New("no"), "inner")), "tfpipeline: plan: no\nnext: inner\n", console.ExitFailed},
		// Changes that are joined to a failure are no answer.
		{errors.Join(errors.New("no"), console.ErrInterrupted), "tfpipeline: no\ninterrupted\n", console.ExitInterrupted},
	} {
		var b bytes.Buffer
		if code := (&console.Console{Err: &b}).Fail(c.err); code != c.code || b.String() != c.want {
			t.Errorf("%v: exit %d, %q; want %d, %q", c.err, code, b.String(), c.code, c.want)
		}
	}
}

func TestGetenv(t *testing.T) {
	c := &console.Console{Env: []string{"A=1", "CI=true", "A=2=3", "CI=false"}}
	if got := c.Getenv("A"); got != "2=3" {
		t.Errorf("the last one counts: %q", got)
	}
	if c.CI() || c.Getenv("B") != "" {
		t.Error("CI=false is no CI, and B is not set")
	}
	if !(&console.Console{Env: []string{"CI=1"}}).CI() {
		t.Error("CI=1 is CI")
	}
}

// A question ends with the context, and where nobody can answer nothing is asked.
func TestQuestions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, answer := io.Pipe()
		var out bytes.Buffer
		c := &console.Console{In: in, Err: &out}
		if err := c.Confirm(t.Context(), "Really?", true); err != nil || out.Len() > 0 {
			t.Errorf("-yes has answered: %v, %q", err, out.String())
		}
		if err := c.Confirm(t.Context(), "Really?", false); !errors.Is(err, console.ErrDeclined) || out.Len() > 0 {
			t.Errorf("no terminal: %v, %q", err, out.String())
		}
		err := c.RequireAnswer("apply", "tfpipeline apply -yes", false)
		if console.NextOf(err) != "tfpipeline apply -yes" || c.RequireAnswer("apply", "", true) != nil {
			t.Errorf("no terminal: %v", err)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() {
			synctest.Wait()
			cancel(console.ErrInterrupted)
		}()
		if _, err := c.Ask(ctx, "Name?"); !errors.Is(err, console.ErrInterrupted) || out.String() != "Name? \n" {
			t.Errorf("interrupted: %v, %q", err, out.String())
		}
		if err := answer.Close(); err != nil { // ends the read
			t.Fatal(err)
		}
	})
	c := &console.Console{In: strings.NewReader(" staging \n"), Err: io.Discard}
	if got, err := c.Ask(t.Context(), "Name?"); err != nil || got != "staging" {
		t.Errorf("%q, %v", got, err)
	}
	c.In = strings.NewReader("staging")
	if got, err := c.Ask(t.Context(), "Name?"); err != nil || got != "staging" {
		t.Errorf("a last line without an end: %q, %v", got, err)
	}
	if got, err := c.Ask(t.Context(), "Name?"); !errors.Is(err, console.ErrDeclined) {
		t.Errorf("the end of the input: %q, %v", got, err)
	}
}

// Lines of parallel work do not mix, and nobody is asked.
func TestUnattended(t *testing.T) {
	var b bytes.Buffer
	c := (&console.Console{In: strings.NewReader("yes\n"), Err: &b}).Unattended()
	var g sync.WaitGroup
	for range 50 {
		g.Go(func() { c.Progress("one line") })
	}
	g.Wait()
	if b.String() != strings.Repeat("one line\n", 50) || c.CanAsk() {
		t.Errorf("%q", b.String())
	}
	if got, err := io.ReadAll(c.In); err != nil || len(got) > 0 {
		t.Errorf("%q, %v", got, err)
	}
}
