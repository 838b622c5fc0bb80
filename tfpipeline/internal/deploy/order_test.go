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
			Release: Release{Tag: "v0.9", Commit: commitOf("v0.9")}, Since: time.Now(), Until: time.Now().Add(time.Hour), Version: "other",
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
		records := history(w.stored())
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
	next := Record{ID: "b", Started: now, Ended: history{ahead}.clock()}
	if next.Compare(ahead) <= 0 || next.Ended.After(ahead.Ended.Add(time.Second)) {
		t.Errorf("it ended %v after the one before", next.Ended.Sub(ahead.Ended))
	}
	if got := (history{{Ended: now.Add(-time.Hour)}}).clock(); got.Before(now) {
		t.Errorf("the clock says %v", got)
	}
}

// A lease that has ended by this machine's clock may be held by another's.
func TestAFastClockTakesNoLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const span = time.Minute
		held := &Lease{Version: "1", Until: time.Now().Add(-time.Second)}
		var s observedLease
		if s.gone(held, span) {
			t.Fatal("taken at first sight")
		}
		time.Sleep(50 * time.Second)
		held = &Lease{Version: "2", Until: time.Now().Add(-time.Second)} // its holder lives
		if s.gone(held, span) {
			t.Fatal("taken after it was renewed")
		}
		time.Sleep(59 * time.Second)
		if s.gone(held, span) {
			t.Fatal("taken before it has ended by its holder's clock")
		}
		time.Sleep(time.Second)
		if !s.gone(held, span) {
			t.Fatal("not taken, though nobody renews it")
		}
		if old := (&Lease{Version: "3", Until: time.Now().Add(-5 * span)}); !new(observedLease).gone(old, span) {
			t.Error("one that ended long ago is watched")
		}
		if left := (&Lease{Version: "4", Until: time.Now(), Left: Interrupted}); !new(observedLease).gone(left, span) {
			t.Error("one that was left to be continued is watched")
		}
	})
}
