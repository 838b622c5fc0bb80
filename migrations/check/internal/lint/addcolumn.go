package lint

import (
	"fmt"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/specboard/platform/migrations/check/internal/catalog"
)

// newColumn is an ADD COLUMN taken apart.
type newColumn struct {
	def      *pg.ColumnDef
	name     string // quoted
	typ      catalog.Type
	typeSQL  string
	notNull  bool
	fallback *pg.Node // DEFAULT, nil without one or with NULL
	given    bool     // any DEFAULT is written, also NULL
	domain   bool     // the default is that of the type, a domain
	generate *pg.Node // GENERATED … STORED
	identity bool
	serial   bool
	checks   []*pg.Constraint
	unique   *pg.Constraint
	primary  *pg.Constraint
	foreign  *pg.Constraint
	postgres int
}

func (j tableJudge) takeApart(def *pg.ColumnDef) newColumn {
	c := newColumn{def: def, name: catalog.Quote(def.GetColname()), typ: j.schema.ResolveType(def.GetTypeName()), postgres: j.postgres}
	c.typeSQL = c.typ.String()
	_, c.serial = catalog.Serial(def.GetTypeName())
	for _, n := range def.GetConstraints() {
		con := n.GetConstraint()
		switch con.GetContype() {
		case pg.ConstrType_CONSTR_NOTNULL:
			c.notNull = true
		case pg.ConstrType_CONSTR_DEFAULT:
			c.given = true
			if !catalog.IsNull(con.GetRawExpr()) {
				c.fallback = con.GetRawExpr()
			}
		case pg.ConstrType_CONSTR_GENERATED:
			c.generate = con.GetRawExpr()
		case pg.ConstrType_CONSTR_IDENTITY:
			c.identity = true
		case pg.ConstrType_CONSTR_CHECK:
			c.checks = append(c.checks, con)
		case pg.ConstrType_CONSTR_UNIQUE:
			c.unique = con
		case pg.ConstrType_CONSTR_PRIMARY:
			c.primary = con
		case pg.ConstrType_CONSTR_FOREIGN:
			c.foreign = con
		}
	}
	if own := j.schema.Default(c.typ); !c.given && catalog.Given(own) {
		c.given, c.domain, c.fallback = true, true, own
	}
	return c
}

// addColumn judges ADD COLUMN on a table that was there before the file.
func (j tableJudge) addColumn(t *catalog.Relation, cmd *pg.AlterTableCmd) {
	def := cmd.GetDef().GetColumnDef()
	if there := t.Column(def.GetColname()); cmd.GetMissingOk() && t.Known && there != nil {
		j.columnThere(t, there, def)
		return
	}
	c := j.takeApart(def)
	at := def.GetLocation()
	j.columnDesign(def)
	domain := j.schema.Constrained(c.typ)
	switch {
	case c.serial:
		j.report(at, "add-column-serial", fmt.Sprintf("every row of %s gets a number in %s", t.Name, c.name), c.numbered(t)...)
	case c.identity:
		j.report(at, "add-column-identity", fmt.Sprintf("every row of %s gets a number in %s", t.Name, c.name), c.numbered(t)...)
	case c.generate != nil:
		j.report(at, "add-column-stored-generated", fmt.Sprintf("%s is computed and written for every row of %s", c.name, t.Name), c.generated(t)...)
	case c.fallback != nil:
		j.columnDefault(t, c)
	case (c.notNull || c.primary != nil) && !domain:
		j.report(at, "add-required-column", fmt.Sprintf("column %s of %s is required and has no default", c.name, t.Name),
			fmt.Sprintf("ALTER TABLE %s ADD COLUMN %s %s;", t.Name, c.name, c.typeSQL))
	}
	if domain {
		base := j.schema.Base(c.typ)
		j.report(at, "add-column-constrained-domain", fmt.Sprintf("the domain %s is checked for every row of %s", c.typ, t.Name),
			fmt.Sprintf("ALTER TABLE %s ADD COLUMN %s %s;", t.Name, c.name, base))
	}
	j.columnConstraints(t, c)
}

func (j tableJudge) columnDefault(t *catalog.Relation, c newColumn) {
	expr, at := text(c.fallback), c.def.GetLocation()
	call, known, volatile := j.schema.Volatile(c.fallback)
	switch {
	case volatile && known:
		j.report(at, "add-column-volatile-default", fmt.Sprintf("%s() is volatile: every row of %s is written with its own value of %s", call, t.Name, c.name), c.defaulted(t, expr)...)
	case volatile:
		j.report(at, "add-column-volatile-default", fmt.Sprintf("nothing is known of %s(), which is taken to be volatile: every row of %s would be written with its own value of %s", call, t.Name, c.name), c.defaulted(t, expr)...)
	case j.postgres < 11:
		j.report(at, "add-column-default", fmt.Sprintf("PostgreSQL %d writes the default of %s into every row of %s", j.postgres, c.name, t.Name), c.defaulted(t, expr)...)
	}
}

func (j tableJudge) columnConstraints(t *catalog.Relation, c newColumn) {
	for _, check := range c.checks {
		name := constraintName(check.GetConname(), t, c.def.GetColname(), "check")
		j.report(check.GetLocation(), "add-column-check", fmt.Sprintf("the check on %s is tested against every row of %s", c.name, t.Name),
			c.plain(t), addNotValid(t, name, "CHECK ("+text(check.GetRawExpr())+")"), validate(t, name))
	}
	if c.unique != nil {
		name := constraintName(c.unique.GetConname(), t, c.def.GetColname(), "key")
		j.report(c.unique.GetLocation(), "add-column-unique", fmt.Sprintf("an index on %s is built while %s is locked", c.name, t.Name),
			c.plain(t), fmt.Sprintf("CREATE UNIQUE INDEX CONCURRENTLY %s ON %s (%s);", name, t.Name, c.name),
			fmt.Sprintf("ALTER TABLE %s ADD CONSTRAINT %s UNIQUE USING INDEX %s;", t.Name, name, name))
	}
	if c.primary != nil {
		j.reportf(c.primary.GetLocation(), "add-column-primary-key", "an index on %s is built while %s is locked", c.name, t.Name)
	}
	if c.foreign != nil {
		j.columnForeignKey(t, c)
	}
}

