package deploy

import (
	"context"
	"time"
)

// Deployments are the service deployments of ECS in this environment.
type Deployments interface {
	// DescribeDeployments returns them by ARN, in as few calls as the API
	// allows; what ECS does not know (yet) is absent.
	DescribeDeployments(ctx context.Context, arns []string) (map[string]Deployment, error)
	// StopDeployment asks for its rollback. That it has ended already is no
	// error.
	StopDeployment(ctx context.Context, arn string) error
}

// Deployment is a service deployment of ECS.
type Deployment struct {
	ARN     string
	Service string
	// TaskDefinition and Revision are the ARNs of what it brings.
	TaskDefinition, Revision string
	State                    DeploymentState
	// Reason is ECS's, if it gives one.
	Reason string
	// Failures is the circuit breaker's count, Threshold where it trips.
	Failures, Threshold int
	// Desired, Running and Pending count the tasks of what it brings.
	Desired, Running, Pending int
	Created, Finished         time.Time
}

// DeploymentState is one of ECS's states, with the requested ones counted to
// what they lead to.
type DeploymentState string

const (
	// DeploymentPending and DeploymentInProgress are at work.
	DeploymentPending    DeploymentState = "pending"
	DeploymentInProgress DeploymentState = "in progress"
	// DeploymentSuccessful has ended well.
	DeploymentSuccessful DeploymentState = "successful"
	// DeploymentStopped has ended without a rollback: by the circuit breaker
	// without one, or by a later deployment.
	DeploymentStopped DeploymentState = "stopped"
	// DeploymentRollingBack has failed, and ECS brings back what ran before.
	DeploymentRollingBack DeploymentState = "rolling back"
	// DeploymentRolledBack has failed, and what ran before runs again.
	DeploymentRolledBack DeploymentState = "rolled back"
	// DeploymentRollbackFailed has failed in both directions.
	DeploymentRollbackFailed DeploymentState = "rollback failed"
)

// Ended reports whether ECS does nothing more.
func (s DeploymentState) Ended() bool {
	switch s {
	case DeploymentSuccessful, DeploymentStopped, DeploymentRolledBack, DeploymentRollbackFailed:
		return true
	default:
		return false
	}
}

// Failed reports whether it has failed, even if its rollback goes on.
func (s DeploymentState) Failed() bool {
	return s == DeploymentRollingBack || s != DeploymentSuccessful && s.Ended()
}
