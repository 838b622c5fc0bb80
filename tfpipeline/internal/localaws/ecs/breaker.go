package ecs

import (
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// The circuit breaker: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html
//
// A failure is a task that cannot be placed, that stops before it is RUNNING, or that
// fails a health check before it was ever healthy. The first healthy task sets the
// count to zero for good. A service without health checks has a healthy task as soon as
// one is RUNNING, so that tasks which crash a moment later never trip its breaker, as
// at AWS.
//
// Our reading: a task that ends by itself after RUNNING, but before its health checks
// pass, is a failure, too.

const (
	reasonRolledBack  = "Service deployment rolled back because the circuit breaker threshold was exceeded."
	reasonNoCandidate = "No rollback candidate was found to run the rollback."
	// These two are our own words; AWS documents none.
	reasonStopped   = "Service deployment stopped because the circuit breaker threshold was exceeded."
	reasonRequested = "Service deployment rolled back because it was stopped by a user."
)

// threshold is half the desired count, rounded up, but at least 3 and at most
// 200.
func (s *service) threshold() int { return min(max((s.desired()+1)/2, 3), 200) }

// taskFailed handles a task that ended although its service wanted it.
func (m *model) taskFailed(t *task) {
	if t.deployment != t.service.primary() || t.wasHealthy || t.deployment.healthy {
		return
	}
	m.startFailed(t.service, t.deployment)
}

// startFailed counts one failed start, delays the next, and trips the breaker.
func (m *model) startFailed(s *service, d *deployment) {
	d.failures++
	d.updated = m.agenda.now
	if d.failures >= 3 {
		wait := m.options.Pace.Backoff << min(d.failures-3, 10)
		d.notBefore = m.agenda.now.Add(min(wait, 15*time.Minute))
	}
	if d.failures == 3 {
		m.event(s, "is unable to consistently start tasks successfully. For more information, see the Troubleshooting section of the Amazon ECS Developer Guide.")
	}
	if s.breaker().Enable && d.state == types.DeploymentRolloutStateInProgress && d.failures >= s.threshold() {
		m.trip(s, d)
	}
}

// becameHealthy handles the first time that a task of a deployment is healthy.
func (t *task) becameHealthy() {
	t.wasHealthy = true
	if d := t.deployment; d != nil && !d.healthy {
		d.healthy, d.failures, d.notBefore = true, 0, time.Time{}
	}
}

// trip fails a deployment.
func (m *model) trip(s *service, d *deployment) {
	m.fail(s, d, "ECS deployment circuit breaker: tasks failed to start.")
	w := d.work
	w.tripped = true
	switch {
	case w.over():
	case w.api.Status == types.ServiceDeploymentStatusRollbackInProgress:
		// The deployment that a rollback went to fails as well; nothing is
		// left to go back to.
		m.finish(w, types.ServiceDeploymentStatusRollbackFailed, reasonNoCandidate)
	case s.breaker().Rollback:
		m.rollBack(s, d, reasonRolledBack)
	default:
		m.finish(w, types.ServiceDeploymentStatusStopped, reasonStopped)
	}
}

func (m *model) fail(s *service, d *deployment, reason string) {
	m.change(d, types.DeploymentRolloutStateFailed, "%s", reason)
	m.event(s, "(deployment %s) deployment failed: tasks failed to start.", d.id)
}

// rollBack goes back to the most recent deployment in state COMPLETED. Until
// that one is COMPLETED again, no second rollback can go to it. If there is
// none, the deployment stops where it is: no task is started or stopped.
func (m *model) rollBack(s *service, failed *deployment, reason string) {
	w := failed.work
	to := s.completed
	if to == nil {
		m.finish(w, types.ServiceDeploymentStatusRollbackFailed, reasonNoCandidate)
		return
	}
	s.completed = nil
	w.api.Status = types.ServiceDeploymentStatusRollbackInProgress
	w.api.StatusReason = &reason
	w.api.UpdatedAt = new(m.agenda.now)
	w.api.Rollback = &types.Rollback{Reason: &reason, StartedAt: new(m.agenda.now), ServiceRevisionArn: new(to.shape.arn())}
	m.event(s, "rolling back to deployment %s.", to.id)

	to.work, to.failures, to.healthy, to.notBefore, to.settling = w, 0, false, time.Time{}, 0
	m.change(to, types.DeploymentRolloutStateInProgress, "ECS deployment circuit breaker: rolling back to deploymentId %s.", to.id)
	s.deployments = slices.DeleteFunc(s.deployments, func(d *deployment) bool { return d == to })
	s.deployments = slices.Insert(s.deployments, 0, to)
	s.adopt(to)
	m.wake(s)
}
