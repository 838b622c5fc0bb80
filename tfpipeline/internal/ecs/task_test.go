package ecs_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"

	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/ecs"
	model "github.com/specboard/platform/tfpipeline/internal/localaws/ecs"
	"github.com/specboard/platform/tfpipeline/internal/localaws/ecs/ecstest"
)

// migrate is the release's migrate task.
func (w *world) migrate(release string) deploy.TaskRun {
	w.t.Helper()
	return deploy.TaskRun{
		Name: "migrate", TaskDefinition: w.register("migrate", release), Token: "migrate-" + release,
		Placement: deploy.Placement{Subnets: []string{"subnet-1"}, SecurityGroups: []string{"sg-1"}},
		StartedBy: "promote",
	}
}

// follow looks at a task every two seconds until it has stopped, and says in
// what states it was seen.
func (w *world) follow(arn string) (task deploy.Task, seen []string) {
	w.t.Helper()
	for range 1000 {
		task = ok(w.env.DescribeTask(w.ctx, arn))(w.t)
		state := string(task.State)
		if !task.Known {
			state = "unknown"
		}
		if len(seen) == 0 || seen[len(seen)-1] != state {
			seen = append(seen, state)
		}
		if task.State == deploy.TaskStopped {
			return task, seen
		}
		pause(w.ctx, tick)
	}
	w.t.Fatalf("task did not stop: %v", seen)
	return task, seen
}

func TestTaskRunsToItsEnd(t *testing.T) {
	inWorld(t, options{services: 1}, func(w *world) {
		run := w.migrate("two")
		run.Command = []string{"migrate", "up", "-verbose"}
		run.Environment = map[string]string{"RELEASE": "two", "COMMIT": "abc", "ATTEMPT": "1"}
		arn := ok(w.env.RunTask(w.ctx, run))(t)
		task, seen := w.follow(arn)
		if diff := cmp.Diff([]string{"starting", "running", "stopped"}, seen); diff != "" {
			t.Errorf("states (- want, + got):\n%s", diff)
		}
		if task.ARN != arn || task.Name != "migrate" || task.ExitCode == nil || *task.ExitCode != 0 || task.StopCode != "EssentialContainerExited" ||
			task.Reason != "Essential container in task exited" || task.Capacity || task.Started.IsZero() || task.Stopped.Before(task.Started) {
			t.Errorf("%+v", task)
		}
		want := &sdk.RunTaskInput{
			TaskDefinition: &run.TaskDefinition, ClientToken: new("migrate-two"), Cluster: new("doc-platform-staging"), Count: new(int32(1)),
			EnableECSManagedTags: true, LaunchType: types.LaunchTypeFargate, PropagateTags: types.PropagateTagsTaskDefinition, StartedBy: new("promote"),
			NetworkConfiguration: &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{
				Subnets: []string{"subnet-1"}, SecurityGroups: []string{"sg-1"}, AssignPublicIp: types.AssignPublicIpDisabled,
			}},
			Overrides: &types.TaskOverride{ContainerOverrides: []types.ContainerOverride{{
				Name: new("migrate"), Command: []string{"migrate", "up", "-verbose"},
				Environment: []types.KeyValuePair{
					{Name: new("ATTEMPT"), Value: new("1")}, {Name: new("COMMIT"), Value: new("abc")}, {Name: new("RELEASE"), Value: new("two")},
				},
			}}},
		}
		if diff := cmp.Diff(asJSON(t, want), asJSON(t, w.called.Of("RunTask")[0].Input)); diff != "" {
			t.Errorf("request (- want, + got):\n%s", diff)
		}
	})
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	return string(ok(json.MarshalIndent(v, "", " "))(t))
}

