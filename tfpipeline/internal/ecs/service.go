package ecs

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/smithy-go/middleware"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

// DescribeServices returns what the services run: one call for 10, and those
// of DescribeDeployments for their latest deployments, unless that has just
// seen all of them.
func (e *Environment) DescribeServices(ctx context.Context, services []string) (map[string]deploy.Service, error) {
	all, err := e.describeServices(ctx, services)
	if err != nil {
		return nil, err
	}
	var arns []string
	for _, s := range all {
		arns = append(arns, value(s.CurrentServiceDeployment))
	}
	slices.Sort(arns)
	deployments, err := e.latest(ctx, arns)
	if err != nil {
		return nil, err
	}
	found := map[string]deploy.Service{}
	for _, s := range all {
		service := deploy.Service{
			Name:           *s.ServiceName,
			Gone:           !active(s),
			TaskDefinition: value(s.TaskDefinition),
			Desired:        int(s.DesiredCount),
			Running:        int(s.RunningCount),
			Pending:        int(s.PendingCount),
			Events:         eventsOf(s, time.Time{}),
		}
		if d, ok := deployments[value(s.CurrentServiceDeployment)]; ok {
			service.Deployment = &d
		}
		found[service.Name] = service
	}
	return found, nil
}

// active reports whether a service can be deployed to: ECS shows a deleted one
// for some time.
func active(s types.Service) bool { return value(s.Status) == "ACTIVE" }

// describeServices returns the services that ECS shows.
func (e *Environment) describeServices(ctx context.Context, services []string) ([]types.Service, error) {
	var mu sync.Mutex
	var all []types.Service
	err := each(ctx, slices.Chunk(slices.Collect(distinct(services)), servicesPerCall), func(ctx context.Context, names []string) error {
		out, err := e.ecs.DescribeServices(ctx, &sdk.DescribeServicesInput{Cluster: &e.cluster, Services: names})
		if err != nil {
			return failed(ctx, err, "describe services %s of %s", strings.Join(names, ", "), e.cluster)
		}
		if err := unexpected(out.Failures, "describe services of "+e.cluster); err != nil {
			return err
		}
		e.compareClocks(out.ResultMetadata)
		mu.Lock()
		defer mu.Unlock()
		all = append(all, out.Services...)
		return nil
	})
	return all, err
}

// eventsOf are a service's events from a time on, oldest first; ECS has them
// newest first.
func eventsOf(s types.Service, since time.Time) []deploy.ServiceEvent {
	var events []deploy.ServiceEvent
	for _, event := range slices.Backward(s.Events) {
		if at := value(event.CreatedAt); !at.Before(since) {
			events = append(events, deploy.ServiceEvent{ID: value(event.Id), Time: at, Message: value(event.Message)})
		}
	}
	return events
}

// UpdateService changes a service in one call, and returns the deployment that
// this caused.
//
// The answer to an update names the service's current deployment, which may be an
// earlier one: because nothing changed, or because ECS is not yet that far. Its success
// would prove nothing. So the deployment is looked up: the update has caused it if it
// brings this task definition and began after the call did, by AWS's clock.
func (e *Environment) UpdateService(ctx context.Context, u deploy.Update) (string, error) {
	in := &sdk.UpdateServiceInput{Cluster: &e.cluster, Service: &u.Service}
	if u.TaskDefinition != "" {
		in.TaskDefinition = &u.TaskDefinition
	}
	in.ForceNewDeployment = u.Restart
	if u.Desired != nil {
		in.DesiredCount = new(int32(*u.Desired))
	}
	began := time.Now()
	out, err := e.ecs.UpdateService(ctx, in)
	if err != nil {
		return "", failed(ctx, err, "update service %s of %s", u.Service, e.cluster)
	}
	arn := value(out.Service.CurrentServiceDeployment)
	if u.TaskDefinition == "" || arn == "" {
		return "", nil // another number of tasks is no deployment
	}
	// If it cannot be looked up, the update was made nevertheless, and whoever waits
	// for it finds its deployment.
	deployments, err := e.DescribeDeployments(ctx, []string{arn})
	d, shown := deployments[arn]
	if err == nil && shown && d.TaskDefinition == u.TaskDefinition && !d.Created.Before(serverTime(out.ResultMetadata, began)) {
		return arn, nil
	}
	return "", nil
}

