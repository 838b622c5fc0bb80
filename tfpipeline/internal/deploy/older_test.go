package deploy

import (
	"context"
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
