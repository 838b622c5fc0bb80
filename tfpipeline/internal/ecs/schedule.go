package ecs

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/scheduler/types"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

// DescribeSchedules returns the schedules of tasks. It makes one call for each, since
// a list of schedules does not contain their task definitions.
func (e *Environment) DescribeSchedules(ctx context.Context, tasks []string) (map[string]deploy.Schedule, error) {
	var mu sync.Mutex
	found := map[string]deploy.Schedule{}
	err := each(ctx, slices.Values(tasks), func(ctx context.Context, task string) error {
		out, err := e.getSchedule(ctx, task)
		if is(err, "ResourceNotFoundException") {
			return nil
		}
		if err != nil {
			return failed(ctx, err, "read the schedule of %s", task)
		}
		if out.Target == nil || out.Target.EcsParameters == nil {
			return fmt.Errorf("read the schedule of %s: it starts no task of ECS", task)
		}
		mu.Lock()
		defer mu.Unlock()
		found[task] = deploy.Schedule{
			TaskDefinition: value(out.Target.EcsParameters.TaskDefinitionArn), Enabled: out.State == types.ScheduleStateEnabled,
		}
		return nil
	})
	return found, err
}

// SetSchedule sets what a schedule starts. EventBridge Scheduler replaces the whole
// schedule, so all other fields are sent as they were read.
func (e *Environment) SetSchedule(ctx context.Context, task string, s deploy.Schedule) error {
	now, err := e.getSchedule(ctx, task)
	if err != nil {
		return failed(ctx, err, "set the schedule of %s: read it", task)
	}
	if now.Target == nil || now.Target.EcsParameters == nil {
		return fmt.Errorf("set the schedule of %s: it starts no task of ECS", task)
	}
	in := &scheduler.UpdateScheduleInput{
		ActionAfterCompletion: now.ActionAfterCompletion, Description: now.Description,
		EndDate: now.EndDate, FlexibleTimeWindow: now.FlexibleTimeWindow, GroupName: now.GroupName,
		KmsKeyArn: now.KmsKeyArn, Name: now.Name, ScheduleExpression: now.ScheduleExpression,
		ScheduleExpressionTimezone: now.ScheduleExpressionTimezone, StartDate: now.StartDate,
		State: types.ScheduleStateDisabled, Target: now.Target,
	}
	in.Target.EcsParameters.TaskDefinitionArn = &s.TaskDefinition
	if s.Enabled {
		in.State = types.ScheduleStateEnabled
	}
	_, err = e.scheduler.UpdateSchedule(ctx, in)
	return failed(ctx, err, "set the schedule of %s to %s", task, short(s.TaskDefinition))
}

func (e *Environment) getSchedule(ctx context.Context, task string) (*scheduler.GetScheduleOutput, error) {
	return e.scheduler.GetSchedule(ctx, &scheduler.GetScheduleInput{
		GroupName: new(e.platform.ScheduleGroup(e.name)), Name: &task,
	})
}
