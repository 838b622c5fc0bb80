package deploy

import (
	"errors"
	"testing"
	"testing/synctest"
)

// deployed is a world in which a release was deployed after others.
func deployed(t *testing.T, tags ...string) *world {
	t.Helper()
	w := newWorld()
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
		w.past[s.Name][0].Digest = digestOf(s.Name, commitOf(tag))
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
