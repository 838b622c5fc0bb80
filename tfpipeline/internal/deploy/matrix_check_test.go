package deploy

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// expected is how a disturbed step may end: by an error or a timeout that
// lasts, and by an interrupt. A new step needs a row.
var expected = map[StepName]struct{ failed, interrupted []Outcome }{
	StepLock:      {[]Outcome{Untouched}, []Outcome{Interrupted}},
	StepResolve:   {[]Outcome{Untouched}, []Outcome{Interrupted}},
	StepPreflight: {[]Outcome{Untouched}, []Outcome{Interrupted}},
	StepPlan:      {[]Outcome{Untouched}, []Outcome{Interrupted}},
	StepMigrate:   {[]Outcome{Untouched}, []Outcome{Interrupted}},
	StepApply:     {[]Outcome{Untouched}, []Outcome{Interrupted}},
	StepRegister:  {[]Outcome{Untouched}, []Outcome{Interrupted}},
	StepUpdate:    {[]Outcome{Untouched, RolledBack}, []Outcome{Interrupted}},
	StepWatch:     {[]Outcome{RolledBack}, []Outcome{Interrupted}},
	StepVerify:    {[]Outcome{RolledBack}, []Outcome{Interrupted}},
	StepRecord:    {[]Outcome{Deployed}, []Outcome{Deployed}},
	StepNotify:    {[]Outcome{Deployed}, []Outcome{Deployed}},
	StepUnlock:    {[]Outcome{Deployed}, []Outcome{Deployed}},
	// Whoever cannot see or stop anything any more calls for help.
	StepRollBack: {[]Outcome{RolledBack, Broken}, []Outcome{Interrupted, RolledBack}},
}

func (s scenario) checkOutcome(t *testing.T, at point, f fault, got Outcome) {
	t.Helper()
	want, ok := expected[at.step]
	if !ok {
		t.Fatalf("step %s has no row in the table of expected outcomes", at.step)
	}
	allowed := want.failed
	switch {
	case at.call == "Renew" && at.step != StepResolve:
		// One renewal that fails is made up for by the next; for a whole step
		// the lease runs out, and nobody may change anything any more.
		allowed = append(slices.Clone(allowed), s.undisturbed, Interrupted)
	case at.call == "Apply" && (f == throttled || f == throttledLate):
		// What a plan was for is not what an apply left that ended in between.
	case f == throttled || f == throttledLate:
		allowed = []Outcome{s.undisturbed}
	case (f == denied || f == expired) && (at.step == StepWatch || at.step == StepVerify):
		allowed = []Outcome{Interrupted}
	case f == expired && at.step == StepUpdate && at.call != "WriteJournal":
		allowed = []Outcome{Interrupted}
	case (f == denied || f == expired) && at.step == StepRollBack:
		allowed = []Outcome{Interrupted, RolledBack}
		if at.call != "DescribeServices" && at.call != "DescribeDeployments" {
			allowed = append(allowed, Broken)
		}
	case f == cancelled || f == cancelledLate:
		allowed = want.interrupted
		if f == cancelledLate && at.step == StepVerify {
			allowed = append(slices.Clone(allowed), Deployed) // it came too late
		}
	case s.kind == KindRollback && at.step == StepPreflight && f != timesOut &&
		slices.Contains([]string{"StoppedTasks", "RunningTasks", "TargetHealth"}, at.call):
		allowed = append(slices.Clone(allowed), s.undisturbed) // a rollback only warns
	case at.call == "TaskLog", at.call == "WriteJournal" && at.nth > 1, at.call == "SetMinimum":
		// Logs fail no migration; a change that could not be noted is found by
		// looking.
		allowed = append(slices.Clone(allowed), s.undisturbed)
	}
	if !slices.Contains(allowed, got) {
		t.Errorf("outcome %q, want one of %q", got, allowed)
	}
}

// checkAccess: what was denied is named, and what comes next leads out of it.
func (s scenario) checkAccess(t *testing.T, f fault, r Record, e *Error) {
	t.Helper()
	if e == nil || r.Outcome == Deployed || r.Outcome == RolledBack || !strings.Contains(e.Error(), "the credentials") {
		return // it was not needed, or nothing could be done about it
	}
	want := AdviceGrant
	if f == expired {
		want = AdviceRenew
	}
	if len(e.Next) == 0 || e.Next[0].Advice != want {
		t.Errorf("next %s after %v", advised(e.Next), e)
	}
}

