package ecs_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"

	"github.com/specboard/platform/tfpipeline/internal/localaws/ecs/ecstest"
)

func grace(seconds int32) func(*sdk.CreateServiceInput) {
	return func(in *sdk.CreateServiceInput) { in.HealthCheckGracePeriodSeconds = &seconds }
}

func TestGracePeriodSparesTasksThatAreNotHealthyYet(t *testing.T) {
	// The target fails its checks 30 s after the containers have started.
	for _, c := range []struct {
		grace int32
		want  string
	}{
		{0, " 52s (service api) (port 3001) is unhealthy in (target-group api-group) due to (reason Health checks failed)"},
		{120, "147s (service api) (port 3001) is unhealthy in (target-group api-group) due to (reason Health checks failed)"}, // RUNNING at 26
	} {
		inWorld(t, func(w *world) {
			w.script.On("one", ecstest.Behaviour{Unhealthy: true})
			w.create("api", w.register("api", "one"), 1, grace(c.grace))
			w.sleep(150 * time.Second)
			var found []string
			for _, e := range w.events("api", w.begin) {
				if e[5:] == c.want[5:] {
					found = append(found, e)
				}
			}
			if len(found) == 0 || found[0] != c.want {
				t.Errorf("grace %d: %q, want first %q", c.grace, found, c.want)
			}
		})
	}
}

func checked(in *sdk.RegisterTaskDefinitionInput) {
	in.ContainerDefinitions[0].HealthCheck = &types.HealthCheck{
		Command: []string{"CMD-SHELL", "true"}, Interval: new(int32(10)), Retries: new(int32(2)), StartPeriod: new(int32(5)),
	}
}

func TestContainerHealthChecks(t *testing.T) {
	inWorld(t, func(w *world) {
		w.create("api", w.register("api", "one", checked), 1, plainService)
		same(t, "healthy after one interval", w.timeline("api", time.Minute),
			"  0s PENDING: PRIMARY api:1 0/1 IN_PROGRESS",
			"  1s IN_PROGRESS: PRIMARY api:1 0/1+1 IN_PROGRESS",
			" 26s IN_PROGRESS: PRIMARY api:1 1/1 IN_PROGRESS",
			" 37s SUCCESSFUL: PRIMARY api:1 1/1 COMPLETED",
		)
		if task := w.Launches("api:1")[0]; task.HealthStatus != types.HealthStatusHealthy {
			t.Errorf("task is %s", task.HealthStatus)
		}
		w.script.On("two", ecstest.Behaviour{Unhealthy: true})
		begin := time.Now()
		w.update("api", w.register("api", "two", checked))
		w.sleep(5 * time.Minute)
		// Started at 21, unhealthy after 5 + 2 × 10.
		if got := w.events("api", begin)[1]; got != " 47s (service api) (task #) failed container health checks." {
			t.Errorf("event: %s", got)
		}
		same(t, "state", []string{w.line("api")}, "ROLLBACK_SUCCESSFUL: PRIMARY api:1 1/1 COMPLETED")
		if got := *w.Launches("api:2")[0].StoppedReason; got != "Task failed container health checks" {
			t.Errorf("stopped: %s", got)
		}
	})
}

// A task that falls sick runs until its replacement is healthy.
func TestTaskThatFallsSickIsReplaced(t *testing.T) {
	inWorld(t, func(w *world) {
		w.script.On("one", ecstest.Behaviour{Sick: 2 * time.Minute}, ecstest.Behaviour{})
		w.create("api", w.register("api", "one"), 1)
		w.settle("api")
		begin := time.Now()
		w.sleep(5 * time.Minute)
		same(t, "events", w.events("api", begin),
			"145s (service api) (port 3001) is unhealthy in (target-group api-group) due to (reason Health checks failed)",
			"145s (service api) has started 1 tasks: (task #). Amazon ECS replaced 1 tasks due to an unhealthy status.",
			"165s (service api) registered 1 targets in (target-group api-group)",
			"196s (service api) has stopped 1 running tasks: (task #).",
			"196s (service api) deregistered 1 targets in (target-group api-group)",
			"227s (service api) has reached a steady state.",
		)
		same(t, "state", []string{w.line("api")}, "SUCCESSFUL: PRIMARY api:1 1/1 COMPLETED")
		if got := *w.Launches("api:1")[0].StoppedReason; got != "Task failed ELB health checks in (target-group "+groupARN+")" {
			t.Errorf("stopped: %s", got)
		}
	})
}

// Where no further task may be started, the sick one makes room for its replacement.
func TestTaskThatFallsSickMakesRoom(t *testing.T) {
	inWorld(t, func(w *world) {
		w.script.On("one", ecstest.Behaviour{Sick: 2 * time.Minute}, ecstest.Behaviour{})
		w.create("api", w.register("api", "one"), 1, func(in *sdk.CreateServiceInput) {
			in.DeploymentConfiguration.MinimumHealthyPercent, in.DeploymentConfiguration.MaximumPercent = new(int32(0)), new(int32(100))
		})
		w.settle("api")
		begin := time.Now()
		w.sleep(5 * time.Minute)
		same(t, "events", w.events("api", begin)[:3],
			"145s (service api) (port 3001) is unhealthy in (target-group api-group) due to (reason Health checks failed)",
			"145s (service api) has stopped 1 running tasks: (task #).",
			"145s (service api) deregistered 1 targets in (target-group api-group)",
		)
		same(t, "state", []string{w.line("api")}, "SUCCESSFUL: PRIMARY api:1 1/1 COMPLETED")
	})
}

func TestTargetHealthThroughTheClient(t *testing.T) {
	inWorld(t, func(w *world) {
		client := elb.New(elb.Options{
			Region: "us-west-2", HTTPClient: w.HTTPClient(), Retryer: aws.NopRetryer{},
			Credentials: aws.CredentialsProviderFunc(staticCredentials),
		})
		states := func() (out []string) {
			all := must(client.DescribeTargetHealth(w.ctx, &elb.DescribeTargetHealthInput{TargetGroupArn: new(groupARN)}))(t)
			for _, d := range all.TargetHealthDescriptions {
				out = append(out, *d.Target.Id+" "+string(d.TargetHealth.State))
			}
			return out
		}
		w.create("api", w.register("api", "one"), 1)
		w.sleep(30 * time.Second)
		same(t, "at first", states(), "10.0.0.3 initial")
		w.settle("api")
		same(t, "settled", states(), "10.0.0.3 healthy")
		w.update("api", w.register("api", "two"))
		w.sleep(60 * time.Second)
		same(t, "during the deployment", states(), "10.0.0.3 draining", "10.0.0.4 healthy")
		w.settle("api")
		same(t, "after it", states(), "10.0.0.4 healthy")

		w.Inject(ecstest.Throttle(1, "DescribeTargetHealth"))
		if _, err := client.DescribeTargetHealth(w.ctx, &elb.DescribeTargetHealthInput{TargetGroupArn: new(groupARN)}); err == nil {
			t.Error("was not throttled")
		}
	})
}
