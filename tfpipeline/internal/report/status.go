package report

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"golang.org/x/sync/errgroup"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/ecs"
	"github.com/specboard/platform/tfpipeline/internal/state"
	"github.com/specboard/platform/tfpipeline/internal/view"
)

// Status looks at one environment. It asks ECS, the history and the lock at the
// same time, since each answer takes a moment.
func Status(ctx context.Context, p config.Platform, e config.Environment, cluster *ecs.Environment, history *state.History, lock *state.Lock) (view.Status, error) {
	var names []string
	var public []string
	for _, service := range p.Services {
		names = append(names, service.Name)
		if service.Public() {
			public = append(public, service.Name)
		}
	}
	var o view.Observation
	for _, task := range p.Scheduled(e) {
		o.Scheduled = append(o.Scheduled, task.Name)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) { o.Records, o.Skipped, err = history.Recent(ctx); return err })
	g.Go(func() (err error) { o.Frozen, err = history.Frozen(ctx); return err })
	g.Go(func() error { o.Lock, o.LockError = lock.Holder(ctx); return nil })
	g.Go(func() (err error) { o.Services, err = cluster.DescribeServices(ctx, names); return err })
	g.Go(func() (err error) { o.Stopped, err = cluster.StoppedTasks(ctx, names, time.Time{}); return err })
	g.Go(func() (err error) { o.Tasks, err = cluster.RunningTasks(ctx, names); return err })
	g.Go(func() (err error) { o.Schedules, err = cluster.DescribeSchedules(ctx, o.Scheduled); return err })
	g.Go(func() (err error) { o.Targets, err = cluster.TargetHealth(ctx, public); return err })
	g.Go(func() error {
		// What CloudWatch does not tell hides nothing of what ECS does.
		alarms, err := cluster.Alarms(ctx)
		o.AlarmsError = err
		for _, a := range alarms {
			o.Alarms = append(o.Alarms, view.Alarm{
				Name: aws.ToString(a.AlarmName), Ringing: a.StateValue == types.StateValueAlarm,
				Since: aws.ToTime(a.StateUpdatedTimestamp), Reason: aws.ToString(a.StateReason),
			})
		}
		return nil
	})
	err := g.Wait()
	s := view.Status{Environment: e.Name, URL: p.URL(e), Time: time.Now().UTC()}
	if failure, ok := errors.AsType[*ecs.Error](err); ok && failure.Code == "ClusterNotFoundException" {
		s.Problems = []string{"there is nothing yet: tfpipeline bootstrap -env " + e.Name}
		return s, nil
	}
	if err != nil {
		return s, fmt.Errorf("%s: %w", e.Name, err)
	}
	s.Fill(names, o)
	return s, nil
}
