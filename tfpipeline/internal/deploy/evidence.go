package deploy

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/specboard/platform/tfpipeline/internal/redact"
)

// Collector gathers what explains a failure, before ECS forgets it.
type Collector interface {
	// Collect returns what it could get within the context; what it could not
	// is in Evidence.Gaps.
	Collect(ctx context.Context, s Scope) Evidence
}

// Scope says what to look at.
type Scope struct {
	// Services whose events, stopped tasks, logs and targets matter.
	Services []string
	// TaskDefinitions limits the stopped tasks of services to these; nil: all.
	TaskDefinitions []string
	// Deployments are ARNs whose circuit breakers matter.
	Deployments []string
	// Tasks are one-off tasks.
	Tasks []Task
	// Crashed are tasks of services that were seen to stop: a late read may not
	// show them.
	Crashed []StoppedTask
	// Since limits events and tasks.
	Since time.Time
}

// Evidence is what was gathered. It may hold secrets until hideEvidence has hidden
// them.
type Evidence struct {
	Collected   time.Time                 `json:"collected"`
	Events      map[string][]ServiceEvent `json:"events,omitempty"`
	Stopped     []StoppedTask             `json:"stopped_tasks,omitempty"`
	Deployments []Breaker                 `json:"deployments,omitempty"`
	Targets     map[string]Targets        `json:"targets,omitempty"`
	// Gaps says what could not be had, and why.
	Gaps []string `json:"gaps,omitempty"`
}

// StoppedTask is a task that ended, of a service or one-off.
type StoppedTask struct {
	ARN string `json:"arn"`
	// Name is the service or one-off task.
	Name           string             `json:"name"`
	TaskDefinition string             `json:"task_definition"`
	StopCode       string             `json:"stop_code,omitempty"`
	Reason         string             `json:"reason,omitempty"`
	Created        time.Time          `json:"created,omitzero"`
	Stopped        time.Time          `json:"stopped,omitzero"`
	Containers     []StoppedContainer `json:"containers,omitempty"`
	// Log is the last lines that it wrote.
	Log []LogLine `json:"log,omitempty"`
}

// stopSpot is the stop code of a task that Fargate Spot took away.
const stopSpot = "SpotInterruption"

// Crashed reports whether a task of a service stopped by itself: nobody asked it
// to, and no deployment replaced it.
func (t StoppedTask) Crashed() bool {
	switch t.StopCode {
	case "EssentialContainerExited":
		return true
	case "ServiceSchedulerInitiated", "":
		return strings.Contains(t.Reason, "health checks") || strings.Contains(t.Reason, "OutOfMemory")
	default: // a person, a spot interruption, a task that never started
		return false
	}
}

// Taken reports whether a task was stopped through no fault of its release: by Spot,
// for maintenance of what it ran on, by a person, or because fewer are wanted.
func (t StoppedTask) Taken() bool { return t.StopCode != "TaskFailedToStart" && !t.Crashed() }

// Ended is the container whose end ended the task: the service's own one or an
// essential sidecar, never an optional one. The others then get SIGTERM, and end with
// 143, with 0, or with 137 if they ignore it. It is "" if several containers come into
// question, or if ECS gives another reason.
func (t StoppedTask) Ended() string {
	if t.StopCode != "EssentialContainerExited" {
		return ""
	}
	essential := slices.DeleteFunc(slices.Clone(t.Containers), func(c StoppedContainer) bool {
		return c.Optional || strings.HasPrefix(c.Name, "ecs-service-connect-")
	})
	if len(essential) == 1 && essential[0].ExitCode != nil {
		return essential[0].Name
	}
	for _, stopped := range [][]int{{0, 137, 143}, {137, 143}} {
		var ended []string
		for _, c := range essential {
			if c.ExitCode != nil && (c.Reason != "" || !slices.Contains(stopped, *c.ExitCode)) {
				ended = append(ended, c.Name)
			}
		}
		if len(ended) == 1 {
			return ended[0]
		}
		if slices.Contains(ended, t.Name) && len(ended) > 1 && stopped[0] == 0 {
			return t.Name
		}
	}
	return ""
}

