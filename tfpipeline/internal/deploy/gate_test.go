package deploy

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestContractWaitsForTheReleaseThatNeedsWhatItTakes(t *testing.T) {
	for _, tt := range []struct {
		name, since, refusal string
	}{
		{"needed by the running release", "v1.2", "contract 0009_drop takes away what v1.1 (running) may still use: it is older than v1.2"},
		{"not needed by it", "v1.1", ""},
		{"since a release that was passed over", "v1.0.5", ""},
		{"since a release that nobody knows", "v9.9", "cannot be compared with v9.9"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := deployed(t, "v1.0", "v1.1")
				w.tags["v1.0.5"] = commitOf("v1.0.5")
				w.history = []string{commitOf("v1.0"), commitOf("v1.0.5"), commitOf("v1.1"), commitOf("v1.2")}
				w.schema = Schema{contract(9, "drop", tt.since)}
				w.advanceProof("v1.2")
				r, err := w.start().promote(t.Context(), Request{Tag: "v1.2"})
				if tt.refusal == "" {
					if err != nil || len(r.Migration.Contracts) != 1 {
						t.Errorf("refused: %v (contracts %+v)", err, r.Migration)
					}
					return
				}
				if err == nil || !strings.Contains(err.Error(), tt.refusal) || r.Outcome != Untouched {
					t.Errorf("error %v, outcome %s, want %q", err, r.Outcome, tt.refusal)
				}
			})
		})
	}
}

func TestRollbackStopsAtAContract(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := deployed(t, "v1.0", "v1.1")
		w.schema = Schema{contract(9, "drop", "v1.1")}
		w.advanceProof("v1.2")
		if _, err := w.start().promote(t.Context(), Request{Tag: "v1.2"}); err != nil {
			t.Fatal(err)
		}
		before := w.snapshot()
		r, err := w.start().rollback(t.Context(), Request{Tag: "v1.0"})
		if err == nil || !strings.Contains(err.Error(), "0009_drop") || r.Outcome != Untouched {
			t.Errorf("behind the contract: %v", err)
		}
		if _, err := before.restore().start().rollback(t.Context(), Request{Tag: "v1.1"}); err != nil {
			t.Errorf("not behind it: %v", err)
		}
		w = before.restore()
		r, err = w.start().rollback(t.Context(), Request{Tag: "v1.0", Force: true})
		if err != nil || len(r.Overrides) != 1 || !strings.Contains(r.Overrides[0].Reason, "0009_drop") {
			t.Errorf("forced: %v, overrides %+v", err, r.Overrides)
		}
		r, err = before.restore().start().rollback(t.Context(), Request{Tag: "v1.0", Force: true, ForceReason: "search is down"})
		if err != nil || len(r.Overrides) != 1 || !strings.HasPrefix(r.Overrides[0].Reason, "search is down (") || !strings.Contains(r.Overrides[0].Reason, "0009_drop") {
			t.Errorf("forced for a reason: %v, overrides %+v", err, r.Overrides)
		}
	})
}

// A contract whose migration task failed may be applied all the same: it stays
// pending for the next promotion, and a rollback counts it.
func TestFailedMigrationMayHaveAppliedItsContract(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := deployed(t, "v1.0", "v1.1")
		w.schema = Schema{contract(9, "drop", "v1.1")}
		w.advanceProof("v1.2")
		w.taskEnds = func(string, int) taskEnd { return taskEnd{after: time.Second, code: new(1)} }
		r, err := w.start().promote(t.Context(), Request{Tag: "v1.2"})
		if err == nil || r.Outcome != Untouched {
			t.Fatalf("outcome %s, %v", r.Outcome, err)
		}
		if got := NewIndex(testEnv, w.stored()...).pending(w.schema); len(got) != 1 {
			t.Errorf("%d pending, want 1", len(got))
		}
		if got := NewIndex(testEnv, w.stored()...).contracts(); len(got) != 1 {
			t.Errorf("%d may be applied, want 1", len(got))
		}
	})
}
