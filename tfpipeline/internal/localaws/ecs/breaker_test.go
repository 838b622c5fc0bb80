package ecs_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/specboard/platform/tfpipeline/internal/localaws/ecs"
	"github.com/specboard/platform/tfpipeline/internal/localaws/ecs/ecstest"
)

func TestCircuitBreakerRollsBackToTheLastCompletedDeployment(t *testing.T) {
	inWorld(t, func(w *world) {
		one := w.register("api", "one")
		w.create("api", one, 2)
		w.settle("api")
		good := w.describe("api").Deployments[0]

		w.script.On("two", ecstest.Behaviour{Unhealthy: true})
		begin := time.Now()
		bad := w.update("api", w.register("api", "two"))
		same(t, "timeline", w.timeline("api", 3*time.Minute),
			"  0s PENDING: PRIMARY api:2 0/2 IN_PROGRESS, ACTIVE api:1 2/2 COMPLETED",
			"  1s IN_PROGRESS: PRIMARY api:2 0/2+2 IN_PROGRESS, ACTIVE api:1 2/2 COMPLETED",
			" 26s IN_PROGRESS: PRIMARY api:2 2/2 IN_PROGRESS, ACTIVE api:1 2/2 COMPLETED",
			" 52s IN_PROGRESS: PRIMARY api:2 2/2+2 failed 2 IN_PROGRESS, ACTIVE api:1 2/2 COMPLETED",
			" 77s IN_PROGRESS: PRIMARY api:2 4/2 failed 2 IN_PROGRESS, ACTIVE api:1 2/2 COMPLETED",
			" 82s IN_PROGRESS: PRIMARY api:2 2/2 failed 2 IN_PROGRESS, ACTIVE api:1 2/2 COMPLETED",
			"103s ROLLBACK_IN_PROGRESS: PRIMARY api:1 2/2 IN_PROGRESS, ACTIVE api:2 2/0 failed 3 FAILED",
			"133s ROLLBACK_IN_PROGRESS: PRIMARY api:1 2/2 IN_PROGRESS, ACTIVE api:2 0/0 failed 3 FAILED",
			"134s ROLLBACK_IN_PROGRESS: PRIMARY api:1 2/2 IN_PROGRESS",
			"139s ROLLBACK_SUCCESSFUL: PRIMARY api:1 2/2 COMPLETED",
		)
		same(t, "events", w.events("api", begin),
			"  1s (service api) has started 2 tasks: (task #) (task #).",
			" 21s (service api) registered 1 targets in (target-group api-group)",
			" 52s (service api) (port 3001) is unhealthy in (target-group api-group) due to (reason Health checks failed)",
			" 52s (service api) has stopped 1 running tasks: (task #).",
			" 52s (service api) deregistered 1 targets in (target-group api-group)",
			" 52s (service api) has stopped 1 running tasks: (task #).",
			" 52s (service api) deregistered 1 targets in (target-group api-group)",
			" 52s (service api) has started 2 tasks: (task #) (task #). Amazon ECS replaced 2 tasks due to an unhealthy status.",
			" 72s (service api) registered 1 targets in (target-group api-group)",
			"103s (service api) (port 3001) is unhealthy in (target-group api-group) due to (reason Health checks failed)",
			"103s (service api) is unable to consistently start tasks successfully. For more information, see the Troubleshooting section of the Amazon ECS Developer Guide.",
			"103s (service api) (deployment ecs-svc/#) deployment failed: tasks failed to start.",
			"103s (service api) rolling back to deployment ecs-svc/#.",
			"103s (service api) (port 3001) is unhealthy in (target-group api-group) due to (reason Health checks failed)",
			"103s (service api) has stopped 1 running tasks: (task #).",
			"103s (service api) deregistered 1 targets in (target-group api-group)",
			"103s (service api) has stopped 1 running tasks: (task #).",
			"103s (service api) deregistered 1 targets in (target-group api-group)",
			"139s (service api) (deployment ecs-svc/#) deployment completed.",
			"139s (service api) has reached a steady state.",
		)

		// The very same deployment is PRIMARY again, and no revision is new.
		s := w.describe("api")
		if *s.Deployments[0].Id != *good.Id || *s.TaskDefinition != one {
			t.Errorf("went back to %s with %s, want %s with %s", *s.Deployments[0].Id, *s.TaskDefinition, *good.Id, one)
		}
		d := w.work("api")
		if *d.ServiceDeploymentArn != *bad.CurrentServiceDeployment {
			t.Error("the rollback is a service deployment of its own")
		}
		b := d.DeploymentCircuitBreaker
		if b.Status != types.ServiceDeploymentRollbackMonitorsStatusTriggered || b.FailureCount != 3 || b.Threshold != 3 {
			t.Errorf("circuit breaker: %s %d of %d", b.Status, b.FailureCount, b.Threshold)
		}
		if *d.StatusReason != ecs.ReasonRolledBack || *d.Rollback.Reason != ecs.ReasonRolledBack || d.Rollback.StartedAt == nil {
			t.Errorf("reason %q, rollback %+v", *d.StatusReason, d.Rollback)
		}
		if *d.Rollback.ServiceRevisionArn != *d.SourceServiceRevisions[0].Arn || *d.TargetServiceRevision.Arn == *d.Rollback.ServiceRevisionArn {
			t.Error("the rollback does not go from the target to the source revision")
		}
	})
}