func (j tableJudge) columnForeignKey(t *catalog.Relation, c newColumn) {
	target := j.schema.Relation(c.foreign.GetPktable())
	// PostgreSQL checks the rows even for DEFAULT NULL; only without any DEFAULT it
	// does not.
	if c.given || c.serial || c.identity || c.generate != nil {
		name, key := foreignNamed(t, target, []string{c.def.GetColname()}, c.foreign)
		j.report(c.foreign.GetLocation(), "add-column-foreign-key", fmt.Sprintf("%s of every row of %s is looked up in %s", c.name, t.Name, target.Name),
			c.plain(t), addNotValid(t, name, key), validate(t, name))
	}
	if c.unique == nil && c.primary == nil {
		j.wantIndex(t, []string{c.def.GetColname()}, c.foreign.GetLocation())
	}
}

// references writes what a foreign key refers to, with its actions.
func references(target *catalog.Relation, c *pg.Constraint) string {
	text := target.Name.String()
	if attrs := catalog.Strings(c.GetPkAttrs()); len(attrs) > 0 {
		text += " (" + quoteAll(attrs) + ")"
	}
	text += when(c.GetFkMatchtype() == "f", " MATCH FULL")
	actions := map[string]string{"c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT", "r": "RESTRICT"}
	if a := actions[c.GetFkDelAction()]; a != "" {
		text += " ON DELETE " + a
		if some := catalog.Strings(c.GetFkDelSetCols()); len(some) > 0 {
			text += " (" + quoteAll(some) + ")"
		}
	}
	if a := actions[c.GetFkUpdAction()]; a != "" {
		text += " ON UPDATE " + a
	}
	return text + deferral(c)
}

func quoteAll(names []string) string {
	list := make([]string, len(names))
	for i, n := range names {
		list[i] = catalog.Quote(n)
	}
	return strings.Join(list, ", ")
}

// constraintName returns the given name, or the one that PostgreSQL would make.
func constraintName(given string, t *catalog.Relation, column, suffix string) string {
	if given != "" {
		return catalog.Quote(given)
	}
	if column == "" {
		return catalog.Quote(t.Name.Name + "_" + suffix)
	}
	return catalog.Quote(t.Name.Name + "_" + column + "_" + suffix)
}

// plain is the column without its constraints; a harmless default stays.
func (c newColumn) plain(t *catalog.Relation) string {
	sql := fmt.Sprintf("ALTER TABLE %s ADD COLUMN %s %s", t.Name, c.name, c.typeSQL)
	if c.fallback != nil {
		sql += " DEFAULT " + text(c.fallback) + when(c.notNull, " NOT NULL")
	}
	return sql + ";"
}

// defaulted is the safe way to a column with a default of its own for each row.
func (c newColumn) defaulted(t *catalog.Relation, expr string) []string {
	without := ""
	if c.domain {
		without = " DEFAULT NULL"
	}
	files := []string{
		fmt.Sprintf("ALTER TABLE %s ADD COLUMN %s %s%s;\nALTER TABLE %s ALTER COLUMN %s SET DEFAULT %s;", t.Name, c.name, c.typeSQL, without, t.Name, c.name, expr),
		fill(t, c.name, expr),
	}
	if c.notNull {
		files = append(files, requireNotNull(t, c.def.GetColname(), c.postgres)...)
	}
	return files
}

// numbered is the safe way to a column that numbers the rows.
func (c newColumn) numbered(t *catalog.Relation) []string {
	sequence := catalog.Name{Schema: t.Name.Schema, Name: t.Name.Name + "_" + c.def.GetColname() + "_seq"}
	next := fmt.Sprintf("nextval('%s')", sequence)
	files := []string{
		fmt.Sprintf("CREATE SEQUENCE %s;\nALTER TABLE %s ADD COLUMN %s %s;\nALTER TABLE %s ALTER COLUMN %s SET DEFAULT %s;\nALTER SEQUENCE %s OWNED BY %s.%s;",
			sequence, t.Name, c.name, c.typeSQL, t.Name, c.name, next, sequence, t.Name, c.name),
		fill(t, c.name, next),
	}
	return append(files, requireNotNull(t, c.def.GetColname(), c.postgres)...)
}

// generated is the safe way to a column computed from others.
func (c newColumn) generated(t *catalog.Relation) []string {
	expr := text(c.generate)
	function := catalog.Quote("fill_" + t.Name.Name + "_" + c.def.GetColname())
	return []string{
		columnKept(t, c.name, c.typeSQL, function, fmt.Sprintf("    NEW.%s := %s;\n", c.name, qualifyNew(c.generate))),
		fill(t, c.name, expr),
	}
}

// qualifyNew writes an expression over a row's columns as a trigger sees them.
func qualifyNew(expr *pg.Node) string {
	sql := text(expr)
	copied, err := catalog.Expression(sql)
	if err != nil {
		return sql
	}
	catalog.Walk(copied, func(n *pg.Node) bool {
		if ref := n.GetColumnRef(); ref != nil && len(ref.GetFields()) == 1 {
			ref.Fields = append([]*pg.Node{pg.MakeStrNode("new")}, ref.Fields...)
		}
		return true
	})
	return text(copied)
}
