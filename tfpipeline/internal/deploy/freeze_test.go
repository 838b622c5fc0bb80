package deploy

import (
	"context"
	"errors"
	"testing"
	"time"
)

// frozen is an environment's freeze, or none.
type frozen struct {
	freeze *Freeze
	err    error
}

func (f *frozen) Frozen(context.Context) (*Freeze, error) { return f.freeze, f.err }

// A frozen environment refuses promotions before anything is changed, with the
// reason, and no rollback.
func TestFrozen(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		freeze := &frozen{freeze: &Freeze{Why: "holidays", Actor: "ada", Since: time.Date(2026, 12, 24, 8, 0, 0, 0, time.UTC)}}
		start := func() *process {
			p := w.start()
			p.Pipeline.Freezer = freeze
			return p
		}
		for _, dry := range []bool{true, false} {
			r, err := start().promote(t.Context(), Request{Tag: "v1.2", DryRun: dry})
			wantError(t, err, Untouched, StepPreflight, "is frozen by ada since 2026-12-24T08:00:00Z: holidays")
			failure, _ := errors.AsType[*Error](err)
			if len(failure.Next) != 2 || failure.Next[0].Verb != VerbUnfreeze || r.Outcome != Untouched || w.lease != nil {
				t.Errorf("next %+v, outcome %s, lease %v", failure.Next, r.Outcome, w.lease)
			}
		}
		freeze.freeze, freeze.err = nil, errors.New("denied")
		_, err := start().promote(t.Context(), Request{Tag: "v1.2"})
		wantError(t, err, Untouched, StepPreflight, "find out whether", "denied")
		freeze.err = nil
		if _, err := start().promote(t.Context(), Request{Tag: "v1.2"}); err != nil {
			t.Fatalf("after the freeze: %v", err)
		}
		freeze.freeze = &Freeze{Why: "incident"}
		if _, err := start().rollback(t.Context(), Request{}); err != nil {
			t.Errorf("a rollback: %v", err)
		}
	})
}
