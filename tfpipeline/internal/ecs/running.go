package ecs

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// RunningDigests returns the digests that the running tasks of each service
// have, one a task: "" for one whose digest ECS does not tell. A service
// without a running task is absent.
//
// It asks for the tasks of the whole cluster, so that it takes two calls for a
// hundred tasks, however many services they belong to.
func (e *Environment) RunningDigests(ctx context.Context, services []string) (map[string][]string, error) {
	tasks, err := e.tasks(ctx, types.DesiredStatusRunning)
	if err != nil {
		return nil, err
	}
	digests := map[string][]string{}
	for _, t := range tasks {
		service, ok := serviceOf(t)
		if !ok || !slices.Contains(services, service) || value(t.LastStatus) != "RUNNING" {
			continue
		}
		c := containerOf(t, service)
		digests[service] = append(digests[service], value(c.ImageDigest))
	}
	return digests, nil
}
