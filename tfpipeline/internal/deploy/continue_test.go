package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// interruptedWorld is one in which a promotion of v1.2 was stopped between two
// services.
func interruptedWorld(t *testing.T) *world {
	t.Helper()
	w := deployed(t, "v1.0", "v1.1")
	w.advanceProof("v1.2")
	w.planned = Plan{Fingerprint: "fp-1"}
	p := w.start()
	p.inject[point{StepUpdate, "UpdateService", 2}] = cancelled
	if r, err := p.promote(t.Context(), Request{Tag: "v1.2"}); r.Outcome != Interrupted {
		t.Fatalf("outcome %s: %v", r.Outcome, err)
	}
	return w
}

// Whoever takes over the lease of a killed apply removes its state lock too, also
// if it applies nothing itself; but not one that is renewed.
func TestTheStateLockOfAKilledApply(t *testing.T) {
	for name, renewed := range map[string]bool{"dead": false, "letting go": true} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.planned = Plan{Fingerprint: "fp-1"}
				p := w.start()
				p.inject[point{StepApply, "Apply", 1}] = killedLate
				p.promote(t.Context(), Request{Tag: "v1.2"})
				dead := w.stateLock.attempt
				if dead == "" {
					t.Fatal("there is no state lock")
				}
				p = w.start()
				p.Observe = func(e Event) {
					p.observe(e)
					if renewed && e.Kind == EventStep {
						w.mu.Lock()
						w.stateLock.at = time.Now().Add(time.Hour)
						w.mu.Unlock()
					}
				}
				r, err := p.rollback(t.Context(), Request{})
				if err != nil || w.lease != nil {
					t.Fatalf("%v, lease %+v", err, w.lease)
				}
				if left := w.stateLock.attempt != ""; left != renewed || len(w.applied) != 1 {
					t.Errorf("the state lock of %s is %q after %s, and %v was applied", dead, w.stateLock.attempt, r.Outcome, w.applied)
				}
			})
		})
	}
}

// ending is how a promotion of v1.2 ends in a phase: by a kill or an interrupt in
// a call.
type ending struct {
	phase Phase
	at    point
	fault fault
	fails bool // the release does
}

// endings are one for each phase that a later run may find.
func endings() []ending {
	return []ending{
		{PhaseMigrating, point{StepMigrate, "RunTask", 1}, killedLate, false},
		{PhaseApplying, point{StepApply, "Apply", 1}, killed, false},
		{PhaseApplied, point{StepRegister, "Outputs", 1}, cancelled, false},
		{PhaseRegistering, point{StepRegister, "Tag", 1}, killed, false},
		{PhaseUpdating, point{StepUpdate, "UpdateService", 2}, cancelled, false},
		{PhaseWatching, point{StepWatch, "DescribeDeployments", 2}, cancelled, false},
		{PhaseVerifying, point{StepVerify, "RunningTasks", 1}, cancelled, false},
		{PhaseRollingBack, point{StepRollBack, "UpdateService", 1}, killed, true},
	}
}

// TestEveryStepOfAContinuationDisturbed disturbs the attempt that continues one
// which ended in each phase, at each call, in each way, while reads are old.
// Services are mixed when some of them begin, and whatever happens to it, they are
// never left so with a code that says otherwise. The calls are shared out among
// the phases; with -seeds, each phase has all of them.
func TestEveryStepOfAContinuationDisturbed(t *testing.T) {
	all := endings()
	for n, p := range all {
		t.Run(p.phase.String(), func(t *testing.T) {
			s := scenario{kind: KindPromote, request: Request{Tag: "v1.2"}, undisturbed: Deployed, before: "v1.1", after: "v1.2"}
			if p.fails {
				s.undisturbed = RolledBack
			}
			s.world = func(t *testing.T) *world {
				w := deployed(t, "v1.0", "v1.1")
				w.advanceProof("v1.2")
				w.planned = Plan{Fingerprint: "fp-1"}
				if p.fails {
					w.behave = func(service, digest string) behaviour {
						return behaviour{after: 30 * time.Second, fails: service == "mcp" && digest == digestOf("mcp", commitOf("v1.2"))}
					}
				}
				first := w.start()
				first.inject[p.at] = p.fault
				first.promote(t.Context(), s.request)
				if j := w.journals[w.lease.RecordID]; j.Phase != p.phase {
					t.Fatalf("the journal says %s", j.Phase)
				}
				return w
			}
			points, begin := s.points(t)
			for seed := *firstSeed; seed < *firstSeed+*seeds; seed++ {
				for i, at := range points {
					if testing.Short() && i%20 != 0 {
						continue
					}
					if at.nth > 1 || *seeds == 1 && i%len(all) != n && p.phase != PhaseUpdating {
						continue
					}
					for _, f := range at.faults() {
						if f == timesOut && p.phase == PhaseMigrating {
							continue // an hour later ECS has forgotten the task, which may run once more
						}
						t.Run(fmt.Sprintf("%s/%s/%s/seed-%d", at.step, at.call, f, seed), func(t *testing.T) {
							synctest.Test(t, func(t *testing.T) {
								w := begin.restore()
								w.inconsistent(seed ^ hash(t.Name()))
								s.disturbContinuation(t, w, at, f, p.phase)
							})
						})
					}
				}
			}
		})
	}
	for i := range phaseNames {
		p := Phase(i)
		found := slices.ContainsFunc(all, func(e ending) bool { return e.phase == p })
		if !found && p != PhaseChecking && p != PhaseReplacing && p != PhaseDeployed {
			t.Errorf("no run is continued that ended in phase %s", p)
		}
	}
}

