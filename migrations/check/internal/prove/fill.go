package prove

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// A rewrite of an empty table takes no time, and so an empty database proves nothing.
// Tables without rows get some, made from their types and foreign keys. What else a
// table demands cannot be guessed; the report names the tables that stay empty.

type table struct {
	oid  uint32
	name string
}

// fill puts rows into every empty table, those that others refer to first, and
// returns the tables that stay empty.
func fill(ctx context.Context, conn *pgx.Conn, rows int) ([]string, error) {
	if rows <= 0 {
		return nil, nil
	}
	tables, err := emptyTables(ctx, conn)
	if err != nil {
		return nil, err
	}
	// Foreign keys decide the order: whoever fails waits for the others.
	for len(tables) > 0 {
		var failed []table
		for _, t := range tables {
			ok, err := fillTable(ctx, conn, t, rows)
			if err != nil {
				return nil, err
			}
			if !ok {
				failed = append(failed, t)
			}
		}
		if len(failed) == len(tables) {
			break
		}
		tables = failed
	}
	var names []string
	for _, t := range tables {
		names = append(names, t.name)
	}
	// A sequence that never gave a number could not be set back.
	if _, err := conn.Exec(ctx, `SELECT setval(seqrelid, greatest(seqmin, least(seqmax, seqstart + seqincrement * $1))) FROM pg_sequence WHERE pg_sequence_last_value(seqrelid) IS NULL`, int64(rows)); err != nil {
		return nil, fmt.Errorf("advance the sequences of the scratch database: %w", err)
	}
	// ANALYZE tells the planner and the counters of the new rows.
	if _, err := conn.Exec(ctx, "ANALYZE"); err != nil {
		return nil, fmt.Errorf("analyze the scratch database: %w", err)
	}
	return names, nil
}

func emptyTables(ctx context.Context, conn *pgx.Conn) ([]table, error) {
	rows, err := conn.Query(ctx, `SELECT c.oid, quote_ident(n.nspname) || '.' || quote_ident(relname)
		FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
		WHERE relkind = 'r' AND NOT relispartition AND n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY c.oid`)
	if err != nil {
		return nil, fmt.Errorf("list tables: %w", err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (t table, err error) {
		return t, row.Scan(&t.oid, &t.name)
	})
	if err != nil {
		return nil, fmt.Errorf("list tables: %w", err)
	}
	var empty []table
	for _, t := range all {
		var any bool
		if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM "+t.name+")").Scan(&any); err != nil {
			return nil, fmt.Errorf("look into %s: %w", t.name, err)
		}
		if !any {
			empty = append(empty, t)
		}
	}
	return empty, nil
}

// fillTable reports whether the server took the rows.
func fillTable(ctx context.Context, conn *pgx.Conn, t table, rows int) (bool, error) {
	columns, values, err := guess(ctx, conn, t)
	if err != nil {
		return false, err
	}
	sql := fmt.Sprintf("INSERT INTO %s DEFAULT VALUES", t.name)
	if len(columns) > 0 {
		sql = fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM generate_series(1, %d) AS i", t.name, strings.Join(columns, ", "), strings.Join(values, ", "), rows)
	}
	_, err = conn.Exec(ctx, sql)
	if _, refused := errors.AsType[*pgconn.PgError](err); refused {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("fill %s: %w", t.name, err)
	}
	return true, nil
}

// guess writes an expression of the row's number i for each column that has no
// default of its own.
func guess(ctx context.Context, conn *pgx.Conn, t table) (columns, values []string, err error) {
	rows, err := conn.Query(ctx, `SELECT quote_ident(a.attname), format_type(a.atttypid, a.atttypmod), typcategory::text, typtype::text, greatest(a.atttypmod - 4, 0), a.attnotnull,
			(SELECT quote_ident(fn.nspname) || '.' || quote_ident(fc.relname) || '|' || quote_ident(fa.attname)
				FROM pg_constraint k JOIN pg_class fc ON fc.oid = k.confrelid JOIN pg_namespace fn ON fn.oid = fc.relnamespace
				JOIN pg_attribute fa ON fa.attrelid = k.confrelid AND fa.attnum = k.confkey[array_position(k.conkey, a.attnum)]
				WHERE k.conrelid = a.attrelid AND k.contype = 'f' AND a.attnum = ANY (k.conkey) LIMIT 1)
		FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
		WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped AND NOT atthasdef AND attidentity = '' AND attgenerated = '' ORDER BY attnum`, t.oid)
	if err != nil {
		return nil, nil, fmt.Errorf("look at %s: %w", t.name, err)
	}
	var column, typ, category, kind string
	var length int
	var required bool
	var refers *string
	if _, err := pgx.ForEachRow(rows, []any{&column, &typ, &category, &kind, &length, &required, &refers}, func() error {
		value := sampleValue(typ, category, kind, length)
		switch {
		case refers != nil:
			other, key, _ := strings.Cut(*refers, "|")
			if other == t.name && !required {
				return nil // a tree's roots
			}
			// Every row another one, as far as there are enough.
			value = fmt.Sprintf("(SELECT array_agg(%[1]s ORDER BY %[1]s) FROM %[2]s)[1 + (i %% (SELECT count(*) FROM %[2]s))::int]", key, other)
		case value == "":
			return nil
		}
		columns, values = append(columns, column), append(values, value)
		return nil
	}); err != nil {
		return nil, nil, fmt.Errorf("look at %s: %w", t.name, err)
	}
	return columns, values, nil
}

// sampleValue is an expression of i for a type; "" leaves the column NULL.
func sampleValue(typ, category, kind string, length int) string {
	if kind == "e" {
		return fmt.Sprintf("(enum_range(NULL::%s))[1]", typ)
	}
	switch {
	case typ == "uuid":
		return "gen_random_uuid()"
	case typ == "bytea":
		return "decode(md5(i::text), 'hex')"
	case typ == "json" || typ == "jsonb":
		return "'{}'::" + typ
	case typ == "inet" || typ == "cidr":
		return "('10.0.0.0'::inet + i)::" + typ
	case category == "S" && length > 0 && length < 12:
		return fmt.Sprintf("left(i::text, %d)", length)
	case category == "S":
		return "('sample' || i)::" + typ
	case category == "N" && typ != "money":
		return "(i % 30000)::" + typ
	case category == "B":
		return "(i % 2 = 0)"
	case category == "D":
		return fmt.Sprintf("(timestamptz '2026-01-01' + i * interval '1 minute')::%s", typ)
	case category == "T":
		return "i * interval '1 minute'"
	case category == "A":
		return "'{}'::" + typ
	}
	return ""
}
