package ecs_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/specboard/platform/tfpipeline/internal/localaws/ecs"
	"github.com/specboard/platform/tfpipeline/internal/localaws/ecs/ecstest"
)

// migrate is the task definition of a one-off task.
func (w *world) migrate(tag string) string {
	return w.register("migrate", tag, func(in *sdk.RegisterTaskDefinitionInput) {
		in.ContainerDefinitions[0].Name = new("migrate")
		in.ContainerDefinitions[0].PortMappings = nil
	})
}

func (w *world) run(def string, change ...func(*sdk.RunTaskInput)) *sdk.RunTaskOutput {
	w.t.Helper()
	in := &sdk.RunTaskInput{Cluster: new("main"), TaskDefinition: &def, LaunchType: types.LaunchTypeFargate, NetworkConfiguration: network}
	for _, f := range change {
		f(in)
	}
	return must(w.client.RunTask(w.ctx, in))(w.t)
}

func (w *world) taskOf(arn string) (types.Task, bool) {
	w.t.Helper()
	out := must(w.client.DescribeTasks(w.ctx, &sdk.DescribeTasksInput{Cluster: new("main"), Tasks: []string{arn}}))(w.t)
	if len(out.Tasks) == 0 {
		if len(out.Failures) != 1 || *out.Failures[0].Reason != "MISSING" || *out.Failures[0].Arn != arn {
			w.t.Errorf("failures: %+v", out.Failures)
		}
		return types.Task{}, false
	}
	return out.Tasks[0], true
}

// ending is how a task ended: stop code, reason, exit code and its reason.
func ending(task types.Task) string {
	code := "null"
	if c := task.Containers[0].ExitCode; c != nil {
		code = fmt.Sprint(*c)
	}
	return fmt.Sprintf("%s %s; exit code %s, %s", *task.LastStatus, task.StopCode, code, aws.ToString(task.StoppedReason)+aws.ToString(task.Containers[0].Reason))
}

func TestLifeOfOneOffTask(t *testing.T) {
	inWorld(t, func(w *world) {
		arn := *w.run(w.migrate("one"), func(in *sdk.RunTaskInput) { in.StartedBy = new("promote/7") }).Tasks[0].TaskArn
		var lines []string
		last := ""
		for range 80 {
			task, _ := w.taskOf(arn)
			if line := *task.LastStatus + " " + *task.DesiredStatus + " " + *task.Containers[0].LastStatus; line != last {
				lines = append(lines, fmt.Sprintf("%2.0fs %s", w.elapsed().Seconds(), line))
				last = line
			}
			w.sleep(time.Second)
		}
		same(t, "timeline", lines,
			" 0s PROVISIONING RUNNING PENDING",
			"10s PENDING RUNNING PENDING",
			"20s ACTIVATING RUNNING RUNNING",
			"25s RUNNING RUNNING RUNNING",
			"40s DEPROVISIONING STOPPED STOPPED",
			"50s STOPPED STOPPED STOPPED",
		)
		task, _ := w.taskOf(arn)
		same(t, "ending", []string{ending(task)}, "STOPPED EssentialContainerExited; exit code 0, Essential container in task exited")
		if task.StartedAt.Sub(*task.CreatedAt) != 25*time.Second || task.StoppedAt.Sub(*task.StartedAt) != 25*time.Second {
			t.Errorf("created %v, started %v, stopped %v", task.CreatedAt, task.StartedAt, task.StoppedAt)
		}
		if *task.StartedBy != "promote/7" || *task.Group != "family:migrate" || !strings.HasPrefix(*task.Containers[0].ImageDigest, "sha256:") {
			t.Errorf("started by %s, group %s, digest %s", *task.StartedBy, *task.Group, *task.Containers[0].ImageDigest)
		}
		w.sleep(time.Hour)
		if _, ok := w.taskOf(arn); ok {
			t.Error("an hour after it stopped the task is still known")
		}
	})
}