func breaker(enable, rollback bool) func(*sdk.CreateServiceInput) {
	return func(in *sdk.CreateServiceInput) {
		in.DeploymentConfiguration.DeploymentCircuitBreaker = &types.DeploymentCircuitBreaker{Enable: enable, Rollback: rollback}
	}
}

func TestCircuitBreakerWithoutRollbackStops(t *testing.T) {
	inWorld(t, func(w *world) {
		w.create("api", w.register("api", "one"), 1, breaker(true, false))
		w.settle("api")
		w.script.On("two", ecstest.Behaviour{NotStarted: "CannotPullContainerError: not found"})
		w.update("api", w.register("api", "two"))
		w.sleep(5 * time.Minute)
		same(t, "state", []string{w.line("api")},
			"STOPPED: PRIMARY api:2 0/1 failed 3 FAILED, ACTIVE api:1 1/1 COMPLETED")
		d := w.work("api")
		if d.StoppedAt == nil || d.FinishedAt == nil || d.Rollback != nil {
			t.Errorf("stopped %v, finished %v, rollback %v", d.StoppedAt, d.FinishedAt, d.Rollback)
		}
		if got := *w.describe("api").Deployments[0].RolloutStateReason; got != "ECS deployment circuit breaker: tasks failed to start." {
			t.Errorf("reason: %s", got)
		}
		// A failed deployment starts no more tasks, for ever.
		w.sleep(time.Hour)
		if n := len(w.Launches("api:2")); n != 0 {
			t.Errorf("%d tasks of the failed deployment in the last hour", n)
		}
	})
}

func TestCircuitBreakerStallsWithoutCompletedDeployment(t *testing.T) {
	inWorld(t, func(w *world) {
		w.script.On("one", ecstest.Behaviour{Exit: &ecstest.Exit{After: time.Second, Code: 1}})
		w.create("api", w.register("api", "one"), 1)
		w.sleep(10 * time.Minute)
		same(t, "state", []string{w.line("api")}, "ROLLBACK_FAILED: PRIMARY api:1 0/1 failed 3 FAILED")
		if d := w.work("api"); *d.StatusReason != "No rollback candidate was found to run the rollback." {
			t.Errorf("reason: %s", *d.StatusReason)
		}
	})
}

