package ecs_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/specboard/platform/tfpipeline/internal/localaws/ecs"
)

func lag(c ecs.Consistency) func(*ecs.Options) {
	return func(o *ecs.Options) { o.Consistency = c }
}

// sight is what one look at a service shows of it.
func (w *world) sight(name string) string {
	w.t.Helper()
	out := must(w.client.DescribeServices(w.ctx, &sdk.DescribeServicesInput{Cluster: new("main"), Services: []string{name}}))(w.t)
	if len(out.Services) == 0 {
		return *out.Failures[0].Reason
	}
	s := out.Services[0]
	if len(s.Deployments) == 0 {
		return "no deployment"
	}
	_, revision, _ := strings.Cut(*s.Deployments[0].TaskDefinition, "task-definition/")
	return *s.Status + " " + revision
}

// TestReadsLagBehindAWrite looks at a service again and again after an update:
// every way of being late is seen, and none of them any more once Lag is over.
func TestReadsLagBehindAWrite(t *testing.T) {
	sights := map[string]bool{}
	for seed := range uint64(20) {
		inWorld(t, func(w *world) {
			w.create("api", w.register("api", "one"), 1, plainService)
			w.sleep(10 * time.Second)
			w.settle("api")
			_, answer, _ := strings.Cut(*w.update("api", w.register("api", "two")).Deployments[0].TaskDefinition, "task-definition/")
			sights["answered "+answer] = true
			for range 40 {
				sights[w.sight("api")] = true
				w.sleep(100 * time.Millisecond)
			}
			w.sleep(time.Second)
			for range 20 {
				if got := w.sight("api"); got != "ACTIVE api:2" {
					t.Errorf("seed %d: %s after the lag is over", seed, got)
				}
			}
		}, lag(ecs.Consistency{Lag: 5 * time.Second, Seed: seed}))
	}
	for _, want := range []string{"answered api:1", "answered api:2", "ACTIVE api:1", "ACTIVE api:2", "DRAINING api:1", "no deployment", "MISSING"} {
		if !sights[want] {
			t.Errorf("%s was never seen", want)
		}
	}
	if len(sights) != 7 {
		t.Errorf("seen: %v", sights)
	}
}

// TestTasksAndDigestsComeLate: a task is MISSING and unlisted at first, its
// digests come late, and it seems to run when it has stopped.
func TestTasksAndDigestsComeLate(t *testing.T) {
	sights := map[string]bool{}
	for seed := range uint64(10) {
		inWorld(t, func(w *world) {
			task := must(w.client.RunTask(w.ctx, &sdk.RunTaskInput{Cluster: new("main"), TaskDefinition: new(w.register("migrate", "one")), NetworkConfiguration: network}))(t).Tasks[0]
			for range 70 {
				described := must(w.client.DescribeTasks(w.ctx, &sdk.DescribeTasksInput{Cluster: new("main"), Tasks: []string{*task.TaskArn}}))(t)
				listed := must(w.client.ListTasks(w.ctx, &sdk.ListTasksInput{Cluster: new("main")}))(t)
				stopped := must(w.client.ListTasks(w.ctx, &sdk.ListTasksInput{Cluster: new("main"), DesiredStatus: types.DesiredStatusStopped}))(t)
				sight := fmt.Sprintf("listed %d+%d", len(listed.TaskArns), len(stopped.TaskArns))
				if len(described.Tasks) == 0 {
					sight = "MISSING " + sight
				} else {
					d := described.Tasks[0]
					sight = fmt.Sprintf("%s digest %t code %t %s", *d.LastStatus, d.Containers[0].ImageDigest != nil, d.Containers[0].ExitCode != nil, sight)
				}
				sights[sight] = true
				w.sleep(time.Second)
			}
			w.sleep(time.Minute)
			d := must(w.client.DescribeTasks(w.ctx, &sdk.DescribeTasksInput{Cluster: new("main"), Tasks: []string{*task.TaskArn}}))(t).Tasks
			if len(d) != 1 || *d[0].LastStatus != "STOPPED" || d[0].Containers[0].ExitCode == nil {
				t.Errorf("seed %d: %v in the end", seed, d)
			}
		}, lag(ecs.Consistency{Lag: 5 * time.Second, Seed: seed}))
	}
	for _, want := range []string{
		"MISSING listed 0+0", "MISSING listed 1+0", "PENDING digest false code false listed 1+0", "PENDING digest true code false listed 1+0",
		"RUNNING digest true code false listed 0+1", "STOPPED digest true code true listed 0+1",
	} {
		if !sights[want] {
			t.Errorf("%s was never seen of %v", want, sights)
		}
	}
}

// TestSeedDecides: the same seed shows the same, another seed something else.
func TestSeedDecides(t *testing.T) {
	run := func(seed uint64) (sights []string) {
		inWorld(t, func(w *world) {
			w.create("api", w.register("api", "one"), 1, plainService)
			for range 30 {
				sights = append(sights, w.sight("api"))
			}
		}, lag(ecs.Consistency{Lag: time.Minute, Seed: seed}))
		return sights
	}
	if !slices.Equal(run(7), run(7)) || slices.Equal(run(7), run(8)) {
		t.Errorf("%v\n%v\n%v", run(7), run(7), run(8))
	}
}

// TestConsistentReads are up to date all the same.
func TestConsistentReads(t *testing.T) {
	inWorld(t, func(w *world) {
		w.create("api", w.register("api", "one"), 1, plainService)
		for range 30 {
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(`{"cluster":"main","services":["api"]}`))
			r.Header.Set("X-Amz-Target", ecs.TargetPrefix+"DescribeServices")
			answer := httptest.NewRecorder()
			w.ServeHTTP(answer, r.WithContext(ecs.Consistent(context.Background())))
			if !strings.Contains(answer.Body.String(), `"status":"ACTIVE"`) {
				t.Fatal(answer.Body.String())
			}
		}
	}, lag(ecs.Consistency{Lag: time.Hour, Seed: 1}))
}
