// Package ecstest has what tests need of the local ECS: tasks and target groups
// that do as a test says, in virtual time.
package ecstest

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/specboard/platform/tfpipeline/internal/localaws/ecs"
)

// NoCapacity is the reason that Fargate gives when it has no room.
const NoCapacity = "Capacity is unavailable at this time. Please try again later or in a different availability zone"

// Script is a Launcher and the Targets of tasks that do as a test tells them,
// without a process or a connection. Time is whatever time.Now says, so that
// it is virtual in a bubble of testing/synctest. Its fields are read when a
// task is placed or a target registered.
type Script struct {
	// Start is how long containers take to be pulled and started.
	Start time.Duration
	// Run is how long a task of RunTask runs before it exits with 0.
	Run time.Duration
	// Quit is how long containers take to exit after the signal.
	Quit time.Duration
	// Check is how long a target group takes to find a target healthy, or not.
	Check time.Duration
	// Drain is the deregistration delay of the target groups.
	Drain time.Duration

	mu     sync.Mutex
	rules  []*rule
	tasks  map[string]*scripted // by ARN
	places map[string]*scripted // by address
	groups map[string][]*scriptedTarget
}

// NewScript gives a script with the times of a healthy service on Fargate:
// 10 s to start, 30 s to be healthy, 30 s to drain.
func NewScript() *Script {
	return &Script{
		Start: 10 * time.Second, Run: 20 * time.Second, Quit: 2 * time.Second,
		Check: 30 * time.Second, Drain: 30 * time.Second,
		tasks: map[string]*scripted{}, places: map[string]*scripted{}, groups: map[string][]*scriptedTarget{},
	}
}

// Behaviour is what becomes of a task. The zero value starts, is healthy, and
// runs until it is stopped; a task of RunTask ends by itself with exit code 0.
type Behaviour struct {
	// NoRoom is why the task cannot be placed; NoCapacity, say.
	NoRoom string
	// RoomAfter is how long after the first attempt there is room all the
	// same; 0 for never.
	RoomAfter time.Duration
	// Stuck tasks stay PENDING.
	Stuck bool
	// Start replaces Script.Start, if not 0.
	Start time.Duration
	// NotStarted is why the task fails to start, when Start has passed:
	// "CannotPullContainerError: …".
	NotStarted string
	// Exit ends the task by itself.
	Exit *Exit
	// Interrupted is how long after its start Spot takes the task away; 0 for never.
	Interrupted time.Duration
	// Healthy is how long after its first health check it begins to pass them.
	Healthy time.Duration
	// Unhealthy tasks never pass one.
	Unhealthy bool
	// Sick is how long it stays healthy; 0 for ever.
	Sick time.Duration
	// Digest is the image that all its containers run instead of the right one.
	Digest string
	// Quit replaces Script.Quit, if not 0; a task that takes longer than its
	// stop timeout is killed, with exit code 137.
	Quit time.Duration
}

// Exit is the end of a task, After its start. NoCode leaves out the exit code.
// Container is the only one that ends by itself, if it is set.
type Exit struct {
	Container string

	After  time.Duration
	Code   int32
	NoCode bool
	Reason string
}

// OutOfMemory is the end of a task that needs more memory than it has.
func OutOfMemory(after time.Duration) *Exit {
	return &Exit{After: after, Code: 137, Reason: "OutOfMemoryError: container killed due to memory usage"}
}

type rule struct {
	match     string
	behaviour []Behaviour
	used      int
	first     time.Time // attempt to place
}

type scripted struct {
	Behaviour
	launch ecs.Launch
}

// On says what tasks do whose service, family, image, digest or command
// contains match. The first such task does as the first behaviour says, and so
// on; the last one is for all that follow. A later rule goes before an earlier
// one; "" matches all.
func (s *Script) On(match string, behaviour ...Behaviour) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(behaviour) == 0 {
		behaviour = []Behaviour{{}}
	}
	s.rules = slices.Insert(s.rules, 0, &rule{match: match, behaviour: behaviour})
}

func (u *rule) fits(l ecs.Launch) bool {
	subjects := []string{l.Service, aws.ToString(l.Definition.Family)}
	for _, c := range l.Definition.ContainerDefinitions {
		subjects = append(subjects, aws.ToString(c.Image), strings.Join(c.Command, " "), l.Digests[aws.ToString(c.Name)])
	}
	return slices.ContainsFunc(subjects, func(s string) bool { return strings.Contains(s, u.match) })
}

// Place chooses the behaviour of a task.
func (s *Script) Place(l ecs.Launch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.rules, func(u *rule) bool { return u.fits(l) })
	if i < 0 {
		s.tasks[l.ARN] = &scripted{}
		return nil
	}
	u := s.rules[i]
	if u.used == 0 && u.first.IsZero() {
		u.first = l.At
	}
	b := u.behaviour[min(u.used, len(u.behaviour)-1)]
	if b.NoRoom != "" && (b.RoomAfter == 0 || l.At.Before(u.first.Add(b.RoomAfter))) {
		if len(u.behaviour) > 1 {
			u.used++
		}
		return errors.New(b.NoRoom)
	}
	u.used++
	s.tasks[l.ARN] = &scripted{Behaviour: b}
	return nil
}

