package deploy

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// A deployment that cannot be stopped is ended by the next one.
func TestADeploymentThatDoesNotStop(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.behave = func(service, digest string) behaviour {
			if digest != digestOf(service, commitOf("v1.2")) {
				return behaviour{after: 20 * time.Second}
			}
			return behaviour{after: 20 * time.Second, fails: service == "api", stuck: service == "mcp"}
		}
		p := w.start()
		p.inject[point{StepRollBack, "StopDeployment", 1}] = fails
		began := time.Now()
		_, err := p.promote(t.Context(), Request{Tag: "v1.2"})
		e := wantError(t, err, RolledBack, StepWatch, "service mcp is back")
		if e.ExitCode() != 3 || time.Since(began) > 5*time.Minute {
			t.Errorf("exit %d after %v", e.ExitCode(), time.Since(began))
		}
		if n := len(slices.DeleteFunc(slices.Clone(p.calls), func(c string) bool { return !strings.Contains(c, "StopDeployment") })); n == 0 {
			t.Error("nothing was stopped")
		}
		wantRuns(t, w, "v1.1")
	})
}

// To ECS whoever stops a deployment is a user; the record says that it was this
// promotion.
func TestADeploymentThatWasStoppedHere(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.behave = func(service, digest string) behaviour {
			bad := digest == digestOf(service, commitOf("v1.2"))
			return behaviour{after: 20 * time.Second, fails: bad && service == "api", stuck: bad && service == "mcp"}
		}
		r, err := w.start().promote(t.Context(), Request{Tag: "v1.2"})
		wantError(t, err, RolledBack, StepWatch)
		if got := r.Services["mcp"].Reason; !strings.HasSuffix(got, "stopped by this promotion.") {
			t.Errorf("mcp: %s", got)
		}
	})
}

// An error tells why the first task of a service stopped before it tells how the
// services were left.
func TestAnErrorBeginsWithItsCause(t *testing.T) {
	at := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	task := func(name, id string, after time.Duration, code int, line string) StoppedTask {
		s := StoppedTask{ARN: "arn:task/" + id, Name: name, StopCode: "EssentialContainerExited", Stopped: at.Add(after), Containers: []StoppedContainer{{Name: name, ExitCode: &code}}}
		if line != "" {
			s.Log = []LogLine{{Message: line}}
		}
		return s
	}
	e := &Error{
		Step: StepWatch, Err: errors.New("the circuit breaker threshold was exceeded"), Left: []string{"service api is back on api:2"},
		Evidence: Evidence{Stopped: []StoppedTask{task("api", "c", time.Minute, 3, "third"), task("api", "b", time.Second, 2, "second"), task("api", "a", 0, 1, ""), task("mcp", "d", 0, 4, "")}},
	}
	want := `watch: the circuit breaker threshold was exceeded
  task b of service api stopped by itself (container api, exit code 2)
  the last that task b of service api wrote:
    second
  task d of service mcp stopped by itself (container mcp, exit code 4)
  service api is back on api:2`
	if e.Error() != want {
		t.Errorf("got\n%s\nwant\n%s", e, want)
	}
}

// What ran before does not start any more, and ECS goes back to the release: it
// is said at once, not when the time is up.
func TestAReturnThatFailsToo(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.behave = func(service, digest string) behaviour {
			switch {
			case digest == digestOf(service, commitOf("v1.2")) && service == "api":
				return behaviour{after: time.Minute, fails: true}
			case digest == digestOf(service, commitOf("v1.1")):
				return behaviour{after: 10 * time.Second, fails: true, reason: "its secret is gone"}
			}
			return behaviour{after: 5 * time.Second}
		}
		began := time.Now()
		_, err := w.start().promote(t.Context(), Request{Tag: "v1.2"})
		e := wantError(t, err, Broken, StepWatch, "could not be rolled back")
		if e.ExitCode() != 4 || time.Since(began) > 5*time.Minute {
			t.Errorf("exit %d after %v", e.ExitCode(), time.Since(began))
		}
	})
}

