package ecs

import (
	"context"
	"time"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

// sighting is what a look at deployments has shown.
type sighting struct {
	at          time.Time
	deployments map[string]deploy.Deployment
}

// fresh is how long a sighting may stand for another look. Who looks at
// deployments and then at their services means to see one moment, and would
// otherwise ask twice for the same at every look.
const fresh = 500 * time.Millisecond

// see remembers a sighting; an empty one has DescribeServices look again.
func (e *Environment) see(s sighting) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.last = s
}

// latest returns deployments as last seen, if that is fresh, or else looks.
func (e *Environment) latest(ctx context.Context, arns []string) (map[string]deploy.Deployment, error) {
	e.mu.Lock()
	last := e.last
	e.mu.Unlock()
	if time.Since(last.at) > fresh {
		return e.DescribeDeployments(ctx, arns)
	}
	for _, arn := range arns {
		if _, seen := last.deployments[arn]; !seen && arn != "" {
			return e.DescribeDeployments(ctx, arns)
		}
	}
	return last.deployments, nil
}
