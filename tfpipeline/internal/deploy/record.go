package deploy

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/specboard/platform/migrations"
	"github.com/specboard/platform/tfpipeline/internal/console"
)

// Kind is what an attempt was.
type Kind string

const (
	KindPromote  Kind = "promote"
	KindRollback Kind = "rollback"
)

// Told reports whether people are told how attempts of a kind end.
func (k Kind) Told() bool { return k != KindRestart && k != KindScale && k != KindSecret }

// RecordVersion is what Record.Version is now; earlier ones are read too. A
// journal has that of its record: since version 3 a journal has a phase, which
// earlier programs would take for an attempt that has changed nothing.
const RecordVersion = 3

// Record is one attempt, kept for good. Every attempt that took the lock has one,
// except a request for a release that never ran here.
type Record struct {
	// Version is the format's.
	Version int `json:"version"`
	// ID is unique, and sorts by time: "20060102T150405Z-" and six letters.
	ID          string `json:"id"`
	Kind        Kind   `json:"kind"`
	Environment string `json:"environment"`
	Actor       string `json:"actor"`
	// Caller is the ARN of the credentials, as AWS told it; "" if it did not.
	Caller string `json:"caller,omitempty"`
	RunURL string `json:"run_url,omitempty"`
	// Resumes is the attempt that this one continues.
	Resumes string    `json:"resumes,omitempty"`
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended,omitzero"`

	Release Release `json:"release"`
	// Previous is what ran before; zero for the first deployment.
	Previous Release `json:"previous,omitzero"`
	// Rejected is the release that was rolled back from.
	Rejected *Release `json:"rejected,omitempty"`
	// SupersededBy is the newer release that runs, for which a promotion that
	// only goes forward changed nothing.
	SupersededBy *Release `json:"superseded_by,omitempty"`
	// First: nothing was ever deployed before.
	First bool `json:"first,omitempty"`

	// Secret is the name of the secret that got a new value; no record has a value.
	Secret   string                    `json:"secret,omitempty"`
	Services map[string]*ServiceRecord `json:"services,omitempty"`
	// Schedules are those of tasks that run by themselves, by task.
	Schedules map[string]*ScheduleRecord `json:"schedules,omitempty"`
	Migration *MigrationRecord           `json:"migration,omitempty"`
	// Seed is the task that fills the database of a first deployment.
	Seed *TaskRecord `json:"seed,omitempty"`
	Plan *Plan       `json:"plan,omitempty"`
	// Applied: the plan was applied, at least in part.
	Applied bool `json:"applied,omitempty"`
	// Proof is the evidence that let the release in.
	Proof *Proof `json:"proof,omitempty"`
	// Overrides are the checks that were overridden, each with its reason.
	Overrides []Override `json:"overrides,omitempty"`
	// Steps are those that have ended, in their order, up to the storing of this
	// record; records of earlier programs have none.
	Steps []StepTime `json:"steps,omitempty"`

	Outcome Outcome `json:"outcome,omitempty"`
	// Step is where it failed, Error why, Left what it left behind, Next what
	// to do.
	Step  StepName `json:"step,omitempty"`
	Error string   `json:"error,omitempty"`
	Left  []string `json:"left,omitempty"`
	Next  Next     `json:"next_moves,omitempty"`
	// Evidence is as much of what explains a failure as a record keeps; records of
	// earlier programs have none.
	Evidence *Evidence `json:"evidence,omitempty"`
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
	// Tasks is the number that a scale set.
	Tasks *int `json:"tasks,omitempty"`
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
	// Crashed counts the tasks that stopped by themselves.
	Crashed int `json:"crashed,omitempty"`
	// Begun is when ECS created that deployment, by its own clock.
	Begun time.Time `json:"deployment_created,omitzero"`
	// Seen is what the outcome was concluded from.
	Seen *Seen `json:"seen,omitempty"`
	// RollBack is the deployment that brought the old task definition back;
	// earlier records name it put_back_deployment.
	RollBack string `json:"roll_back_deployment,omitempty"`
	// Outcome is this service's.
	Outcome Outcome `json:"outcome,omitempty"`
}

// UnmarshalJSON reads earlier records too.
func (s *ServiceRecord) UnmarshalJSON(text []byte) error {
	type plain ServiceRecord
	earlier := struct {
		*plain
		Renamed string `json:"put_back_deployment"`
	}{plain: (*plain)(s)}
	if err := json.Unmarshal(text, &earlier); err != nil {
		return err
	}
	s.RollBack = cmp.Or(s.RollBack, earlier.Renamed)
	return nil
}

// Seen is what ECS showed of a service.
type Seen struct {
	At             time.Time       `json:"at"`
	TaskDefinition string          `json:"task_definition"`
	Deployment     string          `json:"deployment,omitempty"`
	State          DeploymentState `json:"state,omitempty"`
	Desired        int             `json:"desired"`
	Running        int             `json:"running"`
	// Digests are those of the running tasks, one a task.
	Digests []string `json:"digests,omitempty"`
}

// see keeps what a service shows.
func (s *ServiceRecord) see(now Service) {
	seen := &Seen{At: time.Now(), TaskDefinition: now.TaskDefinition, Desired: now.Desired, Running: now.Running}
	if now.Deployment != nil {
		seen.Deployment, seen.State = now.Deployment.ARN, now.Deployment.State
	}
	s.Seen = seen
}

