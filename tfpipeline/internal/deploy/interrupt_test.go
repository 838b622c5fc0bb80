package deploy

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"
)

// slowTerraform takes half a minute to stop.
type slowTerraform struct {
	*process
	// begun is called when the apply has begun, stopping when it is to stop, and
	// stopped when it has.
	begun, stopping, stopped func()
}

func (s slowTerraform) Apply(ctx context.Context, _ string) error {
	s.begun()
	<-ctx.Done()
	s.stopping()
	<-time.After(30 * time.Second)
	s.stopped()
	return context.Cause(ctx)
}

// An interrupt says what is in flight before it asks anybody, then marks lease
// and journal, and then stops Terraform. A second one has the record stored, while
// Terraform is still stopping.
func TestInterruptedApply(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.planned = Plan{Fingerprint: "fp-1", Summary: "1 to create"}
		before := &w.records[len(w.records)-1]
		before.Ended = time.Now().Add(time.Hour) // the clock of this machine is behind
		p := w.start()
		var said []InFlight
		p.Pipeline.InFlight = func(f InFlight) { said = append(said, f) }
		insist := make(chan struct{})
		p.Insisted = insist
		stopped := false
		p.Pipeline.Infrastructure = slowTerraform{
			process: p,
			begun: func() {
				now := said[len(said)-1]
				if now.Step != StepApply || !slices.Contains(now.Left, "the infrastructure may be applied in part") || advised(now.Next) != "continue: promote v1.2; back: rollback v1.1" {
					t.Errorf("in flight: %+v", now)
				}
				w.answerAfter(4 * time.Second)
				time.AfterFunc(time.Minute, p.cancel)
			},
			stopping: func() {
				w.mu.Lock()
				defer w.mu.Unlock()
				if w.lease.Left != Interrupted || !w.lease.Until.After(time.Now()) {
					t.Errorf("lease as Terraform stops: %+v", w.lease)
				}
				if j := w.journals[w.lease.RecordID]; j.Step != StepApply || j.Phase != PhaseApplying {
					t.Errorf("journal as Terraform stops: %+v", j)
				}
				time.AfterFunc(3500*time.Millisecond, func() { close(insist) })
			},
			stopped: func() {
				w.mu.Lock()
				defer w.mu.Unlock()
				stopped = true
				if last := w.records[len(w.records)-1]; last.Outcome != Interrupted || last.Release.Tag != "v1.2" || last.Step != StepApply || len(last.Left) == 0 || len(last.Next) == 0 || !last.Ended.After(before.Ended) {
					t.Errorf("the last record as Terraform has stopped: %+v", last)
				}
			},
		}
		_, err := p.promote(t.Context(), Request{Tag: "v1.2"})
		wantError(t, err, Interrupted, StepApply, "interrupted", "the infrastructure may be applied in part")
		if e, _ := errors.AsType[*Error](err); !stopped || len(e.Left) != 3 {
			t.Errorf("left: %q", e.Left)
		}
		if w.lease == nil || w.lease.Left != Interrupted {
			t.Errorf("lease %+v", w.lease)
		}
		w.answerAfter(10 * time.Millisecond)
		if _, err := w.start().promote(t.Context(), Request{Tag: "v1.2"}); err != nil {
			t.Fatal(err)
		}
		wantRuns(t, w, "v1.2")
		if n := len(w.applied); n != 1 {
			t.Errorf("applied %d times", n)
		}
	})
}

// An interrupt that comes when nothing can be stopped any more changes nothing.
func TestInterruptWhileTheRecordIsStored(t *testing.T) {
	for _, step := range []StepName{StepRecord, StepUnlock, StepNotify} {
		inWorld(t, func(t *testing.T, w *world) {
			p := w.start()
			p.Pipeline.Observe = func(e Event) {
				p.observe(e)
				if e.Step == step && e.Kind == EventStep {
					w.answerAfter(4 * time.Second)
					time.AfterFunc(time.Second, p.cancel)
				}
			}
			r, err := p.promote(t.Context(), Request{Tag: "v1.2"})
			if err != nil || r.Outcome != Deployed || w.lease != nil {
				t.Errorf("%s: %s, %v, lease %+v", step, r.Outcome, err, w.lease)
			}
		})
	}
}

// answerAfter changes how long calls take from now on.
func (w *world) answerAfter(latency time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.latency = latency
}
