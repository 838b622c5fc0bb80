package migrations

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Table is where the database keeps what was applied to it.
const Table = "public.migrate_history"

// oldTable is where older runners kept it, under a name that other tools use.
const oldTable = "public.schema_migrations"

// tableSQL makes the table. Columns are only ever added to it.
const tableSQL = `CREATE TABLE public.migrate_history (
    number        integer PRIMARY KEY,
    name          text NOT NULL,
    checksum      text NOT NULL,
    phase         text NOT NULL,
    unused_since  text NOT NULL DEFAULT '',
    state         text NOT NULL CHECK (state IN ('running', 'failed', 'applied')),
    statements    integer NOT NULL,
    hashes        text[] NOT NULL DEFAULT '{}',
    executing     text NOT NULL DEFAULT '',
    cursor        text,
    cursor_of     text NOT NULL DEFAULT '',
    cursor_end    text,
    walked        bigint NOT NULL DEFAULT 0,
    rows          bigint NOT NULL DEFAULT 0,
    release       text NOT NULL DEFAULT '',
    started_at    timestamptz NOT NULL DEFAULT now(),
    finished_at   timestamptz,
    duration_ms   bigint NOT NULL DEFAULT 0,
    lock_waits    integer NOT NULL DEFAULT 0,
    lock_wait_ms  bigint NOT NULL DEFAULT 0,
    error         text NOT NULL DEFAULT '',
    baseline      boolean NOT NULL DEFAULT false
)`

// moveSQL moves the table from its old place. A runner of an older release
// finds the records through the view; without them it would begin at 0001.
const moveSQL = `ALTER TABLE public.schema_migrations RENAME TO migrate_history;
ALTER INDEX IF EXISTS public.schema_migrations_pkey RENAME TO migrate_history_pkey;
ALTER TABLE public.migrate_history ADD COLUMN IF NOT EXISTS cursor_end text, ADD COLUMN IF NOT EXISTS baseline boolean NOT NULL DEFAULT false;
CREATE VIEW public.schema_migrations AS
    SELECT number, name, checksum, phase, unused_since, state, statements, hashes, executing, cursor, cursor_of, walked, rows,
           release, started_at, finished_at, duration_ms, lock_waits, lock_wait_ms, error
      FROM public.migrate_history;
COMMENT ON VIEW public.schema_migrations IS 'for runners that know migrate_history by its old name; drop it when no release that carries one may run any more'`

// place is where a database keeps its records.
type place struct {
	// table is empty if there is none.
	table string
	// old means that an older runner made it.
	old bool
}

