package ecs

import (
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// Rolling updates: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-type-ecs.html
// Deployments of a service: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Deployment.html

// deployment is one entry of a service's deployments: tasks of one revision.
type deployment struct {
	id               string
	shape            *revision
	work             *serviceDeployment // that it is a part of
	state            types.DeploymentRolloutState
	reason           string
	created, updated time.Time
	// failures are tasks that failed in a row, until the first healthy one.
	failures int
	healthy  bool // a task has been healthy: failures no longer count
	// notBefore is when the next task may start, after too many failures.
	notBefore time.Time
	settling  int // the mark that settle gave it when it began to look finished; 0 while it does not
	// names are the Service Connect names that its tasks know; see
	// model.names.
	names map[string]string
}

func (m *model) change(d *deployment, state types.DeploymentRolloutState, format string, args ...any) {
	d.state, d.reason, d.updated = state, fmt.Sprintf(format, args...), m.agenda.now
}

// deploy begins a deployment of a revision, and ends one that is in progress.
func (m *model) deploy(s *service, shape *revision) {
	now := m.agenda.now
	d := &deployment{id: "ecs-svc/" + digits(), shape: shape, created: now}
	m.change(d, types.DeploymentRolloutStateInProgress, "ECS deployment %s in progress.", d.id)
	d.work = m.newServiceDeployment(s, d)
	if len(s.history) > 0 && !s.current().over() {
		// AWS gives no reason for a deployment that another one replaced.
		m.finish(s.current(), types.ServiceDeploymentStatusStopped, "")
	}
	s.history = append(s.history, d.work)
	s.deployments = slices.Insert(s.deployments, 0, d)
	s.adopt(d)
	d.names = m.names(s)
	m.wake(s)
}

// adopt changes the service to what the deployment's revision says.
func (s *service) adopt(d *deployment) {
	s.api.TaskDefinition = new(d.shape.def.arn())
	s.api.NetworkConfiguration = d.shape.api.NetworkConfiguration
	s.api.LoadBalancers = d.shape.api.LoadBalancers
	s.connect = d.shape.api.ServiceConnectConfiguration
	s.steady = false
}

// counts of the tasks of a deployment.
type counts struct {
	alive   int // should run, and do or will
	failing int // of these, fail a health check and are to be replaced
	pending int // should run, and do not yet
	running int // run, including those that are being deregistered from the load balancer
	healthy int // run and pass their health checks
	leaving int // are being deregistered from the load balancer
}

// count counts the tasks of a deployment, or all of the service's if it is
// nil.
func (m *model) count(s *service, d *deployment) counts {
	var n counts
	for _, t := range m.tasks {
		if t.service != s || d != nil && t.deployment != d {
			continue
		}
		if t.wanted() {
			n.alive++
			if t.failing != "" {
				n.failing++
			}
			if t.pending() {
				n.pending++
			}
			if t.healthy() {
				n.healthy++
			}
		}
		if t.running() {
			n.running++
			if !t.wanted() {
				n.leaving++
			}
		}
	}
	return n
}

// complete ends a deployment that succeeded.
func (m *model) complete(s *service, d *deployment) {
	m.change(d, types.DeploymentRolloutStateCompleted, "ECS deployment %s completed.", d.id)
	s.completed = d
	m.event(s, "(deployment %s) deployment completed.", d.id)
	switch w := d.work; w.api.Status {
	case types.ServiceDeploymentStatusInProgress:
		m.finish(w, types.ServiceDeploymentStatusSuccessful, "")
	case types.ServiceDeploymentStatusRollbackInProgress:
		m.finish(w, types.ServiceDeploymentStatusRollbackSuccessful, value(w.api.StatusReason))
	}
}
