package lint

import (
	"fmt"
	"slices"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/specboard/platform/migrations/check/internal/catalog"
)

// changeType judges ALTER COLUMN … TYPE on a table that was there before.
func (j tableJudge) changeType(t *catalog.Relation, cmd *pg.AlterTableCmd) {
	def := cmd.GetDef().GetColumnDef()
	name := cmd.GetName()
	column := t.Column(name)
	to := j.schema.ResolveType(def.GetTypeName())
	if column == nil {
		j.report(0, "type-change-rewrite", fmt.Sprintf("nothing is known of the type that %s of %s has now: give the deployed schema with -schema, or every row may be rewritten", catalog.Quote(name), t.Name), j.widen(t, name, to, def.GetRawDefault())...)
		return
	}
	if own := j.schema.Default(column.Type); column.NotNull && column.Default == nil && catalog.Given(own) && j.schema.Default(to) == nil {
		j.unless(func() bool {
			now := t.Column(name)
			return now == nil || !now.NotNull || catalog.Given(now.Default)
		}, func() {
			j.reportf(0, "drop-default", "column %s of %s loses the default of %s and cannot be NULL: an INSERT that leaves it out fails", catalog.Quote(name), t.Name, column.Type)
		})
	}
	collation := catalog.Last(catalog.Strings(def.GetCollClause().GetCollname()))
	if column.File == j.schema.File && t.File == j.schema.File {
		return
	}
	j.refuseType(t, column, to)
	if j.rewrites(column.Type, to) {
		j.report(0, "type-change-rewrite", fmt.Sprintf("from %s to %s every row of %s is rewritten", column.Type, to, t.Name), j.widen(t, name, to, def.GetRawDefault())...)
		return
	}
	if !j.usingColumn(def.GetRawDefault(), column, to) {
		j.report(0, "type-change-rewrite", fmt.Sprintf("USING computes a value for every row of %s, and all are rewritten", t.Name), j.widen(t, name, to, def.GetRawDefault())...)
		return
	}
	if column.Type.Equal(to) && collation == column.Collation {
		return
	}
	quick := true
	for _, r := range t.Family() {
		for _, i := range r.Indexes {
			if !i.Uses(name) {
				continue
			}
			if why := j.rebuilt(i, name, column, to, collation); why != "" {
				quick = false
				j.report(0, "type-change-index-rebuild", fmt.Sprintf("index %s is built anew: %s", i.Relation.Name, why), j.widen(t, name, to, def.GetRawDefault())...)
			}
		}
		for _, c := range r.Constraints {
			if c.Kind != catalog.Check || !c.Valid || !slices.Contains(c.Columns, name) {
				continue
			}
			quick = false
			j.report(0, "type-change-check-rescan", fmt.Sprintf("check %s is tested again against every row of %s", catalog.Quote(c.Name), r.Name), recheck(r, c, name, to)...)
		}
	}
	if quick {
		j.reportf(0, "type-change", "column %s of %s changes from %s to %s", catalog.Quote(name), t.Name, column.Type, to)
	}
}

// usingColumn reports whether a USING expression is the column itself, or a cast of it
// that rewrites no more than the change of type does.
func (j tableJudge) usingColumn(expr *pg.Node, column *catalog.Column, to catalog.Type) bool {
	if expr == nil {
		return true
	}
	if c := expr.GetTypeCast(); c != nil {
		if cast := j.schema.ResolveType(c.GetTypeName()); !cast.Equal(to) && (j.rewrites(column.Type, cast) || j.rewrites(cast, to)) {
			return false
		}
		expr = c.GetArg()
	}
	names := catalog.Columns(expr)
	return expr.GetColumnRef() != nil && len(names) == 1 && names[0] == column.Name
}

// rewrites reports whether a change of type makes PostgreSQL rewrite the values.
func (j tableJudge) rewrites(from, to catalog.Type) bool {
	if j.schema.Constrained(to) && from.Name != to.Name {
		return true
	}
	if from.Name != to.Name || from.Array != to.Array {
		if base := j.schema.Base(from); base.Name != from.Name {
			from = base
			from.Mods = nil // the length of a domain is not known for its values
		}
		to = j.schema.Base(to)
	}
	if from.Array || to.Array {
		return from.Name != to.Name || from.Array != to.Array || !from.Equal(to) && len(to.Mods) > 0
	}
	a, b := from.Builtin(), to.Builtin()
	switch {
	case from.Name == to.Name:
		return !widens(from, to)
	case a == "timestamp" && b == "timestamptz" || a == "timestamptz" && b == "timestamp":
		return j.postgres < 12 || !j.utc || !precise(catalog.Type{}, to)
	case citext(from) && (b == "text" || b == "varchar") || (a == "text" || a == "varchar") && citext(to):
		return len(to.Mods) > 0
	case a == "" || b == "":
		return true
	}
	return !catalog.SameBytes(a, b) || !sameLength(from, to)
}

