package ecs_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/google/go-cmp/cmp"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/localaws/ecs/ecstest"
)

func TestDeploymentIsFollowedToItsEnd(t *testing.T) {
	inWorld(t, options{}, func(w *world) {
		caused := w.promote("two")
		for name, d := range w.watch(caused) {
			if d.ARN != caused[name] || d.State != deploy.DeploymentSuccessful || d.Desired != 2 || d.Running != 2 || d.Pending != 0 ||
				d.Created.IsZero() || d.Finished.IsZero() || d.Reason != "" || d.Failures != 0 || d.Threshold != 3 {
				t.Errorf("%s: %+v", name, d)
			}
		}
		for name, s := range ok(w.env.DescribeServices(w.ctx, w.services))(t) {
			if s.Deployment == nil || s.Deployment.TaskDefinition != s.TaskDefinition || s.Desired != 2 || s.Running != 2 || s.Pending != 0 {
				t.Errorf("%s: %+v", name, s)
			}
		}
		for name, digests := range w.digests() {
			if want := digest(name, "two"); !slices.Equal(digests, []string{want, want}) {
				t.Errorf("%s runs %v, want twice %s", name, digests, want)
			}
		}
	})
}

// A slow service takes nine minutes to start; each look shows how far it is.
func TestSlowDeployment(t *testing.T) {
	inWorld(t, options{services: 1}, func(w *world) {
		w.script.On(digest("s01", "two"), ecstest.Behaviour{Start: 9 * time.Minute})
		begin := time.Now()
		caused := w.promote("two")
		var seen []string
		for {
			d := ok(w.env.DescribeDeployments(w.ctx, []string{caused["s01"]}))(t)[caused["s01"]]
			line := string(d.State)
			if d.Pending > 0 {
				line += ", pending"
			}
			if d.Running > 0 {
				line += ", running"
			}
			if len(seen) == 0 || seen[len(seen)-1] != line {
				seen = append(seen, line)
			}
			if d.State.Ended() {
				break
			}
			pause(w.ctx, tick)
		}
		want := []string{"pending", "in progress, pending", "in progress, running", "successful, running"}
		if diff := cmp.Diff(want, seen); diff != "" {
			t.Errorf("seen (- want, + got):\n%s", diff)
		}
		if took := time.Since(begin); took < 9*time.Minute || took > 11*time.Minute {
			t.Errorf("took %s", took)
		}
	})
}

// A service that stays pending is given up after ten minutes, in no time.
func TestStuckPendingDeployment(t *testing.T) {
	inWorld(t, options{services: 1}, func(w *world) {
		w.script.On(digest("s01", "two"), ecstest.Behaviour{Stuck: true})
		ctx, cancel := context.WithTimeout(w.ctx, 10*time.Minute)
		defer cancel()
		begin := time.Now()
		last, err := w.watchIn(ctx, w.promote("two"))
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != 10*time.Minute {
			t.Fatalf("after %s: %v", time.Since(begin), err)
		}
		if d := last["s01"]; d.State != deploy.DeploymentInProgress || d.Running != 0 || d.Pending != 2 || d.Desired != 2 {
			t.Errorf("last seen: %+v", d)
		}
		old := []string{digest("s01", "one"), digest("s01", "one")}
		if got := w.digests()["s01"]; !slices.Equal(got, old) {
			t.Errorf("tasks that are pending run: %v", got)
		}
		// It can still be taken back.
		if err := w.env.StopDeployment(w.ctx, last["s01"].ARN); err != nil {
			t.Fatal(err)
		}
		if d := w.watch(map[string]string{"s01": last["s01"].ARN})["s01"]; d.State != deploy.DeploymentRolledBack {
			t.Errorf("after the stop: %+v", d)
		}
		if got := w.digests()["s01"]; !slices.Equal(got, old) {
			t.Errorf("runs %v", got)
		}
	})
}

func TestUnhealthyDeploymentIsRolledBackByItsCircuitBreaker(t *testing.T) {
	inWorld(t, options{}, func(w *world) {
		w.script.On(digest("mcp", "two"), ecstest.Behaviour{Unhealthy: true})
		before := ok(w.env.DescribeServices(w.ctx, w.services))(t)["mcp"]
		ends := w.watch(w.promote("two"))
		if d := ends["mcp"]; d.State != deploy.DeploymentRolledBack || d.Failures != 3 || d.Threshold != 3 ||
			!strings.Contains(d.Reason, "circuit breaker threshold was exceeded") {
			t.Errorf("mcp: %+v", d)
		}
		for _, name := range []string{"api", "frontend"} {
			if ends[name].State != deploy.DeploymentSuccessful {
				t.Errorf("%s: %+v", name, ends[name])
			}
		}
		s := ok(w.env.DescribeServices(w.ctx, w.services))(t)["mcp"]
		if s.TaskDefinition != before.TaskDefinition || s.Deployment.State != deploy.DeploymentRolledBack || s.Deployment.TaskDefinition == before.TaskDefinition {
			t.Errorf("mcp is set to %s by %+v", s.TaskDefinition, s.Deployment)
		}
	})
}

func TestCircuitBreakerWithoutRollbackStops(t *testing.T) {
	inWorld(t, options{services: 1, noRollback: true}, func(w *world) {
		w.script.On(digest("s01", "two"), ecstest.Behaviour{NotStarted: "CannotPullContainerError: not found"})
		d := w.watch(w.promote("two"))["s01"]
		if d.State != deploy.DeploymentStopped || !d.State.Failed() || d.Failures != 3 || !strings.Contains(d.Reason, "circuit breaker") {
			t.Errorf("%+v", d)
		}
	})
}

