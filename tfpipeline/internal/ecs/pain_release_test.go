package ecs_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/localaws/ecs/ecstest"
)

// What people complain of most in tools that deploy to ECS, in the order of
// how much, as far as looking and acting have to do with it: here what is about
// what is deployed, in pain_wait_test.go what is about waiting and seeing.

// 1. After a rollback by the circuit breaker the service is as stable as after
// a success: one deployment, all tasks running. It is not called one.
func TestPain01FalseSuccessAfterRollback(t *testing.T) {
	inWorld(t, options{services: 1}, func(w *world) {
		w.script.On(digest("s01", "two"), ecstest.Behaviour{Exit: &ecstest.Exit{After: time.Second, Code: 1}})
		caused := w.promote("two")
		stable := sdk.NewServicesStableWaiter(w.raw, func(o *sdk.ServicesStableWaiterOptions) { o.MaxDelay = 15 * time.Second })
		if err := stable.Wait(w.ctx, &sdk.DescribeServicesInput{Cluster: new("doc-platform-staging"), Services: w.services}, time.Hour); err != nil {
			t.Fatalf("the SDK's waiter says %v", err)
		}
		if d := ok(w.env.DescribeDeployments(w.ctx, []string{caused["s01"]}))(t)[caused["s01"]]; !d.State.Failed() {
			t.Errorf("when the SDK says that all is well: %+v", d)
		}
		if d := w.watch(caused)["s01"]; d.State != deploy.DeploymentRolledBack {
			t.Errorf("%+v", d)
		}
	})
}

// 2. All is green and the old code runs, since a tag still meant the old image.
// A release is digests, and what runs is asked of the tasks.
func TestPain02GreenDeployOldCode(t *testing.T) {
	inWorld(t, options{services: 1}, func(w *world) {
		w.script.On(digest("s01", "two"), ecstest.Behaviour{Digest: digest("s01", "one")})
		if d := w.watch(w.promote("two"))["s01"]; d.State != deploy.DeploymentSuccessful {
			t.Fatalf("%+v", d)
		}
		service := ok(w.env.DescribeServices(w.ctx, w.services))(t)["s01"]
		image := ok(w.env.DescribeTaskDefinitions(w.ctx, []string{service.TaskDefinition}))(t)[service.TaskDefinition].Image
		if !strings.HasSuffix(image, "@"+digest("s01", "two")) {
			t.Errorf("the task definition has %s", image)
		}
		if got := w.digests()["s01"]; !slices.Equal(got, []string{digest("s01", "one"), digest("s01", "one")}) {
			t.Errorf("runs %v", got)
		}
	})
}

// 3. Terraform and the tool that deploys both own the task definition. Here a
// release is the template that Terraform last applied with other images:
// a change of shape arrives, and an image is never taken from the template.
func TestPain03WhoOwnsTheTaskDefinition(t *testing.T) {
	inWorld(t, options{services: 1}, func(w *world) {
		before := ok(w.env.DescribeServices(w.ctx, w.services))(t)["s01"]
		w.template("s01", func(in *sdk.RegisterTaskDefinitionInput) {
			in.Memory = new("1024")
			in.ContainerDefinitions[0].Environment = append(in.ContainerDefinitions[0].Environment, types.KeyValuePair{Name: new("NEW"), Value: new("1")})
		})
		if now := ok(w.env.DescribeServices(w.ctx, w.services))(t)["s01"]; now.TaskDefinition != before.TaskDefinition {
			t.Errorf("a new template changed the service to %s", now.TaskDefinition)
		}
		got := w.definition(w.register("s01", "two")).TaskDefinition
		c := got.ContainerDefinitions[0]
		if *got.Memory != "1024" || len(c.Environment) != 2 || *c.Image != w.image("s01", "two") || *got.Family != "doc-platform-staging-s01" {
			t.Errorf("revision: %s MiB, %d variables, image %s", *got.Memory, len(c.Environment), *c.Image)
		}
	})
}

// 4. The target of a rollback is gone: its revision deregistered, its image
// expired. Both are seen beforehand; an INACTIVE revision is registered again
// with the same digest; a promoted image has a tag that keeps it.
func TestPain04RollbackTargetGone(t *testing.T) {
	inWorld(t, options{services: 1}, func(w *world) {
		old := ok(w.env.DescribeServices(w.ctx, w.services))(t)["s01"].TaskDefinition
		w.watch(w.promote("two"))
		ok(w.raw.DeregisterTaskDefinition(w.ctx, &sdk.DeregisterTaskDefinitionInput{TaskDefinition: &old}))(t)
		seen := ok(w.env.DescribeTaskDefinitions(w.ctx, []string{old}))(t)[old]
		if seen.Active || seen.Image != w.image("s01", "one") {
			t.Errorf("%+v", seen)
		}
		if _, err := w.env.UpdateService(w.ctx, deploy.Update{Service: "s01", TaskDefinition: old}); err == nil || deploy.IsTransient(err) ||
			!strings.Contains(err.Error(), "TaskDefinition is inactive") {
			t.Errorf("update to an INACTIVE revision: %v", err)
		}
		again := ok(w.env.Register(w.ctx, deploy.Revision{Name: "s01", Template: old, Image: seen.Image}))(t)
		arn := ok(w.env.UpdateService(w.ctx, deploy.Update{Service: "s01", TaskDefinition: again}))(t)
		if d := w.watch(map[string]string{"s01": arn})["s01"]; d.State != deploy.DeploymentSuccessful {
			t.Errorf("%+v", d)
		}
		if got := w.digests()["s01"]; !slices.Equal(got, []string{digest("s01", "one"), digest("s01", "one")}) {
			t.Errorf("runs %v", got)
		}

		r := newRegistry(w.wire)
		kept := r.push("doc-platform/s01", "kept", "abc")
		if err := w.env.Tag(w.ctx, map[string]string{"s01": kept}, "release-v1"); err != nil || r.tags["doc-platform/s01:release-v1"] != kept {
			t.Errorf("release-v1 is %s: %v", r.tags["doc-platform/s01:release-v1"], err)
		}
		if missing := ok(w.env.Missing(w.ctx, map[string]string{"s01": w.image("s01", "one")}))(t); !slices.Equal(missing, []string{"s01"}) {
			t.Errorf("missing %v", missing)
		}
	})
}

