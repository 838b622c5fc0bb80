package ecs

import (
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// The service scheduler: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service_concepts.html
// How it retries tasks that fail to start:
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-throttle-logic.html

// wake makes the scheduler look at a service soon.
func (m *model) wake(s *service) {
	if s == nil || s.woken || s.status() == "INACTIVE" {
		return
	}
	s.woken = true
	m.after(m.options.Pace.Schedule, func() {
		s.woken = false
		m.schedule(s)
	})
}

// schedule takes a service one step towards what it should be.
func (m *model) schedule(s *service) {
	if s.status() == "DRAINING" {
		m.drain(s)
		return
	}
	m.begin(s)
	replaced := m.stopUnhealthy(s)
	m.startTasks(s, replaced)
	m.stopSurplus(s)
	m.stopOld(s)
	m.settle(s)
}

// drain stops the tasks of a deleted service.
func (m *model) drain(s *service) {
	left := false
	for _, t := range m.tasks {
		if t.service == s && t.last() != "STOPPED" {
			left = true
			m.stop(t, types.TaskStopCodeServiceSchedulerInitiated, "Service deleted")
		}
	}
	if !left {
		s.api.Status = new("INACTIVE")
	}
}

// stopUnhealthy stops the tasks whose health checks fail after their grace period, and
// returns how many such tasks there are: each needs a replacement. A task runs until its
// replacement is healthy, unless the maximum leaves no room for one:
// https://aws.amazon.com/about-aws/whats-new/2023/10/amazon-ecs-applications-resiliency-unpredictable-load-spikes/
func (m *model) stopUnhealthy(s *service) int {
	grace := time.Duration(value(s.api.HealthCheckGracePeriodSeconds)) * time.Second / time.Duration(max(1, m.options.Pace.Speed))
	var sick []*task
	for _, t := range m.tasks {
		if t.service != s || !t.wanted() || !t.running() {
			continue
		}
		group := t.unhealthyTarget()
		if !t.unhealthyContainer() && group == nil {
			t.failing = ""
			continue
		}
		if end := t.api.StartedAt.Add(grace); m.agenda.now.Before(end) {
			m.after(end.Sub(m.agenda.now), func() { m.wake(s) })
			continue
		}
		sick = append(sick, t)
		if t.failing != "" {
			continue
		}
		if group == nil {
			t.failing = "Task failed container health checks"
			m.event(s, "(task %s) failed container health checks.", t.id())
		} else {
			t.failing = "Task failed ELB health checks in (target-group " + group.arn + ")"
			m.event(s, "(port %d) is unhealthy in (target-group %s) due to (reason %s)", group.target.Port, group.arn, group.state.Description)
		}
		m.taskFailed(t)
	}
	d := s.primary()
	_, most := s.bounds()
	own := m.count(s, d)
	replaced := own.healthy + own.failing - s.desired()
	room := most - m.count(s, nil).alive
	stop := max(replaced, s.desired()-(own.alive-own.failing)-room)
	for _, t := range sick {
		if t.deployment == d {
			if stop <= 0 {
				continue
			}
			stop--
		}
		m.event(s, "has stopped 1 running tasks: %s.", taskList([]*task{t}))
		m.stop(t, types.TaskStopCodeServiceSchedulerInitiated, t.failing)
	}
	return len(sick)
}

// startTasks starts missing tasks, up to the maximum.
func (m *model) startTasks(s *service, replaced int) {
	d := s.primary()
	_, most := s.bounds()
	own := m.count(s, d)
	n := min(s.desired()-(own.alive-own.failing), most-m.count(s, nil).alive)
	if n <= 0 || d.state == types.DeploymentRolloutStateFailed {
		return
	}
	if wait := d.notBefore.Sub(m.agenda.now); wait > 0 {
		m.after(wait, func() { m.wake(s) })
		return
	}
	var started []*task
	var err error
	for range n {
		var t *task
		if t, err = m.newServiceTask(s, d); err != nil {
			break
		}
		started = append(started, t)
	}
	if len(started) > 0 {
		s.steady = false
		if replaced > 0 {
			m.event(s, "has started %d tasks: %s. Amazon ECS replaced %d tasks due to an unhealthy status.", len(started), taskList(started), replaced)
		} else {
			m.event(s, "has started %d tasks: %s.", len(started), taskList(started))
		}
	}
	if err != nil {
		m.event(s, "was unable to place a task. Reason: %s.", err)
		m.startFailed(s, d)
		m.wake(s)
	}
}

// stopSurplus stops tasks after the desired count was lowered: first those
// that do not run yet, then the newest.
func (m *model) stopSurplus(s *service) {
	d := s.primary()
	n := m.count(s, d)
	surplus := n.alive - n.failing - s.desired()
	if surplus <= 0 {
		return
	}
	var wanted []*task
	for _, t := range slices.Backward(m.tasks) {
		if t.deployment == d && t.wanted() && t.failing == "" {
			wanted = append(wanted, t)
		}
	}
	slices.SortStableFunc(wanted, func(a, b *task) int { return rank(a.healthy()) - rank(b.healthy()) })
	m.stopTasks(s, wanted[:surplus])
}

func rank(b bool) int {
	if b {
		return 1
	}
	return 0
}

// stopOld stops tasks of earlier deployments: immediately those that are not
// healthy, and of the others as many as the minimum of healthy tasks allows.
// They stay if the deployment that should replace them has failed.
func (m *model) stopOld(s *service) {
	d := s.primary()
	if d.state == types.DeploymentRolloutStateFailed {
		return
	}
	least, _ := s.bounds()
	spare := m.count(s, nil).healthy - least
	var stop []*task
	for _, t := range m.tasks {
		if t.service != s || t.deployment == d || !t.wanted() {
			continue
		}
		if t.healthy() {
			if spare <= 0 {
				continue
			}
			spare--
		}
		stop = append(stop, t)
	}
	m.stopTasks(s, stop)
}

func (m *model) stopTasks(s *service, tasks []*task) {
	if len(tasks) == 0 {
		return
	}
	s.steady = false
	m.event(s, "has stopped %d running tasks: %s.", len(tasks), taskList(tasks))
	draining := 0
	for _, t := range tasks {
		if len(t.groups) > 0 {
			draining++
		}
		m.stop(t, types.TaskStopCodeServiceSchedulerInitiated, "Scaling activity initiated by (deployment "+s.primary().id+")")
	}
	if draining > 0 {
		m.event(s, "has begun draining connections on %d tasks.", draining)
	}
}

// settle forgets deployments without tasks, and notices when the service has
// been as it should be for long enough.
func (m *model) settle(s *service) {
	d := s.primary()
	s.deployments = slices.DeleteFunc(s.deployments, func(old *deployment) bool {
		n := m.count(s, old)
		return old != d && n.alive+n.leaving == 0
	})
	switch {
	case !m.settled(s):
		d.settling = 0
	case d.state == types.DeploymentRolloutStateInProgress && d.settling == 0:
		m.marks++
		mark := m.marks
		d.settling = mark
		m.after(m.options.Pace.Steady, func() {
			if d.settling == mark && s.primary() == d && m.settled(s) && d.state == types.DeploymentRolloutStateInProgress {
				m.complete(s, d)
				m.settle(s)
			}
		})
	case d.state == types.DeploymentRolloutStateCompleted && !s.steady:
		s.steady = true
		m.event(s, "has reached a steady state.")
	}
}

// settled reports whether exactly the tasks that there should be are there,
// and healthy. A task that still drains is one too many.
func (m *model) settled(s *service) bool {
	n := m.count(s, s.primary())
	return s.status() == "ACTIVE" && len(s.deployments) == 1 && n.healthy == s.desired() && n.alive == s.desired() && n.leaving == 0
}
