package migrations

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// collect reads a column of strings.
func collect(rows pgx.Rows) ([]string, error) { return pgx.CollectRows(rows, pgx.RowTo[string]) }

// BatchError means that a batch of a backfill did more than its batch; it was
// rolled back.
type BatchError struct {
	// Table is what the backfill walks along Key.
	Table, Key string
	// First and Last are the keys of the batch, and Walked its rows.
	First, Last string
	Walked      int64
	// Changed is how many rows of Table the batch changed, Outside how many
	// of them lie outside First and Last, and Inserted how many it added.
	Changed, Outside, Inserted int64
}

func (e *BatchError) Error() string {
	what := fmt.Sprintf("changed %d rows of %s, more than it walked", e.Changed, e.Table)
	switch {
	case e.Inserted > 0:
		what = fmt.Sprintf("added %d rows to %s, the table that it walks", e.Inserted, e.Table)
	case e.Outside > 0:
		what = fmt.Sprintf("changed %d of %d rows of %s outside its keys (or moved them there)", e.Outside, e.Changed, e.Table)
	}
	return fmt.Sprintf("the batch from key %s to %s (%d rows) %s", e.First, e.Last, e.Walked, what)
}

// maxWalks is how often a batch is tried before its BatchError is returned: a row
// that somebody else inserts between the walk and the statement looks like a row too
// many.
const maxWalks = 3

// batched runs the file's statement along the key, one transaction a batch, each with
// its cursor. It ends at the key that was the highest when the backfill began. Rows
// that are inserted behind the cursor later are filled by the release that inserts
// them.
func (a *attempt) batched(ctx context.Context) error {
	b := a.migration.Backfill
	var body Statement
	for i, s := range a.migration.Statements {
		if w := s.work(); w == limit || w == setting {
			if err := a.set(ctx, s); err != nil {
				return err
			}
			continue
		}
		a.at, body = i, s
	}
	if err := a.limit(ctx, a.bounds(false)); err != nil {
		return err
	}
	total, err := a.walkable(ctx, b)
	if err != nil {
		return err
	}
	if a.record.End == nil {
		if a.record.End, err = a.highest(ctx, b); err != nil {
			return fmt.Errorf("find the last key of %s: %w", b.Table, err)
		}
	}
	if a.options.observe != nil {
		if err := a.options.observe(ctx, a, body); err != nil {
			return err
		}
	}
	for a.record.End != nil {
		start := time.Now()
		var k walk
		kept := a.record
		var lost waits
		for n := 1; ; n++ {
			if k, err = a.next(ctx, b); err != nil {
				return fmt.Errorf("find the next batch of %s: %w", b.Table, err)
			}
			if k.rows == 0 {
				break
			}
			lost, err = retry(ctx, a.options.LockWait, a.reportRetry, func() error {
				a.record = kept
				return a.batch(ctx, body, k)
			})
			if _, wrong := errors.AsType[*BatchError](err); !wrong || n == maxWalks {
				break
			}
		}
		if err != nil {
			a.record = kept
			lost.addTo(&a.record)
			return err
		}
		if k.rows == 0 {
			break
		}
		lost.addTo(&a.record)
		a.report(Event{Kind: Batch, Rows: a.record.Rows, Walked: a.record.Walked, Total: total, Cursor: k.last, Duration: Duration(time.Since(start))})
		if err := rest(ctx, b.Pause); err != nil {
			return err
		}
	}
	a.finish()
	return a.write(ctx, a.record)
}

// walk is one batch: its first and last key and how many rows have them.
type walk struct {
	first, last string
	rows        int64
}

