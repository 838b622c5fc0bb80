package ecs

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

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

// describeServices returns those services that can be deployed to: ECS shows a
// deleted one for some time.
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
		mu.Lock()
		defer mu.Unlock()
		for _, s := range out.Services {
			if value(s.Status) == "ACTIVE" {
				all = append(all, s)
			}
		}
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
