package lint

import (
	"fmt"
	"slices"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/specboard/platform/migrations/check/internal/catalog"
)

// IF NOT EXISTS asks only for the name. What has it may be another thing, or
// have another shape, and then nothing is made and nobody is told.

const nothingMade = "; IF NOT EXISTS then makes nothing, without an error"

// otherThing reports a name that something else has, and whether anything does.
func (j *judge) otherThing(v *pg.RangeVar, kind catalog.Kind) (*catalog.Relation, bool) {
	r := j.schema.Relations[j.schema.Resolve(rangeParts(v))]
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

func (j *judge) tableThere(n *pg.CreateStmt) {
	t, there := j.otherThing(n.GetRelation(), catalog.Table)
	if !there || t == nil || !t.Known {
		return
	}
	for _, e := range n.GetTableElts() {
		def := e.GetColumnDef()
		if def == nil {
			continue
		}
		if c := t.Column(def.GetColname()); c == nil {
			j.reportf(def.GetLocation(), "if-not-exists", "%s is there, and has no column %s%s", t.Name, catalog.Quote(def.GetColname()), nothingMade)
		} else {
			j.columnThere(t, c, def)
		}
	}
}

// columnThere compares a column that is there with the one that was wanted.
func (j *judge) columnThere(t *catalog.Relation, c *catalog.Column, def *pg.ColumnDef) {
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
	}
	if differs != "" {
		j.reportf(def.GetLocation(), "if-not-exists", "column %s of %s is there, and %s%s", catalog.Quote(c.Name), t.Name, differs, nothingMade)
	}
}

// indexThere reports whether an index of that name is there; another one than
// was wanted is a finding.
func (j *judge) indexThere(n *pg.IndexStmt, t *catalog.Relation) bool {
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
