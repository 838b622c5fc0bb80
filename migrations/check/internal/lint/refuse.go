package lint

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/specboard/platform/migrations/check/internal/catalog"
)

// This file judges statements after which PostgreSQL refuses writes of the running
// release, whatever the table holds: NOT VALID spares only the rows that are there.

// dropped is what the migration took off a table. If it then demands the same again,
// PostgreSQL refuses no more than before.
type dropped struct {
	constraints []*catalog.Constraint
	indexes     []*catalog.Index
	triggers    []catalog.Name // the functions that they called
	notNull     []string       // the columns that it loosened
}

// gone returns what the migration took off a table; callers add to it.
func (j *judge) gone(t *catalog.Relation) *dropped {
	if j.droppedOf[t] == nil {
		j.droppedOf[t] = &dropped{}
	}
	return j.droppedOf[t]
}

// unwritten reports whether a migration is too new for a running release to know what it
// made: it is the one at hand, or one that is known not to be deployed.
func (j *judge) unwritten(file int) bool {
	return file > 0 && (file == j.schema.File || j.run.pending[file])
}

// written reports whether a running release may write to a table.
func (j *judge) written(t *catalog.Relation) bool {
	return !t.Temporary && !j.unwritten(t.File) && (t.Kind == catalog.Table || t.Kind == catalog.Partitioned)
}

// unknownColumn reports whether no running release knows a column.
func (j *judge) unknownColumn(t *catalog.Relation, name string) bool {
	c := t.Column(name)
	return c != nil && j.unwritten(c.File)
}

// filled reports whether a column gets a value if an INSERT leaves it out.
func (j *judge) filled(t *catalog.Relation, name string) bool {
	if c := t.Column(name); c != nil && (c.Identity || c.Generated || catalog.Given(c.Default) || catalog.Given(j.schema.Default(c.Type))) {
		return true
	}
	return j.filledByTrigger(t, name)
}

// numbered reports whether rows get a value of their own in a column.
func (j *judge) numbered(t *catalog.Relation, name string) bool {
	c := t.Column(name)
	_, _, volatile := j.schema.Volatile(c.Default)
	return c.Identity || volatile
}

// filledByTrigger reports whether a trigger before INSERT assigns a column.
func (j *judge) filledByTrigger(t *catalog.Relation, name string) bool {
	assigned := regexp.MustCompile(`(?i)\bnew\.(?:` + regexp.QuoteMeta(name) + `|` + regexp.QuoteMeta(catalog.Quote(name)) + `)\s*:?=`)
	for _, trigger := range t.Triggers {
		for _, f := range j.schema.Functions[trigger.Function] {
			if trigger.Fills && assigned.MatchString(f.Body) {
				return true
			}
		}
	}
	return false
}

// refuses reports that rows are refused. sql is a statement for a contract that blocks
// nobody; "" if there is none.
func (j *judge) refuses(at int32, what, sql string) {
	var instead []string
	if sql != "" {
		instead = []string{asContract(sql)}
	}
	j.report(at, "refuses-rows", what+": first make sure that no running release writes such data, then do this in a contract", instead...)
}

// refuseConstraint judges ADD CONSTRAINT.
func (j tableJudge) refuseConstraint(t *catalog.Relation, c *pg.Constraint) {
	if !j.written(t) {
		return
	}
	switch c.GetContype() {
	case pg.ConstrType_CONSTR_CHECK:
		j.refuseCheck(t, c)
	case pg.ConstrType_CONSTR_FOREIGN:
		j.refuseForeign(t, c)
	case pg.ConstrType_CONSTR_UNIQUE:
		if c.GetIndexname() == "" {
			_, index := uniqueNamed(t, c)
			j.refuseUnique(t, c.GetLocation(), catalog.Strings(c.GetKeys()), nil, index)
		}
	case pg.ConstrType_CONSTR_PRIMARY:
		columns := catalog.Strings(c.GetKeys())
		if c.GetIndexname() == "" {
			j.refuseUnique(t, c.GetLocation(), columns, nil, uniqueIndex(t, constraintName(c.GetConname(), t, "", "pkey"), c))
		} else if i := slices.IndexFunc(t.Indexes, func(i *catalog.Index) bool { return i.Relation.Name.Name == c.GetIndexname() }); i >= 0 {
			columns = t.Indexes[i].Columns
		}
		for _, column := range columns {
			j.refuseNull(t, c.GetLocation(), column, "")
		}
	case pg.ConstrType_CONSTR_EXCLUSION:
		if !slices.ContainsFunc(j.gone(t).constraints, func(o *catalog.Constraint) bool { return o.Kind == catalog.Exclude }) {
			j.refuses(c.GetLocation(), fmt.Sprintf("rows of %s that exclude each other are refused", t.Name), "")
		}
	}
}

