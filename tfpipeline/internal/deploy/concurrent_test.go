package deploy

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestASecondAttemptWaitsForTheFirst(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.release("v1.3")
		first, second := w.start(), w.start()
		first.checkedOut = commitOf("v1.2")
		for name := range w.former {
			w.former[name] = append([]FormerDeployment{{ARN: "old", Digest: digestOf(name, commitOf("v1.2")), State: DeploymentSuccessful,
				Created: time.Now().Add(-2 * time.Hour), Finished: time.Now().Add(-2 * time.Hour)}}, w.former[name]...)
		}
		done := make(chan error)
		go func() {
			_, err := first.promote(t.Context(), Request{Tag: "v1.2", Actor: "grace", Why: "release v1.2"})
			done <- err
		}()
		<-time.After(5 * time.Second)
		_, err := w.start().promote(t.Context(), Request{Tag: "v1.3", LockWait: -1})
		e := wantError(t, err, Untouched, StepLock, "the lock of production: grace has held it since", "promote v1.2 (release v1.2)")
		if !strings.HasPrefix(advised(e.Next), "wait: promote v1.3") {
			t.Errorf("next %v", e.Next)
		}
		if _, err := second.promote(t.Context(), Request{Tag: "v1.3"}); err != nil {
			t.Errorf("the second: %v", err)
		}
		if err := <-done; err != nil {
			t.Errorf("the first: %v", err)
		}
		wantRuns(t, w, "v1.3")
		waits := slices.IndexFunc(second.events, func(e Event) bool { return e.Kind == EventWait })
		if waits < 0 || !strings.Contains(second.events[waits].Message, "grace") {
			t.Error("the second did not say whom it waits for")
		}
	})
}

func TestEachServiceIsUpdatedByOneCall(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.services["api"].desired = 1 // so that task definition and number change
		p := w.start()
		if _, err := p.promote(t.Context(), Request{Tag: "v1.2"}); err != nil {
			t.Fatal(err)
		}
		var updates []string
		for _, c := range p.calls {
			if strings.Contains(c, "UpdateService") {
				updates = append(updates, c)
			}
		}
		if len(updates) != 3 || !strings.HasSuffix(updates[0], "desired=2") {
			t.Errorf("updates %q", updates)
		}
	})
}

// someone sets services to a task definition of their own, 15 s after an update.
func (w *world) someone(t *testing.T, p *process, services ...string) {
	p.Pipeline.Observe = func(e Event) {
		p.observe(e)
		if e.Step != StepWatch || e.Kind != EventStep {
			return
		}
		go func() {
			<-time.After(15 * time.Second)
			w.mu.Lock()
			defer w.mu.Unlock()
			for _, name := range services {
				s := w.services[name]
				s.definition = w.define(name, "elsewhere@sha256:manual")
				w.deploy(s)
			}
		}()
	}
}

func TestSupersededIsNotRolledBack(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p := w.start()
		w.someone(t, p, "api", "frontend", "mcp")
		r, err := p.promote(t.Context(), Request{Tag: "v1.2"})
		e := wantError(t, err, Superseded, StepWatch, "by somebody else")
		if e.ExitCode() != 5 || w.lease != nil || slices.ContainsFunc(p.calls, func(c string) bool { return strings.HasPrefix(c, "roll back: UpdateService") }) {
			t.Errorf("exit %d, lease %v, %+v", e.ExitCode(), w.lease, r)
		}
	})
	inWorld(t, func(t *testing.T, w *world) {
		p := w.start()
		w.someone(t, p, "api")
		_, err := p.promote(t.Context(), Request{Tag: "v1.2"})
		e := wantError(t, err, Broken, StepWatch, "service api was set to something else by somebody else", "service mcp is back on", "1 of 3 services were set to something else")
		if !strings.Contains(advised(e.Next), "rollback v1.1") || w.lease.Left != Broken {
			t.Errorf("next %v, lease %+v", e.Next, w.lease)
		}
		if _, err := w.start().rollback(t.Context(), Request{Tag: "v1.1"}); err != nil {
			t.Fatalf("the command that was named: %v", err)
		}
		wantRuns(t, w, "v1.1")
	})
}

func TestAForeignDeploymentIsWaitedFor(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.services["api"]
		s.definition = w.define("api", "elsewhere@sha256:manual")
		w.deploy(s)
		_, err := w.start().promote(t.Context(), Request{Tag: "v1.2", DryRun: true})
		wantError(t, err, Untouched, StepPreflight, "deployments of somebody else are in flight", short(s.latest.ARN))
		if _, err := w.start().promote(t.Context(), Request{Tag: "v1.2"}); err != nil {
			t.Fatal(err)
		}
		w.behave = func(string, string) behaviour { return behaviour{stuck: true} }
		s.definition = w.define("api", "elsewhere@sha256:manual")
		w.deploy(s)
		_, err = w.start().promote(t.Context(), Request{Tag: "v1.2"})
		wantError(t, err, Untouched, StepPreflight, "not done within 15m0s")
	})
}

