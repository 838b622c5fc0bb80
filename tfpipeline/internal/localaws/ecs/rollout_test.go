package ecs_test

import (
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"

	"github.com/specboard/platform/tfpipeline/internal/localaws/ecs/ecstest"
)

// same compares lines and shows what differs.
func same(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (- want, + got):\n%s", what, diff)
	}
}

func TestFirstDeploymentOfService(t *testing.T) {
	inWorld(t, func(w *world) {
		w.create("api", w.register("api", "one"), 2)
		same(t, "timeline", w.timeline("api", 2*time.Minute),
			"  0s PENDING: PRIMARY api:1 0/2 IN_PROGRESS",
			"  1s IN_PROGRESS: PRIMARY api:1 0/2+2 IN_PROGRESS",
			" 26s IN_PROGRESS: PRIMARY api:1 2/2 IN_PROGRESS", // provision 10 + start 10 + activate 5
			" 57s SUCCESSFUL: PRIMARY api:1 2/2 COMPLETED",    // targets healthy at 51, looked at 52, steady for 5
		)
		same(t, "events", w.events("api", w.begin),
			"  1s (service api) has started 2 tasks: (task #) (task #).",
			" 21s (service api) registered 1 targets in (target-group api-group)",
			" 57s (service api) (deployment ecs-svc/#) deployment completed.",
			" 57s (service api) has reached a steady state.",
		)
	})
}

func TestRollingDeploymentStartsNewTasksBeforeOldOnesStop(t *testing.T) {
	inWorld(t, func(w *world) {
		w.create("api", w.register("api", "one"), 2)
		w.settle("api")
		begin := time.Now()
		w.update("api", w.register("api", "two"))
		same(t, "timeline", w.timeline("api", 2*time.Minute),
			"  0s PENDING: PRIMARY api:2 0/2 IN_PROGRESS, ACTIVE api:1 2/2 COMPLETED",
			"  1s IN_PROGRESS: PRIMARY api:2 0/2+2 IN_PROGRESS, ACTIVE api:1 2/2 COMPLETED",
			" 26s IN_PROGRESS: PRIMARY api:2 2/2 IN_PROGRESS, ACTIVE api:1 2/2 COMPLETED",
			" 52s IN_PROGRESS: PRIMARY api:2 2/2 IN_PROGRESS, ACTIVE api:1 2/0 COMPLETED", // healthy: the old ones drain
			" 82s IN_PROGRESS: PRIMARY api:2 2/2 IN_PROGRESS, ACTIVE api:1 0/0 COMPLETED", // drained, signalled
			" 83s IN_PROGRESS: PRIMARY api:2 2/2 IN_PROGRESS",
			" 88s SUCCESSFUL: PRIMARY api:2 2/2 COMPLETED",
		)
		same(t, "events", w.events("api", begin),
			"  1s (service api) has started 2 tasks: (task #) (task #).",
			" 21s (service api) registered 1 targets in (target-group api-group)",
			" 52s (service api) has stopped 2 running tasks: (task #) (task #).",
			" 52s (service api) deregistered 1 targets in (target-group api-group)",
			" 52s (service api) has begun draining connections on 2 tasks.",
			" 88s (service api) (deployment ecs-svc/#) deployment completed.",
			" 88s (service api) has reached a steady state.",
		)
	})
}

func percent(least, most int32) func(*sdk.CreateServiceInput) {
	return func(in *sdk.CreateServiceInput) {
		in.DeploymentConfiguration.MinimumHealthyPercent = &least
		in.DeploymentConfiguration.MaximumPercent = &most
	}
}