// TaskRecord is a one-off task that an attempt ran.
type TaskRecord struct {
	// Token was stored before the task was started.
	Token string `json:"client_token"`
	// Release is what the task is told, as RELEASE: a start that is repeated with its
	// token may tell nothing else.
	Release        string    `json:"release,omitempty"`
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

// StepTime is when a step of an attempt began and ended.
type StepTime struct {
	Step    StepName  `json:"step"`
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended"`
}

// Override is a check that was overridden.
type Override struct {
	Check  string `json:"check"`
	Reason string `json:"reason"`
}

// Release is what is promoted: one commit and the exact images built from it.
type Release struct {
	// Tag is the release's tag, such as "v1.4.0"; empty for a commit that no
	// release names, as on staging.
	Tag string `json:"tag,omitempty"`
	// Commit is the full commit.
	Commit string `json:"commit"`
	// Digests are the images by service, such as "sha256:…". Resolved once.
	Digests map[string]string `json:"digests,omitempty"`
}

// String is the tag, or the short commit.
func (r Release) String() string {
	switch {
	case r.Tag != "":
		return r.Tag
	case len(r.Commit) > 12:
		return r.Commit[:12]
	case r.Commit == "":
		return "none"
	default:
		return r.Commit
	}
}

// IsZero reports whether there is no release.
func (r Release) IsZero() bool { return r.Commit == "" && r.Tag == "" }

// Same reports whether both are one release: one commit. A tag alone does not
// tell, since a tag can be moved.
func (r Release) Same(o Release) bool { return r.Commit != "" && r.Commit == o.Commit }

// Named reports whether a name that a person gave means this release: its tag,
// its commit, or at least seven characters of that.
func (r Release) Named(name string) bool {
	return name != "" && (name == r.Tag || len(name) >= 7 && strings.HasPrefix(r.Commit, name))
}

// Outcome is how an attempt left the services.
type Outcome string

const (
	// Deployed: every service runs the release.
	Deployed Outcome = "deployed"
	// Done: services were restarted, or have another number of tasks.
	Done Outcome = "done"
	// Untouched: failed or refused, and no service has changed its release.
	Untouched Outcome = "untouched"
	// RolledBack: failed, and every service runs again what it ran before.
	RolledBack Outcome = "rolled back"
	// Broken: services are mixed, or nobody knows what they run.
	Broken Outcome = "broken"
	// Superseded: another deployment took over.
	Superseded Outcome = "superseded"
	// Interrupted: stopped by a signal or killed; what is in flight goes on,
	// and is recorded. Of a secret: it may have its new value or not.
	Interrupted Outcome = "interrupted"
)

// Settled reports whether nothing of the attempt is left to be continued, so
// that anybody may deploy after it.
func (o Outcome) Settled() bool {
	switch o {
	case Deployed, Done, Untouched, RolledBack, Superseded:
		return true
	default:
		return false
	}
}

// ExitCode is the program's.
func (o Outcome) ExitCode() int {
	switch o {
	case Deployed, Done:
		return console.ExitOK
	case Untouched:
		return console.ExitFailed
	case RolledBack:
		return console.ExitRolledBack
	case Superseded:
		return console.ExitSuperseded
	case Interrupted:
		return console.ExitInterrupted
	default:
		return console.ExitBroken
	}
}

// History is what was done to an environment.
type History interface {
	// Index returns the index of all records, and the objects among the records that
	// are not records themselves. Such an object is no error.
	Index(ctx context.Context) (Index, []Skipped, error)
	// UpdateIndex stores the index with these records in it. Until then, Index
	// looks for them.
	UpdateIndex(ctx context.Context, stored ...Record) error
	// Find returns the record of an attempt; nil if it has none.
	Find(ctx context.Context, id string) (*Record, error)
	// Record stores a record for good. It returns ErrRecorded if the attempt
	// has a record with another content.
	Record(ctx context.Context, r Record) error
	// Journal returns the journal of an attempt, or ErrNoJournal.
	Journal(ctx context.Context, id string) (Journal, error)
	// WriteJournal stores the journal of an attempt, in place of the one
	// before.
	WriteJournal(ctx context.Context, j Journal) error
}

// Skipped is an object among the records that is not a record.
type Skipped struct {
	Key    string `json:"key"`
	Reason string `json:"reason"`
}

// Journal is an attempt that goes on: what a later run needs to know of it if
// it is killed now. It is written before and after each change.
type Journal struct {
	// Phase is how far the attempt has come.
	Phase Phase `json:"phase"`
	// Step is the one that has begun.
	Step StepName `json:"step"`
	// Mixed: services ran different releases before the attempt.
	Mixed bool `json:"mixed,omitempty"`
	// Failure is why services are rolled back, FailedStep where the attempt
	// failed.
	Failure    string   `json:"failure,omitempty"`
	FailedStep StepName `json:"failed_step,omitempty"`
	// Time is when this was written.
	Time time.Time `json:"time"`
	// Record is the attempt's as far as it is known, without an outcome.
	Record Record `json:"record"`
}

// UnmarshalJSON reads earlier journals too, which have no phase.
func (j *Journal) UnmarshalJSON(text []byte) error {
	type plain Journal
	earlier := struct {
		*plain
		Phase            *Phase     `json:"phase"`
		Done             []StepName `json:"done"`
		Changed, Updated bool
		Renamed          string `json:"put_back"`
		RollBack         string `json:"roll_back"`
	}{plain: (*plain)(j)}
	if err := json.Unmarshal(text, &earlier); err != nil {
		return err
	}
	if earlier.Phase != nil {
		j.Phase = *earlier.Phase
		return nil
	}
	j.Failure = cmp.Or(earlier.RollBack, earlier.Renamed)
	j.Phase = earlierPhase(earlier.Changed, earlier.Updated, slices.Contains(earlier.Done, StepApply), j.Failure != "", j.Record)
	return nil
}
