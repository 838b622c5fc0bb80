package deploy

import (
	"context"
	"time"
)

// Origin is the environment where a release proves itself.
type Origin interface {
	// Past returns the service deployments of each service, the oldest first,
	// as far back as ECS remembers.
	Past(ctx context.Context, services []string) (map[string][]PastDeployment, error)
}

// PastDeployment is a service deployment in the origin. Digest is from ECS's
// own record of the service revision, not from a tag or a task definition.
type PastDeployment struct {
	ARN, Revision, Digest string
	State                 DeploymentState
	Created, Finished     time.Time
}

// Proof is the evidence that a release ran elsewhere.
type Proof struct {
	// Environment is where.
	Environment string `json:"environment"`
	// MinimumBake is what was asked for, Baked how long the whole release ran.
	MinimumBake time.Duration `json:"minimum_bake_ns"`
	Baked       time.Duration `json:"baked_ns"`
	// Since and Until are when it did; Until is when it was replaced, or when
	// the proof was taken.
	Since    time.Time               `json:"since"`
	Until    time.Time               `json:"until"`
	Services map[string]ServiceProof `json:"services"`
}

// ServiceProof is the deployment that proves one service's image.
type ServiceProof struct {
	Digest     string    `json:"digest"`
	Deployment string    `json:"deployment"`
	Revision   string    `json:"service_revision"`
	Since      time.Time `json:"since"`
	Until      time.Time `json:"until"`
}
