package deploy

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// timedLock notes when the lock is given back.
type timedLock struct {
	*process
	released time.Time
}

func (l *timedLock) Release(ctx context.Context, lease Lease) error {
	err := l.process.Release(ctx, lease)
	l.released = time.Now()
	return err
}

// A notifier that hangs through a whole promotion adds nothing to the time for
// which the lock is held.
func TestNotifierHoldsNoLock(t *testing.T) {
	measure := func(f fault) (held, all time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			w := deployed(t, "v1.0")
			w.latency = 50 * time.Millisecond
			w.advanceProof("v1.1")
			p := w.start()
			p.checkedOut = commitOf("v1.1")
			lock := &timedLock{process: p}
			p.Lock = lock
			if f != none {
				p.inject[point{step: StepNotify, call: "Notify", nth: 1}] = f
			}
			began := time.Now()
			if r, err := p.promote(t.Context(), Request{Tag: "v1.1"}); err != nil || r.Outcome != Deployed {
				t.Fatalf("outcome %s, %v", r.Outcome, err)
			}
			held, all = lock.released.Sub(began), time.Since(began)
		})
		return held, all
	}
	held, all := measure(none)
	hungHeld, hungAll := measure(timesOut)
	if hungHeld != held || held <= 0 {
		t.Errorf("the lock is given back after %s, and after %s if the notifier hangs", held, hungHeld)
	}
	if hungAll <= all {
		t.Errorf("the notifier did not hang: %s, and %s without", hungAll, all)
	}
}

// TestNotificationOfTheDead kills a promotion before it could tell people how it
// ended: whoever comes next tells them, one time, before it tells of its own end.
func TestNotificationOfTheDead(t *testing.T) {
	promotion := func(ctx context.Context, p *process) (Record, error) {
		p.checkedOut = commitOf("v1.2")
		return p.promote(ctx, Request{Tag: "v1.2"})
	}
	rollback := func(ctx context.Context, p *process) (Record, error) { return p.rollback(ctx, Request{Tag: "v1.0"}) }
	for name, c := range map[string]struct {
		at    point
		fault fault
		// of is how the attempt is recorded, same whether a promotion that comes
		// next has nothing to tell of itself.
		of   Outcome
		same bool
	}{
		"watch":  {point{StepWatch, "DescribeServices", 1}, killed, Interrupted, false},
		"record": {point{StepRecord, "Record", 1}, killedLate, Deployed, true},
		"unlock": {point{StepUnlock, "Release", 1}, killedLate, Deployed, false},
		"notify": {point{StepNotify, "Notify", 1}, killed, Deployed, false},
	} {
		for next, run := range map[string]func(context.Context, *process) (Record, error){"promotion": promotion, "rollback": rollback} {
			t.Run(name+"/"+next, func(t *testing.T) {
				inWorld(t, func(t *testing.T, w *world) {
					first := w.start()
					first.inject[c.at] = c.fault
					if _, err := promotion(t.Context(), first); !first.dead {
						t.Fatalf("it lives: %v", err)
					}
					died := len(w.notified)
					for range 2 {
						if _, err := run(t.Context(), w.start()); err != nil {
							t.Fatal(err)
						}
					}
					told := w.notified[died:]
					if len(told) == 0 || told[0].Release.Tag != "v1.2" || told[0].Outcome != c.of {
						t.Fatalf("told %+v", told)
					}
					want := 3
					if c.same && next == "promotion" {
						want = 2
					}
					seen := map[string]int{}
					for _, r := range told {
						seen[r.ID]++
					}
					if len(told) != want || len(seen) != want {
						t.Errorf("told of %v, want each of %d attempts one time", seen, want)
					}
				})
			})
		}
	}
}
