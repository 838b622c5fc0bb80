package lint

import (
	"fmt"
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/specboard/platform/migrations/check/internal/catalog"
)

// addConstraint judges ADD CONSTRAINT on a table that was there before.
func (j tableJudge) addConstraint(t *catalog.Relation, c *pg.Constraint) {
	at := c.GetLocation()
	j.refuseConstraint(t, c)
	switch c.GetContype() {
	case pg.ConstrType_CONSTR_CHECK:
		if c.GetSkipValidation() {
			return
		}
		name, check := checkNamed(t, c)
		j.report(at, "check-not-valid-missing", fmt.Sprintf("the check is tested against every row of %s", t.Name), addNotValid(t, name, check), validate(t, name))
	case pg.ConstrType_CONSTR_FOREIGN:
		j.addForeignKey(t, c)
	case pg.ConstrType_CONSTR_UNIQUE:
		if c.GetIndexname() == "" {
			j.addUnique(t, c)
		}
	case pg.ConstrType_CONSTR_PRIMARY:
		j.addPrimaryKey(t, c)
	case pg.ConstrType_CONSTR_EXCLUSION:
		j.reportf(at, "exclusion-constraint", "its index is built while %s is locked", t.Name)
	case pg.ConstrType_CONSTR_NOTNULL:
		j.setNotNull(t, strings.Join(catalog.Strings(c.GetKeys()), ""))
	}
}

func (j tableJudge) addForeignKey(t *catalog.Relation, c *pg.Constraint) {
	columns := catalog.Strings(c.GetFkAttrs())
	target := j.schema.Relation(c.GetPktable())
	j.wantIndex(t, columns, c.GetLocation())
	if c.GetSkipValidation() {
		if t.Kind == catalog.Partitioned && j.postgres < 18 {
			j.reportf(c.GetLocation(), "not-valid-on-partitioned", "PostgreSQL %d refuses NOT VALID on the partitioned table %s", j.postgres, t.Name)
		}
		return
	}
	name, key := foreignNamed(t, target, columns, c)
	steps := []string{addNotValid(t, name, key), validate(t, name)}
	if t.Kind == catalog.Partitioned {
		var add, then []string
		for _, p := range t.Children {
			add, then = append(add, addNotValid(p, name, key)), append(then, validate(p, name))
		}
		steps = append(append(add, then...), fmt.Sprintf("-- waive: fk-not-valid-missing every partition has the same key, validated\nALTER TABLE %s ADD CONSTRAINT %s %s;", t.Name, name, key))
	}
	j.report(c.GetLocation(), "fk-not-valid-missing", fmt.Sprintf("every row of %s is looked up in %s, and nobody writes to either meanwhile", t.Name, target.Name), steps...)
}

func (j tableJudge) addUnique(t *catalog.Relation, c *pg.Constraint) {
	name, index := uniqueNamed(t, c)
	var steps []string
	if t.Kind != catalog.Partitioned {
		steps = []string{index, fmt.Sprintf("ALTER TABLE %s ADD CONSTRAINT %s UNIQUE USING INDEX %s%s;", t.Name, name, name, deferral(c))}
	}
	j.report(c.GetLocation(), "unique-constraint", fmt.Sprintf("an index on (%s) is built while %s is locked", quoteAll(catalog.Strings(c.GetKeys())), t.Name), steps...)
}

// uniqueIndex writes the index that a constraint is to use.
func uniqueIndex(t *catalog.Relation, name string, c *pg.Constraint) string {
	sql := fmt.Sprintf("CREATE UNIQUE INDEX CONCURRENTLY %s ON %s (%s)", name, t.Name, quoteAll(catalog.Strings(c.GetKeys())))
	if more := catalog.Strings(c.GetIncluding()); len(more) > 0 {
		sql += " INCLUDE (" + quoteAll(more) + ")"
	}
	return sql + when(c.GetNullsNotDistinct(), " NULLS NOT DISTINCT") + ";"
}

// deferral writes when a constraint is checked, if not at once.
func deferral(c *pg.Constraint) string {
	return when(c.GetDeferrable(), " DEFERRABLE") + when(c.GetInitdeferred(), " INITIALLY DEFERRED")
}

