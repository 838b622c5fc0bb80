package migrations

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// PartialError means that Up stopped at a migration. What it left is either
// nothing of that migration, or a part from which the next run goes on.
type PartialError struct {
	// Applied are the IDs of the migrations that this run applied before.
	Applied []string
	// Failed is the ID of the one it stopped at.
	Failed string
	Mode   Mode
	// Statement counts from 1 up to Statements; 0 is none in particular.
	// Line is where it begins.
	Statement, Statements, Line int
	// Kept is how many of its statements are applied and stay, Cursor the
	// last key that a backfill has passed.
	Kept   int
	Cursor string
	// Blockers are the sessions that were last seen in the way.
	Blockers []Backend
	// Err is the cause; it is context.Canceled for an interrupt.
	Err error
}

func (e *PartialError) Unwrap() error { return e.Err }

// Interrupted reports whether the run was told to stop and did not fail.
func (e *PartialError) Interrupted() bool {
	return errors.Is(e.Err, context.Canceled) || errors.Is(e.Err, context.DeadlineExceeded)
}

func (e *PartialError) Error() string {
	var b strings.Builder
	verb := "failed"
	if e.Interrupted() {
		verb = "interrupted"
	}
	fmt.Fprintf(&b, "%s %s", e.Failed, verb)
	if e.Statement > 0 {
		fmt.Fprintf(&b, " at statement %d of %d (line %d)", e.Statement, e.Statements, e.Line)
	}
	if !e.Interrupted() {
		fmt.Fprintf(&b, ": %s", Explain(e.Err))
	}
	for _, blocker := range e.Blockers {
		fmt.Fprintf(&b, "\nin the way: %s", blocker)
	}
	fmt.Fprintf(&b, "\nleft: %s", e.left())
	if len(e.Applied) > 0 {
		fmt.Fprintf(&b, "; before it this run applied %s", strings.Join(e.Applied, ", "))
	}
	fmt.Fprintf(&b, "\nnext: %s", e.next())
	return b.String()
}

func (e *PartialError) left() string {
	switch {
	case errors.Is(e.Err, errUncertain):
		return "not known: its last transaction was committed or rolled back; migrate status tells, and running again is safe"
	case e.Mode == Batched && e.Cursor != "":
		return fmt.Sprintf("its batches up to key %s are committed", e.Cursor)
	case e.Kept > 0:
		return fmt.Sprintf("its first %d of %d statements are applied", e.Kept, e.Statements)
	}
	return "nothing of it"
}

func (e *PartialError) next() string {
	again := "run migrate up again"
	batch, isBatch := errors.AsType[*BatchError](e.Err)
	switch {
	case e.Mode == Batched && e.Cursor != "":
		again += ": it goes on behind that key"
	case e.Kept > 0:
		again += fmt.Sprintf(": it goes on at statement %d", e.Kept+1)
	}
	switch {
	case e.Interrupted():
		return again
	case passing(e.Err):
		return "end what is in the way or wait for a quieter time, then " + again
	case errors.Is(e.Err, errLockLost):
		return "correct the file, then " + again
	case isBatch:
		return fmt.Sprintf("bind the statement to its batch, as a term beside which nothing stands but AND (… AND %s BETWEEN $1 AND $2), and let it leave the key alone; then %s", batch.Key, again)
	case code(e.Err) == "":
		return again
	}
	if e.Kept > 0 {
		return fmt.Sprintf("correct the statement or the data (the first %d statements must stay as they are), then %s", e.Kept, again)
	}
	return "correct the file or the data, then " + again
}

// Explain says what the server answered without the detail, which may hold
// rows of users.
func Explain(err error) string {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return err.Error()
	}
	text := fmt.Sprintf("%s (SQLSTATE %s)", pg.Message, pg.Code)
	for _, part := range []struct{ name, value string }{
		{"table", pg.TableName}, {"column", pg.ColumnName}, {"constraint", pg.ConstraintName}, {"hint", pg.Hint},
	} {
		if part.value != "" {
			text += fmt.Sprintf("; %s: %s", part.name, part.value)
		}
	}
	return text
}