func TestRollingDeploymentKeepsToItsPercents(t *testing.T) {
	for _, c := range []struct {
		name        string
		least, most int32
		want        []string
	}{
		{"one at a time, the old one first", 50, 100, []string{
			"  0s PENDING: PRIMARY api:2 0/2 IN_PROGRESS, ACTIVE api:1 2/2 COMPLETED",
			"  1s IN_PROGRESS: PRIMARY api:2 0/2 IN_PROGRESS, ACTIVE api:1 1/1 COMPLETED",
			"  2s IN_PROGRESS: PRIMARY api:2 0/2+1 IN_PROGRESS, ACTIVE api:1 1/1 COMPLETED",
			" 27s IN_PROGRESS: PRIMARY api:2 1/2 IN_PROGRESS, ACTIVE api:1 1/1 COMPLETED",
			" 28s IN_PROGRESS: PRIMARY api:2 1/2 IN_PROGRESS",
			" 29s IN_PROGRESS: PRIMARY api:2 1/2+1 IN_PROGRESS",
			" 54s IN_PROGRESS: PRIMARY api:2 2/2 IN_PROGRESS",
			" 60s SUCCESSFUL: PRIMARY api:2 2/2 COMPLETED",
		}},
		{"one more than desired", 100, 150, []string{
			"  0s PENDING: PRIMARY api:2 0/2 IN_PROGRESS, ACTIVE api:1 2/2 COMPLETED",
			"  1s IN_PROGRESS: PRIMARY api:2 0/2+1 IN_PROGRESS, ACTIVE api:1 2/2 COMPLETED",
			" 26s IN_PROGRESS: PRIMARY api:2 1/2 IN_PROGRESS, ACTIVE api:1 2/2 COMPLETED",
			" 27s IN_PROGRESS: PRIMARY api:2 1/2 IN_PROGRESS, ACTIVE api:1 1/1 COMPLETED",
			" 28s IN_PROGRESS: PRIMARY api:2 1/2+1 IN_PROGRESS, ACTIVE api:1 1/1 COMPLETED",
			" 53s IN_PROGRESS: PRIMARY api:2 2/2 IN_PROGRESS, ACTIVE api:1 1/1 COMPLETED",
			" 54s IN_PROGRESS: PRIMARY api:2 2/2 IN_PROGRESS",
			" 59s SUCCESSFUL: PRIMARY api:2 2/2 COMPLETED",
		}},
		{"all at once, with an outage", 0, 100, []string{
			"  0s PENDING: PRIMARY api:2 0/2 IN_PROGRESS, ACTIVE api:1 2/2 COMPLETED",
			"  1s IN_PROGRESS: PRIMARY api:2 0/2 IN_PROGRESS",
			"  2s IN_PROGRESS: PRIMARY api:2 0/2+2 IN_PROGRESS",
			" 27s IN_PROGRESS: PRIMARY api:2 2/2 IN_PROGRESS",
			" 33s SUCCESSFUL: PRIMARY api:2 2/2 COMPLETED",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.create("api", w.register("api", "one"), 2, plainService, percent(c.least, c.most))
				w.settle("api")
				w.update("api", w.register("api", "two"))
				same(t, "timeline", w.timeline("api", 2*time.Minute), c.want...)
			})
		})
	}
}

func TestDesiredCountAloneBeginsNoDeployment(t *testing.T) {
	inWorld(t, func(w *world) {
		w.create("api", w.register("api", "one"), 1, plainService)
		w.settle("api")
		before := w.work("api")
		w.update("api", "", func(in *sdk.UpdateServiceInput) { in.DesiredCount = new(int32(3)) })
		same(t, "out", w.timeline("api", time.Minute),
			"  0s SUCCESSFUL: PRIMARY api:1 1/3 COMPLETED",
			"  1s SUCCESSFUL: PRIMARY api:1 1/3+2 COMPLETED",
			" 26s SUCCESSFUL: PRIMARY api:1 3/3 COMPLETED",
		)
		w.update("api", "", func(in *sdk.UpdateServiceInput) { in.DesiredCount = new(int32(0)) })
		same(t, "in", w.timeline("api", time.Minute),
			"  0s SUCCESSFUL: PRIMARY api:1 3/0 COMPLETED",
			"  1s SUCCESSFUL: PRIMARY api:1 0/0 COMPLETED",
		)
		if after := w.work("api"); *after.ServiceDeploymentArn != *before.ServiceDeploymentArn {
			t.Error("a service deployment began")
		}
	})
}