func TestEndingsOfTasks(t *testing.T) {
	pull := "CannotPullContainerError: pull image manifest has been retried 7 time(s): failed to resolve ref"
	for _, c := range []struct {
		name string
		ecstest.Behaviour
		want string
	}{
		{"exit code", ecstest.Behaviour{Exit: &ecstest.Exit{Code: 3}}, "STOPPED EssentialContainerExited; exit code 3, Essential container in task exited"},
		{"no exit code", ecstest.Behaviour{Exit: &ecstest.Exit{NoCode: true}}, "STOPPED EssentialContainerExited; exit code null, Essential container in task exited"},
		{"out of memory", ecstest.Behaviour{Exit: ecstest.OutOfMemory(time.Second)}, "STOPPED EssentialContainerExited; exit code 137, Essential container in task exitedOutOfMemoryError: container killed due to memory usage"},
		{"never starts", ecstest.Behaviour{NotStarted: pull}, "STOPPED TaskFailedToStart; exit code null, " + pull},
		{"stuck", ecstest.Behaviour{Stuck: true}, "PENDING ; exit code null, "},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.script.On("migrate", c.Behaviour)
				arn := *w.run(w.migrate("one")).Tasks[0].TaskArn
				w.sleep(10 * time.Minute)
				task, _ := w.taskOf(arn)
				same(t, "ending", []string{ending(task)}, c.want)
			})
		})
	}
}

func TestImageThatDoesNotExist(t *testing.T) {
	inWorld(t, func(w *world) {
		arn := *w.run(w.migrate("gone")).Tasks[0].TaskArn
		w.sleep(time.Minute)
		task, _ := w.taskOf(arn)
		same(t, "ending", []string{ending(task)},
			"STOPPED TaskFailedToStart; exit code null, CannotPullContainerError: pull image manifest has been retried 7 time(s): no such image")
	}, func(o *ecs.Options) {
		o.Images = func(string) (string, error) { return "", errors.New("no such image") }
	})
}

func TestStoppedTaskGetsTimeAndThenIsKilled(t *testing.T) {
	for _, c := range []struct {
		quit time.Duration
		want string
		stop time.Duration
	}{
		{5 * time.Second, "STOPPED UserInitiated; exit code 143, enough", 15 * time.Second},
		{time.Minute, "STOPPED UserInitiated; exit code 137, enough", 40 * time.Second},
	} {
		inWorld(t, func(w *world) {
			w.script.On("migrate", ecstest.Behaviour{Quit: c.quit, Exit: &ecstest.Exit{After: time.Hour}})
			arn := *w.run(w.migrate("one")).Tasks[0].TaskArn
			w.sleep(time.Minute)
			must(w.client.StopTask(w.ctx, &sdk.StopTaskInput{Cluster: new("main"), Task: &arn, Reason: new("enough")}))(t)
			w.sleep(2 * time.Minute)
			task, _ := w.taskOf(arn)
			same(t, "ending", []string{ending(task)}, c.want)
			if got := task.StoppedAt.Sub(*task.StoppingAt); got != c.stop {
				t.Errorf("took %s to stop, want %s", got, c.stop)
			}
		})
	}
}

func TestStopOfTaskThatHasNotStarted(t *testing.T) {
	inWorld(t, func(w *world) {
		early := *w.run(w.migrate("one")).Tasks[0].TaskArn
		w.script.On("stuck", ecstest.Behaviour{Stuck: true})
		stuck := *w.run(w.migrate("stuck")).Tasks[0].TaskArn
		stop := func(arn string) {
			must(w.client.StopTask(w.ctx, &sdk.StopTaskInput{Cluster: new("main"), Task: &arn}))(t)
		}
		stop(early)
		w.sleep(time.Minute)
		stop(stuck)
		w.sleep(time.Minute)
		for _, arn := range []string{early, stuck} {
			task, _ := w.taskOf(arn)
			same(t, "ending", []string{ending(task)}, "STOPPED UserInitiated; exit code null, Task stopped by user")
		}
	})
}