// A call is repeated after its answer was lost, and after its caller was
// killed: it is one task all the same.
func TestOneTokenIsOneTask(t *testing.T) {
	inWorld(t, options{services: 1}, func(w *world) {
		run := w.migrate("two")
		run.Environment = map[string]string{"A": "1", "B": "2", "C": "3", "D": "4", "E": "5"}
		w.runtime.Inject(ecstest.LoseAnswer(2, "RunTask"))
		first := ok(w.env.RunTask(w.ctx, run))(t)
		for range 20 {
			pause(w.ctx, tick)
			if again := ok(w.env.RunTask(w.ctx, run))(t); again != first {
				t.Fatalf("a second task: %s after %s", again, first)
			}
		}
		run.Token = ""
		if arn, err := w.env.RunTask(w.ctx, run); err == nil {
			t.Errorf("started %s without a token", arn)
		}
	})
}

func TestTaskIsMissingRightAfterItsStart(t *testing.T) {
	pace := model.AWSPace()
	pace.Visible = 5 * time.Second
	inWorld(t, options{services: 1, model: model.Options{Pace: pace}}, func(w *world) {
		arn := ok(w.env.RunTask(w.ctx, w.migrate("two")))(t)
		task, seen := w.follow(arn)
		if diff := cmp.Diff([]string{"unknown", "starting", "running", "stopped"}, seen); diff != "" {
			t.Errorf("states (- want, + got):\n%s", diff)
		}
		if task.ExitCode == nil || *task.ExitCode != 0 {
			t.Errorf("%+v", task)
		}
		pause(w.ctx, time.Hour)
		if forgotten := ok(w.env.DescribeTask(w.ctx, arn))(t); forgotten.Known || forgotten.ARN != arn || forgotten.ExitCode != nil {
			t.Errorf("after an hour: %+v", forgotten)
		}
	})
}

// Every end of a task is told from the others.
func TestTaskFailures(t *testing.T) {
	for _, c := range []struct {
		what      string
		behaviour ecstest.Behaviour
		stopCode  string
		reason    string
		exit      *int
		capacity  bool
	}{
		{"exits with a code", ecstest.Behaviour{Exit: &ecstest.Exit{After: time.Second, Code: 3}},
			"EssentialContainerExited", "Essential container in task exited", new(3), false},
		{"exits without a code", ecstest.Behaviour{Exit: &ecstest.Exit{After: time.Second, NoCode: true}},
			"EssentialContainerExited", "Essential container in task exited", nil, false},
		{"runs out of memory", ecstest.Behaviour{Exit: ecstest.OutOfMemory(time.Second)},
			"EssentialContainerExited", "Essential container in task exited; migrate: OutOfMemoryError: container killed due to memory usage", new(137), false},
		{"fails at something that has no room", ecstest.Behaviour{Exit: &ecstest.Exit{After: time.Second, Code: 1, Reason: ecstest.NoCapacity}},
			"EssentialContainerExited", "Essential container in task exited; migrate: " + ecstest.NoCapacity, new(1), false},
		{"cannot pull its image", ecstest.Behaviour{NotStarted: "CannotPullContainerError: pull image manifest has been retried 7 time(s): not found"},
			"TaskFailedToStart", "CannotPullContainerError: pull image manifest has been retried 7 time(s): not found", nil, false},
		{"cannot read its secrets", ecstest.Behaviour{NotStarted: "ResourceInitializationError: unable to pull secrets"},
			"TaskFailedToStart", "ResourceInitializationError: unable to pull secrets", nil, false},
		{"finds no room after it was accepted", ecstest.Behaviour{NotStarted: ecstest.NoCapacity},
			"TaskFailedToStart", ecstest.NoCapacity, nil, true},
	} {
		t.Run(c.what, func(t *testing.T) {
			inWorld(t, options{services: 1}, func(w *world) {
				w.script.On(digest("migrate", "two"), c.behaviour)
				task, _ := w.follow(ok(w.env.RunTask(w.ctx, w.migrate("two")))(t))
				if task.StopCode != c.stopCode || task.Reason != c.reason || task.Capacity != c.capacity {
					t.Errorf("%+v", task)
				}
				if diff := cmp.Diff(c.exit, task.ExitCode); diff != "" {
					t.Errorf("exit code (- want, + got):\n%s", diff)
				}
			})
		})
	}
}