// crashed returns one task of each service that stopped by itself: the first whose log
// is known, or else the first. They are in the order in which the services failed.
func (e Evidence) crashed() []StoppedTask {
	var crashed []StoppedTask
	for _, t := range slices.SortedStableFunc(slices.Values(e.Stopped), func(a, b StoppedTask) int { return a.Stopped.Compare(b.Stopped) }) {
		if !t.Crashed() {
			continue
		}
		i := slices.IndexFunc(crashed, func(o StoppedTask) bool { return o.Name == t.Name })
		switch {
		case i < 0:
			crashed = append(crashed, t)
		case len(crashed[i].Log) == 0 && len(t.Log) > 0:
			crashed[i] = t
		}
	}
	return crashed
}

// How much of the evidence a record keeps: about 100 kB with a dozen services.
const (
	keptTasks, keptEvents, keptLines = 8, 10, 20 // tasks in all, events of a service, lines of a log
	keptText                         = 400       // bytes of a message
)

// kept is the part of the evidence that a record keeps: the latest events of each
// service, and one stopped task of each name, which is the one that crashed returns, or
// else the first. nil if there is nothing.
func (e Evidence) kept() *Evidence {
	short := func(text *string) { *text = clip(*text) }
	events := map[string][]ServiceEvent{}
	for name, list := range e.Events {
		latest := slices.SortedStableFunc(slices.Values(list), func(a, b ServiceEvent) int { return a.Time.Compare(b.Time) })
		events[name] = each(latest[max(0, len(latest)-keptEvents):], func(e *ServiceEvent) { short(&e.Message) })
	}
	stopped := e.crashed()
	for _, t := range e.Stopped {
		if !slices.ContainsFunc(stopped, func(o StoppedTask) bool { return o.Name == t.Name }) {
			stopped = append(stopped, t)
		}
	}
	e.Stopped = each(stopped[:min(len(stopped), keptTasks)], func(t *StoppedTask) {
		t.Log = each(t.Log[max(0, len(t.Log)-keptLines):], func(l *LogLine) { short(&l.Message) })
	})
	e.Events, e.Gaps = events, e.Gaps[:min(len(e.Gaps), keptEvents)]
	if len(e.Events)+len(e.Stopped)+len(e.Deployments)+len(e.Targets)+len(e.Gaps) == 0 {
		return nil
	}
	return &e
}

// clip shortens a message, between runes.
func clip(text string) string {
	if len(text) <= keptText {
		return text
	}
	return strings.ToValidUTF8(text[:keptText], "") + "…"
}

// end says how a task ended, in one line.
func (t StoppedTask) end() string {
	text := fmt.Sprintf("task %s of service %s stopped by itself", short(t.ARN), t.Name)
	if t.Reason != "" {
		text += ": " + t.Reason
	}
	ended := t.Ended()
	if ended != "" && ended != t.Name {
		text += ": sidecar " + ended
	}
	for _, c := range t.Containers {
		if ended != "" && c.Name != ended {
			continue // it was stopped with the task
		}
		if c.ExitCode != nil && *c.ExitCode != 0 || c.Reason != "" {
			code := "no exit code"
			if c.ExitCode != nil {
				code = fmt.Sprintf("exit code %d", *c.ExitCode)
			}
			text += fmt.Sprintf(" (container %s, %s%s)", c.Name, code, strings.TrimSuffix(" "+c.Reason, " "))
		}
	}
	return text
}

// StoppedContainer is a container of a task that ended.
type StoppedContainer struct {
	Name string `json:"name"`
	// Optional: its end does not end the task.
	Optional bool `json:"optional,omitempty"`
	// ExitCode is nil if it never began.
	ExitCode *int   `json:"exit_code,omitempty"`
	Reason   string `json:"reason,omitempty"`
	Digest   string `json:"digest,omitempty"`
}

