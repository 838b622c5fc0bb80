package deploy

import (
	"slices"
	"testing"
	"time"
)

// Minutes before the end of a long window, what says nothing of the release does not
// have it rolled back, and what does say something has it.
func TestLateInTheWindow(t *testing.T) {
	const window = 10 * time.Minute
	stop := func(w *world, code, reason string) {
		s := w.services["frontend"]
		s.crashed = append(s.crashed, StoppedTask{
			ARN: accountARN + "task/" + code, Name: s.name, TaskDefinition: s.definition, StopCode: code, Reason: reason, Created: time.Now(), Stopped: time.Now(),
		})
	}
	starting := []string{"10.0.0.7:3000 is initial"}
	for _, test := range []struct {
		name   string
		begin  func(w *world)
		lasts  time.Duration
		counts bool // the time meanwhile is part of the window
		wrong  string
	}{
		{
			"autoscaling starts a task", func(w *world) { w.targets["frontend"] = Targets{Healthy: 2, Initial: 1, Reasons: starting} }, 40 * time.Second,
			true, "",
		},
		{
			"Fargate retires a task", func(w *world) {
				stop(w, "TerminationNotice", "ECS is performing maintenance on the underlying infrastructure")
				w.targets["frontend"] = Targets{Healthy: 1, Initial: 1, Reasons: starting}
			}, 40 * time.Second,
			false, "",
		},
		{
			"a person stops a task", func(w *world) {
				stop(w, "UserInitiated", "Task stopped by user")
				w.targets["frontend"] = Targets{Healthy: 1}
			}, 40 * time.Second,
			false, "",
		},
		{
			"the replacement of a retired task never becomes healthy", func(w *world) {
				stop(w, "TerminationNotice", "ECS is performing maintenance on the underlying infrastructure")
				w.targets["frontend"] = Targets{Healthy: 1, Initial: 1, Reasons: starting}
			}, time.Hour,
			false, "service frontend has 1 healthy targets of at least 2: 10.0.0.7:3000 is initial",
		},
		{
			"a task cannot start", func(w *world) {
				stop(w, "TaskFailedToStart", "ResourceInitializationError")
				w.targets["frontend"] = Targets{Healthy: 1, Initial: 1, Reasons: starting}
			}, 40 * time.Second,
			false, "it has not stayed healthy for 10m0s",
		},
		{
			"a target is unhealthy", func(w *world) { w.targets["frontend"] = Targets{Healthy: 2, Unhealthy: 1} }, 40 * time.Second,
			false, "it has not stayed healthy for 10m0s",
		},
		{
			"ECS stops a task whose health checks fail", func(w *world) { stop(w, "ServiceSchedulerInitiated", "Task failed ELB health checks") }, 40 * time.Second,
			false, "Task failed ELB health checks",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.platform.Environments = slices.Clone(w.platform.Environments)
				for i := range w.platform.Environments {
					w.platform.Environments[i].HealthWindow = window
				}
				var verifying time.Time
				p := w.start()
				observe := p.Pipeline.Observe
				p.Pipeline.Observe = func(e Event) {
					observe(e)
					if e.Kind != EventStep || e.Step != StepVerify || !verifying.IsZero() {
						return
					}
					verifying = time.Now()
					time.AfterFunc(6*time.Minute, func() { w.mu.Lock(); defer w.mu.Unlock(); test.begin(w) })
					time.AfterFunc(6*time.Minute+test.lasts, func() { w.mu.Lock(); defer w.mu.Unlock(); delete(w.targets, "frontend") })
				}
				r, err := p.promote(t.Context(), Request{Tag: "v1.2"})
				if test.wrong != "" {
					wantError(t, err, RolledBack, StepVerify, test.wrong)
					return
				}
				if err != nil || r.Outcome != Deployed {
					t.Fatalf("%s: %v", r.Outcome, err)
				}
				least := window
				if !test.counts {
					least += test.lasts - 10*time.Second // since the look before
				}
				if took := time.Since(verifying); took < least || took > least+time.Minute {
					t.Errorf("deployed %v after it was looked at first, want at least %v", took, least)
				}
			})
		})
	}
}
