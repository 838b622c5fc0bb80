package ecs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

// noCapacity is in every message by which Fargate says that it has no room.
const noCapacity = "Capacity is unavailable"

// RunTask starts a one-off task. The error is transient if Fargate has no room for it.
func (e *Environment) RunTask(ctx context.Context, t deploy.TaskRun) (string, error) {
	if t.Token == "" {
		// The SDK would make a new token for each call, so that a repeated call would
		// start a second task.
		return "", fmt.Errorf("run task %s: it has no client token", t.Name)
	}
	out, err := e.ecs.RunTask(ctx, e.runInput(t))
	if _, message := saidBy(err); strings.Contains(message, noCapacity) {
		return "", deploy.Transient(failed(ctx, err, "run task %s", t.Name))
	}
	if err != nil {
		return "", failed(ctx, err, "run task %s", t.Name)
	}
	var refusals []error
	capacity := len(out.Failures) > 0
	for _, f := range out.Failures {
		said := value(f.Reason)
		if f.Detail != nil {
			said += ": " + *f.Detail
		}
		refusals = append(refusals, fmt.Errorf("run task %s: ECS says: %s", t.Name, said))
		capacity = capacity && strings.Contains(said, noCapacity)
	}
	switch {
	case len(out.Tasks) == 1:
		return *out.Tasks[0].TaskArn, nil
	case capacity:
		return "", deploy.Transient(errors.Join(refusals...))
	case len(refusals) > 0:
		return "", errors.Join(refusals...)
	default:
		return "", fmt.Errorf("run task %s: ECS answered with %d tasks", t.Name, len(out.Tasks))
	}
}

// runInput is the same for the same task, byte by byte: ECS refuses a token
// that comes with another request.
func (e *Environment) runInput(t deploy.TaskRun) *sdk.RunTaskInput {
	override := types.ContainerOverride{Name: &t.Name}
	if len(t.Command) > 0 { // an empty one would replace the task definition's command by the image's
		override.Command = t.Command
	}
	for _, name := range slices.Sorted(maps.Keys(t.Environment)) {
		override.Environment = append(override.Environment, types.KeyValuePair{Name: &name, Value: new(t.Environment[name])})
	}
	in := &sdk.RunTaskInput{
		Cluster:        &e.cluster,
		TaskDefinition: &t.TaskDefinition,
		Count:          new(int32(1)),
		LaunchType:     types.LaunchTypeFargate,
		ClientToken:    &t.Token,
		NetworkConfiguration: &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{
			Subnets:        t.Placement.Subnets,
			SecurityGroups: t.Placement.SecurityGroups,
			AssignPublicIp: types.AssignPublicIpDisabled,
		}},
		EnableECSManagedTags: true,
		PropagateTags:        types.PropagateTagsTaskDefinition,
	}
	if t.StartedBy != "" {
		in.StartedBy = &t.StartedBy
	}
	if override.Command != nil || override.Environment != nil {
		in.Overrides = &types.TaskOverride{ContainerOverrides: []types.ContainerOverride{override}}
	}
	return in
}

// DescribeTask looks at a one-off task.
func (e *Environment) DescribeTask(ctx context.Context, arn string) (deploy.Task, error) {
	tasks, err := e.describeTasks(ctx, []string{arn})
	if err != nil {
		return deploy.Task{}, err
	}
	if len(tasks) == 0 {
		return deploy.Task{ARN: arn}, nil
	}
	return e.taskOf(tasks[0]), nil
}

func (e *Environment) taskOf(t types.Task) deploy.Task {
	name := e.nameOf(value(t.TaskDefinitionArn))
	task := deploy.Task{
		ARN:      *t.TaskArn,
		Name:     name,
		Known:    true,
		State:    taskState(t),
		StopCode: string(t.StopCode),
		Reason:   whyStopped(t),
		ExitCode: exitCodeOf(containerOf(t, name)),
		Started:  value(t.StartedAt),
		Stopped:  value(t.StoppedAt),
	}
	task.Capacity = task.ExitCode == nil && strings.Contains(task.Reason, noCapacity)
	return task
}

// taskState counts a task that is being taken down as running, since its exit
// code and its log may still come; one that never ran as starting.
func taskState(t types.Task) deploy.TaskState {
	switch status := value(t.LastStatus); {
	case status == "STOPPED" || status == "DELETED":
		return deploy.TaskStopped
	case status == "RUNNING" || t.StartedAt != nil:
		return deploy.TaskRunning
	default:
		return deploy.TaskStarting
	}
}

// StopTask asks a task to end. One that ECS does not know ended over an hour
// ago.
func (e *Environment) StopTask(ctx context.Context, arn, reason string) error {
	_, err := e.ecs.StopTask(ctx, &sdk.StopTaskInput{Cluster: &e.cluster, Task: &arn, Reason: &reason})
	if code, message := saidBy(err); code == "InvalidParameterException" && strings.Contains(message, "was not found") {
		return nil
	}
	return failed(ctx, err, "stop task %s", short(arn))
}

// tasks are all tasks of the cluster that are to run, or all that are to stop
// or have stopped within the hour.
func (e *Environment) tasks(ctx context.Context, desired types.DesiredStatus) ([]types.Task, error) {
	var arns []string
	pages := sdk.NewListTasksPaginator(e.ecs, &sdk.ListTasksInput{
		Cluster: &e.cluster, DesiredStatus: desired, MaxResults: new(int32(tasksPerCall)),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, failed(ctx, err, "list tasks of %s", e.cluster)
		}
		arns = append(arns, page.TaskArns...)
	}
	return e.describeTasks(ctx, arns)
}

// describeTasks returns tasks in the order that ECS has them, without those
// that it does not know.
func (e *Environment) describeTasks(ctx context.Context, arns []string) ([]types.Task, error) {
	var mu sync.Mutex
	var all []types.Task
	err := each(ctx, slices.Chunk(slices.Collect(distinct(arns)), tasksPerCall), func(ctx context.Context, arns []string) error {
		out, err := e.ecs.DescribeTasks(ctx, &sdk.DescribeTasksInput{Cluster: &e.cluster, Tasks: arns})
		if err != nil {
			return failed(ctx, err, "describe tasks of %s", e.cluster)
		}
		if err := unexpected(out.Failures, "describe tasks of "+e.cluster); err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		all = append(all, out.Tasks...)
		return nil
	})
	return all, err
}

// serviceOf is the service that started a task; a one-off task has none.
func serviceOf(t types.Task) (string, bool) { return strings.CutPrefix(value(t.Group), "service:") }

// containerOf is a task's container of that name, not that of a proxy beside
// it; the zero value if there is none.
func containerOf(t types.Task, name string) types.Container {
	for _, c := range t.Containers {
		if value(c.Name) == name {
			return c
		}
	}
	return types.Container{}
}

// exitCodeOf is a container's exit code; nil if it has none.
func exitCodeOf(c types.Container) *int {
	if c.ExitCode == nil {
		return nil
	}
	return new(int(*c.ExitCode))
}

// whyStopped is ECS's reason for the end of a task, with the reasons of its
// containers: only these tell what the image or the memory had to do with it.
func whyStopped(t types.Task) string {
	reasons := []string{}
	if r := value(t.StoppedReason); r != "" {
		reasons = append(reasons, r)
	}
	for _, c := range t.Containers {
		if r := value(c.Reason); r != "" && !slices.Contains(reasons, r) {
			reasons = append(reasons, value(c.Name)+": "+r)
		}
	}
	return strings.Join(reasons, "; ")
}
