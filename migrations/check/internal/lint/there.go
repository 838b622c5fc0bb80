package lint

import (
	"fmt"
	"slices"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/specboard/platform/migrations/check/internal/catalog"
)

// IF NOT EXISTS looks only at the name. The object that has it may be of another kind
// or shape; then nothing is made, without any error.

const nothingMade = "; IF NOT EXISTS then makes nothing, without an error"

// otherThing reports a name that an object of another kind has. It returns whether any
// object has the name.
func (j *judge) otherThing(v *pg.RangeVar, kind catalog.Kind) (*catalog.Relation, bool) {
	r := j.schema.Relations[j.schema.Resolve(catalog.RangeParts(v))]
	if r == nil || j.schema.Stub(r) || v.GetRelpersistence() == "t" {
		return nil, false
	}
	tables := func(k catalog.Kind) bool {
		return k == catalog.Table || k == catalog.Partitioned || k == catalog.ForeignTable
	}
	if r.Kind != kind && (!tables(r.Kind) || !tables(kind)) {
		j.reportf(0, "if-not-exists", "%s is a %s, not a %s%s", r.Name, r.Kind, kind, nothingMade)
		return nil, true
	}
	return r, true
}

func (j tableJudge) tableThere(n *pg.CreateStmt) {
	t, there := j.otherThing(n.GetRelation(), catalog.Table)
	if !there || t == nil || !t.Known {
		return
	}
	for _, e := range n.GetTableElts() {
		j.constraintThere(t, e.GetConstraint(), catalog.Strings(e.GetConstraint().GetKeys()))
		def := e.GetColumnDef()
		if def == nil {
			continue
		}
		if c := t.Column(def.GetColname()); c == nil {
			j.reportf(def.GetLocation(), "if-not-exists", "%s is there, and has no column %s%s", t.Name, catalog.Quote(def.GetColname()), nothingMade)
		} else {
			j.columnThere(t, c, def)
			for _, own := range def.GetConstraints() {
				j.constraintThere(t, own.GetConstraint(), []string{c.Name})
			}
		}
	}
}

// constraintThere reports a constraint that the existing table lacks.
func (j tableJudge) constraintThere(t *catalog.Relation, c *pg.Constraint, columns []string) {
	lacks := func(what string) {
		j.reportf(c.GetLocation(), "if-not-exists", "%s is there, and has no %s on (%s)%s", t.Name, what, quoteAll(columns), nothingMade)
	}
	has := func(kind catalog.ConstraintKind) bool {
		return slices.ContainsFunc(t.Constraints, func(x *catalog.Constraint) bool { return x.Kind == kind && catalog.SameSet(x.Columns, columns) })
	}
	switch c.GetContype() {
	case pg.ConstrType_CONSTR_PRIMARY:
		if !has(catalog.Primary) {
			lacks("primary key")
		}
	case pg.ConstrType_CONSTR_UNIQUE:
		if !t.UniqueOn(columns, nil) {
			lacks("unique constraint")
		}
	case pg.ConstrType_CONSTR_FOREIGN:
		if keys := catalog.Strings(c.GetFkAttrs()); len(keys) > 0 {
			columns = keys
		}
		if !has(catalog.Foreign) {
			lacks("foreign key")
		}
	case pg.ConstrType_CONSTR_CHECK:
		if columns = catalog.Columns(c.GetRawExpr()); !has(catalog.Check) {
			lacks("check")
		}
	}
}

// queryThere reports a column of the query that the existing table or materialized view
// lacks.
func (j *judge) queryThere(n *pg.CreateTableAsStmt) {
	kind := catalog.Table
	if n.GetObjtype() == pg.ObjectType_OBJECT_MATVIEW {
		kind = catalog.MaterializedView
	}
	r, there := j.otherThing(n.GetInto().GetRel(), kind)
	if !there || r == nil || r.Columns == nil {
		return
	}
	wanted := j.schema.ViewColumns(n.GetQuery(), n.GetInto().GetColNames())
	for _, c := range wanted {
		if r.Column(c.Name) == nil {
			j.reportf(0, "if-not-exists", "%s is there, and has no column %s%s", r.Name, catalog.Quote(c.Name), nothingMade)
			return
		}
	}
	if kind == catalog.MaterializedView && wanted != nil && len(wanted) != len(r.Columns) {
		j.reportf(0, "if-not-exists", "%s is there, and has %d columns, not %d%s", r.Name, len(r.Columns), len(wanted), nothingMade)
	}
}

// columnThere compares an existing column with the wanted one.
func (j tableJudge) columnThere(t *catalog.Relation, c *catalog.Column, def *pg.ColumnDef) {
	want := j.takeApart(def)
	differs := ""
	switch {
	case c.Type.Name.Name == "" || want.typ.Name.Name == "":
	case !c.Type.Equal(want.typ):
		differs = fmt.Sprintf("is %s, not %s", c.Type, want.typ)
	case (want.notNull || want.primary != nil) && !c.NotNull:
		differs = "may be NULL"
	case want.given && !want.domain && want.fallback != nil && c.Default == nil:
		differs = "has no default"
	case want.given && !want.domain && want.fallback != nil && constantText(c.Default) != "" && constantText(want.fallback) != "" && constantText(c.Default) != constantText(want.fallback):
		differs = "has another default"
	}
	if differs != "" {
		j.reportf(def.GetLocation(), "if-not-exists", "column %s of %s is there, and %s%s", catalog.Quote(c.Name), t.Name, differs, nothingMade)
	}
}

// constantText is a constant without its casts, which pg_dump adds; "" for
// anything else.
func constantText(n *pg.Node) string {
	for n.GetTypeCast() != nil {
		n = n.GetTypeCast().GetArg()
	}
	if !catalog.Constant(n) {
		return ""
	}
	return text(n)
}

// indexThere reports whether an index of that name exists. If it is not the wanted one,
// that is a finding.
func (j indexJudge) indexThere(n *pg.IndexStmt, t *catalog.Relation) bool {
	r := j.schema.Relations[catalog.Name{Schema: t.Name.Schema, Name: n.GetIdxname()}]
	if r == nil || j.schema.Stub(r) {
		return false
	}
	index := j.schema.IndexOf(r)
	var columns []string
	for _, p := range n.GetIndexParams() {
		columns = append(columns, p.GetIndexElem().GetName())
	}
	switch {
	case r.Kind != catalog.IndexKind:
		j.reportf(0, "if-not-exists", "%s is a %s, not an index%s", r.Name, r.Kind, nothingMade)
	case index == nil:
	case index.Table != t:
		j.reportf(0, "if-not-exists", "index %s is there, on %s%s", r.Name, index.Table.Name, nothingMade)
	case !slices.Equal(index.Columns, columns) || index.Unique != n.GetUnique() || text(index.Where) != text(n.GetWhereClause()):
		j.reportf(0, "if-not-exists", "index %s is there, on other columns or with another condition%s", r.Name, nothingMade)
	}
	return true
}