func TestRollbackThatFailsToo(t *testing.T) {
	inWorld(t, func(w *world) {
		// The old tasks must go first, and cannot come back.
		w.script.On("one", ecstest.Behaviour{}, ecstest.Behaviour{Exit: &ecstest.Exit{Code: 1}})
		w.script.On("two", ecstest.Behaviour{Exit: &ecstest.Exit{Code: 1}})
		w.create("api", w.register("api", "one"), 1, percent(0, 100))
		w.settle("api")
		w.update("api", w.register("api", "two"))
		w.sleep(20 * time.Minute)
		same(t, "state", []string{w.line("api")}, "ROLLBACK_FAILED: PRIMARY api:1 0/1 failed 3 FAILED")
	})
}

func TestWhatTheCircuitBreakerCounts(t *testing.T) {
	for _, c := range []struct {
		name    string
		two     []ecstest.Behaviour
		service func(*sdk.CreateServiceInput)
		trips   bool
	}{
		{"image cannot be pulled", []ecstest.Behaviour{{NotStarted: "CannotPullContainerError: x"}}, plainService, true},
		{"no capacity", []ecstest.Behaviour{{NoRoom: ecstest.NoCapacity}}, plainService, true},
		{"exits before its target is healthy", []ecstest.Behaviour{{Exit: &ecstest.Exit{After: time.Second, Code: 1}}}, nil, true},
		{"never healthy", []ecstest.Behaviour{{Unhealthy: true}}, nil, true},
		{"exits before it is RUNNING", []ecstest.Behaviour{{Exit: &ecstest.Exit{Code: 1}}}, plainService, true},
		{"crashes when RUNNING, and has no health check", []ecstest.Behaviour{{Exit: &ecstest.Exit{After: 7 * time.Second, Code: 1}}}, plainService, false},
		{"two failures, then a healthy one", []ecstest.Behaviour{{NotStarted: "x"}, {NotStarted: "x"}, {}}, plainService, false},
		{"stuck in PENDING", []ecstest.Behaviour{{Stuck: true}}, plainService, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				change := []func(*sdk.CreateServiceInput){}
				if c.service != nil {
					change = append(change, c.service)
				}
				w.create("api", w.register("api", "one"), 1, change...)
				w.settle("api")
				w.script.On("two", c.two...)
				w.update("api", w.register("api", "two"))
				w.sleep(15 * time.Minute)
				d := w.work("api")
				if tripped := d.DeploymentCircuitBreaker.Status == types.ServiceDeploymentRollbackMonitorsStatusTriggered; tripped != c.trips {
					t.Errorf("tripped: %t; %s", tripped, w.line("api"))
				}
				if c.trips && d.Status != types.ServiceDeploymentStatusRollbackSuccessful {
					t.Errorf("ended as %s", d.Status)
				}
			})
		})
	}
}

func TestStuckDeploymentStaysInProgress(t *testing.T) {
	inWorld(t, func(w *world) {
		w.create("api", w.register("api", "one"), 2)
		w.settle("api")
		w.script.On("two", ecstest.Behaviour{Stuck: true})
		w.update("api", w.register("api", "two"))
		w.sleep(3 * time.Hour)
		same(t, "state", []string{w.line("api")}, "IN_PROGRESS: PRIMARY api:2 0/2+2 IN_PROGRESS, ACTIVE api:1 2/2 COMPLETED")
	})
}

func TestWithoutCircuitBreakerItTriesForEver(t *testing.T) {
	inWorld(t, func(w *world) {
		w.create("api", w.register("api", "one"), 1, breaker(false, false))
		w.settle("api")
		w.script.On("two", ecstest.Behaviour{NotStarted: "CannotPullContainerError: not found"})
		w.update("api", w.register("api", "two"))
		w.sleep(time.Hour)
		d := w.work("api")
		if d.Status != types.ServiceDeploymentStatusInProgress || d.DeploymentCircuitBreaker.Status != types.ServiceDeploymentRollbackMonitorsStatusDisabled {
			t.Errorf("%s, circuit breaker %s", d.Status, d.DeploymentCircuitBreaker.Status)
		}
		// The wait between two starts doubles up to a quarter of an hour.
		if n := w.describe("api").Deployments[0].FailedTasks; n < 8 || n > 12 {
			t.Errorf("%d starts in an hour", n)
		}
	})
}