func TestRunTaskIsIdempotentByItsToken(t *testing.T) {
	inWorld(t, func(w *world) {
		def := w.migrate("one")
		token := func(in *sdk.RunTaskInput) { in.ClientToken = new("release-7") }
		first := *w.run(def, token).Tasks[0].TaskArn
		w.sleep(time.Minute) // it has stopped at 50 s
		if again := *w.run(def, token).Tasks[0].TaskArn; again != first {
			t.Error("the same token started another task")
		}
		_, err := w.client.RunTask(w.ctx, &sdk.RunTaskInput{
			Cluster: new("main"), TaskDefinition: new("migrate"), ClientToken: new("release-7"), NetworkConfiguration: network})
		if _, ok := errors.AsType[*types.ConflictException](err); !ok {
			t.Errorf("same token, other parameters: %v", err)
		}
		w.sleep(time.Hour)
		if again := *w.run(def, token).Tasks[0].TaskArn; again == first {
			t.Error("an hour after the task the token is still good")
		}

		w.script.On("long", ecstest.Behaviour{Exit: &ecstest.Exit{After: 100 * time.Hour}})
		long := w.migrate("long")
		other := func(in *sdk.RunTaskInput) { in.ClientToken = new("release-8") }
		first = *w.run(long, other).Tasks[0].TaskArn
		w.sleep(24*time.Hour - time.Second)
		if *w.run(long, other).Tasks[0].TaskArn != first {
			t.Error("the token did not last 24 hours")
		}
		w.sleep(2 * time.Second)
		if *w.run(long, other).Tasks[0].TaskArn == first {
			t.Error("the token lasts more than 24 hours")
		}
	})
}

func TestRunTaskWithoutCapacity(t *testing.T) {
	inWorld(t, func(w *world) {
		w.script.On("migrate", ecstest.Behaviour{}, ecstest.Behaviour{NoRoom: ecstest.NoCapacity})
		out := w.run(w.migrate("one"), func(in *sdk.RunTaskInput) { in.Count, in.ClientToken = new(int32(3)), new("t") })
		if len(out.Tasks) != 1 || len(out.Failures) != 2 || *out.Failures[0].Reason != ecstest.NoCapacity {
			t.Errorf("%d tasks, failures %+v", len(out.Tasks), out.Failures)
		}
	})
}

func TestNewTasksAreMissingAtFirst(t *testing.T) {
	inWorld(t, func(w *world) {
		arn := *w.run(w.migrate("one")).Tasks[0].TaskArn
		if _, ok := w.taskOf(arn); ok {
			t.Error("was visible at once")
		}
		w.sleep(4 * time.Second)
		if _, ok := w.taskOf(arn); !ok {
			t.Error("was not visible after the time")
		}
	}, func(o *ecs.Options) {
		o.Pace = ecs.AWSPace()
		o.Pace.Visible = 4 * time.Second
	})
}

func TestOverridesComeToTheLauncher(t *testing.T) {
	inWorld(t, func(w *world) {
		w.script.On("down --all", ecstest.Behaviour{Exit: &ecstest.Exit{Code: 9}})
		arn := *w.run(w.migrate("one"), func(in *sdk.RunTaskInput) {
			in.Overrides = &types.TaskOverride{ContainerOverrides: []types.ContainerOverride{{Name: new("migrate"), Command: []string{"down", "--all"}}}}
		}).Tasks[0].TaskArn
		w.sleep(time.Minute)
		if task, _ := w.taskOf(arn); *task.Containers[0].ExitCode != 9 {
			t.Errorf("exit code %d", *task.Containers[0].ExitCode)
		}
		_, err := w.client.RunTask(w.ctx, &sdk.RunTaskInput{Cluster: new("main"), TaskDefinition: new("migrate"), NetworkConfiguration: network,
			Overrides: &types.TaskOverride{ContainerOverrides: []types.ContainerOverride{{Name: new("other")}}}})
		if _, ok := errors.AsType[*types.InvalidParameterException](err); !ok {
			t.Errorf("override of no container: %v", err)
		}
	})
}