// A later deployment of somebody else ends ours. It is not mistaken for a
// rollback: ECS gives no reason, and the service's latest deployment is another.
func TestSupersededDeployment(t *testing.T) {
	inWorld(t, options{services: 1}, func(w *world) {
		ours := w.promote("two")
		pause(w.ctx, 30*time.Second)
		theirs := w.promote("three")
		if d := w.watch(ours)["s01"]; d.State != deploy.DeploymentStopped || d.Reason != "" || d.Failures != 0 {
			t.Errorf("ours: %+v", d)
		}
		s := ok(w.env.DescribeServices(w.ctx, w.services))(t)["s01"]
		if s.Deployment.ARN != theirs["s01"] || s.Deployment.State.Ended() {
			t.Errorf("latest: %+v", s.Deployment)
		}
		if d := w.watch(theirs)["s01"]; d.State != deploy.DeploymentSuccessful {
			t.Errorf("theirs: %+v", d)
		}
	})
}

func TestDeploymentStoppedByAPerson(t *testing.T) {
	inWorld(t, options{services: 1}, func(w *world) {
		caused := w.promote("two")
		pause(w.ctx, 30*time.Second)
		ok(w.raw.StopServiceDeployment(w.ctx, &sdk.StopServiceDeploymentInput{ServiceDeploymentArn: new(caused["s01"])}))(t)
		// What was requested counts as what it leads to, so that nobody waits
		// for the success of a deployment that is being taken back.
		now := ok(w.env.DescribeDeployments(w.ctx, []string{caused["s01"]}))(t)[caused["s01"]]
		if now.State != deploy.DeploymentRollingBack || !now.State.Failed() || now.State.Ended() {
			t.Errorf("at once: %+v", now)
		}
		d := w.watch(caused)["s01"]
		if d.State != deploy.DeploymentRolledBack || d.Failures != 0 || !strings.Contains(d.Reason, "stopped by a user") {
			t.Errorf("in the end: %+v", d)
		}
	})
}

func TestStopDeployment(t *testing.T) {
	inWorld(t, options{services: 1}, func(w *world) {
		ended := w.current()["s01"]
		caused := w.promote("two")["s01"]
		for _, c := range []struct{ what, arn string }{
			{"in flight", caused},
			{"rolling back already", caused},
			{"ended", ended},
		} {
			if err := w.env.StopDeployment(w.ctx, c.arn); err != nil {
				t.Errorf("%s: %v", c.what, err)
			}
			pause(w.ctx, 5*time.Second)
		}
		if d := w.watch(map[string]string{"s01": caused})["s01"]; d.State != deploy.DeploymentRolledBack {
			t.Errorf("%+v", d)
		}
		err := w.env.StopDeployment(w.ctx, caused+"x")
		if err == nil || deploy.IsTransient(err) || !strings.Contains(err.Error(), "ServiceDeploymentNotFoundException") {
			t.Errorf("unknown: %v", err)
		}
	})
}

// Nothing can be placed: the deployment goes on, and its events say why.
func TestServiceWithoutCapacity(t *testing.T) {
	inWorld(t, options{services: 1, noRollback: true}, func(w *world) {
		since := time.Now()
		w.script.On(digest("s01", "two"), ecstest.Behaviour{NoRoom: ecstest.NoCapacity})
		d := w.watch(w.promote("two"))["s01"]
		if d.State != deploy.DeploymentStopped || d.Failures != 3 {
			t.Errorf("%+v", d)
		}
		evidence := w.env.Collect(w.ctx, deploy.Scope{Services: w.services, Since: since, Deployments: []string{d.ARN}})
		if !slices.ContainsFunc(evidence.Events["s01"], func(e deploy.ServiceEvent) bool {
			return strings.Contains(e.Message, "unable to place a task") && strings.Contains(e.Message, ecstest.NoCapacity)
		}) {
			t.Errorf("events: %+v", evidence.Events)
		}
	})
}

// What runs is what the tasks have, not what the service is set to.
func TestDigestMismatch(t *testing.T) {
	inWorld(t, options{services: 1}, func(w *world) {
		stray := digest("s01", "something else")
		w.script.On(digest("s01", "two"), ecstest.Behaviour{}, ecstest.Behaviour{Digest: stray})
		if d := w.watch(w.promote("two"))["s01"]; d.State != deploy.DeploymentSuccessful {
			t.Fatalf("%+v", d)
		}
		got := w.digests()["s01"]
		slices.Sort(got)
		want := []string{digest("s01", "two"), stray}
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("digests (- want, + got):\n%s", diff)
		}
	})
}

func TestUnknownServicesAreAbsent(t *testing.T) {
	inWorld(t, options{services: 2}, func(w *world) {
		names := []string{"s01", "none", "s02", "s01"}
		cluster := w.platform.Cluster("staging")
		services := ok(w.env.DescribeServices(w.ctx, names))(t)
		targets := ok(w.env.TargetHealth(w.ctx, names))(t)
		past := ok(w.env.FormerDeployments(w.ctx, names))(t)
		if len(services) != 2 || len(targets) != 2 || len(past) != 2 {
			t.Errorf("%d services, %d with targets, %d with a past", len(services), len(targets), len(past))
		}
		if d := ok(w.env.DescribeDeployments(w.ctx, []string{services["s01"].Deployment.ARN, services["s01"].Deployment.ARN + "x", ""}))(t); len(d) != 1 {
			t.Errorf("%d deployments", len(d))
		}
		ok(w.raw.DeleteService(w.ctx, &sdk.DeleteServiceInput{Cluster: &cluster, Service: new("s01"), Force: new(true)}))(t)
		if services = ok(w.env.DescribeServices(w.ctx, names))(t); !services["s01"].Gone || services["s02"].Gone {
			t.Errorf("a service that is being deleted is not told from others: %+v", services)
		}
	})
}