func TestCapacityComesBack(t *testing.T) {
	inWorld(t, func(w *world) {
		w.create("api", w.register("api", "one"), 1, plainService, breaker(false, false))
		w.settle("api")
		w.script.On("two", ecstest.Behaviour{NoRoom: ecstest.NoCapacity, RoomAfter: time.Minute})
		begin := time.Now()
		w.update("api", w.register("api", "two"))
		w.sleep(5 * time.Minute)
		same(t, "state", []string{w.line("api")}, "SUCCESSFUL: PRIMARY api:2 1/1 COMPLETED")
		if events := w.events("api", begin); events[0] != "  1s (service api) was unable to place a task. Reason: "+ecstest.NoCapacity+"." {
			t.Errorf("first event: %s", events[0])
		}
	})
}

func TestStopServiceDeploymentRollsBack(t *testing.T) {
	for _, c := range []struct {
		name string
		wait time.Duration
		want []string
	}{
		{"while PENDING", 0, []string{
			"  0s ROLLBACK_REQUESTED: PRIMARY api:2 0/1 IN_PROGRESS, ACTIVE api:1 1/1 COMPLETED",
			"  1s ROLLBACK_IN_PROGRESS: PRIMARY api:1 1/1 IN_PROGRESS",
			"  6s ROLLBACK_SUCCESSFUL: PRIMARY api:1 1/1 COMPLETED",
		}},
		{"while IN_PROGRESS", 30 * time.Second, []string{
			"  0s ROLLBACK_REQUESTED: PRIMARY api:2 1/1 IN_PROGRESS, ACTIVE api:1 1/1 COMPLETED",
			"  1s ROLLBACK_IN_PROGRESS: PRIMARY api:1 1/1 IN_PROGRESS, ACTIVE api:2 1/0 FAILED",
			" 31s ROLLBACK_IN_PROGRESS: PRIMARY api:1 1/1 IN_PROGRESS, ACTIVE api:2 0/0 FAILED",
			" 32s ROLLBACK_IN_PROGRESS: PRIMARY api:1 1/1 IN_PROGRESS",
			" 37s ROLLBACK_SUCCESSFUL: PRIMARY api:1 1/1 COMPLETED",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				// Even with the breaker's rollback switched off.
				w.create("api", w.register("api", "one"), 1, breaker(true, false))
				w.settle("api")
				arn := *w.update("api", w.register("api", "two")).CurrentServiceDeployment
				w.sleep(c.wait)
				stop := &sdk.StopServiceDeploymentInput{ServiceDeploymentArn: &arn, StopType: types.StopServiceDeploymentStopTypeRollback}
				must(w.client.StopServiceDeployment(w.ctx, stop))(t)
				must(w.client.StopServiceDeployment(w.ctx, stop))(t) // again changes nothing
				same(t, "timeline", w.timeline("api", time.Minute), c.want...)

				_, err := w.client.StopServiceDeployment(w.ctx, stop)
				if _, ok := errors.AsType[*types.ConflictException](err); !ok {
					t.Errorf("stop of a finished deployment: %v", err)
				}
				_, err = w.client.StopServiceDeployment(w.ctx, &sdk.StopServiceDeploymentInput{ServiceDeploymentArn: new(strings.Replace(arn, "/api/", "/no/", 1))})
				if _, ok := errors.AsType[*types.ServiceDeploymentNotFoundException](err); !ok {
					t.Errorf("stop of none: %v", err)
				}
				_, err = w.client.StopServiceDeployment(w.ctx, &sdk.StopServiceDeploymentInput{ServiceDeploymentArn: &arn, StopType: types.StopServiceDeploymentStopTypeAbort})
				if _, ok := errors.AsType[*types.UnsupportedFeatureException](err); !ok {
					t.Errorf("abort: %v", err)
				}
			})
		})
	}
}
