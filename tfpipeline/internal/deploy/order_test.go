package deploy

import (
	"testing"
	"testing/synctest"
	"time"
)

// What came after what is decided by the lock, not by who asked first: a
// rollback that was asked for later may be served before the promotion.
func TestTheHistoryIsInTheOrderOfTheLock(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		first := w.start()
		w.lease = &Lease{
			Environment: testEnv, RecordID: "20000101T000000Z-abcdef", Kind: KindPromote, Actor: "eve", Why: "test",
			Release: Release{Tag: "v0.9", Commit: commitOf("v0.9")}, Since: time.Now(), Version: "other",
		}
		promoted := make(chan error)
		go func() {
			_, err := first.promote(t.Context(), Request{Tag: "v1.2", LockWait: time.Hour})
			promoted <- err
		}()
		time.Sleep(5 * time.Second)
		synctest.Wait()
		// The lock is given to somebody who asks only now.
		w.mu.Lock()
		w.lease = nil
		w.mu.Unlock()
		back, err := w.start().rollback(t.Context(), Request{})
		if err != nil || back.Release.Tag != "v1.0" {
			t.Fatalf("rollback: %+v, %v", back.Release, err)
		}
		if err := <-promoted; err != nil {
			t.Fatal(err)
		}
		wantRuns(t, w, "v1.2")
		records := NewIndex(testEnv, w.stored()...)
		if got := records.current().Release.Tag; got != "v1.2" {
			t.Errorf("current is %s, and v1.2 runs", got)
		}
		if !records.current().Started.Before(back.Started) {
			t.Error("the promotion was to begin before the rollback")
		}
	})
}

// The clock of the next machine is behind: its attempt comes after all the same.
func TestTheHistoryBearsClocksThatDiffer(t *testing.T) {
	now := time.Now()
	ahead := Record{ID: "a", Started: now, Ended: now.Add(time.Hour)}
	next := Record{ID: "b", Started: now, Ended: NewIndex(testEnv, ahead).clock()}
	if next.Compare(ahead) <= 0 || next.Ended.After(ahead.Ended.Add(time.Second)) {
		t.Errorf("it ended %v after the one before", next.Ended.Sub(ahead.Ended))
	}
	if got := NewIndex(testEnv, Record{Ended: now.Add(-time.Hour)}).clock(); got.Before(now) {
		t.Errorf("the clock says %v", got)
	}
}

// A lease is judged by the store's clock alone: what its holder's says, and ours,
// may be wrong by minutes either way.
func TestALeaseIsJudgedByOneClock(t *testing.T) {
	for _, wrong := range []time.Duration{-10 * time.Minute, 0, 10 * time.Minute} {
		inWorld(t, func(t *testing.T, w *world) {
			since := time.Now().Add(wrong)
			held := Lease{Environment: testEnv, RecordID: "other", Version: "other", Kind: KindApply, Since: since, Until: since.Add(time.Minute), Span: time.Minute}
			held.Age = 59 * time.Second
			w.lease = new(held)
			_, err := w.start().promote(t.Context(), Request{Tag: "v1.2", LockWait: -1})
			wantError(t, err, Untouched, StepLock, "the lock of production")
			held.Age = 60 * time.Second
			w.lease = new(held)
			began := time.Now()
			if _, err := w.start().rollback(t.Context(), Request{LockWait: -1}); err != nil {
				t.Errorf("clock wrong by %v: one that nobody renewed is not taken: %v (%v)", wrong, err, time.Since(began))
			}
		})
	}
}
