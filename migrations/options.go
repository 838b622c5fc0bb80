package migrations

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Options are how Up behaves. DefaultOptions returns what suits a database
// that serves traffic.
type Options struct {
	// Release is recorded with every migration that this run applies.
	Release string
	// LockTimeout bounds one try to take a lock that others queue behind: no
	// client of the application waits longer for a migration. At most 1 s.
	LockTimeout time.Duration
	// LongLockTimeout bounds the same for CONCURRENTLY and VALIDATE, behind
	// which nobody queues.
	LongLockTimeout time.Duration
	// StatementTimeout bounds a statement that may hold such a lock, and
	// LongStatementTimeout the others. Zero is without bound.
	StatementTimeout, LongStatementTimeout time.Duration
	// LockWait bounds how long one step is tried again while it does not get
	// its locks.
	LockWait time.Duration
	// RunnerWait bounds the wait for another runner on the same database.
	RunnerWait time.Duration
	// AllowAhead accepts a database to which a newer release has applied
	// migrations that this list does not hold.
	AllowAhead bool
	// Roles are the roles of the database besides its owner. Up makes them once every
	// migration is applied, and drops those that it once made and that are not listed.
	Roles []ServiceRole
	// Report, if not nil, is told what happens, in order, from one goroutine.
	Report func(Event)

	// observe is called behind each statement, in its transaction if it has one.
	observe func(context.Context, *attempt, Statement) error
}

// DefaultOptions returns the options that the binary starts from.
func DefaultOptions() Options {
	return Options{
		LockTimeout:          150 * time.Millisecond,
		LongLockTimeout:      10 * time.Minute,
		StatementTimeout:     30 * time.Second,
		LongStatementTimeout: 0,
		LockWait:             10 * time.Minute,
		RunnerWait:           15 * time.Minute,
	}
}

// Validate returns what is wrong with the options, all of it.
func (o Options) Validate() error {
	var problems []error
	bad := func(name string, value time.Duration, rule string) {
		problems = append(problems, fmt.Errorf("%s %v: must be %s", name, value, rule))
	}
	if o.LockTimeout < time.Millisecond || o.LockTimeout > maxLockTimeout {
		bad("lock timeout", o.LockTimeout, "from 1ms to 1s, such as 150ms")
	}
	if o.LongLockTimeout < time.Millisecond {
		bad("long lock timeout", o.LongLockTimeout, "at least 1ms, such as 10m")
	}
	for name, value := range map[string]time.Duration{"statement timeout": o.StatementTimeout, "long statement timeout": o.LongStatementTimeout,
		"lock wait": o.LockWait, "runner wait": o.RunnerWait} {
		if value < 0 {
			bad(name, value, "zero or more")
		}
	}
	for _, r := range o.Roles {
		problems = append(problems, r.validate())
	}
	return errors.Join(problems...)
}

// EventKind names what an Event tells.
type EventKind string

const (
	// Waiting: another runner holds the lock (Holder).
	Waiting EventKind = "waiting"
	// Locked: this run holds the lock; Total migrations are pending.
	Locked EventKind = "locked"
	// Started: a migration begins, or resumes at Statement or Cursor.
	Started EventKind = "started"
	// Executing: a statement is about to run; Executed: it has run.
	Executing EventKind = "executing"
	Executed  EventKind = "executed"
	// Retrying: a lock was not had; the next try comes after Duration.
	Retrying EventKind = "retrying"
	// Repaired: something half done was put right, as Message says.
	Repaired EventKind = "repaired"
	// Notice: the server said something about a statement (Message).
	Notice EventKind = "notice"
	// Batch: one batch of a backfill is committed.
	Batch EventKind = "batch"
	// Applied: the migration is applied and recorded.
	Applied EventKind = "applied"
)

// Event is one thing that happens during Up.
type Event struct {
	Kind EventKind `json:"event"`
	// Migration is its ID.
	Migration string `json:"migration,omitempty"`
	// Statement counts from 1 up to Statements; Line is where it begins.
	Statement  int `json:"statement,omitempty"`
	Statements int `json:"statements,omitempty"`
	Line       int `json:"line,omitempty"`
	// Attempt counts the tries of a step that does not get its locks.
	Attempt int `json:"attempt,omitempty"`
	// Blockers hold what it waits for.
	Blockers []Backend `json:"blockers,omitempty"`
	// Holder is the other runner.
	Holder *Backend `json:"holder,omitempty"`
	// Rows is how many a backfill has changed in all, Walked how many of its
	// table it has passed, of about Total; Cursor is the last key.
	Rows   int64  `json:"rows,omitempty"`
	Walked int64  `json:"walked,omitempty"`
	Total  int64  `json:"total,omitempty"`
	Cursor string `json:"cursor,omitempty"`
	// Duration is that of what ended, or of the pause that begins.
	Duration Duration `json:"duration_ms,omitempty"`
	Message  string   `json:"message,omitempty"`
}

// Duration is written as whole milliseconds in JSON.
type Duration time.Duration

// MarshalJSON writes the milliseconds.
func (d Duration) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, "%d", time.Duration(d).Milliseconds()), nil
}

// UnmarshalJSON reads them.
func (d *Duration) UnmarshalJSON(data []byte) error {
	ms, err := strconv.ParseInt(string(data), 10, 64)
	if err != nil {
		return fmt.Errorf("read a duration in milliseconds: %w", err)
	}
	*d = Duration(time.Duration(ms) * time.Millisecond)
	return nil
}

func (d Duration) String() string {
	t := time.Duration(d)
	if t < time.Second {
		return t.Round(time.Millisecond).String()
	}
	return t.Round(100 * time.Millisecond).String()
}
