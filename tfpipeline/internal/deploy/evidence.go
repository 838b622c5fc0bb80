package deploy

import (
	"context"
	"time"
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
	// Since limits events and tasks.
	Since time.Time
}

// Evidence is what was gathered. It may hold secrets until a Dossier is made
// of it.
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
	Stopped        time.Time          `json:"stopped,omitzero"`
	Containers     []StoppedContainer `json:"containers,omitempty"`
	// Log is the last it wrote.
	Log []LogLine `json:"log,omitempty"`
}

// StoppedContainer is a container of a task that ended.
type StoppedContainer struct {
	Name string `json:"name"`
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