// batch runs one batch and records it, both or neither.
func (a *attempt) batch(ctx context.Context, s Statement, k walk) error {
	if err := a.limit(ctx, a.bounds(false)); err != nil {
		return err
	}
	return a.inTransaction(ctx, func() error {
		b := a.migration.Backfill
		before, err := a.changes(ctx, b)
		if err != nil {
			return err
		}
		done := a.attend(ctx)
		result := a.exec(ctx, s.SQL, k.first, k.last)
		done()
		if result.Err != nil {
			return result.Err
		}
		after, err := a.changes(ctx, b)
		if err != nil {
			return err
		}
		if err := a.bound(ctx, b, k, after.minus(before), result.CommandTag); err != nil {
			return err
		}
		a.record.Cursor = &k.last
		a.record.Walked += k.rows
		a.record.Rows += result.CommandTag.RowsAffected()
		a.clock()
		return a.write(ctx, a.record)
	})
}

// changes counts the rows of a table that this session has changed.
type changes struct{ inserted, updated, deleted int64 }

func (c changes) minus(o changes) changes {
	return changes{c.inserted - o.inserted, c.updated - o.updated, c.deleted - o.deleted}
}

// changes asks the server's own counters. Unlike a command tag, they include what
// triggers and WITH clauses change. They also include what earlier transactions of the
// session have not yet reported.
func (a *attempt) changes(ctx context.Context, b *Backfill) (c changes, err error) {
	err = a.QueryRow(ctx, `
		WITH RECURSIVE tree (oid) AS (SELECT to_regclass($1)::oid UNION SELECT i.inhrelid FROM pg_inherits i JOIN tree ON i.inhparent = tree.oid)
		SELECT sum(pg_stat_get_xact_tuples_inserted(oid))::bigint, sum(pg_stat_get_xact_tuples_updated(oid))::bigint,
		       sum(pg_stat_get_xact_tuples_deleted(oid))::bigint FROM tree`, b.relation()).Scan(&c.inserted, &c.updated, &c.deleted)
	if err != nil {
		return c, fmt.Errorf("count the changes to %s: %w", b.Table, err)
	}
	return c, nil
}

// bound makes sure that a batch changed only its own rows. A row that moves between
// partitions counts as deleted and inserted.
func (a *attempt) bound(ctx context.Context, b *Backfill, k walk, c changes, tag pgconn.CommandTag) error {
	changed := c.updated + max(c.inserted, c.deleted)
	if changed == 0 {
		return nil
	}
	e := &BatchError{Table: b.Table, Key: b.Key, First: k.first, Last: k.last, Walked: k.rows, Changed: changed}
	if e.Inserted = max(0, c.inserted-c.deleted); e.Inserted > 0 || changed > k.rows {
		return e
	}
	// Row versions as young as this transaction were written by it, or by somebody
	// else at the same time. The latter can only hide an error, never cause one.
	sql := fmt.Sprintf("SELECT count(*)::text, (count(*) FILTER (WHERE age(xmin) <= age(pg_current_xact_id()::xid)))::text FROM %s WHERE %s BETWEEN $1 AND $2",
		b.relation(), quote(b.Key))
	row, err := a.row(ctx, sql, k.first, k.last)
	if err != nil {
		return fmt.Errorf("look at the batch of %s: %w", b.Table, err)
	}
	var there, own int64
	if _, err := fmt.Sscan(string(row[0])+" "+string(row[1]), &there, &own); err != nil {
		return fmt.Errorf("look at the batch of %s: %w", b.Table, err)
	}
	// The tag of an UPDATE counts its rows; a trigger may change the same rows a
	// second time.
	updated := c.updated + c.inserted
	if tag.Update() {
		updated = min(updated, tag.RowsAffected())
	}
	if e.Outside = updated - own; c.deleted > c.inserted {
		e.Outside = max(e.Outside, c.deleted-c.inserted-(k.rows-there))
	}
	if e.Outside > 0 {
		return e
	}
	return nil
}

// row runs a query whose parameters are given as text and returns its one row.
func (a *attempt) row(ctx context.Context, sql string, params ...string) ([][]byte, error) {
	result := a.exec(ctx, sql, params...)
	if result.Err != nil {
		return nil, result.Err
	}
	if len(result.Rows) != 1 {
		return nil, fmt.Errorf("the server answered %d rows", len(result.Rows))
	}
	return result.Rows[0], nil
}

