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
	healthy  bool // it has had a healthy task: failures do not count any more
	// notBefore is when the next task may start, after too many failures.
	notBefore time.Time
	settling  int // not 0 while it looks finished: which time that is
	// names are those of Service Connect that its tasks know, see names.
	names map[string]string
}

func (r *Runtime) change(d *deployment, state types.DeploymentRolloutState, format string, args ...any) {
	d.state, d.reason, d.updated = state, fmt.Sprintf(format, args...), r.agenda.now
}

// deploy begins a deployment of a revision; one that is under way is over.
func (r *Runtime) deploy(s *service, shape *revision) {
	now := r.agenda.now
	d := &deployment{id: "ecs-svc/" + digits(), shape: shape, created: now}
	r.change(d, types.DeploymentRolloutStateInProgress, "ECS deployment %s in progress.", d.id)
	d.work = r.newServiceDeployment(s, d)
	if len(s.past) > 0 && !s.current().over() {
		// AWS gives no reason for what another deployment has replaced.
		r.finish(s.current(), types.ServiceDeploymentStatusStopped, "")
	}
	s.past = append(s.past, d.work)
	s.deployments = slices.Insert(s.deployments, 0, d)
	r.adopt(s, d)
	d.names = r.names(s)
	r.wake(s)
}

// adopt makes the service what the deployment's revision says.
func (r *Runtime) adopt(s *service, d *deployment) {
	s.api.TaskDefinition = new(d.shape.def.arn())
	s.api.NetworkConfiguration = d.shape.api.NetworkConfiguration
	s.api.LoadBalancers = d.shape.api.LoadBalancers
	s.connect = d.shape.api.ServiceConnectConfiguration
	s.steady = false
}

// counts of the tasks of a deployment.
type counts struct {
	alive   int // are to run, and do or will
	pending int // are to run, and do not yet
	running int // run, also those that are being taken off the load balancer
	healthy int // run and pass their health checks
	leaving int // are being taken off the load balancer
}

// count counts the tasks of a deployment, or of all of the service's for nil.
func (r *Runtime) count(s *service, d *deployment) counts {
	var n counts
	for _, t := range r.tasks {
		if t.service != s || d != nil && t.deployment != d {
			continue
		}
		if t.wanted() {
			n.alive++
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

// complete ends a deployment well.
func (r *Runtime) complete(s *service, d *deployment) {
	r.change(d, types.DeploymentRolloutStateCompleted, "ECS deployment %s completed.", d.id)
	s.completed = d
	r.event(s, "(deployment %s) deployment completed.", d.id)
	switch w := d.work; w.api.Status {
	case types.ServiceDeploymentStatusInProgress:
		r.finish(w, types.ServiceDeploymentStatusSuccessful, "")
	case types.ServiceDeploymentStatusRollbackInProgress:
		r.finish(w, types.ServiceDeploymentStatusRollbackSuccessful, value(w.api.StatusReason))
	}
}