func (s scenario) disturbContinuation(t *testing.T, w *world, at point, f fault, from Phase) {
	p := w.start()
	p.inject[at] = f
	r, err := s.run(t, p)
	s.wantOneMigration(t, w)
	if f == killed || f == killedLate || f == expired {
		s.continued(t, w.clone(), at, f)
		s.ended(t, w)
		return
	}
	e, _ := errors.AsType[*Error](err)
	switch r.Outcome {
	case Deployed:
		s.wantReleases(t, w, "v1.2")
	case RolledBack:
		s.wantReleases(t, w, "v1.1")
		if at.call != "Release" { // or the lock ends by itself
			s.wantFree(t, w)
		}
	case Untouched, Interrupted:
		if runs := w.releases(); at.step != StepLock && r.Outcome == Untouched && len(runs) > 1 {
			t.Errorf("untouched, and services run %v", runs)
		}
		// Whoever did not come to take it has left it as it was.
		marked := w.lease != nil && (w.lease.Left == Interrupted || at.step == StepLock || slices.Contains([]string{"Take", "Renew", "Release"}, at.call))
		// Before any service was updated, a run that fails leaves nothing to continue.
		if !marked && (w.lease != nil || r.Outcome == Interrupted || from.updated()) {
			t.Errorf("outcome %s, lock %+v, error %v", r.Outcome, w.lease, err)
		}
		if strings.HasPrefix(string(f), "throttle") && at.call != "Apply" {
			t.Errorf("%s ended %s", f, r.Outcome)
		}
		if e == nil || !strings.Contains(advised(e.Next), "promote v1.2") {
			t.Errorf("next %+v", e)
		}
		s.continued(t, w.clone(), at, f)
		s.ended(t, w)
	default:
		if from != PhaseRollingBack || r.Outcome != Broken || e.ExitCode() != 4 || w.lease == nil || w.lease.Left != Broken {
			t.Errorf("outcome %s, lock %+v: %v", r.Outcome, w.lease, err)
		}
	}
}

// Whoever tries to end what was left, and is refused, has not taken it away from
// whoever wants to continue it.
func TestARefusedContinuationLeavesEverythingAsItWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := deployed(t, "v1.0", "v1.1")
		w.schema = Schema{contract(9, "drop", "v1.1")}
		w.advanceProof("v1.2")
		p := w.start()
		p.inject[point{StepUpdate, "UpdateService", 2}] = killed
		p.promote(t.Context(), Request{Tag: "v1.2"})

		p = w.start()
		r, err := p.rollback(t.Context(), Request{Tag: "v1.0"})
		e := wantError(t, err, Interrupted, StepPreflight, "0009_drop", "this run has changed nothing, and what "+r.Resumes+" left is as it was")
		if e.ExitCode() != 130 || w.lease == nil || w.lease.RecordID != r.Resumes || w.lease.Left != Interrupted || w.lease.Kind != KindPromote {
			t.Errorf("exit %d, lease %+v", e.ExitCode(), w.lease)
		}
		p = w.start()
		p.checkedOut = commitOf("v1.1")
		_, err = p.promote(t.Context(), Request{Tag: "v1.2"})
		wantError(t, err, Interrupted, StepPreflight, "the checkout is at")
		if slices.ContainsFunc(p.calls, func(c string) bool { return strings.Contains(c, "UpdateService") }) {
			t.Errorf("calls %q", p.calls)
		}
		if _, err := w.start().promote(t.Context(), Request{Tag: "v1.2"}); err != nil {
			t.Fatal(err)
		}
		wantRuns(t, w, "v1.2")
	})
}

