package prove

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// promises is what a database promises to those who use it: the parts of
// PostgreSQL's catalogue that a running release can depend on, by object id, so
// that a renamed object is recognised.
type promises struct {
	relations map[uint32]relation
	columns   map[attribute]column
	uniques   map[uint32]unique
	checks    map[uint32]check
	functions map[uint32]string
	labels    map[uint32]label
	triggers  map[uint32]trigger
}

type relation struct{ Name, Kind string }

type attribute struct {
	Relation uint32
	Number   int16
}

type column struct {
	Name, Type string
	// Base is the type's own name, Modifier its length or precision, -1 without.
	Base                string
	Modifier            int32
	Required, Defaulted bool
	// Identity is a for GENERATED ALWAYS AS IDENTITY, d for BY DEFAULT.
	Identity string
}

type unique struct {
	Relation uint32
	// What is the definition without the index's name.
	What string
}

type check struct {
	Relation         uint32
	Name, Definition string
}

type label struct {
	Type uint32
	Name string
}

type trigger struct {
	Relation uint32
	Name     string
}

// own keeps to what is no part of PostgreSQL itself.
const own = `n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\_%'`

// name is how a user would write an object of a schema.
const name = `CASE WHEN n.nspname = 'public' THEN '' ELSE quote_ident(n.nspname) || '.' END`

// readPromises reads the catalogue of the database that conn is connected to.
func readPromises(ctx context.Context, conn *pgx.Conn) (*promises, error) {
	c := &promises{relations: map[uint32]relation{}, columns: map[attribute]column{}, uniques: map[uint32]unique{},
		checks: map[uint32]check{}, functions: map[uint32]string{}, labels: map[uint32]label{}, triggers: map[uint32]trigger{}}
	var oid, of uint32
	for _, q := range []struct {
		sql  string
		into []any
		add  func()
	}{c.readRelations(&oid), c.readColumns(&of), c.readUniques(&oid, &of), c.readChecks(&oid, &of), c.readFunctions(&oid), c.readLabels(&oid, &of), c.readTriggers(&oid, &of)} {
		rows, err := conn.Query(ctx, q.sql)
		if err != nil {
			return nil, fmt.Errorf("read the catalogue: %w", err)
		}
		if _, err := pgx.ForEachRow(rows, q.into, func() error { q.add(); return nil }); err != nil {
			return nil, fmt.Errorf("read the catalogue: %w", err)
		}
	}
	return c, nil
}

type reading = struct {
	sql  string
	into []any
	add  func()
}

func (c *promises) readRelations(oid *uint32) reading {
	var r relation
	return reading{`SELECT c.oid, ` + name + ` || quote_ident(relname), relkind::text FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
		WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND NOT relispartition AND ` + own,
		[]any{oid, &r.Name, &r.Kind}, func() { c.relations[*oid] = r }}
}

func (c *promises) readColumns(of *uint32) reading {
	var number int16
	var col column
	return reading{`SELECT attrelid, attnum, quote_ident(attname), format_type(atttypid, atttypmod), format_type(atttypid, NULL), atttypmod,
			attnotnull, atthasdef OR attgenerated <> '' OR t.typdefault IS NOT NULL, attidentity::text
		FROM pg_attribute JOIN pg_class c ON c.oid = attrelid JOIN pg_namespace n ON n.oid = relnamespace JOIN pg_type t ON t.oid = atttypid
		WHERE attnum > 0 AND NOT attisdropped AND relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT relispartition AND ` + own,
		[]any{of, &number, &col.Name, &col.Type, &col.Base, &col.Modifier, &col.Required, &col.Defaulted, &col.Identity},
		func() { c.columns[attribute{*of, number}] = col }}
}

func (c *promises) readUniques(oid, of *uint32) reading {
	var what string
	return reading{`SELECT indexrelid, indrelid, substring(pg_get_indexdef(indexrelid) FROM ' USING .*')
		FROM pg_index JOIN pg_class c ON c.oid = indrelid JOIN pg_namespace n ON n.oid = relnamespace
		WHERE (indisunique OR indisexclusion) AND indisvalid AND NOT relispartition AND ` + own,
		[]any{oid, of, &what}, func() { c.uniques[*oid] = unique{*of, what} }}
}

func (c *promises) readChecks(oid, of *uint32) reading {
	var k check
	return reading{`SELECT k.oid, conrelid, quote_ident(conname), regexp_replace(pg_get_constraintdef(k.oid), ' NOT VALID$', '')
		FROM pg_constraint k JOIN pg_class c ON c.oid = conrelid JOIN pg_namespace n ON n.oid = relnamespace
		WHERE contype IN ('c', 'f') AND NOT relispartition AND ` + own,
		[]any{oid, of, &k.Name, &k.Definition}, func() { k.Relation = *of; c.checks[*oid] = k }}
}

func (c *promises) readFunctions(oid *uint32) reading {
	var signature string
	return reading{`SELECT p.oid, ` + name + ` || quote_ident(proname) || '(' || pg_get_function_identity_arguments(p.oid) || ')'
		FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace
		WHERE prorettype <> 'trigger'::regtype AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e') AND ` + own,
		[]any{oid, &signature}, func() { c.functions[*oid] = signature }}
}

func (c *promises) readLabels(oid, of *uint32) reading {
	var text string
	return reading{`SELECT e.oid, enumtypid, ` + name + ` || quote_ident(typname) || ' ' || quote_literal(enumlabel)
		FROM pg_enum e JOIN pg_type t ON t.oid = enumtypid JOIN pg_namespace n ON n.oid = typnamespace WHERE ` + own,
		[]any{oid, of, &text}, func() { c.labels[*oid] = label{*of, text} }}
}

func (c *promises) readTriggers(oid, of *uint32) reading {
	var text string
	return reading{`SELECT g.oid, tgrelid, quote_ident(tgname) FROM pg_trigger g JOIN pg_class c ON c.oid = tgrelid JOIN pg_namespace n ON n.oid = relnamespace
		WHERE NOT tgisinternal AND NOT relispartition AND ` + own,
		[]any{oid, of, &text}, func() { c.triggers[*oid] = trigger{*of, text} }}
}
