package prove

import (
	"context"
	"fmt"
	"slices"

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
	functions map[uint32]function
	labels    map[uint32]label
	triggers  map[uint32]trigger
	// owners and rights are by what has them, as a user would write it; a right
	// is a role and what it may do. Those of an owner go with the owner.
	owners map[string]string
	rights map[string]map[string]bool
	// hidden are tables whose rows policies pick, for others or also for the
	// owner; policies are by table and name.
	hidden    map[string]string
	policies  map[[2]string]policy
	sequences map[string]sequence
}

// function is one by its name and what it takes; Signature has the names of its
// arguments, and the last Defaults of them may be left out.
type function struct {
	Name, Signature, Returns string
	Args                     []string
	Defaults                 int
}

// policy is what a policy says; Roles are by name, PUBLIC for everybody.
type policy struct {
	Permissive                  bool
	Command, Roles, Using, With string
}

// sequence is where one stands: the next number that it gives.
type sequence struct {
	Next, Increment int64
	Cycle           bool
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
		checks: map[uint32]check{}, functions: map[uint32]function{}, labels: map[uint32]label{}, triggers: map[uint32]trigger{},
		owners: map[string]string{}, rights: map[string]map[string]bool{}, hidden: map[string]string{}, policies: map[[2]string]policy{}, sequences: map[string]sequence{}}
	var oid, of uint32
	for _, q := range []struct {
		sql  string
		into []any
		add  func()
	}{c.readRelations(&oid), c.readColumns(&of), c.readUniques(&oid, &of), c.readChecks(&oid, &of), c.readFunctions(&oid), c.readLabels(&oid, &of), c.readTriggers(&oid, &of),
		c.readOwners(), c.readRights(), c.readHidden(), c.readPolicies(), c.readSequences()} {
		rows, err := conn.Query(ctx, q.sql)
		if err != nil {
			return nil, fmt.Errorf("read the catalogue: %w", err)
		}
		if _, err := pgx.ForEachRow(rows, q.into, func() error { q.add(); return nil }); err != nil {
			return nil, fmt.Errorf("read the catalogue: %w", err)
		}
	}
	for at, s := range c.sequences {
		var given bool
		if err := conn.QueryRow(ctx, "SELECT last_value, is_called FROM "+at).Scan(&s.Next, &given); err != nil {
			return nil, fmt.Errorf("read sequence %s: %w", at, err)
		}
		if given {
			s.Next += s.Increment
		}
		c.sequences[at] = s
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
	var f function
	return reading{`SELECT p.oid, ` + name + ` || quote_ident(proname), ` + name + ` || quote_ident(proname) || '(' || pg_get_function_identity_arguments(p.oid) || ')',
			coalesce(pg_get_function_result(p.oid), ''), ARRAY(SELECT format_type(t, NULL) FROM unnest(proargtypes) WITH ORDINALITY AS a (t, i) ORDER BY i), pronargdefaults
		FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace
		WHERE prorettype <> 'trigger'::regtype AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e') AND ` + own,
		[]any{oid, &f.Name, &f.Signature, &f.Returns, &f.Args, &f.Defaults}, func() { f.Args = slices.Clone(f.Args); c.functions[*oid] = f }}
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

// objects are what has an owner and rights: name, owner, rights, kind for
// acldefault.
const objects = `(SELECT ` + name + ` || quote_ident(relname) AS name, relowner AS owner, relacl AS acl, CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char" AS kind
		FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND NOT relispartition AND ` + own + `
	UNION ALL SELECT ` + name + ` || quote_ident(proname) || '(' || pg_get_function_identity_arguments(p.oid) || ')', proowner, proacl, 'f'
		FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e') AND ` + own + `
	UNION ALL SELECT 'schema ' || quote_ident(nspname), nspowner, nspacl, 'n' FROM pg_namespace n WHERE ` + own + `
	UNION ALL SELECT 'type ' || ` + name + ` || quote_ident(typname), typowner, typacl, 'T'
		FROM pg_type t JOIN pg_namespace n ON n.oid = typnamespace WHERE typtype IN ('e', 'd', 'r') AND ` + own + `)`

func (c *promises) readOwners() reading {
	var what, role string
	return reading{`SELECT name, quote_ident(pg_get_userbyid(owner)) FROM ` + objects + ` o`,
		[]any{&what, &role}, func() { c.owners[what] = role }}
}

func (c *promises) readRights() reading {
	var what, right string
	return reading{`SELECT name, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END || ' ' || privilege_type
		FROM ` + objects + ` o, aclexplode(coalesce(acl, acldefault(kind, owner))) WHERE grantee <> owner`,
		[]any{&what, &right}, func() {
			if c.rights[what] == nil {
				c.rights[what] = map[string]bool{}
			}
			c.rights[what][right] = true
		}}
}

func (c *promises) readHidden() reading {
	var table, from string
	return reading{`SELECT ` + name + ` || quote_ident(relname), CASE WHEN relforcerowsecurity THEN 'everybody' ELSE 'all but its owner' END
		FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE relrowsecurity AND ` + own,
		[]any{&table, &from}, func() { c.hidden[table] = from }}
}

func (c *promises) readPolicies() reading {
	var table, policyName string
	var p policy
	return reading{`SELECT ` + name + ` || quote_ident(relname), quote_ident(polname), polpermissive, polcmd::text,
			(SELECT string_agg(CASE r WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(r)) END, ', ' ORDER BY r) FROM unnest(polroles) r),
			coalesce(pg_get_expr(polqual, polrelid), ''), coalesce(pg_get_expr(polwithcheck, polrelid), '')
		FROM pg_policy JOIN pg_class c ON c.oid = polrelid JOIN pg_namespace n ON n.oid = relnamespace WHERE ` + own,
		[]any{&table, &policyName, &p.Permissive, &p.Command, &p.Roles, &p.Using, &p.With}, func() { c.policies[[2]string{table, policyName}] = p }}
}

func (c *promises) readSequences() reading {
	var sequenceName string
	var s sequence
	return reading{`SELECT ` + name + ` || quote_ident(relname), seqincrement, seqcycle
		FROM pg_sequence JOIN pg_class c ON c.oid = seqrelid JOIN pg_namespace n ON n.oid = relnamespace WHERE ` + own,
		[]any{&sequenceName, &s.Increment, &s.Cycle}, func() { c.sequences[sequenceName] = s }}
}
