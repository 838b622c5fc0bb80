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
	next := fmt.Sprintf("SELECT min(k)::text, max(k)::text FROM (SELECT %s AS k FROM %s WHERE $1::text IS NULL OR %s > ($1::text)::%s ORDER BY 1 LIMIT %d) AS batch",
		key, table, key, typ, m.Backfill.Batch)
	var cursor *string
	for {
		var low, high *string
		if err := p.conn.QueryRow(ctx, next, cursor).Scan(&low, &high); err != nil {
			return worst, fmt.Errorf("find the next batch: %w", err)
		}
		if high == nil {
			return worst, nil
		}
		if _, err := p.conn.Exec(ctx, "BEGIN"); err != nil {
			return worst, fmt.Errorf("begin: %w", err)
		}
		e, err := p.statement(ctx, literal(s, *low, *high, typ))
		end := "COMMIT"
		if e.Error != "" {
			end = "ROLLBACK"
		}
		if _, failed := p.conn.Exec(context.WithoutCancel(ctx), end); failed != nil && e.Error == "" {
			e.Error = failed.Error()
		}
		if err != nil {
			return e, err
		}
		changed := worst.Changed + e.Changed
		if e.Took > worst.Took || e.Error != "" {
			worst = e
		}
		worst.Changed, worst.SQL = changed, s.SQL
		if e.Error != "" {
			return worst, nil
		}
		cursor = high
	}
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