// serverTime is the time by AWS's clock at a moment during a call, or a little earlier:
// the clock here may be wrong by minutes.
func serverTime(answer middleware.Metadata, then time.Time) time.Time {
	// AWS's own clocks differ too, but not by much.
	const slack = time.Second
	server, ok := awsmiddleware.GetServerTime(answer)
	answered, okAnswered := awsmiddleware.GetResponseAt(answer)
	if !ok || !okAnswered {
		return then.Add(-slack)
	}
	return server.Add(-answered.Sub(then)).Add(-slack)
}

// compareClocks notes how far AWS's clock is ahead of this one, by an answer.
func (e *Environment) compareClocks(answer middleware.Metadata) {
	server, ok := awsmiddleware.GetServerTime(answer)
	answered, okAnswered := awsmiddleware.GetResponseAt(answer)
	if !ok || !okAnswered {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ahead = server.Sub(answered)
}

// onServer converts a time of the clock here to AWS's clock, or to a little earlier,
// since answers tell AWS's time in whole seconds. Before the first answer it returns
// the time as it is.
func (e *Environment) onServer(t time.Time) time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ahead.Abs() < 2*time.Second {
		return t
	}
	return t.Add(e.ahead - time.Second)
}

// fromServer returns a function that converts a time of AWS's clock to the clock here,
// or to a little later, by the last answer. A zero time stays zero.
func (e *Environment) fromServer() func(time.Time) time.Time {
	e.mu.Lock()
	ahead := e.ahead
	e.mu.Unlock()
	return func(t time.Time) time.Time {
		if ahead.Abs() < 2*time.Second || t.IsZero() {
			return t
		}
		return t.Add(-ahead)
	}
}

// StoppedTasks returns the services' tasks that stopped since a time, the newest
// first, without their logs. It asks for those of the whole cluster.
func (e *Environment) StoppedTasks(ctx context.Context, services []string, since time.Time) ([]deploy.StoppedTask, error) {
	if len(services) == 0 {
		return nil, nil
	}
	tasks, err := e.tasks(ctx, types.DesiredStatusStopped)
	if err != nil {
		return nil, err
	}
	var stopped []deploy.StoppedTask
	for _, t := range tasks {
		service, ok := serviceOf(t)
		if ok && slices.Contains(services, service) && (t.StoppedAt == nil || !t.StoppedAt.Before(since)) {
			stopped = append(stopped, e.stoppedOf(t))
		}
	}
	slices.SortStableFunc(stopped, func(a, b deploy.StoppedTask) int {
		return cmp.Or(b.Stopped.Compare(a.Stopped), cmp.Compare(a.ARN, b.ARN))
	})
	return stopped, nil
}

// RunningTasks returns the tasks of each service that run.
//
// It asks for the tasks of the whole cluster, so that it takes two calls for a
// hundred tasks, however many services they belong to.
func (e *Environment) RunningTasks(ctx context.Context, services []string) (map[string][]deploy.RunningTask, error) {
	tasks, err := e.tasks(ctx, types.DesiredStatusRunning)
	if err != nil {
		return nil, err
	}
	running := map[string][]deploy.RunningTask{}
	for _, t := range tasks {
		service, ok := serviceOf(t)
		if !ok || !slices.Contains(services, service) || value(t.LastStatus) != "RUNNING" {
			continue
		}
		c := containerOf(t, service)
		running[service] = append(running[service], deploy.RunningTask{
			Digest: value(c.ImageDigest), Unhealthy: t.HealthStatus == types.HealthStatusUnhealthy,
		})
	}
	return running, nil
}
