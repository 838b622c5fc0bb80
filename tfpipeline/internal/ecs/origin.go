package ecs

import (
	"context"
	"slices"
	"sync"

	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

// Past returns the service deployments of each service, the oldest first, as
// far back as ECS remembers: 90 days.
func (e *Environment) Past(ctx context.Context, services []string) (map[string][]deploy.PastDeployment, error) {
	var mu sync.Mutex
	briefs := map[string][]types.ServiceDeploymentBrief{}
	err := each(ctx, distinct(services), func(ctx context.Context, service string) error {
		all, known, err := e.listDeployments(ctx, service)
		if err != nil || !known {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		briefs[service] = all
		return nil
	})
	if err != nil {
		return nil, err
	}
	var targets []string
	for _, service := range services {
		for _, b := range briefs[service] {
			targets = append(targets, value(b.TargetServiceRevisionArn))
		}
	}
	revisions, err := e.describeRevisions(ctx, targets, revision.complete)
	if err != nil {
		return nil, err
	}
	past := map[string][]deploy.PastDeployment{}
	for service, all := range briefs {
		past[service] = []deploy.PastDeployment{}
		for _, b := range slices.Backward(all) { // ECS has the newest first
			target := value(b.TargetServiceRevisionArn)
			past[service] = append(past[service], deploy.PastDeployment{
				ARN:      value(b.ServiceDeploymentArn),
				Revision: target,
				Digest:   revisions[target].digest,
				State:    stateOf(b.Status),
				Created:  value(b.CreatedAt),
				Finished: value(b.FinishedAt),
			})
		}
		slices.SortStableFunc(past[service], func(a, b deploy.PastDeployment) int { return a.Created.Compare(b.Created) })
	}
	return past, nil
}

// listDeployments returns a service's deployments, and whether ECS knows the
// service.
func (e *Environment) listDeployments(ctx context.Context, service string) (all []types.ServiceDeploymentBrief, known bool, err error) {
	in := &sdk.ListServiceDeploymentsInput{Cluster: &e.cluster, Service: &service, MaxResults: new(int32(100))}
	for {
		out, err := e.ecs.ListServiceDeployments(ctx, in)
		if is(err, "ServiceNotFoundException") {
			return nil, false, nil
		}
		if err != nil {
			return nil, false, failed(ctx, err, "list service deployments of %s in %s", service, e.cluster)
		}
		all = append(all, out.ServiceDeployments...)
		if value(out.NextToken) == "" {
			return all, true, nil
		}
		in.NextToken = out.NextToken
	}
}