// Somebody removed the lock and took it: whoever had it stops before the next
// change.
func TestALostLockStopsBeforeTheNextChange(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.taskEnds = func(string, int) taskEnd { return taskEnd{after: 5 * time.Minute, code: new(0)} }
		p := w.start()
		p.Pipeline.Observe = func(e Event) {
			p.observe(e)
			if e.Step == StepMigrate && strings.HasPrefix(e.Message, "following task") {
				w.mu.Lock()
				w.put(Lease{Environment: testEnv, RecordID: "other", Actor: "grace", Kind: KindPromote})
				w.mu.Unlock()
			}
		}
		_, err := p.promote(t.Context(), Request{Tag: "v1.2"})
		e := wantError(t, err, Interrupted, StepMigrate, "the lock was lost", "grace has held it", "task migrate goes on")
		if e.ExitCode() != 130 || w.lease.RecordID != "other" {
			t.Errorf("exit %d, lease %+v", e.ExitCode(), w.lease)
		}
		if slices.ContainsFunc(p.calls, func(c string) bool { return strings.Contains(c, "UpdateService") }) {
			t.Errorf("services were changed: %q", p.calls)
		}
	})
}

// The bucket cannot be written any more while services are deployed.
func TestALeaseThatCannotBeRenewedRunsOut(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.behave = func(string, string) behaviour { return behaviour{after: 10 * time.Minute} }
		p := w.start()
		p.inject[point{StepWatch, "Renew", 1}] = fails
		r, err := p.promote(t.Context(), Request{Tag: "v1.2"})
		e := wantError(t, err, Interrupted, StepWatch, "the lock was lost", "could not be renewed")
		for name, s := range r.Services {
			if s.Deployment == "" || !strings.Contains(e.Error(), s.Deployment) {
				t.Errorf("the deployment of %s is not named: %v", name, err)
			}
		}
		if _, err := w.start().promote(t.Context(), Request{Tag: "v1.2"}); err != nil {
			t.Fatalf("the same command again: %v", err)
		}
		wantRuns(t, w, "v1.2")
	})
}

func TestOnlyTheSameOrARollbackContinuesWhatWasLeft(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p := w.start()
		p.inject[point{StepWatch, "DescribeServices", 2}] = cancelled
		if r, _ := p.promote(t.Context(), Request{Tag: "v1.2"}); r.Outcome != Interrupted {
			t.Fatalf("outcome %s", r.Outcome)
		}
		left := w.snapshot()
		w.release("v1.3")
		_, err := w.start().promote(t.Context(), Request{Tag: "v1.3"})
		e := wantError(t, err, Untouched, StepLock, "was left interrupted", "ada")
		if want := "continue: promote v1.2; end: rollback; give up: unlock"; advised(e.Next) != want {
			t.Errorf("next %q, want %q", advised(e.Next), want)
		}
		// Plain rollback goes to what ran before, and rejects what was in flight.
		r, err := w.start().rollback(t.Context(), Request{})
		if err != nil || r.Release.Tag != "v1.1" || r.Rejected == nil || r.Rejected.Tag != "v1.2" {
			t.Errorf("rollback: %+v, %v", r, err)
		}
		// After unlock the next release may come, and a failure of it is broken:
		// what ran before was no release.
		w = left.restore()
		w.release("v1.3")
		if err := w.start().Unlock(t.Context(), *w.lease); err != nil || w.lease != nil {
			t.Fatalf("unlock: %v", err)
		}
		if _, err := w.start().promote(t.Context(), Request{Tag: "v1.3"}); err != nil {
			t.Errorf("after unlock: %v", err)
		}
	})
}

func TestUnlockRecordsWhatDied(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p := w.start()
		p.inject[point{StepUpdate, "UpdateService", 2}] = killed
		p.promote(t.Context(), Request{Tag: "v1.2"})
		n := len(w.records)
		if err := w.start().Unlock(t.Context(), *w.lease); err != nil || w.lease != nil {
			t.Fatalf("unlock: %v", err)
		}
		last := w.records[len(w.records)-1]
		if len(w.records) != n+1 || last.Outcome != Interrupted || !last.touched() {
			t.Errorf("record %+v", last)
		}
		if r, err := w.start().rollback(t.Context(), Request{}); err != nil || r.Release.Tag != "v1.1" {
			t.Errorf("rollback to %s: %v", r.Release, err)
		}
		wantRuns(t, w, "v1.1")
	})
}

// lateRequest is a lock of somebody whose last request takes effect when the lock
// is about to be changed.
type lateRequest struct {
	Lock
	take func()
}

func (l *lateRequest) Renew(ctx context.Context, lease Lease) (Lease, error) {
	l.effect()
	return l.Lock.Renew(ctx, lease)
}

func (l *lateRequest) Remove(ctx context.Context, version string) error {
	l.effect()
	return l.Lock.Remove(ctx, version)
}