// No room is no reason to fail: the same call, with the same token, is made
// again until there is some.
func TestTaskWithoutCapacity(t *testing.T) {
	inWorld(t, options{services: 1}, func(w *world) {
		w.script.On("migrate", ecstest.Behaviour{NoRoom: ecstest.NoCapacity, RoomAfter: 3 * time.Minute})
		run := w.migrate("two")
		begin := time.Now()
		for {
			arn, err := w.env.RunTask(w.ctx, run)
			if err == nil {
				if task, _ := w.follow(arn); task.ExitCode == nil || *task.ExitCode != 0 {
					t.Errorf("%+v", task)
				}
				break
			}
			if !deploy.IsTransient(err) || !strings.Contains(err.Error(), "run task migrate: ECS says: "+ecstest.NoCapacity) {
				t.Fatal(err)
			}
			pause(w.ctx, 30*time.Second)
		}
		if took := time.Since(begin); took < 3*time.Minute {
			t.Errorf("there was room after %s", took)
		}

		w.script.On("migrate", ecstest.Behaviour{NoRoom: "RESOURCE:ENI"})
		run.Token = "another"
		if _, err := w.env.RunTask(w.ctx, run); err == nil || deploy.IsTransient(err) || !strings.Contains(err.Error(), "RESOURCE:ENI") {
			t.Errorf("another reason: %v", err)
		}
		w.runtime.Inject(model.Fault{Count: 1, Operations: []string{"RunTask"}, Code: "ClientException", Message: ecstest.NoCapacity})
		if _, err := w.env.RunTask(w.ctx, run); !deploy.IsTransient(err) {
			t.Errorf("said by an error: %v", err)
		}
	})
}

func TestAnswerWithoutATask(t *testing.T) {
	env := ok(ecs.New(aws.Config{
		Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
		HTTPClient:  &http.Client{Transport: canned{time.Now(), map[string]any{"RunTask": members{"tasks": []any{}}}}},
	}, configtest.Docs(), "staging", nil))(t)
	if arn, err := env.RunTask(t.Context(), deploy.TaskRun{
		Name: "migrate", TaskDefinition: "td:1", Token: "t", Placement: deploy.Placement{Subnets: []string{"subnet-1"}},
	}); err == nil || err.Error() != "run task migrate: ECS answered with 0 tasks" {
		t.Errorf("%s: %v", arn, err)
	}
}

// What the SDK finds wrong before it calls is an error of one line.
func TestTaskWithoutASubnet(t *testing.T) {
	inWorld(t, options{services: 1}, func(w *world) {
		_, err := w.env.RunTask(w.ctx, deploy.TaskRun{Name: "migrate", TaskDefinition: "td:1", Token: "t"})
		want := "run task migrate: ECS RunTask: 1 validation error(s) found. - missing required field, RunTaskInput.NetworkConfiguration.AwsvpcConfiguration.Subnets."
		if err == nil || deploy.IsTransient(err) || err.Error() != want {
			t.Errorf("%v", err)
		}
	})
}

func TestStopTask(t *testing.T) {
	inWorld(t, options{services: 1}, func(w *world) {
		w.script.Run = time.Hour
		arn := ok(w.env.RunTask(w.ctx, w.migrate("two")))(t)
		pause(w.ctx, time.Minute)
		if err := w.env.StopTask(w.ctx, arn, "migrate took over 5m0s"); err != nil {
			t.Fatal(err)
		}
		// It is still being taken down: nobody may think that it has stopped.
		if task := ok(w.env.DescribeTask(w.ctx, arn))(t); task.State != deploy.TaskRunning || task.StopCode != "UserInitiated" {
			t.Errorf("at once: %+v", task)
		}
		task, _ := w.follow(arn)
		if task.StopCode != "UserInitiated" || task.Reason != "migrate took over 5m0s" {
			t.Errorf("in the end: %+v", task)
		}
		for _, after := range []time.Duration{0, 2 * time.Hour} {
			pause(w.ctx, after)
			if err := w.env.StopTask(w.ctx, arn, "again"); err != nil {
				t.Errorf("ended %s before: %v", after, err)
			}
		}
	})
}
