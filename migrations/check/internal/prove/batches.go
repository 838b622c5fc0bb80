package prove

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/specboard/platform/migrations"
)

// isBatched reports whether a statement of a backfill is the one that runs in
// batches, not a setting.
func isBatched(s migrations.Statement) bool {
	return strings.Contains(s.SQL, "$1") && strings.Contains(s.SQL, "$2")
}

// batches runs a backfill's statement batch by batch; the effect is that of the
// largest batch, with the rows of all.
func (p *probe) batches(ctx context.Context, m migrations.Migration, s migrations.Statement) (Effect, error) {
	table := quoteName(m.Backfill.Table)
	key := pgx.Identifier{m.Backfill.Key}.Sanitize()
	worst := Effect{Line: s.Line, SQL: s.SQL}
	var typ string
	if err := p.watcher.QueryRow(ctx, "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = $1::regclass AND attname = $2",
		m.Backfill.Table, m.Backfill.Key).Scan(&typ); err != nil {
		worst.Error = fmt.Sprintf("look at %s.%s: %v", m.Backfill.Table, m.Backfill.Key, err)
		return worst, ctx.Err()
	}
	// The walk ends at the key that is the last one now: rows that are added later, by
	// the statement itself or by others, are not walked.
	next := fmt.Sprintf(`WITH batch AS MATERIALIZED (SELECT %[1]s AS k FROM %[2]s WHERE ($1::text IS NULL OR %[1]s > ($1::text)::%[3]s) AND %[1]s <= ($2::text)::%[3]s ORDER BY 1 LIMIT %[4]d)
		SELECT (SELECT k FROM batch ORDER BY k LIMIT 1)::text, (SELECT k FROM batch ORDER BY k DESC LIMIT 1)::text, (SELECT count(*) FROM batch)`, key, table, typ, m.Backfill.Batch)
	var cursor, end *string
	var rows int64
	if err := p.conn.QueryRow(ctx, fmt.Sprintf("SELECT (SELECT %[1]s FROM %[2]s ORDER BY %[1]s DESC LIMIT 1)::text, (SELECT count(*) FROM %[2]s)", key, table)).Scan(&end, &rows); err != nil {
		return worst, fmt.Errorf("find the end of %s: %w", m.Backfill.Table, err)
	}
	family, err := p.family(ctx, m.Backfill.Table)
	if err != nil {
		return worst, err
	}
	for left := rows/int64(m.Backfill.Batch) + 2; end != nil; left-- {
		var low, high *string
		var walked int64
		if err := p.conn.QueryRow(ctx, next, cursor, end).Scan(&low, &high, &walked); err != nil {
			return worst, fmt.Errorf("find the next batch: %w", err)
		}
		if high == nil {
			break
		}
		if left == 0 {
			worst.Error = fmt.Sprintf("the backfill does not end: %s had %d rows, and more are walked", m.Backfill.Table, rows)
			break
		}
		if _, err := p.conn.Exec(ctx, "BEGIN"); err != nil {
			return worst, fmt.Errorf("begin: %w", err)
		}
		e, err := p.statement(ctx, literal(s, *low, *high, typ))
		if err != nil {
			return e, err
		}
		wide := int64(0)
		for _, oid := range family {
			wide += e.changed[oid]
		}
		if e.Error == "" && wide > walked {
			e.Error = fmt.Sprintf("a batch of %d rows changes %d rows of %s: the statement is not bound to its batch", walked, wide, m.Backfill.Table)
		}
		finish := "COMMIT"
		if e.Error != "" {
			finish = "ROLLBACK"
		}
		if _, failed := p.conn.Exec(context.WithoutCancel(ctx), finish); failed != nil && e.Error == "" {
			e.Error = failed.Error()
		}
		changed := worst.Changed + e.Changed
		if e.Elapsed > worst.Elapsed || e.Error != "" {
			worst = e
		}
		worst.Changed, worst.SQL = changed, s.SQL
		if e.Error != "" {
			break
		}
		cursor = high
	}
	return worst, nil
}

// family returns the walked table and all that inherit from it, by oid.
func (p *probe) family(ctx context.Context, table string) ([]uint32, error) {
	rows, err := p.watcher.Query(ctx, `WITH RECURSIVE family AS (SELECT $1::regclass::oid AS oid
		UNION SELECT inhrelid FROM pg_inherits JOIN family ON inhparent = family.oid) SELECT oid FROM family`, table)
	if err != nil {
		return nil, fmt.Errorf("list the partitions of %s: %w", table, err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[uint32])
	if err != nil {
		return nil, fmt.Errorf("list the partitions of %s: %w", table, err)
	}
	return list, nil
}

// literal writes the batch's keys into the statement: the server then needs no
// guess at their types.
func literal(s migrations.Statement, low, high, typ string) migrations.Statement {
	quote := func(v string) string { return "'" + strings.ReplaceAll(v, "'", "''") + "'::" + typ }
	s.SQL = strings.NewReplacer("$1", quote(low), "$2", quote(high)).Replace(s.SQL)
	return s
}

func quoteName(name string) string {
	return pgx.Identifier(strings.Split(name, ".")).Sanitize()
}