func TestListTasks(t *testing.T) {
	inWorld(t, func(w *world) {
		w.create("api", w.register("api", "one"), 3)
		w.settle("api")
		w.run(w.migrate("one"), func(in *sdk.RunTaskInput) { in.StartedBy = new("me") })
		deployment := *w.describe("api").Deployments[0].Id
		list := func(in sdk.ListTasksInput) int {
			in.Cluster = new("main")
			in.MaxResults = new(int32(2))
			n := 0
			for {
				out := must(w.client.ListTasks(w.ctx, &in))(t)
				n += len(out.TaskArns)
				if out.NextToken == nil {
					return n
				}
				in.NextToken = out.NextToken
			}
		}
		w.update("api", "", func(in *sdk.UpdateServiceInput) { in.DesiredCount = new(int32(2)) })
		w.sleep(5 * time.Second)
		for _, c := range []struct {
			in   sdk.ListTasksInput
			want int
		}{
			{sdk.ListTasksInput{}, 3},
			{sdk.ListTasksInput{ServiceName: new("api")}, 2},
			{sdk.ListTasksInput{StartedBy: &deployment}, 2},
			{sdk.ListTasksInput{StartedBy: new("me")}, 1},
			{sdk.ListTasksInput{Family: new("migrate")}, 1},
			{sdk.ListTasksInput{ServiceName: new("api"), DesiredStatus: types.DesiredStatusStopped}, 1},
		} {
			if got := list(c.in); got != c.want {
				t.Errorf("%+v: %d tasks, want %d", c.in, got, c.want)
			}
		}
		_, err := w.client.ListTasks(w.ctx, &sdk.ListTasksInput{Cluster: new("main"), ServiceName: new("no")})
		if _, ok := errors.AsType[*types.ServiceNotFoundException](err); !ok {
			t.Errorf("tasks of no service: %v", err)
		}
	})
}

func TestDigests(t *testing.T) {
	tags := map[string]string{}
	inWorld(t, func(w *world) {
		image := "123456789012.dkr.ecr.us-west-2.amazonaws.com/api:one"
		tags[image] = "sha256:aaaa"
		w.create("api", w.register("api", "one"), 1, func(in *sdk.CreateServiceInput) {
			in.ServiceConnectConfiguration = &types.ServiceConnectConfiguration{Enabled: true, Services: []types.ServiceConnectService{{PortName: new("api")}}}
		})
		revision := func() types.ServiceRevision {
			arn := *w.work("api").TargetServiceRevision.Arn
			return must(w.client.DescribeServiceRevisions(w.ctx, &sdk.DescribeServiceRevisionsInput{ServiceRevisionArns: []string{arn}}))(t).ServiceRevisions[0]
		}
		if d := revision().ContainerImages[0].ImageDigest; d != nil {
			t.Errorf("digest before any task: %s", *d)
		}
		w.settle("api")
		// The tag moves on; the revision and all its tasks stay as they were.
		tags[image] = "sha256:bbbb"
		w.script.On("api", ecstest.Behaviour{}, ecstest.Behaviour{Digest: "sha256:cccc"})
		w.update("api", "", func(in *sdk.UpdateServiceInput) { in.DesiredCount = new(int32(3)) })
		w.settle("api")
		if d := *revision().ContainerImages[0].ImageDigest; d != "sha256:aaaa" {
			t.Errorf("digest of the revision: %s", d)
		}
		var got []string
		for _, task := range w.Launches("api:1") {
			var names []string
			for _, c := range task.Containers {
				name, _, _ := strings.Cut(*c.Name, "-connect-")
				names = append(names, name+" "+aws.ToString(c.ImageDigest))
			}
			got = append(got, strings.Join(names, ", "))
		}
		slices.Sort(got)
		same(t, "digests of the tasks", got,
			"api sha256:aaaa, ecs-service ",
			"api sha256:aaaa, ecs-service ",
			"api sha256:cccc, ecs-service ",
		)
		// A new deployment of the same task definition takes what the tag
		// stands for now.
		w.update("api", "", func(in *sdk.UpdateServiceInput) { in.ForceNewDeployment = true })
		w.settle("api")
		if d := *revision().ContainerImages[0].ImageDigest; d != "sha256:bbbb" {
			t.Errorf("digest of the forced deployment: %s", d)
		}
	}, func(o *ecs.Options) {
		o.Images = func(reference string) (string, error) { return tags[reference], nil }
	})
}