func (j tableJudge) refuseCheck(t *catalog.Relation, c *pg.Constraint) {
	name, check := checkNamed(t, c)
	sql := addNotValid(t, name, check)
	var left []string
	for _, part := range catalog.Conjuncts(c.GetRawExpr()) {
		columns := catalog.Columns(part)
		if len(columns) == 1 && provesNotNull(part, columns[0]) {
			j.refuseNull(t, c.GetLocation(), columns[0], sql)
			continue
		}
		known := func(column string) bool { return !j.unknownColumn(t, column) }
		if slices.ContainsFunc(columns, known) && !j.demanded(t, part) {
			left = append(left, text(part))
		}
	}
	if len(left) > 0 {
		j.refuses(c.GetLocation(), fmt.Sprintf("rows of %s that fail CHECK (%s) are refused", t.Name, strings.Join(left, " AND ")), sql)
	}
}

// demanded reports whether a check that is or was there demands as much as part of
// another one.
func (j tableJudge) demanded(t *catalog.Relation, part *pg.Node) bool {
	for _, c := range slices.Concat(t.Constraints, j.gone(t).constraints) {
		if c.Kind == catalog.Check && slices.ContainsFunc(catalog.Conjuncts(c.Expr), func(old *pg.Node) bool { return implies(old, part) }) {
			return true
		}
	}
	return false
}

// implies reports whether b is known to hold wherever a does.
func implies(a, b *pg.Node) bool {
	from := func(c *pg.Node) bool { return implies(c, b) }
	to := func(c *pg.Node) bool { return implies(a, c) }
	switch ors, ands := parts(a, pg.BoolExprType_OR_EXPR), parts(b, pg.BoolExprType_AND_EXPR); {
	case ors != nil:
		return every(ors, from)
	case ands != nil:
		return every(ands, to)
	}
	return slices.ContainsFunc(parts(a, pg.BoolExprType_AND_EXPR), from) || slices.ContainsFunc(parts(b, pg.BoolExprType_OR_EXPR), to) || impliesOne(a, b)
}

// parts returns what AND or OR joins; nil for anything else.
func parts(n *pg.Node, by pg.BoolExprType) []*pg.Node {
	if b := n.GetBoolExpr(); b != nil && b.GetBoolop() == by {
		return b.GetArgs()
	}
	return nil
}

func every(list []*pg.Node, holds func(*pg.Node) bool) bool {
	return !slices.ContainsFunc(list, func(n *pg.Node) bool { return !holds(n) })
}

// impliesOne is implies for conditions without AND and OR: a is the same condition, allows
// fewer values of a list, or has a closer limit.
func impliesOne(a, b *pg.Node) bool {
	if text(a) == text(b) {
		return true
	}
	x, y := a.GetAExpr(), b.GetAExpr()
	if x == nil || y == nil || text(x.GetLexpr()) != text(y.GetLexpr()) {
		return false
	}
	if values := listed(y); values != nil {
		return provesList([]*pg.Node{a}, catalog.Last(catalog.Columns(x.GetLexpr())), values)
	}
	operator := catalog.Last(catalog.Strings(x.GetName()))
	by, ok := compareConstants(x.GetRexpr(), y.GetRexpr())
	return ok && operator == catalog.Last(catalog.Strings(y.GetName())) &&
		(strings.HasPrefix(operator, "<") && operator != "<>" && by <= 0 || strings.HasPrefix(operator, ">") && by >= 0)
}

