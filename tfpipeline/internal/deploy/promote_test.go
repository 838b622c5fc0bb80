package deploy

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// deployed is a world in which a release was deployed after others.
func deployed(t *testing.T, tags ...string) *world {
	t.Helper()
	return deployedIn(t, newWorld(), tags...)
}

func deployedIn(t *testing.T, w *world, tags ...string) *world {
	t.Helper()
	for _, tag := range tags {
		w.advanceProof(tag)
		p := w.start()
		p.checkedOut = commitOf(tag)
		if _, err := p.promote(t.Context(), Request{Tag: tag}); err != nil {
			t.Fatalf("promote %s: %v", tag, err)
		}
	}
	return w
}

// advanceProof makes a release the one that staging ran last.
func (w *world) advanceProof(tag string) {
	for _, s := range w.platform.Services {
		w.former[s.Name][0].Digest = digestOf(s.Name, commitOf(tag))
	}
}

func TestPromoteAndRollBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := deployed(t, "v1.0", "v1.1", "v1.2")
		if got := w.releases(); len(got) != 1 || got[0] != "v1.2" {
			t.Errorf("services run %v", got)
		}
		if w.lease != nil {
			t.Errorf("the lock is left: %+v", w.lease)
		}
		p := w.start()
		r, err := p.rollback(t.Context(), Request{})
		if err != nil {
			t.Fatal(err)
		}
		if got := w.releases(); len(got) != 1 || got[0] != "v1.1" || r.Release.Tag != "v1.1" || r.Rejected.Tag != "v1.2" {
			t.Errorf("services run %v, record %+v", got, r)
		}
		_, err = w.start().promote(t.Context(), Request{Tag: "v1.2"})
		e, ok := errors.AsType[*Error](err)
		if !ok || e.Outcome != Untouched || e.Step != StepPreflight {
			t.Errorf("a rejected release: %v", err)
		}
	})
}

// synctestWorld runs a test in a world where nothing was ever deployed.
func synctestWorld(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, newWorld()) })
}

// A record says when each step began and ended, without a gap; so does that of an
// attempt that failed, whose way back is a step.
func TestARecordTimesItsSteps(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.behave = func(service, digest string) behaviour {
			return behaviour{after: 20 * time.Second, fails: digest == digestOf("api", commitOf("v1.2"))}
		}
		failed, err := w.start().promote(t.Context(), Request{Tag: "v1.2"})
		wantError(t, err, RolledBack, StepWatch)
		back, err := w.start().rollback(t.Context(), Request{Tag: "v1.0"})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			r    Record
			want string
		}{
			{failed, "lock resolve preflight plan migrate apply register update watch roll back"},
			{back, "lock resolve preflight migrate register update watch verify"},
		} {
			var names []string
			end := c.r.Started
			for _, s := range c.r.Steps {
				names = append(names, string(s.Step))
				if s.Started.Before(end) || s.Ended.Before(s.Started) || s.Ended.After(c.r.Ended) {
					t.Errorf("%s lasted from %v to %v, the one before ended at %v and the attempt at %v", s.Step, s.Started, s.Ended, end, c.r.Ended)
				}
				end = s.Ended
			}
			if got := strings.Join(names, " "); got != c.want {
				t.Errorf("steps %q, want %q", got, c.want)
			}
			if gap := c.r.Ended.Sub(end); gap > time.Second {
				t.Errorf("%v of the attempt are no step's", gap)
			}
		}
	})
}
