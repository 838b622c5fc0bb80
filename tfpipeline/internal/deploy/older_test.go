package deploy

import (
	"context"
	"strings"
	"testing"
	"time"
)

// branches is a checkout in which no commit is in another's past.
type branches struct{ *process }

func (b branches) Contains(context.Context, string, string) (bool, error) { return false, nil }

func TestOlderByCommitOrByHistory(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.tags["v0.9"] = commitOf("v0.9")
		w.history = append([]string{commitOf("v0.9")}, w.history...)
		_, err := w.start().promote(t.Context(), Request{Tag: "v0.9"})
		wantError(t, err, Untouched, StepResolve, "v0.9 never ran here")
		p := w.start()
		p.Pipeline.Checkout = branches{p}
		r, err := p.promote(t.Context(), Request{Tag: "v1.0"})
		if err != nil || r.Kind != KindRollback {
			t.Errorf("%s, %v", r.Kind, err)
		}
		wantRuns(t, w, "v1.0")
	})
}

// A promotion that only goes forward leaves a newer release alone: before the
// images are looked at, and with a record of its own.
func TestForwardNeverGoesBack(t *testing.T) {
	for _, tag := range []string{"v0.9", "v1.0"} { // the first never ran here
		for _, dry := range []bool{false, true} {
			inWorld(t, func(t *testing.T, w *world) {
				w.tags["v0.9"] = commitOf("v0.9")
				w.history = append([]string{commitOf("v0.9")}, w.history...)
				p, before := w.start(), len(w.records)
				r, err := p.promote(t.Context(), Request{Tag: tag, Forward: true, DryRun: dry})
				if err != nil || r.Outcome != Untouched || r.Kind != KindPromote || r.SupersededBy == nil || r.SupersededBy.Tag != "v1.1" || r.Ended.IsZero() {
					t.Errorf("%+v, %v", r, err)
				}
				if n := len(w.records) - before; w.lease != nil || !dry && n != 1 || dry && n != 0 {
					t.Errorf("lease %+v, %d records", w.lease, n)
				}
				for _, c := range p.calls {
					for _, other := range []string{"Digests", "Plan", "Apply", "RunTask", "Register", "UpdateService"} {
						if strings.Contains(c, ": "+other) {
							t.Errorf("called %s", c)
						}
					}
				}
				wantRuns(t, w, "v1.1")
			})
		}
	}
	inWorld(t, func(t *testing.T, w *world) {
		if r, err := w.start().promote(t.Context(), Request{Tag: "v1.2", Forward: true}); err != nil || r.Outcome != Deployed {
			t.Errorf("a newer release: %+v, %v", r, err)
		}
		if r, err := w.start().promote(t.Context(), Request{Tag: "v1.2", Forward: true}); err != nil || r.Outcome != Deployed {
			t.Errorf("the release that runs: %+v, %v", r, err)
		}
	})
}

func TestALockThatWasTakenByALostAnswerIsOurs(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p := w.start()
		p.inject[point{StepLock, "Take", 1}] = throttledLate
		began := time.Now()
		if _, err := p.promote(t.Context(), Request{Tag: "v1.2", LockWait: -1}); err != nil {
			t.Fatalf("after %v: %v", time.Since(began), err)
		}
	})
}

// What the run that died has set in motion is not waited for as somebody else's.
func TestAContinuationDoesNotWaitForItsOwn(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.behave = func(string, string) behaviour { return behaviour{after: 30 * time.Minute} }
		p := w.start()
		p.inject[point{StepWatch, "DescribeServices", 1}] = killed
		p.promote(t.Context(), Request{Tag: "v1.2"})
		if _, err := w.start().promote(t.Context(), Request{Tag: "v1.2"}); err != nil {
			t.Fatal(err)
		}
		wantRuns(t, w, "v1.2")
	})
}