// 5. A rollback goes to a named release, not to the revision before, which may
// never have worked.
func TestPain05RollbackToANamedRelease(t *testing.T) {
	inWorld(t, options{services: 1}, func(w *world) {
		one := ok(w.env.DescribeServices(w.ctx, w.services))(t)["s01"].TaskDefinition
		for _, release := range []string{"two", "three", "four"} {
			w.watch(w.promote(release))
		}
		arn := ok(w.env.UpdateService(w.ctx, deploy.Update{Service: "s01", TaskDefinition: one}))(t)
		if d := w.watch(map[string]string{"s01": arn})["s01"]; d.State != deploy.DeploymentSuccessful || d.TaskDefinition != one {
			t.Errorf("%+v", d)
		}
		if got := w.digests()["s01"]; got[0] != digest("s01", "one") {
			t.Errorf("runs %v", got)
		}
	})
}

// 6. Several services in one run: they are looked at together, in one call.
func TestPain06SeveralServices(t *testing.T) {
	inWorld(t, options{services: 10}, func(w *world) {
		caused := w.promote("two")
		w.called.Forget()
		begin := time.Now()
		w.watch(caused)
		looks, most := len(w.calls()), int(time.Since(begin)/tick)+1
		if looks != most {
			t.Errorf("%d calls for %d looks at 10 services", looks, most)
		}
	})
}

// 7. Migrations run before the services change, in the release's own image: in
// the very revision that is named, whatever the family's latest is by then.
func TestPain07MigrationOfTheRelease(t *testing.T) {
	inWorld(t, options{services: 1}, func(w *world) {
		run := w.migrate("two")
		w.register("migrate", "three")
		arn := ok(w.env.RunTask(w.ctx, run))(t)
		pause(w.ctx, 30*time.Second)
		out := ok(w.raw.DescribeTasks(w.ctx, &sdk.DescribeTasksInput{Cluster: new("doc-platform-staging"), Tasks: []string{arn}}))(t)
		if task := out.Tasks[0]; *task.TaskDefinitionArn != run.TaskDefinition || *task.Containers[0].ImageDigest != digest("migrate", "two") {
			t.Errorf("runs %s of %s", *task.Containers[0].ImageDigest, *task.TaskDefinitionArn)
		}
	})
}

// 8. A migration failed with "exit code: None". No code is no success, and the
// reason is there: see TestTaskFailures for each.
func TestPain08OpaqueMigrationFailure(t *testing.T) {
	inWorld(t, options{services: 1}, func(w *world) {
		w.script.On(digest("migrate", "two"), ecstest.Behaviour{NotStarted: "CannotPullContainerError: not found"})
		task, seen := w.follow(ok(w.env.RunTask(w.ctx, w.migrate("two")))(t))
		if task.ExitCode != nil || task.StopCode != "TaskFailedToStart" || task.Reason != "CannotPullContainerError: not found" || slices.Contains(seen, "running") {
			t.Errorf("%v, %+v", seen, task)
		}
	})
}

// 15. What goes to production is what ran on staging: by ECS's record of the
// digests, also when the tag has moved since.
func TestPain15TheVeryArtifactOfStaging(t *testing.T) {
	inWorld(t, options{services: 1}, func(w *world) {
		r := newRegistry(w.wire)
		ran := r.push("doc-platform/s01", "ran on staging", "abc")
		revision := ok(w.env.Register(w.ctx, deploy.Revision{Name: "s01", Template: w.templates["s01"], Image: w.platform.RepositoryURL("s01") + "@" + ran}))(t)
		arn := ok(w.env.UpdateService(w.ctx, deploy.Update{Service: "s01", TaskDefinition: revision}))(t)
		w.watch(map[string]string{"s01": arn})
		moved := r.push("doc-platform/s01", "pushed since", "abc")
		past := ok(w.env.FormerDeployments(w.ctx, w.services))(t)["s01"]
		if last := past[len(past)-1]; last.Digest != ran || last.State != deploy.DeploymentSuccessful || last.ARN != arn {
			t.Errorf("%+v", last)
		}
		if now := ok(w.env.Digests(w.ctx, "abc", w.services))(t)["s01"]; now != moved || now == ran {
			t.Errorf("abc is %s", now)
		}
		if got := w.wire.made(); slices.ContainsFunc(got, func(r string) bool { return strings.HasPrefix(r, "PutImage") }) {
			t.Errorf("pushed: %v", got)
		}
		w.wire.on("DescribeImages", func(members) (int, any) {
			return http.StatusOK, members{"imageDetails": []any{members{"imageTags": []string{"abc"}}}}
		})
		if _, err := w.env.Digests(w.ctx, "abc", w.services); err == nil || !strings.Contains(err.Error(), "has no digest") {
			t.Errorf("an answer without a digest: %v", err)
		}
	})
}