// refuseNull judges what makes a column NOT NULL. It assumes that no release writes NULL
// into a column that has a default, or that a trigger fills.
func (j tableJudge) refuseNull(t *catalog.Relation, at int32, column, sql string) {
	c := t.Column(column)
	if !j.written(t) || c != nil && c.NotNull || slices.Contains(j.gone(t).notNull, column) {
		return
	}
	for _, o := range slices.Concat(t.Constraints, j.gone(t).constraints) {
		if o.Kind == catalog.Check && provesNotNull(o.Expr, column) || o.Kind == catalog.Primary && slices.Contains(o.Columns, column) {
			return
		}
	}
	if sql == "" {
		sql = requireNotNull(t, column, j.postgres)[0]
	}
	j.unless(func() bool { return j.filled(t, column) }, func() {
		j.refuses(at, fmt.Sprintf("a NULL in %s of %s is refused", catalog.Quote(column), t.Name), sql)
	})
}

func (j tableJudge) refuseForeign(t *catalog.Relation, c *pg.Constraint) {
	columns, target := catalog.Strings(c.GetFkAttrs()), j.schema.Relation(c.GetPktable())
	for _, o := range slices.Concat(t.Constraints, j.gone(t).constraints) {
		if o.Kind == catalog.Foreign && o.Target == target && catalog.SameSet(o.Columns, columns) {
			return
		}
	}
	if slices.ContainsFunc(columns, func(name string) bool { return j.unknownColumn(t, name) && !j.filled(t, name) }) {
		return // NULL refers to nothing
	}
	what := fmt.Sprintf("rows of %s whose %s is not in %s are refused", t.Name, quoteAll(columns), target.Name)
	if by := c.GetFkDelAction(); by == "a" || by == "r" {
		what += fmt.Sprintf(", and so are deletes in %s of what rows refer to", target.Name)
	}
	sql := ""
	if name, key := foreignNamed(t, target, columns, c); t.Kind != catalog.Partitioned || j.postgres >= 18 {
		sql = addNotValid(t, name, key)
	}
	j.refuses(c.GetLocation(), what, sql)
}

// refuseIndex judges CREATE UNIQUE INDEX.
func (j indexJudge) refuseIndex(node *pg.Node, n *pg.IndexStmt, t *catalog.Relation) {
	if !n.GetUnique() || t.Kind == catalog.Partitioned && !n.GetRelation().GetInh() {
		return // ON ONLY the parent refuses nothing
	}
	var keys []string
	for _, p := range n.GetIndexParams() {
		if e := p.GetIndexElem(); e.GetExpr() != nil {
			keys = append(keys, text(e.GetExpr()))
		} else {
			keys = append(keys, e.GetName())
		}
	}
	sql := ""
	if t.Kind != catalog.Partitioned {
		sql = deparse(node, func(n *pg.Node) {
			s := n.GetIndexStmt()
			s.Concurrent, s.IfNotExists = true, false
			if s.Idxname == "" {
				s.Idxname = indexName(t, s)
			}
		})
	}
	tableJudge(j).refuseUnique(t, 0, keys, n.GetWhereClause(), sql)
}

// refuseUnique judges what makes keys unique. keys are columns or expressions.
func (j tableJudge) refuseUnique(t *catalog.Relation, at int32, keys []string, where *pg.Node, sql string) {
	if !j.written(t) {
		return
	}
	for _, i := range slices.Concat(t.Indexes, j.gone(t).indexes) {
		unique := i.Unique && (i.Where == nil || where != nil && text(i.Where) == text(where))
		if exprs := i.Exprs; unique && !slices.ContainsFunc(i.Columns, func(key string) bool {
			if key == "" && len(exprs) > 0 {
				key, exprs = text(exprs[0]), exprs[1:]
			}
			return !slices.Contains(keys, key)
		}) {
			return
		}
	}
	if slices.ContainsFunc(keys, func(key string) bool { return j.unknownColumn(t, key) && (!j.filled(t, key) || j.numbered(t, key)) }) {
		return // NULL equals nothing, and no two rows get the same number
	}
	condition := ""
	if where != nil {
		condition = " where " + text(where)
	}
	j.refuses(at, fmt.Sprintf("rows of %s that agree in %s%s are refused", t.Name, strings.Join(keys, ", "), condition), sql)
}

