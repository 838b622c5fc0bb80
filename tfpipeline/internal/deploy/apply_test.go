package deploy

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/specboard/platform/gen/config"
)

// The apply changes the shape of a service, and its tasks do not start: ECS
// goes back, and the release is not deployed on what it goes back to.
func TestAnApplyWhoseDeploymentFails(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.planned = Plan{Fingerprint: "fp-1", Summary: "1 to change"}
		w.onApply = func() {
			s := w.services["api"]
			d := w.deploy(s)
			d.behaviour = behaviour{after: 20 * time.Second, fails: true, reason: "the target group is gone"}
		}
		r, err := w.start().promote(t.Context(), Request{Tag: "v1.2"})
		e := wantError(t, err, Untouched, StepApply, "service api does not run with what the apply changed", "rolled back", "the target group is gone", "the infrastructure was applied")
		if e.ExitCode() != 1 || !r.Applied || w.lease != nil {
			t.Errorf("exit %d, record %+v, lease %+v", e.ExitCode(), r, w.lease)
		}
		wantRuns(t, w, "v1.1")
	})
}

// The apply begins to scale a service that ran before, with a least number of
// none, as that of a service that does not run.
func TestAnApplyThatBeginsToScale(t *testing.T) {
	for _, fails := range []bool{false, true} {
		inWorld(t, func(t *testing.T, w *world) {
			delete(w.minimums, "api")
			w.planned = Plan{Fingerprint: "fp-1"}
			w.onApply = func() { w.minimums["api"] = 0 }
			w.behave = func(service, digest string) behaviour {
				return behaviour{after: 20 * time.Second, fails: fails && digest == digestOf(service, commitOf("v1.2"))}
			}
			_, err := w.start().promote(t.Context(), Request{Tag: "v1.2"})
			if fails {
				wantError(t, err, RolledBack, StepWatch)
			} else if err != nil {
				t.Fatal(err)
			}
			if got := w.minimums["api"]; got != 2 {
				t.Errorf("fails %v: autoscaling may go down to %d tasks", fails, got)
			}
		})
	}
}

// A least number of tasks that a schedule has set stays, whether the release succeeds
// or fails; any other goes to what the struct says.
func TestMinimumsOfASchedule(t *testing.T) {
	for _, fails := range []bool{false, true} {
		inWorld(t, func(t *testing.T, w *world) {
			p := w.start()
			p.Platform.Environments = slices.Clone(p.Platform.Environments)
			for i := range p.Platform.Environments {
				size := &p.Platform.Environments[i].Size
				size.MaxTasks, size.TargetCPUPercent = 6, 60
				size.Minimums = []config.Minimum{
					{Name: "day", Expression: "cron(0 7 * * ? *)", MinTasks: 4}, {Name: "night", Expression: "cron(0 19 * * ? *)", MinTasks: size.MinTasks},
				}
			}
			w.minimums["api"], w.minimums["mcp"] = 4, 3
			w.services["api"].desired = 4
			w.behave = func(service, digest string) behaviour {
				return behaviour{after: 20 * time.Second, fails: fails && digest == digestOf(service, commitOf("v1.2"))}
			}
			_, err := p.promote(t.Context(), Request{Tag: "v1.2"})
			want := map[string]int{"api": 4, "mcp": 2}
			if fails {
				wantError(t, err, RolledBack, StepWatch)
				want["mcp"] = 3
			} else if err != nil {
				t.Fatal(err)
			}
			for name, least := range want {
				if got := w.minimums[name]; got != least {
					t.Errorf("fails %v: autoscaling of %s may go down to %d tasks, want %d", fails, name, got, least)
				}
			}
		})
	}
}

// What a reviewed plan differs in is told where it matters.
func TestAnUnreviewedPlanIsRefusedInItsOwnWords(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.planned = Plan{Fingerprint: "fp-2", Unreviewed: errors.New("the bucket is new in it")}
		_, err := w.start().promote(t.Context(), Request{Tag: "v1.2", Reviewed: "fp-1"})
		wantError(t, err, Untouched, StepPlan, "the bucket is new in it")
	})
}