// highest returns the last key of the table; nil if it is empty.
func (a *attempt) highest(ctx context.Context, b *Backfill) (*string, error) {
	row, err := a.row(ctx, fmt.Sprintf("SELECT (SELECT %[1]s FROM %[2]s ORDER BY %[1]s DESC LIMIT 1)::text", quote(b.Key), b.relation()))
	if err != nil || row[0] == nil {
		return nil, err
	}
	key := string(row[0])
	return &key, nil
}

// next returns the next batch; one without rows is the end. Rows of equal keys
// stay together.
func (a *attempt) next(ctx context.Context, b *Backfill) (k walk, err error) {
	where, params := "<= $1", []string{*a.record.End}
	if a.record.Cursor != nil {
		where, params = fmt.Sprintf("<= $1 AND %s > $2", quote(b.Key)), append(params, *a.record.Cursor)
	}
	row, err := a.row(ctx, fmt.Sprintf(`WITH batch AS MATERIALIZED (SELECT %[1]s AS k FROM %[2]s WHERE %[1]s %[3]s ORDER BY %[1]s FETCH FIRST %[4]d ROWS WITH TIES)
		SELECT (SELECT k FROM batch ORDER BY k LIMIT 1)::text, (SELECT k FROM batch ORDER BY k DESC LIMIT 1)::text, (SELECT count(*) FROM batch)::text`,
		quote(b.Key), b.relation(), where, b.Batch), params...)
	if err != nil {
		return k, err
	}
	k.first, k.last = string(row[0]), string(row[1])
	_, err = fmt.Sscan(string(row[2]), &k.rows)
	return k, err
}

// walks is the table and column that the backfill walks along.
func (b *Backfill) walks() string { return b.Table + "." + b.Key }

// relation is the table, quoted for SQL.
func (b *Backfill) relation() string {
	parts := strings.Split(b.Table, ".")
	for i := range parts {
		parts[i] = quote(parts[i])
	}
	return strings.Join(parts, ".")
}

// walkable makes sure that the key leads through the whole table, by an index,
// and returns about how many rows there are.
func (a *attempt) walkable(ctx context.Context, b *Backfill) (total int64, err error) {
	var table, column, notNull, indexed, counted bool
	err = a.QueryRow(ctx, `
		SELECT to_regclass($1) IS NOT NULL,
		       EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass($1) AND attname = $2 AND attnum > 0 AND NOT attisdropped),
		       EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass($1) AND attname = $2 AND attnotnull),
		       EXISTS (SELECT FROM pg_index i JOIN pg_attribute t ON t.attrelid = i.indrelid AND t.attnum = i.indkey[0]
		                WHERE i.indrelid = to_regclass($1) AND t.attname = $2 AND i.indisvalid AND i.indpred IS NULL),
		       greatest(coalesce((SELECT reltuples FROM pg_class WHERE oid = to_regclass($1)), 0), 0)::bigint,
		       current_setting('track_counts') = 'on'`,
		b.relation(), b.Key).Scan(&table, &column, &notNull, &indexed, &total, &counted)
	switch {
	case err != nil:
		return 0, fmt.Errorf("look at %s: %w", b.Table, err)
	case !table:
		return 0, fmt.Errorf("backfill along %s: there is no such table", b.Table)
	case !column:
		return 0, fmt.Errorf("backfill along %s.%s: there is no such column", b.Table, b.Key)
	case !notNull:
		return 0, fmt.Errorf("backfill along %s.%s: the column may be NULL, and rows where it is would be passed over; walk the primary key", b.Table, b.Key)
	case !indexed:
		return 0, fmt.Errorf("backfill along %s.%s: no index begins with it, so that every batch would read the whole table; walk the primary key", b.Table, b.Key)
	case !counted:
		return 0, fmt.Errorf("backfill along %s.%s: the server's track_counts is off, and what a batch changes cannot be seen; switch it on", b.Table, b.Key)
	}
	return total, nil
}
