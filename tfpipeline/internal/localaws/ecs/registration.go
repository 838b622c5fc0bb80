package ecs

import "time"

// Services and load balancers: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-load-balancing.html

// registration is a task's place in a target group.
type registration struct {
	arn    string
	target Target
	state  TargetState
	left   bool // it was deregistered
}

// register adds a task to the target groups of its service.
func (m *model) register(t *task, ports map[int32]int) {
	if t.service == nil {
		return
	}
	for _, b := range t.deployment.shape.api.LoadBalancers {
		port := int(*b.ContainerPort)
		if mapped, ok := ports[*b.ContainerPort]; ok {
			port = mapped
		}
		g := &registration{
			arn:    value(b.TargetGroupArn),
			target: Target{ID: t.launch.Address, Port: port, AvailabilityZone: *t.api.AvailabilityZone},
			state:  TargetInitial,
		}
		t.groups = append(t.groups, g)
		m.event(t.service, "registered 1 targets in (target-group %s)", g.arn)
		m.options.Targets.Register(g.arn, g.target, m.agenda.now, func(at time.Time, s TargetState) {
			m.post(at, func() { m.targetChanged(t, g, s) })
		})
	}
}

// deregister removes a task from its target groups.
func (m *model) deregister(t *task) {
	for _, g := range t.groups {
		if g.left {
			continue
		}
		g.left = true
		g.state = TargetDraining
		m.event(t.service, "deregistered 1 targets in (target-group %s)", g.arn)
		m.options.Targets.Deregister(g.arn, g.target, m.agenda.now)
	}
}

// draining reports whether a target group still sends requests to the task or
// waits for them to end.
func (t *task) draining() bool {
	for _, g := range t.groups {
		if g.left && g.state.State != "unused" {
			return true
		}
	}
	return false
}

func (m *model) targetChanged(t *task, g *registration, s TargetState) {
	if g.left && s.State != "unused" {
		return // a health check that came too late
	}
	g.state = s
	if t.wanted() {
		m.judge(t)
		return
	}
	if t.last() == "DEACTIVATING" && !t.draining() {
		m.quit(t)
	}
}