// checkWorld holds the outcome against what services really run.
func (s scenario) checkWorld(t *testing.T, w *world, p *process, r Record, e *Error) {
	t.Helper()
	s.wantOneMigration(t, w)
	mixed := len(w.releases()) > 1
	switch r.Outcome {
	case Deployed:
		s.wantReleases(t, w, s.after)
	case Untouched, RolledBack:
		s.wantReleases(t, w, s.before)
		if s.before == "placeholder" {
			for name, service := range w.services {
				if service.desired != 0 || w.minimums[name] != 0 {
					t.Errorf("service %s is left with %d tasks, at least %d", name, service.desired, w.minimums[name])
				}
			}
		}
	case Interrupted:
		for name, definition := range w.running() {
			own := r.Services[name]
			if own == nil || definition == own.Before || !p.set(definition) {
				continue
			}
			named := own.Updated && (strings.Contains(strings.Join(r.Left, "\n"), "service "+name) || own.Deployment != "")
			if !named {
				t.Errorf("service %s was left on %s, and the record does not say so: %+v", name, short(definition), own)
			}
		}
	}
	if mixed && r.Outcome != Broken && r.Outcome != Interrupted {
		t.Errorf("services run %v after outcome %s", w.releases(), r.Outcome)
	}
	if e == nil {
		return
	}
	if !slices.ContainsFunc(e.Next, func(m Move) bool { return m.Verb != "" }) {
		t.Errorf("nothing to ask for next: %v", e.Next)
	}
	codes := map[Outcome]int{Untouched: 1, RolledBack: 3, Broken: 4, Deployed: 4, Superseded: 5, Interrupted: 130}
	if e.ExitCode() != codes[r.Outcome] || e.Outcome != r.Outcome {
		t.Errorf("exit code %d of outcome %s, record %s", e.ExitCode(), e.Outcome, r.Outcome)
	}
}

// set reports whether a task definition is one that the process registered
// or set services to.
func (p *process) set(definition string) bool {
	return slices.ContainsFunc(p.calls, func(c string) bool {
		return strings.Contains(c, "UpdateService") && strings.Contains(c, short(definition))
	})
}

func (s scenario) checkRecord(t *testing.T, w *world, at point, f fault, before int, r Record, e *Error) {
	t.Helper()
	stored := w.stored()[before:]
	locked := r.Step != StepLock
	lost := at.call == "Record" && (f == fails || f == denied || f == timesOut)
	switch {
	case !locked || lost:
		if len(stored) > 1 {
			t.Errorf("%d records", len(stored))
		}
	case len(stored) != 1:
		t.Errorf("%d records, want 1", len(stored))
	case stored[0].Outcome != r.Outcome || stored[0].ID != r.ID || stored[0].Error != r.Error || !cmp.Equal(stored[0].Next, r.Next):
		t.Errorf("the record is another one: %s", cmp.Diff(stored[0], r))
	}
	if e != nil && (r.Step != e.Step || r.Error == "" || !strings.Contains(e.Error(), r.Error)) {
		t.Errorf("record of step %q says %q, the error %q of step %q", r.Step, r.Error, e.Error(), e.Step)
	}
}

func (s scenario) checkLock(t *testing.T, w *world, p *process, r Record) {
	t.Helper()
	unreachable := slices.ContainsFunc(keys(p.inject), func(at point) bool {
		return slices.Contains([]string{"Release", "Renew", "Take", "Holder"}, at.call) && p.inject[at] != cancelledLate
	})
	switch {
	case unreachable:
	case r.Outcome == Interrupted && w.journals[r.ID].Phase.changed():
		if w.lease == nil || w.lease.Left != Interrupted || w.lease.RecordID != r.ID {
			t.Errorf("the lock is %+v, want one that is left interrupted", w.lease)
		}
	case r.Outcome == Broken, r.Outcome == Deployed && r.Step == StepRecord:
		if w.lease == nil || w.lease.Left != Broken {
			t.Errorf("the lock is %+v, want one that is left broken", w.lease)
		}
	case w.lease != nil:
		t.Errorf("the lock is held: %+v", *w.lease)
	}
}

func keys[K comparable, V any](m map[K]V) []K {
	var list []K
	for k := range m {
		list = append(list, k)
	}
	return list
}
