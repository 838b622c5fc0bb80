package migrations

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Step is one statement that Up would run.
type Step struct {
	// Migration is its ID, Mode how the file runs.
	Migration string `json:"migration"`
	Mode      Mode   `json:"mode"`
	// Statement counts from 1, Line is where it begins.
	Statement int    `json:"statement"`
	Line      int    `json:"line"`
	SQL       string `json:"sql"`
	// Locks are those that stop readers, writers or other migrations, and
	// that the transaction holds when the statement has run.
	Locks []Lock `json:"locks"`
	// Alone means that the statement runs outside a transaction, as
	// CONCURRENTLY does: its locks cannot be seen.
	Alone bool `json:"alone,omitempty"`
	// Batches is about how many a backfill needs, for at least Pauses.
	Batches int64    `json:"batches,omitempty"`
	Pauses  Duration `json:"pauses_ms,omitempty"`
}

// Lock is one that a statement takes on a table that is there before its file.
type Lock struct {
	// Table is quoted for SQL; Mode is as in the manual: "ACCESS EXCLUSIVE".
	Table string `json:"table"`
	Mode  string `json:"mode"`
	// Rows is about how many the table has.
	Rows int64 `json:"rows"`
}

// DryRun returns what Up would run. The files run in a database of their own
// on the same server, where their locks are seen; the number of rows is the
// server's estimate for config's database, of which nothing is changed or
// locked. A file that fails there ends the list, with a *PartialError.
func DryRun(ctx context.Context, config *pgx.ConnConfig, list []Migration, o Options) (steps []Step, err error) {
	s, err := openSession(ctx, config, strings.TrimSpace(o.Release+" (dry run)"))
	if err != nil {
		return nil, err
	}
	r := &runner{session: s, options: o, watcher: new(watcher)}
	defer func() { err = errors.Join(err, r.close(ctx)) }()
	records, err := r.read(ctx)
	if err != nil {
		return nil, err
	}
	if len(records) == 0 {
		if err := r.refuseForeign(ctx, list); err != nil {
			return nil, err
		}
	}
	pending, err := verify(list, records, o.AllowAhead)
	if err != nil || len(pending) == 0 {
		return nil, err
	}
	other, drop, err := r.scratch(ctx, config)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, drop()) }()
	o.Report = nil
	if _, err := Up(ctx, other, unpaused(list[:len(list)-len(pending)]), o); err != nil {
		return nil, fmt.Errorf("run the files that are applied in a database of their own: %w", err)
	}
	o.observe = func(ctx context.Context, a *attempt, s Statement) error {
		locks, err := a.locks(ctx)
		if err == nil {
			steps = append(steps, Step{Migration: a.migration.ID(), Mode: a.migration.Mode, Statement: a.at + 1, Line: s.Line, SQL: s.SQL, Locks: locks, Alone: s.Alone()})
		}
		return err
	}
	_, failed := Up(ctx, other, unpaused(list), o)
	for i := range steps {
		if err := r.estimate(ctx, &steps[i], pending); err != nil {
			return steps, err
		}
	}
	if failed != nil {
		return steps, fmt.Errorf("dry run: %w\nthat was in the database of the dry run; yours is as it was", failed)
	}
	return steps, nil
}

// locks lists the strongest lock of the running transaction on each table that
// was there before it: the watcher sees no other.
func (a *attempt) locks(ctx context.Context) ([]Lock, error) {
	if a.watcher.conn == nil {
		return nil, errors.New("look at the locks: there was no second connection")
	}
	rows, err := a.watcher.conn.Query(ctx, `
		SELECT DISTINCT ON (1) format('%I.%I', n.nspname, c.relname), l.mode
		  FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace
		 WHERE l.pid = $1 AND l.granted AND c.relkind IN ('r', 'p', 'm', 'v', 'f') AND n.nspname !~ '^(pg_|information_schema$)' AND c.relname <> 'migrate_history'
		   AND l.mode = ANY ($2) ORDER BY 1, array_position($2, l.mode) DESC`, int32(a.PgConn().PID()),
		[]string{"ShareUpdateExclusiveLock", "ShareLock", "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock"})
	if err != nil {
		return nil, fmt.Errorf("look at the locks: %w", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (l Lock, err error) {
		err = row.Scan(&l.Table, &l.Mode)
		l.Mode = strings.NewReplacer("ShareUpdateExclusiveLock", "SHARE UPDATE EXCLUSIVE", "ShareRowExclusiveLock", "SHARE ROW EXCLUSIVE", "AccessExclusiveLock", "ACCESS EXCLUSIVE",
			"ExclusiveLock", "EXCLUSIVE", "ShareLock", "SHARE").Replace(l.Mode)
		return l, err
	})
	if err != nil {
		return nil, fmt.Errorf("look at the locks: %w", err)
	}
	return list, nil
}

// estimate fills in the numbers of rows.
func (r *runner) estimate(ctx context.Context, step *Step, pending []Migration) error {
	rows := func(table string) (n int64, err error) {
		// A partitioned table has no rows of its own.
		err = r.QueryRow(ctx, `WITH RECURSIVE tree (oid) AS (SELECT to_regclass($1)::oid UNION SELECT i.inhrelid FROM pg_inherits i JOIN tree ON i.inhparent = tree.oid)
			SELECT coalesce(sum(greatest(reltuples, 0)) FILTER (WHERE relkind <> 'p'), 0)::bigint FROM pg_class JOIN tree USING (oid)`, table).Scan(&n)
		if err != nil {
			err = fmt.Errorf("estimate the rows of %s: %w", table, err)
		}
		return n, err
	}
	var err error
	for i := range step.Locks {
		if step.Locks[i].Rows, err = rows(step.Locks[i].Table); err != nil {
			return err
		}
	}
	for _, m := range pending {
		if m.ID() != step.Migration || m.Backfill == nil {
			continue
		}
		n, err := rows(m.Backfill.relation())
		if err != nil {
			return err
		}
		step.Batches = (n + int64(m.Backfill.Batch) - 1) / int64(m.Backfill.Batch)
		step.Pauses = Duration(time.Duration(step.Batches) * m.Backfill.Pause)
	}
	return nil
}