// refuseType judges a change of a column's type.
func (j tableJudge) refuseType(t *catalog.Relation, column *catalog.Column, to catalog.Type) {
	if j.written(t) && !j.unwritten(column.File) && j.narrower(column.Type, to) {
		j.refuses(0, fmt.Sprintf("values of %s in %s that %s does not hold are refused", catalog.Quote(column.Name), t.Name, to), "")
	}
}

// ranks orders numbers by what they hold.
var ranks = map[string]int{"int2": 1, "int4": 2, "int8": 3, "numeric": 4}

// narrower reports whether a type is known to refuse values of another one.
func (j tableJudge) narrower(from, to catalog.Type) bool {
	if j.schema.Constrained(to) && from.Name != to.Name {
		return true
	}
	from, to = j.schema.Base(from), j.schema.Base(to)
	a, b := from.Builtin(), to.Builtin()
	text := func(t catalog.Type) bool {
		return t.Builtin() == "text" || t.Builtin() == "varchar" || t.Builtin() == "bpchar" || citext(t)
	}
	switch {
	case from.Array || to.Array:
		return false
	case text(from) && text(to), a == b && (a == "bit" || a == "varbit"):
		return len(to.Mods) > 0 && (len(from.Mods) == 0 || from.Mods[0] > to.Mods[0])
	case text(from):
		return true
	case a == "numeric" && b == "numeric":
		return len(to.Mods) == 2 && (len(from.Mods) < 2 || from.Mods[0]-from.Mods[1] > to.Mods[0]-to.Mods[1])
	case ranks[a] > 0 && ranks[b] > 0:
		return ranks[a] > ranks[b]
	}
	return a == "float8" && b == "float4"
}

// refuseTrigger judges a trigger that raises errors.
func (j *judge) refuseTrigger(n *pg.CreateTrigStmt) {
	t, name := j.schema.Relation(n.GetRelation()), j.schema.ObjectName(catalog.Strings(n.GetFuncname()))
	if old, ok := t.Triggers[n.GetTrigname()]; !j.written(t) || ok && old.Function == name || slices.Contains(j.gone(t).triggers, name) {
		return
	}
	for _, f := range j.schema.Functions[name] {
		if raises(f.Language, f.SQL, f.Body) {
			j.refuses(0, fmt.Sprintf("trigger %s refuses writes to %s for which %s() raises an error", catalog.Quote(n.GetTrigname()), t.Name, name), "")
			return
		}
	}
}

// refuseFunction judges a new body of a function that triggers call.
func (j bodyJudge) refuseFunction(n *pg.CreateFunctionStmt, language, body string) {
	name := j.schema.ObjectName(catalog.Strings(n.GetFuncname()))
	if j.at.line > 0 || !raises(language, j.at.statement.SQL, body) {
		return
	}
	for _, f := range j.schema.Functions[name] {
		if raises(f.Language, f.SQL, f.Body) {
			return
		}
	}
	for _, t := range j.schema.Calling(name) {
		if j.written(t) {
			j.refuses(0, fmt.Sprintf("writes to %s for which %s() raises an error from now on are refused", t.Name, name), "")
		}
	}
}

// raises reports whether a function may raise an error of its own.
func raises(language, create, body string) bool {
	return language == "plpgsql" && catalog.Raises(create, body)
}

// refuseDomain judges a domain that demands more of its values.
func (j *judge) refuseDomain(n *pg.AlterDomainStmt, d *catalog.UserType, name catalog.Name) {
	con := n.GetDef().GetConstraint()
	switch {
	case d != nil && j.unwritten(d.File):
	case n.GetSubtype() == "C" && con.GetContype() == pg.ConstrType_CONSTR_CHECK:
		if d == nil || !slices.ContainsFunc(d.Checks, func(c *catalog.Constraint) bool { return implies(c.Expr, con.GetRawExpr()) }) {
			j.refuses(0, fmt.Sprintf("values of domain %s that fail CHECK (%s) are refused", name, text(con.GetRawExpr())), domainCheck(name, con))
		}
	case n.GetSubtype() == "O" || n.GetSubtype() == "C" && con.GetContype() == pg.ConstrType_CONSTR_NOTNULL:
		if d == nil || !d.NotNull {
			j.refuses(0, fmt.Sprintf("a NULL of domain %s is refused", name), "")
		}
	}
}
