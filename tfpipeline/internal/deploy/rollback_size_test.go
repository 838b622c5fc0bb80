package deploy

import (
	"maps"
	"slices"
	"testing"
)

// A rollback applies nothing: sizes that were merged and never applied are not set,
// even where the maximum would allow them.
func TestRollbackLeavesSizes(t *testing.T) {
	for _, size := range [][2]int{{8, 12}, {3, 12}, {1, 2}} {
		inWorld(t, func(t *testing.T, w *world) {
			if _, err := w.start().promote(t.Context(), Request{Tag: "v1.2"}); err != nil {
				t.Fatal(err)
			}
			minimums, desired := maps.Clone(w.minimums), map[string]int{}
			for name, s := range w.services {
				desired[name] = s.desired
			}
			p := w.start()
			p.Pipeline.Platform.Environments = slices.Clone(w.platform.Environments)
			for i := range p.Pipeline.Platform.Environments {
				e := &p.Pipeline.Platform.Environments[i]
				e.Size.MinTasks, e.Size.MaxTasks, e.Sizes = size[0], size[1], nil
			}
			if _, err := p.rollback(t.Context(), Request{Tag: "v1.1"}); err != nil {
				t.Fatalf("%v: %v", size, err)
			}
			wantRuns(t, w, "v1.1")
			for name, s := range w.services {
				if s.desired != desired[name] {
					t.Errorf("%v: service %s wants %d tasks, wanted %d before", size, name, s.desired, desired[name])
				}
			}
			if !maps.Equal(minimums, w.minimums) {
				t.Errorf("%v: minimums are %v, were %v", size, w.minimums, minimums)
			}
		})
	}
}

// So does a restart, which needs no more tasks than run, and none of a service that
// somebody has set to none.
func TestRestartLeavesSizes(t *testing.T) {
	for _, size := range [][2]int{{8, 12}, {3, 3}, {1, 2}} {
		for _, none := range []bool{false, true} {
			inWorld(t, func(t *testing.T, w *world) {
				if none {
					w.services["api"].desired, w.services["mcp"].desired = 0, 0
					delete(w.minimums, "api")
				}
				minimums, desired := maps.Clone(w.minimums), map[string]int{}
				for name, s := range w.services {
					desired[name] = s.desired
				}
				p := w.start()
				p.Pipeline.Platform.Environments = slices.Clone(w.platform.Environments)
				for i := range p.Pipeline.Platform.Environments {
					e := &p.Pipeline.Platform.Environments[i]
					e.Size.MinTasks, e.Size.MaxTasks, e.Sizes = size[0], size[1], nil
				}
				if r, err := p.Restart(t.Context(), AdjustRequest{}); err != nil || r.Outcome != Done {
					t.Errorf("%v, none %v: %v", size, none, err)
				}
				for name, s := range w.services {
					if s.desired != desired[name] {
						t.Errorf("%v: service %s wants %d tasks, wanted %d before", size, name, s.desired, desired[name])
					}
				}
				if !maps.Equal(minimums, w.minimums) {
					t.Errorf("%v: minimums are %v, were %v", size, w.minimums, minimums)
				}
			})
		}
	}
}
