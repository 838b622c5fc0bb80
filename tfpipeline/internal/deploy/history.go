package deploy

import (
	"context"
	"time"
)

// History is what was done to an environment.
type History interface {
	// Records returns all of them, the oldest first, and what lies among them
	// and is none. Neither is fatal.
	Records(ctx context.Context) ([]Record, []Skipped, error)
	// Record stores a record for good. It returns ErrRecorded if the attempt
	// has a record with another content.
	Record(ctx context.Context, r Record) error
	// Journal returns that of an attempt, or ErrNoJournal.
	Journal(ctx context.Context, id string) (Journal, error)
	// WriteJournal stores the journal of an attempt, in place of the one
	// before.
	WriteJournal(ctx context.Context, j Journal) error
}

// Skipped is an object among the records that is none.
type Skipped struct {
	Key    string `json:"key"`
	Reason string `json:"reason"`
}

// Journal is an attempt that goes on: what a later run needs to know of it if
// it is killed now. It is written before and after whatever it tells of.
type Journal struct {
	// Step is the one that has begun; Done are those that are complete.
	Step StepName   `json:"step"`
	Done []StepName `json:"done,omitempty"`
	// Changed: something outside history and lock may have been changed.
	Changed bool `json:"changed,omitempty"`
	// Updated: services may have changed their release.
	Updated bool `json:"updated,omitempty"`
	// Mixed: services ran different releases before the attempt.
	Mixed bool `json:"mixed,omitempty"`
	// PutBack: the attempt has failed, for this reason, and services are being
	// put back.
	PutBack string `json:"put_back,omitempty"`
	// FailedStep is where it failed, if it is being put back.
	FailedStep StepName `json:"failed_step,omitempty"`
	// Time is when this was written.
	Time time.Time `json:"time"`
	// Record is the attempt's as far as it is known, without an outcome.
	Record Record `json:"record"`
}