// The plan that was reviewed was applied by the run that died.
func TestAContinuationKnowsTheReviewedPlan(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.planned = Plan{Fingerprint: "fp-1"}
		p := w.start()
		p.inject[point{StepApply, "Apply", 1}] = killedLate
		p.promote(t.Context(), Request{Tag: "v1.2", Reviewed: "fp-1", OverrideProof: "hotfix"})
		part := w.snapshot()
		r, err := w.start().promote(t.Context(), Request{Tag: "v1.2", Reviewed: "fp-1"})
		if err != nil || r.Plan.Fingerprint != "fp-1" || len(w.applied) != 1 || len(r.Overrides) != 1 {
			t.Errorf("%v, applied %v, overrides %v", err, w.applied, r.Overrides)
		}
		w = part.restore()
		w.planned = Plan{Fingerprint: "fp-rest", Summary: "1 to change"}
		_, err = w.start().promote(t.Context(), Request{Tag: "v1.2", Reviewed: "fp-1"})
		wantError(t, err, Untouched, StepPlan, "the reviewed plan fp-1 was applied in part", "the rest (1 to change) is plan fp-rest")
	})
}

// A release that asks for more tasks, and that ECS takes back by itself, leaves
// as many as there were.
func TestSizesAreRolledBackToo(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p := w.start()
		env := &p.Platform.Environments[1]
		env.Size.MinTasks = 3
		w.behave = func(service, digest string) behaviour {
			return behaviour{after: 20 * time.Second, fails: digest == digestOf(service, commitOf("v1.2"))}
		}
		_, err := p.promote(t.Context(), Request{Tag: "v1.2"})
		wantError(t, err, RolledBack, StepWatch)
		for name, s := range w.services {
			if s.desired != 2 || w.minimums[name] != 2 {
				t.Errorf("service %s: %d tasks, at least %d", name, s.desired, w.minimums[name])
			}
		}
	})
}

// A run that dies as soon as it has taken over the lock loses nothing of what
// the first has done.
func TestAContinuationThatDiesImmediately(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := interruptedWorld(t)
		first := w.lease.RecordID
		for _, at := range []point{{StepLock, "Take", 1}, {StepResolve, "Renew", 1}} {
			p := w.start()
			p.inject[at] = killedLate
			p.promote(t.Context(), Request{Tag: "v1.2"})
		}
		n := w.runs(taskMigrate)
		r, err := w.start().promote(t.Context(), Request{Tag: "v1.2"})
		if err != nil || w.runs(taskMigrate) != n {
			t.Fatalf("%d more migrations, %v", w.runs(taskMigrate)-n, err)
		}
		// The chain leads back to the first.
		chain := 0
		for id := r.Resumes; id != ""; chain++ {
			earlier := w.recorded(id)
			if earlier == nil || earlier.Outcome != Interrupted {
				t.Fatalf("record of %s: %+v", id, earlier)
			}
			if id == first && earlier.Resumes != "" {
				t.Errorf("the first continues %s", earlier.Resumes)
			}
			id = earlier.Resumes
		}
		if chain != 3 {
			t.Errorf("the chain has %d attempts", chain)
		}
	})
}

// What was put back is what ran before; if that was a mixture, it is one again.
func TestAMixtureThatIsRolledBackIsBroken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := interruptedWorld(t)
		if err := w.start().Unlock(t.Context(), *w.lease); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Minute)
		if got := w.releases(); len(got) != 2 {
			t.Fatalf("services run %v", got)
		}
		w.release("v1.3")
		w.unhealthy["api"] = true
		_, err := w.start().promote(t.Context(), Request{Tag: "v1.3"})
		e := wantError(t, err, Broken, StepVerify, "which was not one release")
		if !strings.Contains(advised(e.Next), "rollback v1.1") {
			t.Errorf("next %v", e.Next)
		}
		w.unhealthy["api"] = false
		if _, err := w.start().rollback(t.Context(), Request{Tag: "v1.1"}); err != nil {
			t.Fatal(err)
		}
		wantRuns(t, w, "v1.1")
	})
}

// Ctrl-C is answered within the few seconds that a cancelled workflow has.
func TestAnInterruptSaysWhatGoesOnAndHowToContinue(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p := w.start()
		var pressed time.Time
		p.Pipeline.Observe = func(e Event) {
			p.observe(e)
			if e.Step == StepWatch && e.Kind == EventStep {
				time.AfterFunc(10*time.Second, func() { pressed = time.Now(); p.cancel() })
			}
		}
		r, err := p.promote(t.Context(), Request{Tag: "v1.2"})
		e := wantError(t, err, Interrupted, StepWatch, "3 of 3 services are not there yet (api in progress, frontend in progress, mcp in progress): interrupted", "task migrate has run")
		if took := time.Since(pressed); e.ExitCode() != 130 || !errors.Is(err, context.Canceled) || took > 2*time.Second {
			t.Errorf("exit %d after %v", e.ExitCode(), took)
		}
		for name, s := range r.Services {
			if s.Deployment == "" || !strings.Contains(strings.Join(e.Left, "\n"), fmt.Sprintf("service %s: deployment %s to %s is in progress", name, s.Deployment, short(s.After))) {
				t.Errorf("service %s is not named: %q", name, e.Left)
			}
		}
		if want := "continue: promote v1.2; back: rollback v1.1"; advised(e.Next) != want {
			t.Errorf("next %v", e.Next)
		}
	})
}