// Breaker is how far a deployment's circuit breaker came.
type Breaker struct {
	Service   string          `json:"service"`
	ARN       string          `json:"arn"`
	State     DeploymentState `json:"state"`
	Reason    string          `json:"reason,omitempty"`
	Failures  int             `json:"failures"`
	Threshold int             `json:"threshold"`
}

// collect gathers evidence of a failure before ECS forgets it: once, and only
// if anything ran that could show some.
func (a *attempt) collect(ctx context.Context) {
	r := a.record()
	if !a.evidence.Collected.IsZero() || !a.journal.Phase.changed() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, a.limits.Collect)
	defer cancel()
	scope := Scope{Since: r.Started}
	if a.rolling != nil {
		scope.Crashed = a.rolling.crashed
	}
	for _, name := range slices.Sorted(maps.Keys(r.Services)) {
		s := r.Services[name]
		if !s.Updated {
			continue
		}
		scope.Services = append(scope.Services, name)
		scope.TaskDefinitions = append(scope.TaskDefinitions, s.After)
		if s.Deployment != "" {
			scope.Deployments = append(scope.Deployments, s.Deployment)
		}
		if s.Started.Before(scope.Since) {
			scope.Since = s.Started
		}
	}
	for name, t := range map[string]*TaskRecord{taskMigrate: r.Migration.task(), taskSeed: r.Seed} {
		if t != nil && t.ARN != "" && !t.Succeeded() {
			scope.Tasks = append(scope.Tasks, Task{ARN: t.ARN, Name: name})
		}
	}
	if len(scope.Services) == 0 && len(scope.Tasks) == 0 {
		return
	}
	a.evidence = a.Collector.Collect(ctx, scope)
}

// task is the record of the task that ran the migrations; nil if none did.
func (m *MigrationRecord) task() *TaskRecord {
	if m == nil {
		return nil
	}
	return &m.TaskRecord
}

// each returns a copy of a list with every element changed.
func each[T any](list []T, f func(*T)) []T {
	list = slices.Clone(list)
	for i := range list {
		f(&list[i])
	}
	return list
}

// hideRecord returns a copy of a record whose text from elsewhere holds no
// secret.
func hideRecord(r redact.Redactor, record Record) Record {
	in := func(text *string) { *text = r.Hide(*text) }
	record = record.clone()
	in(&record.Error)
	record.Next = each(record.Next, func(m *Move) { in(&m.OverrideProof); in(&m.ForceReason) })
	record.Left = each(record.Left, in)
	record.Overrides = each(record.Overrides, func(o *Override) { in(&o.Reason) })
	for _, s := range record.Services {
		in(&s.Reason)
	}
	for _, t := range []*TaskRecord{record.Migration.task(), record.Seed} {
		if t != nil {
			in(&t.Reason)
		}
	}
	return record
}

// hideEvidence returns a copy of evidence whose text holds no secret.
func hideEvidence(r redact.Redactor, e Evidence) Evidence {
	in := func(text *string) { *text = r.Hide(*text) }
	events := map[string][]ServiceEvent{}
	for name, list := range e.Events {
		events[name] = each(list, func(e *ServiceEvent) { in(&e.Message) })
	}
	targets := map[string]Targets{}
	for name, t := range e.Targets {
		t.Reasons = each(t.Reasons, in)
		targets[name] = t
	}
	e.Events, e.Targets = events, targets
	e.Stopped = each(e.Stopped, func(t *StoppedTask) {
		in(&t.Reason)
		t.Containers = each(t.Containers, func(c *StoppedContainer) { in(&c.Reason) })
		t.Log = each(t.Log, func(l *LogLine) { in(&l.Message) })
	})
	e.Deployments = each(e.Deployments, func(b *Breaker) { in(&b.Reason) })
	e.Gaps = each(e.Gaps, in)
	return e
}
