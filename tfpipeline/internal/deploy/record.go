package deploy

import (
	"time"

	"github.com/specboard/platform/migrations"
)

// Kind is what an attempt was.
type Kind string

const (
	KindPromote  Kind = "promote"
	KindRollback Kind = "rollback"
)

// RecordVersion is what Record.Version is now.
const RecordVersion = 1

// Record is one attempt, told for good. Every attempt that took the lock has
// one.
type Record struct {
	// Version is the format's.
	Version int `json:"version"`
	// ID is unique, and sorts by time: "20060102T150405Z-" and six letters.
	ID          string `json:"id"`
	Kind        Kind   `json:"kind"`
	Environment string `json:"environment"`
	Actor       string `json:"actor"`
	RunURL      string `json:"run_url,omitempty"`
	// Resumes is the attempt that this one continues.
	Resumes string    `json:"resumes,omitempty"`
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended,omitzero"`

	Release Release `json:"release"`
	// Previous is what ran before; zero for the first deployment.
	Previous Release `json:"previous,omitzero"`
	// Rejected is the release that was rolled back from.
	Rejected *Release `json:"rejected,omitempty"`
	// First: nothing was ever deployed before.
	First bool `json:"first,omitempty"`

	Services  map[string]*ServiceRecord `json:"services,omitempty"`
	Migration *MigrationRecord          `json:"migration,omitempty"`
	// Seed is the task that fills the database of a first deployment.
	Seed *TaskRecord `json:"seed,omitempty"`
	Plan *Plan       `json:"plan,omitempty"`
	// Applied: the plan was applied, at least in part.
	Applied bool `json:"applied,omitempty"`
	// Proof is the evidence that let the release in.
	Proof *Proof `json:"proof,omitempty"`
	// Overrides are the checks that were overridden, each with its reason.
	Overrides []Override `json:"overrides,omitempty"`

	Outcome Outcome `json:"outcome,omitempty"`
	// Step is where it failed, Error why, Left what it left behind, Next what
	// to do.
	Step  StepName `json:"step,omitempty"`
	Error string   `json:"error,omitempty"`
	Left  []string `json:"left,omitempty"`
	Next  string   `json:"next,omitempty"`
}

// ServiceRecord is what an attempt did to one service.
type ServiceRecord struct {
	Digest string `json:"digest"`
	// Before and After are ARNs of task definitions.
	Before string `json:"task_definition_before,omitempty"`
	After  string `json:"task_definition_after,omitempty"`
	// DesiredBefore and MinimumBefore are numbers of tasks; the minimum is nil
	// if the service is not autoscaled.
	DesiredBefore int  `json:"desired_before"`
	MinimumBefore *int `json:"minimum_before,omitempty"`
	// Updated: ECS was asked to change the service, or may have been.
	Updated bool `json:"updated,omitempty"`
	// Deployment and Revision are ECS's ARNs of what the update caused.
	Deployment string          `json:"deployment,omitempty"`
	Revision   string          `json:"service_revision,omitempty"`
	State      DeploymentState `json:"state,omitempty"`
	Reason     string          `json:"reason,omitempty"`
	// Failures is the circuit breaker's count, Threshold where it trips.
	Failures  int       `json:"failures"`
	Threshold int       `json:"threshold"`
	Started   time.Time `json:"started,omitzero"`
	Ended     time.Time `json:"ended,omitzero"`
	// PutBack is the deployment that brought the old task definition back.
	PutBack string `json:"put_back_deployment,omitempty"`
	// Outcome is this service's.
	Outcome Outcome `json:"outcome,omitempty"`
}

// TaskRecord is a one-off task that an attempt ran.
type TaskRecord struct {
	// Token was stored before the task was started.
	Token          string    `json:"client_token"`
	TaskDefinition string    `json:"task_definition"`
	ARN            string    `json:"task,omitempty"`
	Started        time.Time `json:"started"`
	Ended          time.Time `json:"ended,omitzero"`
	// ExitCode is nil until the task has ended, and if it never began.
	ExitCode *int   `json:"exit_code,omitempty"`
	Reason   string `json:"reason,omitempty"`
}

// Succeeded reports whether the task ended well.
func (t *TaskRecord) Succeeded() bool { return t != nil && t.ExitCode != nil && *t.ExitCode == 0 }

// MigrationRecord is the migrate task and what it was to apply.
type MigrationRecord struct {
	TaskRecord
	// Contracts are the contract migrations that were pending when it began.
	// If it did not succeed, they may be applied all the same.
	Contracts []migrations.AppliedContract `json:"contracts,omitempty"`
}

// Override is a check that was overridden.
type Override struct {
	Check  string `json:"check"`
	Reason string `json:"reason"`
}