// citext is the usual extension's type, which stores text.
func citext(t catalog.Type) bool { return t.Name.Name == "citext" && !t.Array }

// sameLength reports whether a cast between two types of the same bytes leaves
// their length alone.
func sameLength(from, to catalog.Type) bool {
	if len(to.Mods) == 0 {
		return true
	}
	return to.Builtin() == "varchar" && from.Builtin() == "varchar" && widens(from, to)
}

// widens reports whether every value of a type fits the same type with other
// modifiers, as PostgreSQL can tell without looking.
func widens(from, to catalog.Type) bool {
	if from.Equal(to) {
		return true
	}
	switch to.Builtin() {
	case "varchar", "varbit":
		return len(to.Mods) == 0 || len(from.Mods) > 0 && to.Mods[0] >= from.Mods[0]
	case "numeric":
		return len(to.Mods) == 0 || len(from.Mods) == 2 && to.Mods[1] == from.Mods[1] && to.Mods[0] >= from.Mods[0]
	case "timestamp", "timestamptz", "time", "timetz":
		return precise(from, to)
	case "interval":
		return to.Fields == 0 && precise(from, to)
	}
	return len(to.Mods) == 0 && (to.Builtin() == "bpchar" || to.Builtin() == "bit")
}

// precise reports whether no fraction of a second is lost.
func precise(from, to catalog.Type) bool {
	const most = 6
	if len(to.Mods) == 0 || to.Mods[0] >= most {
		return true
	}
	return len(from.Mods) > 0 && to.Mods[0] >= from.Mods[0]
}

// rebuilt says why an index on the column cannot stay as it is; "" if it can.
func (j tableJudge) rebuilt(i *catalog.Index, name string, column *catalog.Column, to catalog.Type, collation string) string {
	if i.Where != nil {
		return "it is partial"
	}
	if len(i.Exprs) > 0 {
		return "it is on an expression"
	}
	at := slices.Index(i.Columns, name)
	if at < 0 {
		return ""
	}
	if (len(i.Collations) <= at || i.Collations[at] == "") && collation != column.Collation {
		return "its collation changes"
	}
	if len(i.Opclasses) > at && i.Opclasses[at] != "" {
		return ""
	}
	from, into := j.schema.Base(column.Type).Builtin(), j.schema.Base(to).Builtin()
	switch {
	case column.Type.Name == to.Name:
		return ""
	case citext(column.Type) || citext(to):
		return "citext orders otherwise than text"
	case from == "" || into == "":
		return ""
	case catalog.Opclass(from) != catalog.Opclass(into):
		return fmt.Sprintf("%s orders otherwise than %s", to, column.Type)
	}
	return ""
}

// widen is the safe way to another type: a second column, filled by USING where
// that is given; of a constrained domain's base type, since the domain itself
// would be checked for every row.
func (j tableJudge) widen(t *catalog.Relation, name string, to catalog.Type, using *pg.Node) []string {
	if j.schema.Constrained(to) {
		to = j.schema.Base(to)
	}
	second := catalog.Quote(name + "_new")
	function := catalog.Quote("copy_" + t.Name.Name + "_" + name)
	old := catalog.Quote(name)
	assigned := "NEW." + old
	if using != nil {
		assigned, old = qualifyNew(using), text(using)
	}
	return []string{
		columnKept(t, second, to.String(), function, fmt.Sprintf("    NEW.%s := %s;\n", second, assigned)),
		fill(t, second, old),
	}
}

// recheck is the safe way to change a type under a check.
func recheck(t *catalog.Relation, c *catalog.Constraint, column string, to catalog.Type) []string {
	name := catalog.Quote(c.Name)
	return []string{
		fmt.Sprintf("ALTER TABLE %s DROP CONSTRAINT %s;\nALTER TABLE %s ALTER COLUMN %s TYPE %s;\n%s", t.Name, name, t.Name, catalog.Quote(column), to, addNotValid(t, name, "CHECK ("+text(c.Expr)+")")),
		validate(t, name),
	}
}
