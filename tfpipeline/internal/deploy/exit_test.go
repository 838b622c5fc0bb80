package deploy_test

import (
	"context"
	"errors"
	"testing"

	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

func TestExitCode(t *testing.T) {
	for outcome, want := range map[deploy.Outcome]int{
		deploy.Untouched: console.ExitFailed, deploy.RolledBack: console.ExitRolledBack, deploy.Broken: console.ExitBroken,
		deploy.Superseded: console.ExitSuperseded, deploy.Interrupted: console.ExitInterrupted,
		// Deployed, and not recorded: the next rollback would go wrong.
		deploy.Deployed: console.ExitBroken,
	} {
		// The outcome counts, not what ended the attempt.
		err := console.WithNext(&deploy.Error{Outcome: outcome, Err: errors.Join(context.Canceled)}, "look")
		if got := console.ExitCode(err); got != want {
			t.Errorf("%v: exit %d, want %d", outcome, got, want)
		}
	}
}