func (j tableJudge) addPrimaryKey(t *catalog.Relation, c *pg.Constraint) {
	columns := catalog.Strings(c.GetKeys())
	using := c.GetIndexname()
	if using != "" {
		columns = nil
		for _, i := range t.Indexes {
			if i.Relation.Name.Name == using {
				columns = i.Columns
			}
		}
	}
	if using == "" {
		name := constraintName(c.GetConname(), t, "", "pkey")
		steps := []string{uniqueIndex(t, name, c)}
		for _, column := range columns {
			if !j.provenNotNull(t, column) {
				steps = append(steps, requireNotNull(t, column, j.postgres)...)
			}
		}
		steps = append(steps, fmt.Sprintf("ALTER TABLE %s ADD CONSTRAINT %s PRIMARY KEY USING INDEX %s%s;", t.Name, name, name, deferral(c)))
		if t.Kind == catalog.Partitioned {
			steps = nil
		}
		j.report(c.GetLocation(), "primary-key", fmt.Sprintf("an index on (%s) is built while %s is locked", quoteAll(columns), t.Name), steps...)
		return
	}
	if columns == nil {
		j.reportf(c.GetLocation(), "primary-key-nullable", "nothing is known of the columns of index %s: if one may be NULL, every row of %s is read", catalog.Quote(using), t.Name)
	}
	for _, column := range columns {
		if !j.provenNotNull(t, column) {
			j.report(c.GetLocation(), "primary-key-nullable", fmt.Sprintf("column %s may be NULL: every row of %s is read", catalog.Quote(column), t.Name),
				append(requireNotNull(t, column, j.postgres), fmt.Sprintf("ALTER TABLE %s ADD CONSTRAINT %s PRIMARY KEY USING INDEX %s;", t.Name, constraintName(c.GetConname(), t, "", "pkey"), catalog.Quote(using)))...)
		}
	}
}

// provenNotNull reports whether SET NOT NULL on a column reads no rows: the column is
// NOT NULL already, or a validated check proves it.
func (j tableJudge) provenNotNull(t *catalog.Relation, column string) bool {
	if c := t.Column(column); c != nil && c.NotNull {
		return true
	}
	if j.postgres < 12 {
		return false
	}
	return slices.ContainsFunc(t.Constraints, func(c *catalog.Constraint) bool {
		return c.Kind == catalog.Check && c.Valid && provesNotNull(c.Expr, column)
	})
}

// provesNotNull reports whether a check holds only if the column is not NULL,
// as PostgreSQL sees it: column IS NOT NULL, perhaps joined by AND.
func provesNotNull(expr *pg.Node, column string) bool {
	for _, part := range catalog.Conjuncts(expr) {
		test := part.GetNullTest()
		if test == nil || test.GetNulltesttype() != pg.NullTestType_IS_NOT_NULL {
			continue
		}
		if names := catalog.Columns(test.GetArg()); test.GetArg().GetColumnRef() != nil && len(names) == 1 && names[0] == column {
			return true
		}
	}
	return false
}

// requireNotNull is the safe way to SET NOT NULL, file by file. Before PostgreSQL 12 a
// check stays in its place: SET NOT NULL always reads every row there.
func requireNotNull(t *catalog.Relation, column string, postgres int) []string {
	name := catalog.Quote(t.Name.Name + "_" + column + "_not_null")
	steps := []string{
		addNotValid(t, name, "CHECK ("+catalog.Quote(column)+" IS NOT NULL)"),
		validate(t, name),
		fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s SET NOT NULL;\nALTER TABLE %s DROP CONSTRAINT %s;", t.Name, catalog.Quote(column), t.Name, name),
	}
	if postgres < 12 {
		return steps[:2]
	}
	return steps
}

func (j tableJudge) setNotNull(t *catalog.Relation, column string) {
	j.refuseNull(t, 0, column, "")
	if j.provenNotNull(t, column) {
		return
	}
	j.report(0, "set-not-null", fmt.Sprintf("every row of %s is read to be sure that %s is not NULL", t.Name, catalog.Quote(column)), requireNotNull(t, column, j.postgres)...)
}

// dropConstraint judges what a dropped constraint did for the running release.
func (j tableJudge) dropConstraint(t *catalog.Relation, cmd *pg.AlterTableCmd) {
	c := t.Constraint(cmd.GetName())
	if c == nil && cmd.GetMissingOk() && t.Known {
		return
	}
	j.cascade(cmd.GetBehavior(), "constraint "+catalog.Quote(cmd.GetName()))
	if c == nil || c.File == j.schema.File {
		return
	}
	d := j.gone(t)
	d.constraints = append(d.constraints, c)
	if c.Index != nil {
		d.indexes = append(d.indexes, c.Index)
	}
	switch c.Kind {
	case catalog.Unique, catalog.Primary, catalog.Exclude:
		j.unless(j.uniqueStill(t, *c), func() {
			j.reportf(0, "drop-unique", "%s %s of %s goes away, and no other unique index has its columns", c.Kind, catalog.Quote(c.Name), t.Name)
		})
	}
}
