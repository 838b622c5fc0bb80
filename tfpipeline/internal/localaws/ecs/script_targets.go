package ecs

import (
	"slices"
	"time"
)

// Target groups as the script has them: a target is healthy, or not, when
// Check has passed, and drains for Drain, whatever goes on.
// https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html

// scriptedTarget is a target and all that will become of its state.
type scriptedTarget struct {
	Target
	changes []change // in the order of their times
	report  func(time.Time, TargetState)
}

type change struct {
	at    time.Time
	state TargetState
}

func (t *scriptedTarget) change(at time.Time, s TargetState) {
	t.changes = append(t.changes, change{at, s})
	t.report(at, s)
}

var (
	stateInitial   = TargetState{State: "initial", Reason: "Elb.RegistrationInProgress", Description: "Target registration is in progress"}
	stateHealthy   = TargetState{State: "healthy"}
	stateUnhealthy = TargetState{State: "unhealthy", Reason: "Target.FailedHealthChecks", Description: "Health checks failed"}
	stateDraining  = TargetState{State: "draining", Reason: "Target.DeregistrationInProgress", Description: "Target deregistration is in progress"}
	stateUnused    = TargetState{State: "unused", Reason: "Target.NotRegistered", Description: "Target is not registered to the target group"}
)

// Register adds the target of a task.
func (s *Script) Register(group string, target Target, at time.Time, report func(time.Time, TargetState)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	task := s.places[target.ID]
	t := &scriptedTarget{Target: target, report: report, changes: []change{{at, stateInitial}}}
	s.groups[group] = append(s.groups[group], t)
	if task.Unhealthy {
		t.change(at.Add(s.Check), stateUnhealthy)
		return
	}
	healthy := at.Add(task.Healthy + s.Check)
	t.change(healthy, stateHealthy)
	if task.Sick != 0 {
		t.change(healthy.Add(task.Sick+s.Check), stateUnhealthy)
	}
}

// Deregister drains a target.
func (s *Script) Deregister(group string, target Target, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.groups[group] {
		if t.Target != target {
			continue
		}
		t.changes = slices.DeleteFunc(t.changes, func(c change) bool { return c.at.After(at) })
		t.change(at, stateDraining)
		t.change(at.Add(s.Drain), stateUnused)
	}
}

// Health is the state of a group's targets at this moment. Every group is
// known; one that no service uses has no targets.
func (s *Script) Health(group string) ([]TargetHealth, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	all := []TargetHealth{}
	for _, t := range s.groups[group] {
		var state TargetState
		for _, c := range t.changes {
			if !c.at.After(now) {
				state = c.state
			}
		}
		if state.State != "unused" {
			all = append(all, TargetHealth{t.Target, state})
		}
	}
	return all, true
}
