package migrations

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"time"

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
		fmt.Fprintf(&b, "; before it this run applied %s", several(e.Applied))
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
	case e.Mode == Single && e.Statement > 0 && cut(e.Err):
		return fmt.Sprintf("its first %d of %d statements are applied, and of statement %d perhaps a part, which the next run clears away or completes", e.Kept, e.Statements, e.Statement)
	case e.Kept > 0:
		return fmt.Sprintf("its first %d of %d statements are applied", e.Kept, e.Statements)
	}
	return "nothing of it"
}

// cut reports whether the session ended under a statement.
func cut(err error) bool {
	return strings.HasPrefix(code(err), "57P0") ||
		code(err) == "" && (errors.As(err, new(net.Error)) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF))
}

// advice says what to do about errors that are not the file's fault, by the
// beginning of their SQLSTATE; the first match counts.
var advice = []struct{ code, do string }{
	{lockNotAvailable, "end what is in the way or wait for a quieter time"},
	{deadlockDetected, "end what is in the way or wait for a quieter time"},
	{serializationFailure, "wait for a quieter time"},
	{"57P05", "take idle_session_timeout away from the role"},
	{"57P", "the server ended the session (a restart, a failover, or somebody's pg_terminate_backend): make sure that it is up"},
	{"53100", "the server's disk is full: give it room, and make sure that enough is left for what the statement writes"},
	{"53200", "the server is out of memory: lower what the statement needs (work_mem, maintenance_work_mem), or give it more"},
	{"53300", "the server has no connection left: end idle ones or raise max_connections"},
	{"25006", "the database takes no writes: connect to the primary, or take default_transaction_read_only away"},
	{"25P0", "the session was idle in a transaction for too long: make sure that the runner is not held up"},
	{"42501", "let the role do this (make it the owner, or grant it what it lacks)"},
	{"08", "make sure that the database can be reached"},
	{"58", "the server failed by itself: look into its log"},
	{"XX", "the server failed by itself: look into its log"},
}

func (e *PartialError) next() string {
	rerun := "run migrate up again"
	switch {
	case e.Mode == Batched && e.Cursor != "":
		rerun += ": it goes on behind that key"
	case e.Kept > 0:
		rerun += fmt.Sprintf(": it goes on at statement %d", e.Kept+1)
	}
	then := func(do string) string { return do + ", then " + rerun }
	if e.Interrupted() {
		return rerun
	}
	if batch, ok := errors.AsType[*BatchError](e.Err); ok {
		return then(fmt.Sprintf("bind the statement to its batch, as a term beside which nothing stands but AND (… AND %s BETWEEN $1 AND $2), and let it leave the key alone", batch.Key))
	}
	if errors.Is(e.Err, errLockLost) {
		return then("correct the file")
	}
	c := code(e.Err)
	if pg, ok := errors.AsType[*pgconn.PgError](e.Err); ok && c == queryCanceled {
		if strings.Contains(pg.Message, "timeout") {
			return then("give it more time (-statement-timeout, -long-statement-timeout for CONCURRENTLY and VALIDATE) if clients can stand still for so long, or less to do (a backfill, CONCURRENTLY, NOT VALID)")
		}
		return then("find out who cancelled the statement and why")
	}
	for _, a := range advice {
		if c != "" && strings.HasPrefix(c, a.code) {
			return then(a.do)
		}
	}
	switch {
	case c == "" && cut(e.Err):
		return then("make sure that the database can be reached")
	case c == "":
		return rerun
	case e.Kept > 0:
		return then(fmt.Sprintf("correct the statement or the data (the first %d statements must stay as they are)", e.Kept))
	}
	return then("correct the file or the data")
}

// several lists up to four names; of more it gives the number and the last three.
func several(names []string) string {
	if len(names) <= 4 {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%d migrations, the last of them %s", len(names), strings.Join(names[len(names)-3:], ", "))
}

// Explain returns the server's message, without its detail, which may contain
// rows.
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

// The errors after which the same step may succeed: nothing of it is left.
const (
	lockNotAvailable     = "55P03"
	deadlockDetected     = "40P01"
	serializationFailure = "40001"
)

// queryCanceled is what a timeout, or somebody's pg_cancel_backend, leads to.
const queryCanceled = "57014"

func code(err error) string {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code
	}
	return ""
}

// passing reports whether other sessions caused the error, so that the same
// statement may succeed later.
func passing(err error) bool {
	switch code(err) {
	case lockNotAvailable, deadlockDetected, serializationFailure:
		return true
	}
	return false
}

// Pauses grow from one try to the next: a migration then starts soon after a short
// transaction, and does not try all the time during a long one.
const (
	firstPause = 200 * time.Millisecond
	longPause  = 3 * time.Second
)

// pause returns how long to rest behind a failed try, counted from 1; jitter
// is from 0 to 1.
func pause(attempt int, jitter float64) time.Duration {
	d := firstPause
	for range attempt - 1 {
		d = min(d*3/2, longPause)
	}
	return time.Duration((0.5 + jitter) * float64(d))
}

// waits are the tries that did not get their locks, and the time lost to them.
type waits struct {
	count int
	lost  time.Duration
}

func (w waits) addTo(r *Record) {
	r.LockWaits += w.count
	r.LockWait += Duration(w.lost)
}

// retry calls try until it returns nil or an error that is not passing, for at
// most within. Before each pause it reports the attempt and the pause.
func retry(ctx context.Context, within time.Duration, report func(attempt int, pause time.Duration), try func() error) (waits, error) {
	began := time.Now()
	for attempt := 1; ; attempt++ {
		start := time.Now()
		err := try()
		w := waits{count: attempt - 1, lost: start.Sub(began)}
		if !passing(err) {
			return w, err
		}
		w = waits{count: attempt, lost: time.Since(began)}
		left := within - time.Since(began)
		if left <= 0 {
			return w, err
		}
		d := min(pause(attempt, rand.Float64()), left)
		report(attempt, d)
		if err := rest(ctx, d); err != nil {
			return w, err
		}
	}
}
