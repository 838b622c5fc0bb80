package migrations

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// collect reads a column of strings.
func collect(rows pgx.Rows) ([]string, error) { return pgx.CollectRows(rows, pgx.RowTo[string]) }

// batched runs the file's statement along the key, one transaction a batch,
// each with its cursor. It ends behind the last row that is there when it gets
// there; rows that come behind the cursor later are the releases' own.
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
	for {
		start := time.Now()
		first, last, count, err := a.next(ctx, b)
		if err != nil {
			return fmt.Errorf("find the next batch of %s: %w", b.Table, err)
		}
		if count == 0 {
			break
		}
		kept := a.record
		lost, err := retry(ctx, a.options.LockWait, a.tell, func() error {
			a.record = kept
			return a.batch(ctx, body, first, last, count)
		})
		if err != nil {
			a.record = kept
			lost.addTo(&a.record)
			return err
		}
		lost.addTo(&a.record)
		a.report(Event{Kind: Batch, Rows: a.record.Rows, Walked: a.record.Walked, Total: total, Cursor: last, Duration: Duration(time.Since(start))})
		if err := rest(ctx, b.Pause); err != nil {
			return err
		}
	}
	a.finish()
	return a.write(ctx, a.record)
}

// batch runs one batch and records it, both or neither.
func (a *attempt) batch(ctx context.Context, s Statement, first, last string, count int64) error {
	if err := a.limit(ctx, a.bounds(false)); err != nil {
		return err
	}
	return a.inTransaction(ctx, func() error {
		stop := a.watcher.watch(ctx, a.PgConn().PID())
		changed, err := a.runParams(ctx, s.SQL, first, last)
		stop()
		if err != nil {
			return err
		}
		a.record.Cursor = &last
		a.record.Walked += count
		a.record.Rows += changed
		a.clock()
		return a.write(ctx, a.record)
	})
}

// next returns the first and last key of the next batch and how many rows of
// the table it has; 0 is the end.
func (a *attempt) next(ctx context.Context, b *Backfill) (first, last string, count int64, err error) {
	key, table := quote(b.Key), b.relation()
	where, params := "", [][]byte(nil)
	if a.record.Cursor != nil {
		where, params = "WHERE "+key+" > $1", [][]byte{[]byte(*a.record.Cursor)}
	}
	sql := fmt.Sprintf(`WITH batch AS MATERIALIZED (SELECT %[1]s AS k FROM %[2]s %[3]s ORDER BY %[1]s LIMIT %[4]d)
		SELECT (SELECT k FROM batch ORDER BY k LIMIT 1)::text, (SELECT k FROM batch ORDER BY k DESC LIMIT 1)::text, (SELECT count(*) FROM batch)::text`,
		key, table, where, b.Batch)
	result := a.PgConn().ExecParams(ctx, sql, params, nil, nil, nil).Read()
	if result.Err != nil {
		return "", "", 0, result.Err
	}
	if len(result.Rows) != 1 || len(result.Rows[0]) != 3 {
		return "", "", 0, fmt.Errorf("the server answered %d rows", len(result.Rows))
	}
	row := result.Rows[0]
	if _, err := fmt.Sscan(string(row[2]), &count); err != nil {
		return "", "", 0, err
	}
	return string(row[0]), string(row[1]), count, nil
}

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
	var table, column, notNull, indexed bool
	err = a.QueryRow(ctx, `
		SELECT to_regclass($1) IS NOT NULL,
		       EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass($1) AND attname = $2 AND attnum > 0 AND NOT attisdropped),
		       EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass($1) AND attname = $2 AND attnotnull),
		       EXISTS (SELECT FROM pg_index i JOIN pg_attribute t ON t.attrelid = i.indrelid AND t.attnum = i.indkey[0]
		                WHERE i.indrelid = to_regclass($1) AND t.attname = $2 AND i.indisvalid AND i.indpred IS NULL),
		       greatest(coalesce((SELECT reltuples FROM pg_class WHERE oid = to_regclass($1)), 0), 0)::bigint`,
		b.relation(), b.Key).Scan(&table, &column, &notNull, &indexed, &total)
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
	}
	return total, nil
}