// Launch starts the task, which then behaves as its rule says.
func (s *Script) Launch(l ecs.Launch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tasks[l.ARN]
	t.launch = l
	s.places[l.Address] = t
	start := s.Start
	if t.Start != 0 {
		start = t.Start
	}
	at := l.At.Add(start)
	switch {
	case t.Stuck:
		return
	case t.NotStarted != "":
		l.Report(at, ecs.NotStarted{Reason: t.NotStarted})
		return
	}
	started := ecs.Started{}
	if t.Digest != "" {
		started.Digests = map[string]string{}
		for _, c := range l.Definition.ContainerDefinitions {
			started.Digests[*c.Name] = t.Digest
		}
	}
	l.Report(at, started)
	t.checks(at)
	if t.Interrupted != 0 {
		l.Report(at.Add(t.Interrupted), ecs.Interrupted{})
	}
	exit := t.Exit
	if exit == nil && l.Service == "" {
		exit = &Exit{After: s.Run}
	}
	if exit != nil {
		code := &exit.Code
		if exit.NoCode {
			code = nil
		}
		t.exit(exit.Container, at.Add(exit.After), code, exit.Reason)
	}
}

// exit ends a container, or all of them.
func (t *scripted) exit(only string, at time.Time, code *int32, reason string) {
	for _, c := range t.launch.Definition.ContainerDefinitions {
		if only != "" && only != *c.Name {
			continue
		}
		t.launch.Report(at, ecs.Exited{Container: *c.Name, Code: code, Reason: reason})
	}
}

// checks runs the containers' own health checks, which begin with the start:
// healthy after one interval, unhealthy after the start period and as many
// intervals as there are retries.
func (t *scripted) checks(start time.Time) {
	for _, c := range t.launch.Definition.ContainerDefinitions {
		if c.HealthCheck == nil {
			continue
		}
		interval, retries := seconds32(c.HealthCheck.Interval, 30), 3
		if c.HealthCheck.Retries != nil {
			retries = int(*c.HealthCheck.Retries)
		}
		failing := time.Duration(retries) * interval
		if t.Unhealthy {
			at := start.Add(seconds32(c.HealthCheck.StartPeriod, 0) + failing)
			t.launch.Report(at, ecs.Health{Container: *c.Name, Healthy: false})
			continue
		}
		healthy := start.Add(t.Healthy + interval)
		t.launch.Report(healthy, ecs.Health{Container: *c.Name, Healthy: true})
		if t.Sick != 0 {
			t.launch.Report(healthy.Add(t.Sick+failing), ecs.Health{Container: *c.Name, Healthy: false})
		}
	}
}

func seconds32(n *int32, standard int32) time.Duration {
	if n == nil {
		n = &standard
	}
	return time.Duration(*n) * time.Second
}

// Stop ends a task.
func (s *Script) Stop(arn string, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tasks[arn]
	delay := s.Quit
	if t.Quit != 0 {
		delay = t.Quit
	}
	code := new(int32(143)) // SIGTERM
	if delay > t.launch.StopTimeout {
		delay, code = t.launch.StopTimeout, new(int32(137))
	}
	if t.Stuck || t.NotStarted != "" {
		code = nil
	}
	t.exit("", at.Add(delay), code, "")
}

// The script's target groups: Check after its registration a target is healthy or
// unhealthy, and after its deregistration it drains for Drain, whatever requests it
// has.
// https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html

// scriptedTarget is a target, with all future changes of its state.
type scriptedTarget struct {
	ecs.Target
	changes []change // in the order of their times
	report  func(time.Time, ecs.TargetState)
}

type change struct {
	at    time.Time
	state ecs.TargetState
}

func (t *scriptedTarget) change(at time.Time, s ecs.TargetState) {
	t.changes = append(t.changes, change{at, s})
	t.report(at, s)
}

var (
	stateHealthy   = ecs.TargetState{State: "healthy"}
	stateUnhealthy = ecs.TargetState{State: "unhealthy", Reason: "Target.FailedHealthChecks", Description: "Health checks failed"}
)

// Register adds the target of a task.
func (s *Script) Register(group string, target ecs.Target, at time.Time, report func(time.Time, ecs.TargetState)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	task := s.places[target.ID]
	t := &scriptedTarget{Target: target, report: report, changes: []change{{at, ecs.TargetInitial}}}
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
func (s *Script) Deregister(group string, target ecs.Target, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.groups[group] {
		if t.Target != target {
			continue
		}
		t.changes = slices.DeleteFunc(t.changes, func(c change) bool { return c.at.After(at) })
		t.change(at, ecs.TargetDraining)
		t.change(at.Add(s.Drain), ecs.TargetUnused)
	}
}

// Health is the state of a group's targets at this moment. Every group is
// known; one that no service uses has no targets.
func (s *Script) Health(group string) ([]ecs.TargetHealth, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	all := []ecs.TargetHealth{}
	for _, t := range s.groups[group] {
		var state ecs.TargetState
		for _, c := range t.changes {
			if !c.at.After(now) {
				state = c.state
			}
		}
		if state.State != "unused" {
			all = append(all, ecs.TargetHealth{Target: t.Target, TargetState: state})
		}
	}
	return all, true
}