func TestServiceAtZeroIsSteadyImmediately(t *testing.T) {
	inWorld(t, func(w *world) {
		w.create("api", w.register("api", "template"), 0)
		same(t, "timeline", w.timeline("api", time.Minute),
			"  0s PENDING: PRIMARY api:1 0/0 IN_PROGRESS",
			"  1s IN_PROGRESS: PRIMARY api:1 0/0 IN_PROGRESS",
			"  6s SUCCESSFUL: PRIMARY api:1 0/0 COMPLETED",
		)
		w.update("api", w.register("api", "one"), func(in *sdk.UpdateServiceInput) { in.DesiredCount = new(int32(1)) })
		same(t, "first release", w.timeline("api", time.Minute),
			"  0s PENDING: PRIMARY api:2 0/1 IN_PROGRESS, ACTIVE api:1 0/0 COMPLETED",
			"  1s IN_PROGRESS: PRIMARY api:2 0/1+1 IN_PROGRESS",
			" 26s IN_PROGRESS: PRIMARY api:2 1/1 IN_PROGRESS",
			" 57s SUCCESSFUL: PRIMARY api:2 1/1 COMPLETED",
		)
	})
}

func TestUpdateDuringDeploymentSupersedes(t *testing.T) {
	inWorld(t, func(w *world) {
		w.create("api", w.register("api", "one"), 1)
		w.settle("api")
		first := w.update("api", w.register("api", "two"))
		w.sleep(30 * time.Second)
		second := w.update("api", w.register("api", "three"))
		old := w.workOf(*first.CurrentServiceDeployment)
		if old.Status != types.ServiceDeploymentStatusStopped || old.FinishedAt == nil || old.StatusReason != nil {
			t.Errorf("superseded deployment: %s, finished %v, reason %v", old.Status, old.FinishedAt, old.StatusReason)
		}
		same(t, "timeline", w.timeline("api", 2*time.Minute),
			"  0s PENDING: PRIMARY api:3 0/1 IN_PROGRESS, ACTIVE api:2 1/1 IN_PROGRESS, ACTIVE api:1 1/1 COMPLETED",
			// The task of api:2 is not healthy yet: it goes at once; api:3 may start.
			"  1s IN_PROGRESS: PRIMARY api:3 0/1 IN_PROGRESS, ACTIVE api:2 1/0 IN_PROGRESS, ACTIVE api:1 1/1 COMPLETED",
			"  2s IN_PROGRESS: PRIMARY api:3 0/1+1 IN_PROGRESS, ACTIVE api:2 1/0 IN_PROGRESS, ACTIVE api:1 1/1 COMPLETED",
			" 27s IN_PROGRESS: PRIMARY api:3 1/1 IN_PROGRESS, ACTIVE api:2 1/0 IN_PROGRESS, ACTIVE api:1 1/1 COMPLETED",
			" 31s IN_PROGRESS: PRIMARY api:3 1/1 IN_PROGRESS, ACTIVE api:2 0/0 IN_PROGRESS, ACTIVE api:1 1/1 COMPLETED",
			" 32s IN_PROGRESS: PRIMARY api:3 1/1 IN_PROGRESS, ACTIVE api:1 1/1 COMPLETED",
			" 53s IN_PROGRESS: PRIMARY api:3 1/1 IN_PROGRESS, ACTIVE api:1 1/0 COMPLETED",
			" 83s IN_PROGRESS: PRIMARY api:3 1/1 IN_PROGRESS, ACTIVE api:1 0/0 COMPLETED",
			" 84s IN_PROGRESS: PRIMARY api:3 1/1 IN_PROGRESS",
			" 89s SUCCESSFUL: PRIMARY api:3 1/1 COMPLETED",
		)
		if got := w.workOf(*first.CurrentServiceDeployment); got.Status != types.ServiceDeploymentStatusStopped {
			t.Errorf("superseded deployment ended as %s", got.Status)
		}
		if got := w.workOf(*second.CurrentServiceDeployment); got.Status != types.ServiceDeploymentStatusSuccessful {
			t.Errorf("second deployment ended as %s", got.Status)
		}
	})
}

// The history must not depend on who looks and when.
func TestHistoryIsTheSameWithoutCalls(t *testing.T) {
	history := func(look time.Duration) (events []string) {
		inWorld(t, func(w *world) {
			w.script.On("two", ecstest.Behaviour{Unhealthy: true})
			w.create("api", w.register("api", "one"), 3)
			w.settle("api")
			begin := time.Now()
			w.update("api", w.register("api", "two"))
			for time.Since(begin) < 10*time.Minute {
				w.sleep(look)
				w.describe("api")
			}
			events = w.events("api", begin)
		})
		return events
	}
	same(t, "events of who looks every 10 minutes, and every 700 ms", history(10*time.Minute), history(700*time.Millisecond)...)
}
