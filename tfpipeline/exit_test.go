package main

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

func TestExitCodes(t *testing.T) {
	refused := errors.New("refused")
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, exitOK},
		{refused, exitFailed},
		{usageError{"which?", ""}, exitFailed},
		{errChanges, exitChanges},
		{errInterrupted, exitInterrupted},
		{fmt.Errorf("plan: %w", context.Canceled), exitInterrupted},
		{&deploy.Error{Outcome: deploy.Untouched, Err: refused}, exitFailed},
		{&deploy.Error{Outcome: deploy.RolledBack, Err: refused}, exitRolledBack},
		{&deploy.Error{Outcome: deploy.Broken, Err: refused}, exitBroken},
		{&deploy.Error{Outcome: deploy.Superseded, Err: refused}, exitSuperseded},
		{&deploy.Error{Outcome: deploy.Interrupted, Err: errInterrupted}, exitInterrupted},
		// Deployed, and not recorded: the next rollback would go wrong.
		{&deploy.Error{Outcome: deploy.Deployed, Err: refused}, exitBroken},
		// The outcome counts, not what ended the attempt.
		{next(&deploy.Error{Outcome: deploy.RolledBack, Err: context.Canceled}, "look"), exitRolledBack},
	} {
		if got := exitCode(c.err); got != c.want {
			t.Errorf("%v: exit %d, want %d", c.err, got, c.want)
		}
	}
}
