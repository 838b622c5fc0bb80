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

// TestEveryStepOfAContinuationDisturbed disturbs the attempt that continues
// another one: services are mixed when it begins, and whatever happens to it,
// they are never left so with a code that says otherwise.
func TestEveryStepOfAContinuationDisturbed(t *testing.T) {
	var begin snapshot
	var points []point
	synctest.Test(t, func(t *testing.T) {
		w := interruptedWorld(t)
		begin = w.snapshot()
		p := w.start()
		if _, err := p.promote(t.Context(), Request{Tag: "v1.2"}); err != nil {
			t.Fatal(err)
		}
		for _, at := range p.points {
			if at.nth == 1 {
				points = append(points, at)
			}
		}
	})
	s := scenario{kind: KindPromote, request: Request{Tag: "v1.2"}, undisturbed: Deployed, before: "v1.1", after: "v1.2"}
	for _, at := range points {
		for _, f := range at.faults() {
			t.Run(fmt.Sprintf("%s/%s/%s", at.step, at.call, f), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := begin.restore()
					p := w.start()
					p.inject[at] = f
					r, err := p.promote(t.Context(), Request{Tag: "v1.2"})
					s.wantOneMigration(t, w)
					if f == killed || f == killedLate || f == expired {
						s.continued(t, w.clone(), at, f)
						s.ended(t, w)
						return
					}
					s.checkContinuation(t, w, at, f, r, err)
				})
			})
		}
	}
}

func (s scenario) checkContinuation(t *testing.T, w *world, at point, f fault, r Record, err error) {
	t.Helper()
	e, _ := errors.AsType[*Error](err)
	switch r.Outcome {
	case Deployed:
		s.wantReleases(t, w, "v1.2")
		return
	case RolledBack:
		s.wantReleases(t, w, "v1.1")
		s.wantFree(t, w)
		return
	case Untouched, Interrupted:
		if runs := w.releases(); at.step != StepLock && r.Outcome == Untouched && len(runs) > 1 {
			t.Errorf("untouched, and services run %v", runs)
		}
		if w.lease == nil || at.call != "Take" && w.lease.Left != Interrupted && at.call != "Renew" && at.call != "Release" {
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
		t.Errorf("outcome %s: %v", r.Outcome, err)
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
