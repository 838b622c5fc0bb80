package ecs

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"
)

// Minimums returns the least number of tasks of each autoscaled service: one
// call for 50.
func (e *Environment) Minimums(ctx context.Context, services []string) (map[string]int, error) {
	var mu sync.Mutex
	minimums := map[string]int{}
	err := each(ctx, slices.Chunk(slices.Collect(distinct(services)), targetsPerCall), func(ctx context.Context, names []string) error {
		in := &applicationautoscaling.DescribeScalableTargetsInput{
			ServiceNamespace:  types.ServiceNamespaceEcs,
			ScalableDimension: types.ScalableDimensionECSServiceDesiredCount,
		}
		for _, name := range names {
			in.ResourceIds = append(in.ResourceIds, e.scalable(name))
		}
		pages := applicationautoscaling.NewDescribeScalableTargetsPaginator(e.scaling, in)
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return failed(ctx, err, "read autoscaling of %s", strings.Join(names, ", "))
			}
			mu.Lock()
			for _, t := range page.ScalableTargets {
				minimums[short(value(t.ResourceId))] = int(value(t.MinCapacity))
			}
			mu.Unlock()
		}
		return nil
	})
	return minimums, err
}

// SetMinimum sets the least number of tasks of a service that is autoscaled. It
// leaves everything else, and never begins to autoscale a service: for that
// AWS asks for a maximum too.
func (e *Environment) SetMinimum(ctx context.Context, service string, tasks int) error {
	_, err := e.scaling.RegisterScalableTarget(ctx, &applicationautoscaling.RegisterScalableTargetInput{
		ServiceNamespace:  types.ServiceNamespaceEcs,
		ScalableDimension: types.ScalableDimensionECSServiceDesiredCount,
		ResourceId:        new(e.scalable(service)),
		MinCapacity:       new(int32(tasks)),
	})
	return failed(ctx, err, "set the minimum of %s to %d tasks", service, tasks)
}

// scalable is what autoscaling calls a service.
func (e *Environment) scalable(service string) string { return "service/" + e.cluster + "/" + service }
