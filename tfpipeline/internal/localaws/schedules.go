package localaws

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/scheduler/types"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/endpoint"
)

// schedules run what moto's EventBridge Scheduler only keeps: at its times each
// schedule starts its task, under its own role. Other targets than ECS start
// nothing. Rates pass faster by speed, as the intervals of health checks do; cron
// expressions mean the time of day.
type schedules struct {
	client *scheduler.Client
	// start starts a task as a role that a schedule group may assume.
	start func(ctx context.Context, s schedule) error
	speed int
	warn  func(error)

	changed chan struct{}
	end     context.CancelFunc
	running sync.WaitGroup
}

// schedule is one that is switched on.
type schedule struct {
	config.Schedule
	name, group string
	begun       time.Time
	target      *types.Target
	retry       types.RetryPolicy
}

func newSchedules(client *scheduler.Client, speed int, start func(context.Context, schedule) error, warn func(error)) *schedules {
	return &schedules{client: client, start: start, speed: speed, warn: warn, changed: make(chan struct{}, 1)}
}

// operations have every change looked at.
func (s *schedules) operations() endpoint.Table {
	return endpoint.Table{"scheduler.*": func(c *endpoint.Call, next endpoint.Next) (*endpoint.Reply, error) {
		reply, err := next(c)
		if c.Request.Method != http.MethodGet {
			select {
			case s.changed <- struct{}{}:
			default: // it is to look anyway
			}
		}
		return reply, err
	}}
}

// run starts tasks until Close.
func (s *schedules) run(ctx context.Context) {
	ctx, s.end = context.WithCancel(ctx)
	s.running.Go(func() {
		var all []schedule
		seen := time.Now()
		for {
			due := s.earliest(all, seen)
			timer := time.NewTimer(time.Until(due))
			select {
			case <-ctx.Done():
				timer.Stop()
				return
			case <-s.changed:
				timer.Stop()
				found, err := s.read(ctx)
				if err != nil && ctx.Err() == nil {
					s.warn(err)
				}
				all, seen = found, time.Now()
				continue
			case <-timer.C:
			}
			for _, one := range all {
				if at := s.next(one, seen); !at.IsZero() && !at.After(due) {
					s.running.Go(func() { s.attempt(ctx, one, at) })
				}
			}
			seen = due
		}
	})
}

// close ends what runs here; tasks that were started go on.
func (s *schedules) close() {
	if s.end != nil {
		s.end()
		s.running.Wait()
	}
}

// earliest is when the first of some schedules comes after a time; in a day, if
// none does before.
func (s *schedules) earliest(all []schedule, after time.Time) time.Time {
	due := after.Add(24 * time.Hour)
	for _, one := range all {
		if at := s.next(one, after); !at.IsZero() && at.Before(due) {
			due = at
		}
	}
	return due
}

// next is when a schedule comes after a time; zero if never.
func (s *schedules) next(one schedule, after time.Time) time.Time {
	speed := time.Duration(s.speed)
	if !strings.HasPrefix(one.Expression, "rate(") {
		speed = 1
	}
	at, err := one.Next(one.begun.Add(after.Sub(one.begun)*speed), one.begun)
	if err != nil || at.IsZero() {
		return time.Time{} // it was reported when it was read
	}
	return one.begun.Add(at.Sub(one.begun) / speed)
}

// read reads the schedules that are switched on.
func (s *schedules) read(ctx context.Context) ([]schedule, error) {
	var all []schedule
	pages := scheduler.NewListSchedulesPaginator(s.client, &scheduler.ListSchedulesInput{State: types.ScheduleStateEnabled})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("read the schedules: %w", err)
		}
		for _, found := range page.Schedules {
			out, err := s.client.GetSchedule(ctx, &scheduler.GetScheduleInput{GroupName: found.GroupName, Name: found.Name})
			if err != nil {
				return nil, fmt.Errorf("read schedule %s: %w", aws.ToString(found.Name), err)
			}
			one := schedule{
				Schedule: config.Schedule{Expression: aws.ToString(out.ScheduleExpression), TimeZone: aws.ToString(out.ScheduleExpressionTimezone)},
				name:     aws.ToString(out.Name), group: aws.ToString(out.GroupName), begun: aws.ToTime(out.CreationDate), target: out.Target,
			}
			if out.Target == nil || out.Target.EcsParameters == nil {
				continue
			}
			if out.Target.RetryPolicy != nil {
				one.retry = *out.Target.RetryPolicy
			}
			if _, err := one.Next(time.Now(), one.begun); err != nil {
				s.warn(fmt.Errorf("schedule %s %w: %s", one.name, err, one.Expression))
				continue
			}
			all = append(all, one)
		}
	}
	return all, nil
}

// attempt starts a task, and tries again as often and as long as the schedule says.
func (s *schedules) attempt(ctx context.Context, one schedule, due time.Time) {
	wait := time.Second
	for retries := int32(0); ; retries++ {
		err := s.start(ctx, one)
		if err == nil || ctx.Err() != nil {
			return
		}
		if retries >= aws.ToInt32(one.retry.MaximumRetryAttempts) || time.Since(due) > time.Duration(aws.ToInt32(one.retry.MaximumEventAgeInSeconds))*time.Second {
			s.warn(fmt.Errorf("schedule %s dropped a run: %w", one.name, err))
			return
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		wait = min(2*wait, 30*time.Second)
	}
}

// startScheduled starts a task as Scheduler does: under the schedule's role, which
// the endpoint judges as it judges everybody.
func (c *Cloud) startScheduled(ctx context.Context, s schedule) error {
	e, err := c.endpoint(ctx)
	if err != nil {
		return err
	}
	source := "arn:aws:scheduler:" + e.region + ":" + e.account + ":schedule-group/" + s.group
	role, err := e.access.assumeForSchedule(ctx, e.region, aws.ToString(s.target.RoleArn), source, s.name)
	if err != nil {
		return err
	}
	cfg := c.config.Copy()
	cfg.Credentials = credentials.StaticCredentialsProvider{Value: role}
	p := s.target.EcsParameters
	in := &sdk.RunTaskInput{
		Cluster: s.target.Arn, TaskDefinition: p.TaskDefinitionArn, Count: p.TaskCount, Group: p.Group,
		LaunchType: ecstypes.LaunchType(p.LaunchType), StartedBy: new("chronos-schedule/" + s.name),
	}
	if p.NetworkConfiguration != nil && p.NetworkConfiguration.AwsvpcConfiguration != nil {
		vpc := p.NetworkConfiguration.AwsvpcConfiguration
		in.NetworkConfiguration = &ecstypes.NetworkConfiguration{AwsvpcConfiguration: &ecstypes.AwsVpcConfiguration{
			Subnets: vpc.Subnets, SecurityGroups: vpc.SecurityGroups, AssignPublicIp: ecstypes.AssignPublicIp(vpc.AssignPublicIp),
		}}
	}
	out, err := sdk.NewFromConfig(cfg).RunTask(ctx, in)
	if err != nil {
		return err
	}
	for _, f := range out.Failures {
		return fmt.Errorf("run a task: %s", aws.ToString(f.Reason))
	}
	return nil
}
