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
