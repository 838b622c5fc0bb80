package deploy

import (
	"slices"
	"testing"

	"github.com/specboard/platform/gen/config"
)

// sized is a platform whose service api has another size.
func sized(p config.Platform, least, most int) config.Platform {
	p.Environments = slices.Clone(p.Environments)
	for i := range p.Environments {
		e := &p.Environments[i]
		size := e.Size
		size.MinTasks, size.MaxTasks = least, most
		e.Sizes = map[string]config.Size{"api": size}
	}
	return p
}

// AWS refuses a maximum below the minimum that autoscaling keeps at the moment, in
// the middle of the apply. It is refused before anything is changed, with what lowers
// the minimum.
func TestMaximumBelowTheMinimum(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		if _, err := w.start().Scale(t.Context(), AdjustRequest{Services: []string{"api"}, Tasks: 5}); err != nil {
			t.Fatal(err)
		}
		w.planned = Plan{Fingerprint: "fp-size"}
		w.onApply = func() {
			if w.minimums["api"] > 3 {
				t.Errorf("applied with a minimum of %d", w.minimums["api"])
			}
		}
		for _, dry := range []bool{true, false} {
			p := w.start()
			p.Pipeline.Platform = sized(w.platform, 2, 3)
			_, err := p.promote(t.Context(), Request{Tag: "v1.2", DryRun: dry})
			e := wantError(t, err, Untouched, StepPreflight, "service api: autoscaling keeps at least 5 tasks", "allows 3 at most")
			if m := e.Next[0]; m.Verb != VerbScale || m.Service != "api" || m.Tasks != 3 || e.Next[1].Verb != VerbPromote {
				t.Errorf("next: %+v", e.Next)
			}
		}
		p := w.start()
		p.Pipeline.Platform = sized(w.platform, 2, 3)
		if _, err := p.Scale(t.Context(), AdjustRequest{Services: []string{"api"}, Tasks: 3}); err != nil {
			t.Fatal(err)
		}
		p = w.start()
		p.Pipeline.Platform = sized(w.platform, 2, 3)
		if _, err := p.promote(t.Context(), Request{Tag: "v1.2"}); err != nil || w.minimums["api"] != 2 || len(w.applied) != 1 {
			t.Errorf("after that: %v, minimums %v, applied %v", err, w.minimums, w.applied)
		}
	})
}

// A rollback applies nothing, so no maximum of the program matters to it.
func TestRollbackWithALowerMaximum(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		if _, err := w.start().promote(t.Context(), Request{Tag: "v1.2"}); err != nil {
			t.Fatal(err)
		}
		w.minimums["api"] = 5
		p := w.start()
		p.Pipeline.Platform = sized(w.platform, 2, 3)
		if _, err := p.rollback(t.Context(), Request{}); err != nil {
			t.Fatal(err)
		}
		wantRuns(t, w, "v1.1")
	})
}