func (l *lateRequest) effect() {
	if l.take != nil {
		l.take()
		l.take = nil
	}
}

// The last request of a run that was killed reaches the lock after it was looked
// at. Settling looks again; a lock that was shown to a person is removed as it was
// shown, or not at all.
func TestLateRequestOfTheDead(t *testing.T) {
	for _, c := range []struct {
		name   string
		dies   point
		late   func(w *world)
		left   string // by settle: whose lock, and how that run left it
		unlock string
	}{
		{"given back, nothing changed", point{StepPlan, "Plan", 1}, func(w *world) { w.lease = nil }, "", ""},
		{"marked, nothing changed", point{StepPlan, "Plan", 1}, func(w *world) { w.mark() }, "", "renewed since it was shown"},
		{"given back", point{StepUpdate, "UpdateService", 2}, func(w *world) { w.lease = nil }, "", ""},
		{"marked", point{StepUpdate, "UpdateService", 2}, func(w *world) { w.mark() }, "ours interrupted", "renewed since it was shown"},
		{"taken by another", point{StepUpdate, "UpdateService", 2}, func(w *world) { w.put(Lease{RecordID: "another"}) }, "another ", "renewed since it was shown"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				p := w.start()
				p.inject[c.dies] = killed
				p.promote(t.Context(), Request{Tag: "v1.2"})
				if w.lease == nil {
					t.Fatal("it died without a lock")
				}
				id, shown, left := w.lease.RecordID, *w.lease, w.snapshot()
				settler := w.start()
				settler.Pipeline.Lock = &lateRequest{settler.Pipeline.Lock, func() { c.late(w) }}
				if _, err := settler.Settle(t.Context(), id); err != nil {
					t.Errorf("settle: %v", err)
				}
				got := ""
				if w.lease != nil {
					got = strings.Replace(w.lease.RecordID, id, "ours", 1) + " " + string(w.lease.Left)
				}
				if got != c.left {
					t.Errorf("settle left the lock %q, want %q", got, c.left)
				}

				w = left.restore()
				unlocker := w.start()
				unlocker.Pipeline.Lock = &lateRequest{unlocker.Pipeline.Lock, func() { c.late(w) }}
				err := unlocker.Unlock(t.Context(), shown)
				if c.unlock == "" && (err != nil || w.lease != nil) || c.unlock != "" && (err == nil || !strings.Contains(err.Error(), c.unlock) || w.lease == nil) {
					t.Errorf("unlock: %v, and the lock is %+v; want %q", err, w.lease, c.unlock)
				}
			})
		})
	}
}

// mark marks the lease as a run does that is interrupted.
func (w *world) mark() {
	marked := *w.lease
	marked.Left = Interrupted
	w.put(marked)
}

func TestDryRunChangesNothing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.planned = Plan{Fingerprint: "fp-1"}
		for _, run := range []func(*process) (Record, error){
			func(p *process) (Record, error) { return p.promote(t.Context(), Request{Tag: "v1.2", DryRun: true}) },
			func(p *process) (Record, error) { return p.rollback(t.Context(), Request{DryRun: true}) },
		} {
			p := w.start()
			r, err := run(p)
			if err != nil || r.Outcome != Untouched {
				t.Errorf("%s, %v", r.Outcome, err)
			}
			for _, c := range p.calls {
				for _, change := range []string{"Take", "Renew", "WriteJournal", "Record ", "Apply", "RunTask", "Register", "Update", "Tag", "SetMinimum", "Notify"} {
					if strings.Contains(c, ": "+change) {
						t.Errorf("dry run called %s", c)
					}
				}
			}
		}
		w.empty = []string{"invite-keys"}
		w.images["mcp"] = nil
		_, err := w.start().promote(t.Context(), Request{Tag: "v1.2", DryRun: true})
		wantError(t, err, Untouched, StepResolve, "there is no image")
	})
}

func TestAllProblemsTogether(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.empty = []string{"invite-keys"}
		w.former["api"] = nil
		p := w.start()
		p.checkedOut = commitOf("v1.1")
		_, err := p.promote(t.Context(), Request{Tag: "v1.2"})
		e := wantError(t, err, Untouched, StepPreflight,
			"the checkout is at "+commitOf("v1.1"), "secret production/doc-platform/invite-keys has no value: store the invitation keys", "no proof for api")
		if len(e.Next) == 0 || e.Next[0].Verb != VerbSetSecret || e.Next[0].Secret != "invite-keys" {
			t.Errorf("next %+v", e.Next)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		p := newWorld().start()
		p.Environment = "nowhere"
		_, err := p.promote(t.Context(), Request{})
		e := wantError(t, err, Untouched, StepLock, `environment "nowhere" is none of the platform's`, "needs the tag of a release or a commit")
		if len(p.calls) != 0 || errors.Unwrap(e) == nil {
			t.Errorf("calls %q", p.calls)
		}
	})
}