// place looks for the table of records.
func (s *session) place(ctx context.Context) (p place, err error) {
	var here, there bool
	err = s.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL,
		(SELECT relkind = 'r' FROM pg_class WHERE oid = to_regclass($2)) AND 4 = (
			SELECT count(*) FROM pg_attribute WHERE attrelid = to_regclass($2) AND attname IN ('number', 'checksum', 'hashes', 'executing') AND NOT attisdropped) IS TRUE`,
		Table, oldTable).Scan(&here, &there)
	switch {
	case err != nil:
		return p, fmt.Errorf("look for the table of applied migrations: %w", err)
	case here:
		p.table = Table
	case there:
		p = place{oldTable, true}
	}
	return p, nil
}

// State is where a migration stands in a database.
type State string

const (
	// Pending has not begun.
	Pending State = "pending"
	// Running has begun and is recorded in part: a run is at it, or was
	// killed.
	Running State = "running"
	// Failed stopped with Record.Error.
	Failed State = "failed"
	// Done is applied.
	Done State = "applied"
)

// Record is what the database keeps of one migration.
type Record struct {
	Number      int    `json:"number"`
	Name        string `json:"name"`
	Checksum    string `json:"checksum,omitempty"`
	Phase       Phase  `json:"phase"`
	UnusedSince string `json:"unused_since,omitempty"`
	State       State  `json:"state"`
	// Statements is how many the file has, Hashes those that are applied.
	Statements int      `json:"statements"`
	Hashes     []string `json:"-"`
	// Executing is the hash of a statement that has no transaction and was
	// about to run.
	Executing string `json:"-"`
	// Cursor is the last key that a backfill has passed, CursorOf the table and column
	// that the key belongs to, and End the highest key when the backfill began; Walked
	// and Rows count what was passed and changed.
	Cursor   *string `json:"cursor,omitempty"`
	CursorOf string  `json:"-"`
	End      *string `json:"end,omitempty"`
	Walked   int64   `json:"walked,omitempty"`
	Rows     int64   `json:"rows,omitempty"`
	// Release is the one whose run applied it.
	Release    string     `json:"release,omitempty"`
	StartedAt  time.Time  `json:"started_at,omitzero"`
	FinishedAt *time.Time `json:"finished_at,omitempty"`
	// Duration is the time at work, LockWait the part of it lost to LockWaits
	// tries that did not get their locks.
	Duration  Duration `json:"duration_ms"`
	LockWaits int      `json:"lock_waits"`
	LockWait  Duration `json:"lock_wait_ms"`
	Error     string   `json:"error,omitempty"`
	// Baseline means that it was recorded, and not run, by Baseline.
	Baseline bool `json:"baseline,omitempty"`
}

// ID is number and name, such as "0001_create_users".
func (r Record) ID() string { return id(r.Number, r.Name) }

// newRecord returns the record of a migration that is about to begin.
func newRecord(m Migration, release string) Record {
	r := Record{Number: m.Number, StartedAt: time.Now(), State: Running}
	r.take(m, release)
	return r
}

// take copies from the file what may have been edited since a failed run.
func (r *Record) take(m Migration, release string) {
	r.Name, r.Checksum, r.Phase, r.UnusedSince = m.Name, m.Checksum, m.Phase, m.UnusedSince
	r.Statements, r.Release = len(m.Statements), release
	if r.Hashes == nil {
		r.Hashes = []string{} // NULL in the table otherwise
	}
	if m.Backfill != nil {
		r.CursorOf = m.Backfill.walks()
	}
}

// hash identifies a statement by what the server reads of it.
func (s Statement) hash() string { return sum([]byte(s.text()))[:16] }

// ran reports whether a recorded hash is the statement's. Older runners took
// it over the statement as written.
func (s Statement) ran(hash string) bool {
	return hash == s.hash() || hash == sum([]byte(s.SQL))[:16]
}

const recordColumns = `number, name, checksum, phase, unused_since, state, statements, hashes, executing, cursor, cursor_of, walked, rows,
	release, started_at, finished_at, duration_ms, lock_waits, lock_wait_ms, error, cursor_end, baseline`

// read returns the records of a database in order, none if it has no table.
func (s *session) read(ctx context.Context) ([]Record, error) {
	p, err := s.place(ctx)
	if err != nil || p.table == "" {
		return nil, err
	}
	columns := recordColumns
	if p.old {
		columns = strings.Replace(columns, "cursor_end, baseline", "to_jsonb(t) ->> 'cursor_end', false", 1)
	}
	rows, err := s.Query(ctx, "SELECT "+columns+" FROM "+p.table+" t ORDER BY number")
	if err != nil {
		return nil, fmt.Errorf("read the applied migrations: %w", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (r Record, err error) {
		var duration, wait int64
		err = row.Scan(&r.Number, &r.Name, &r.Checksum, &r.Phase, &r.UnusedSince, &r.State, &r.Statements, &r.Hashes, &r.Executing,
			&r.Cursor, &r.CursorOf, &r.Walked, &r.Rows, &r.Release, &r.StartedAt, &r.FinishedAt, &duration, &r.LockWaits, &wait, &r.Error, &r.End, &r.Baseline)
		r.Duration, r.LockWait = Duration(duration*int64(time.Millisecond)), Duration(wait*int64(time.Millisecond))
		return r, err
	})
	if err != nil {
		return nil, fmt.Errorf("read the applied migrations: %w", err)
	}
	return list, nil
}

// write stores a record, in the transaction that is open if one is.
func (s *session) write(ctx context.Context, r Record) error {
	err := s.asItself(ctx, func() error { return s.store(ctx, r) })
	if err != nil {
		return fmt.Errorf("record %s: %w", r.ID(), err)
	}
	return nil
}

func (s *session) store(ctx context.Context, r Record) error {
	_, err := s.Exec(ctx, `INSERT INTO `+Table+` (`+recordColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)
		ON CONFLICT (number) DO UPDATE SET (name, checksum, phase, unused_since, state, statements, hashes, executing, cursor, cursor_of, walked, rows,
			release, started_at, finished_at, duration_ms, lock_waits, lock_wait_ms, error, cursor_end, baseline)
		= (excluded.name, excluded.checksum, excluded.phase, excluded.unused_since, excluded.state, excluded.statements, excluded.hashes,
			excluded.executing, excluded.cursor, excluded.cursor_of, excluded.walked, excluded.rows, excluded.release, excluded.started_at,
			excluded.finished_at, excluded.duration_ms, excluded.lock_waits, excluded.lock_wait_ms, excluded.error, excluded.cursor_end, excluded.baseline)`,
		r.Number, r.Name, r.Checksum, r.Phase, r.UnusedSince, r.State, r.Statements, r.Hashes, r.Executing,
		r.Cursor, r.CursorOf, r.Walked, r.Rows, r.Release, r.StartedAt, r.FinishedAt,
		time.Duration(r.Duration).Milliseconds(), r.LockWaits, time.Duration(r.LockWait).Milliseconds(), r.Error, r.End, r.Baseline)
	return err
}
