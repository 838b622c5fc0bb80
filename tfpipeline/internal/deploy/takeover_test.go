package deploy

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// Every phase of a run that is alive, is dead, or has marked its lease, found by every
// kind of run that could want the lock.
func TestTakeover(t *testing.T) {
	one, other := Release{Tag: "v1", Commit: "aaaaaaaaaa"}, Release{Tag: "v2", Commit: "bbbbbbbbbb"}
	leases := map[string]Lease{"alive": {Age: time.Second}, "dead": {Age: time.Minute}, "interrupted": {Left: Interrupted}, "broken": {Left: Broken}}
	requests := []struct {
		name    string
		kind    Kind
		release Release
	}{
		{"the same", KindPromote, one}, {"another", KindPromote, other},
		{"rollback", KindRollback, Release{}}, {"rollback to the same", KindRollback, Release{Tag: "v1"}}, {"rollback to another", KindRollback, other},
	}
	type left struct {
		kind   Kind
		leases string
	}
	free := []how{howFree, howFree, howFree, howFree, howFree}
	want := map[left][]how{
		//                                       same        another     rollback    to same     to another
		{KindPromote, "alive"}:        {howWait, howWait, howWait, howWait, howWait},
		{KindPromote, "dead"}:         {howResume, howRefused, howReplace, howReplace, howReplace},
		{KindPromote, "interrupted"}:  {howResume, howRefused, howReplace, howReplace, howReplace},
		{KindPromote, "broken"}:       {howResume, howRefused, howReplace, howReplace, howReplace},
		{KindRollback, "alive"}:       {howWait, howWait, howWait, howWait, howWait},
		{KindRollback, "dead"}:        {howReplace, howRefused, howResume, howResume, howReplace},
		{KindRollback, "interrupted"}: {howReplace, howRefused, howResume, howResume, howReplace},
		{KindRollback, "broken"}:      {howReplace, howRefused, howReplace, howReplace, howReplace},
	}
	for i := range phaseNames {
		for l, rows := range want {
			lease := leases[l.leases]
			if Phase(i) == PhaseChecking && l.leases != "alive" {
				rows = free // it ended before its first change
			}
			for k, q := range requests {
				j := Journal{Phase: Phase(i), Record: Record{Kind: l.kind, Release: one}}
				if got := takeover(lease, &j, nil, q.kind, q.release).how; got != rows[k] {
					t.Errorf("%s of v1, %s, %s, and %s is asked for: %d, want %d", l.kind, j.Phase, l.leases, q.name, got, rows[k])
				}
			}
		}
	}
	dead := leases["dead"]
	j := func(k Kind) *Journal { return &Journal{Phase: PhaseVerifying, Record: Record{Kind: k, Release: one}} }
	record := func(k Kind, o Outcome) *Record { return &Record{Kind: k, Release: one, Outcome: o} }
	for _, tt := range []struct {
		name    string
		journal *Journal
		record  *Record
		kind    Kind
		release Release
		want    how
	}{
		{"died before its journal", nil, nil, KindPromote, other, howFree},
		{"a rollback that had no target yet", &Journal{Phase: PhaseReplacing, Record: Record{Kind: KindRollback}}, nil, KindRollback, Release{}, howReplace},
		{"deployed and not given back, the same", j(KindPromote), record(KindPromote, Deployed), KindPromote, one, howDone},
		{"deployed and not given back, another", j(KindPromote), record(KindPromote, Deployed), KindPromote, other, howFree},
		{"deployed and not given back, rollback", j(KindPromote), record(KindPromote, Deployed), KindRollback, Release{}, howFree},
		{"rolled back and not given back, rollback", j(KindRollback), record(KindRollback, Deployed), KindRollback, Release{}, howDone},
		{"failed and not given back", j(KindPromote), record(KindPromote, RolledBack), KindPromote, one, howFree},
		{"interrupted and recorded, the same", j(KindPromote), record(KindPromote, Interrupted), KindPromote, one, howResume},
	} {
		if got := takeover(dead, tt.journal, tt.record, tt.kind, tt.release).how; got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}

// The journal with which a run begins that continues or replaces another.
func TestAContinuationBegins(t *testing.T) {
	inherited := map[Phase]Phase{PhaseWatching: PhaseUpdating, PhaseVerifying: PhaseUpdating, PhaseDeployed: PhaseUpdating}
	own := Journal{Record: Record{ID: "two", Kind: KindPromote, Actor: "bob", Release: Release{Tag: "v1", Commit: "a"}}}
	for i := range phaseNames {
		left := Journal{
			Phase: Phase(i), Mixed: true, Failure: "why", FailedStep: StepWatch,
			Record: Record{ID: "one", Kind: KindPromote, Actor: "ada", Release: Release{Commit: "a"}, Applied: true, Outcome: Interrupted, Error: "x", Evidence: &Evidence{Gaps: []string{"logs"}}},
		}
		want, ok := inherited[left.Phase]
		if !ok {
			want = left.Phase
		}
		begin := func(h how) string {
			j := continuation{how: h, leftover: leftover{journal: &left}}.begin(own)
			return fmt.Sprintln(j.Phase, j.Mixed, j.Failure, j.FailedStep, j.Record.ID, j.Record.Resumes, j.Record.Actor, j.Record.Release, j.Record.Applied, string(j.Record.Outcome), j.Record.Error, j.Record.Evidence == nil)
		}
		if got, want := begin(howResume), fmt.Sprintln(want, true, "why", StepWatch, "two", "one", "bob", own.Record.Release, true, "", "", true); got != want {
			t.Errorf("%s, continued: %s, want %s", left.Phase, got, want)
		}
		if got, want := begin(howReplace), fmt.Sprintln(PhaseReplacing, false, "", "", "two", "one", "bob", own.Record.Release, false, "", "", true); got != want {
			t.Errorf("%s, replaced: %s, want %s", left.Phase, got, want)
		}
		if got, want := begin(howFree), fmt.Sprintln(PhaseChecking, false, "", "", "two", "", "bob", own.Record.Release, false, "", "", true); got != want {
			t.Errorf("%s, free: %s, want %s", left.Phase, got, want)
		}
	}
}

// whileTaking has another run do all of its work between p's look at the lock and
// the store of p's lease.
func (w *world) whileTaking(p *process, other func(*process)) {
	p.inject[point{StepLock, "Take", 1}] = throttled
	p.Pipeline.Observe = func(e Event) {
		p.observe(e)
		if other != nil && e.Kind == EventWarning && strings.Contains(e.Message, "trying again") {
			run := other
			other = nil
			run(w.start())
		}
	}
}

// What a run decides, it decides on the history as it is under its lease.
func TestTheHistoryChangesBeforeTheLockIsTaken(t *testing.T) {
	rollback := func(t *testing.T) func(*process) {
		return func(p *process) {
			if _, err := p.rollback(t.Context(), Request{}); err != nil {
				t.Errorf("the other: %v", err)
			}
		}
	}
	t.Run("the release is rejected", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			if _, err := w.start().promote(t.Context(), Request{Tag: "v1.2"}); err != nil {
				t.Fatal(err)
			}
			p := w.start()
			w.whileTaking(p, rollback(t))
			_, err := p.promote(t.Context(), Request{Tag: "v1.2"})
			wantError(t, err, Untouched, StepPreflight, "v1.2", "was rolled back")
			wantRuns(t, w, "v1.1")
		})
	})
	t.Run("another release is deployed", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			p := w.start()
			w.whileTaking(p, func(other *process) {
				if _, err := other.promote(t.Context(), Request{Tag: "v1.2"}); err != nil {
					t.Errorf("the other: %v", err)
				}
			})
			r, err := p.rollback(t.Context(), Request{})
			if err != nil || r.Release.Tag != "v1.1" || r.Previous.Tag != "v1.2" || r.Rejected == nil || r.Rejected.Tag != "v1.2" {
				t.Errorf("rolled back to %s from %s, rejected %v: %v", r.Release, r.Previous, r.Rejected, err)
			}
			wantRuns(t, w, "v1.1")
		})
	})
	t.Run("what is to be continued is ended", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			dead := w.start()
			dead.inject[point{StepUpdate, "UpdateService", 2}] = killed
			dead.promote(t.Context(), Request{Tag: "v1.2"})
			<-time.After(2 * time.Minute)
			p := w.start()
			w.whileTaking(p, rollback(t))
			r, err := p.promote(t.Context(), Request{Tag: "v1.2"})
			wantError(t, err, Untouched, StepPreflight, "v1.2", "was rolled back")
			wantRuns(t, w, "v1.1")
			if r.Resumes != "" || w.lease != nil {
				t.Errorf("continues %q, lease %+v", r.Resumes, w.lease)
			}
		})
	})
}

// A run that wanted to continue another one, and was too late, dies before it has
// changed anything: it has left nothing that is to be continued.
func TestTheLoserOfADeadLease(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		dead := w.start()
		dead.inject[point{StepUpdate, "UpdateService", 2}] = killed
		dead.promote(t.Context(), Request{Tag: "v1.2"})
		<-time.After(2 * time.Minute)
		p := w.start()
		w.whileTaking(p, func(other *process) {
			if _, err := other.rollback(t.Context(), Request{}); err != nil {
				t.Errorf("the other: %v", err)
			}
		})
		p.inject[point{StepLock, "Take", 5}] = killedLate // the fourth came too late
		id := NewID(time.Now(), p.Random)
		p.promote(t.Context(), Request{Tag: "v1.2", ID: id})
		if w.lease == nil || w.lease.RecordID != id {
			t.Fatalf("it has not taken the lock: %+v", w.lease)
		}
		if j := w.journals[id]; j.Phase != PhaseChecking || j.Record.Resumes != "" || j.Record.touched() {
			t.Errorf("the journal says %s, continues %q: %+v", j.Phase, j.Record.Resumes, j.Record)
		}
	})
}
