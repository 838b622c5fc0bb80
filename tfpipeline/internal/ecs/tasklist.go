package ecs

import (
	"context"
	"slices"
	"strings"
	"sync"

	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

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