// A rollback to a release that did not know a service leaves that one alone,
// also where a run that died is continued while it puts the others back.
func TestAContinuedReturnOfSomeServices(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for i := range w.records { // v1.0 came before mcp
			if w.records[i].Release.Tag == "v1.0" {
				delete(w.records[i].Services, "mcp")
			}
		}
		w.behave = func(service, digest string) behaviour {
			return behaviour{after: 30 * time.Second, fails: service == "api" && digest == digestOf(service, commitOf("v1.0"))}
		}
		p := w.start()
		p.inject[point{StepRollBack, "UpdateService", 1}] = killed
		p.rollback(t.Context(), Request{Tag: "v1.0"})
		if w.lease == nil {
			t.Fatal("the rollback was not killed at work")
		}
		_, err := w.start().rollback(t.Context(), Request{Tag: "v1.0"})
		e := wantError(t, err, RolledBack, StepWatch)
		if e.ExitCode() != 3 {
			t.Errorf("exit %d", e.ExitCode())
		}
		wantRuns(t, w, "v1.1")
	})
}

// The holder of a lock that a person was shown as dead has renewed it since.
func TestUnlockTakesNoLockThatWasRenewed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p := w.start()
		p.inject[point{StepUpdate, "UpdateService", 2}] = killed
		p.promote(t.Context(), Request{Tag: "v1.2"})
		shown := *w.lease
		w.lease.Version = "renewed"
		records := len(w.records)
		if err := w.start().Unlock(t.Context(), shown); err == nil || !strings.Contains(err.Error(), "renewed since it was shown") || w.lease == nil {
			t.Errorf("unlock: %v, lease %+v", err, w.lease)
		}
		if len(w.records) != records {
			t.Errorf("a run at work was recorded as %s", w.records[len(w.records)-1].Outcome)
		}
	})
}

// A dead run's machine may have had a clock that was behind.
func TestUnlockKeepsTheOrderOfTheHistory(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p := w.start()
		p.inject[point{StepUpdate, "UpdateService", 2}] = killed
		p.promote(t.Context(), Request{Tag: "v1.2"})
		latest := w.records[0].Ended
		for _, r := range w.records {
			if r.Ended.After(latest) {
				latest = r.Ended
			}
		}
		j := w.journals[w.lease.RecordID]
		j.Time = latest.Add(-time.Hour)
		w.journals[w.lease.RecordID] = j
		if err := w.start().Unlock(t.Context(), *w.lease); err != nil {
			t.Fatal(err)
		}
		if r := w.records[len(w.records)-1]; r.Outcome != Interrupted || !r.Ended.After(latest) {
			t.Errorf("recorded as %s, ended at %v, not after %v", r.Outcome, r.Ended, latest)
		}
	})
}

// A tag may be younger than the deployment of its commit, as on staging.
func TestRollbackPeelsTheTag(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for i := range w.records {
			if w.records[i].Release.Tag == "v1.0" {
				w.records[i].Release.Tag = ""
			}
		}
		r, err := w.start().rollback(t.Context(), Request{Tag: "v1.0"})
		if err != nil || r.Release.Commit != commitOf("v1.0") {
			t.Fatalf("rolled back to %s: %v", r.Release, err)
		}
		wantRuns(t, w, "v1.0")
		// A tag that was moved means what ran under it.
		w.tags["v1.1"] = commitOf("v1.2")
		p := w.start()
		r, err = p.rollback(t.Context(), Request{Tag: "v1.1"})
		if err != nil || r.Release.Commit != commitOf("v1.1") {
			t.Fatalf("rolled back to %s: %v", r.Release, err)
		}
		if !slices.ContainsFunc(p.events, func(e Event) bool {
			return e.Kind == EventWarning && strings.Contains(e.Message, "the tag v1.1 means commit "+commitOf("v1.2")+" now")
		}) {
			t.Errorf("nobody says that the tag was moved: %+v", p.events)
		}
	})
}
