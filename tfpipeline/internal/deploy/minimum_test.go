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

// A service that is no part of what runs cannot be scaled before it is promoted, with a
// maximum that AWS takes.
func TestMaximumBelowTheMinimumOfANewService(t *testing.T) {
	for _, begin := range []func(t *testing.T, w *world){
		func(_ *testing.T, w *world) { delete(w.records[1].Services, "api") },
		func(_ *testing.T, w *world) { w.records, w.indexed = nil, map[string]bool{} },
		func(t *testing.T, w *world) { // and there is nothing to roll back to
			w.records, w.indexed = nil, map[string]bool{}
			p := w.start()
			p.inject[point{StepMigrate, "RunTask", 1}] = killed
			p.promote(t.Context(), Request{Tag: "v1.2"})
		},
	} {
		inWorld(t, func(t *testing.T, w *world) {
			begin(t, w)
			w.minimums["api"] = 5
			w.planned = Plan{Fingerprint: "fp-size"}
			start := func(most int) *process {
				p := w.start()
				p.Pipeline.Platform = sized(w.platform, 2, most)
				return p
			}
			_, err := start(3).promote(t.Context(), Request{Tag: "v1.2"})
			e := wantError(t, err, Untouched, StepPreflight, "service api: autoscaling keeps at least 5 tasks", "promote it with a MaxTasks of 5 first")
			if slices.ContainsFunc(e.Next, func(m Move) bool { return m.Verb == VerbScale || m.Verb == VerbRollback }) {
				t.Errorf("next: %+v", e.Next)
			}
			if _, err := start(3).Scale(t.Context(), AdjustRequest{Services: []string{"api"}, Tasks: 3}); err == nil {
				t.Error("it was scaled")
			}
			if _, err := start(5).promote(t.Context(), Request{Tag: "v1.2"}); err != nil {
				t.Errorf("with a MaxTasks of 5: %v", err)
			}
			if _, err := start(3).Scale(t.Context(), AdjustRequest{Services: []string{"api"}, Tasks: 3}); err != nil {
				t.Errorf("after that: %v", err)
			}
			if _, err := start(3).promote(t.Context(), Request{Tag: "v1.2"}); err != nil || w.minimums["api"] != 2 {
				t.Errorf("with a MaxTasks of 3: %v, minimums %v", err, w.minimums)
			}
		})
	}
}

// The scale needs the lock, which an attempt that is to be continued has left: that is
// ended first.
func TestMaximumBelowTheMinimumOfADeadRun(t *testing.T) {
	for _, at := range []point{{StepMigrate, "RunTask", 1}, {StepApply, "Apply", 1}} {
		inWorld(t, func(t *testing.T, w *world) {
			start := func() *process {
				p := w.start()
				p.Pipeline.Platform = sized(w.platform, 2, 3)
				return p
			}
			w.planned = Plan{Fingerprint: "fp-size"}
			p := start()
			p.inject[at] = killed
			p.promote(t.Context(), Request{Tag: "v1.2"})
			w.minimums["api"] = 5
			_, err := start().promote(t.Context(), Request{Tag: "v1.2"})
			e := wantError(t, err, Untouched, StepPreflight, "is as it was")
			var verbs []Verb
			for _, m := range e.Next {
				verbs = append(verbs, m.Verb)
			}
			if !slices.Equal(verbs, []Verb{VerbRollback, VerbScale, VerbPromote, VerbStatus}) || w.lease == nil {
				t.Fatalf("%v: next %v, lease %+v", at, verbs, w.lease)
			}
			if _, err := start().rollback(t.Context(), Request{}); err != nil {
				t.Fatal(err)
			}
			if _, err := start().Scale(t.Context(), AdjustRequest{Services: []string{"api"}, Tasks: 3}); err != nil {
				t.Fatal(err)
			}
			if _, err := start().promote(t.Context(), Request{Tag: "v1.2"}); err != nil {
				t.Error(err)
			}
			wantRuns(t, w, "v1.2")
		})
	}
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

// A release switches the autoscaling of a service off: the apply destroys what
// SetMinimum would change, both on the way there and on the way back.
func TestAutoscalingIsSwitchedOff(t *testing.T) {
	for _, bad := range []bool{false, true} {
		for _, most := range []int{2, 3} {
			inWorld(t, func(t *testing.T, w *world) {
				if _, err := w.start().Scale(t.Context(), AdjustRequest{Services: []string{"api"}, Tasks: 4}); err != nil {
					t.Fatal(err)
				}
				w.planned = Plan{Fingerprint: "fp-size"}
				w.onApply = func() { delete(w.minimums, "api") }
				w.behave = func(service, digest string) behaviour {
					return behaviour{after: 1, fails: bad && digest == digestOf("api", commitOf("v1.2"))}
				}
				p := w.start()
				p.Pipeline.Platform = sized(w.platform, most, most)
				r, err := p.promote(t.Context(), Request{Tag: "v1.2"})
				if bad {
					wantError(t, err, RolledBack, StepWatch, "service api is back")
					wantRuns(t, w, "v1.1")
				} else if err != nil || w.services["api"].desired != most {
					t.Fatalf("%d: %v, %d tasks", most, err, w.services["api"].desired)
				}
				if bad && w.services["api"].desired != 4 {
					t.Errorf("%d: back with %d tasks", most, w.services["api"].desired)
				}
				if _, ok := w.minimums["api"]; ok || r.Services["api"].MinimumBefore != nil {
					t.Errorf("%d: minimums %v, recorded %+v", most, w.minimums, r.Services["api"])
				}
			})
		}
	}
}

// So it is where the run that applied it was killed, and another one goes on.
func TestAutoscalingIsSwitchedOffByADeadRun(t *testing.T) {
	for _, at := range []point{{StepApply, "Apply", 1}, {StepUpdate, "UpdateService", 2}, {StepWatch, "DescribeDeployments", 1}} {
		for _, back := range []bool{false, true} {
			inWorld(t, func(t *testing.T, w *world) {
				w.planned = Plan{Fingerprint: "fp-size"}
				w.onApply = func() { delete(w.minimums, "api") }
				p := w.start()
				p.Pipeline.Platform = sized(w.platform, 3, 3)
				p.inject[at] = killedLate
				p.promote(t.Context(), Request{Tag: "v1.2"})
				if w.lease == nil {
					t.Fatal("it was not killed at work")
				}
				p = w.start()
				p.Pipeline.Platform = sized(w.platform, 3, 3)
				end, q, want := p.promote, Request{Tag: "v1.2"}, "v1.2"
				if back {
					end, q, want = p.rollback, Request{}, "v1.1"
				}
				if _, err := end(t.Context(), q); err != nil {
					t.Errorf("%v, back %v: %v", at, back, err)
				}
				wantRuns(t, w, want)
			})
		}
	}
}
