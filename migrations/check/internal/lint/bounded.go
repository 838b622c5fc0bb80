package lint

import (
	"cmp"
	"slices"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/specboard/platform/migrations/check/internal/catalog"
)

// target is the table that an UPDATE or DELETE changes, as its condition may
// name it.
type target struct {
	*catalog.Relation
	name string // the alias, or the table's own name
	// joined is set if the statement names other tables, too. A condition on
	// their columns does not limit the rows of this one.
	joined bool
}

func newTarget(node *pg.Node, t *catalog.Relation) target {
	u, d := node.GetUpdateStmt(), node.GetDeleteStmt()
	return target{Relation: t, name: calledAs(cmp.Or(u.GetRelation(), d.GetRelation())), joined: len(u.GetFromClause())+len(d.GetUsingClause()) > 0}
}

// column returns the column of the target that an expression consists of; ok is
// false if it is anything else.
func (t target) column(expr *pg.Node) (name string, ok bool) {
	names := catalog.Strings(expr.GetColumnRef().GetFields())
	switch len(names) {
	case 0:
		return "", false
	case 1:
		return names[0], names[0] != "" && (!t.joined || t.Known && t.Column(names[0]) != nil)
	}
	return names[len(names)-1], names[len(names)-2] == t.name
}

// unique reports whether a column has a different value in every row. If the table
// is unknown, its column id is taken to be unique.
func (t target) unique(column string) bool {
	return column == "ctid" || t.Known && t.UniqueOn([]string{column}, nil) || !t.Known && column == "id"
}

// bounded reports whether the condition of an UPDATE or DELETE limits it to few rows:
// to some keys, to a short range of keys, or to a query with a small LIMIT. In a loop
// such a query limits nothing, since all its runs are in one transaction.
func (j *judge) bounded(node *pg.Node, relation *catalog.Relation) bool {
	return j.boundedBy(newTarget(node, relation), where(node))
}

func (j *judge) boundedBy(t target, condition *pg.Node) bool {
	var fixed []string
	for _, p := range catalog.Conjuncts(condition) {
		if column, ok := t.fixed(p); ok {
			fixed = append(fixed, column)
		}
		if !j.at.loop && j.limited(t, p) {
			return true
		}
		if column, ok := t.shortRange(p); ok && t.Known && t.unique(column) {
			return true
		}
	}
	if !t.Known {
		return slices.Contains(fixed, "id")
	}
	for _, i := range t.Indexes {
		if i.Unique && i.Where == nil && len(i.Exprs) == 0 && !slices.ContainsFunc(i.Columns, func(c string) bool { return !slices.Contains(fixed, c) }) {
			return true
		}
	}
	return false
}

// fixed recognises column = constant, column IN (constants) and column = ANY
// (constants).
func (t target) fixed(p *pg.Node) (string, bool) {
	e := p.GetAExpr()
	if e == nil || len(e.GetName()) == 0 || e.GetName()[0].GetString_().GetSval() != "=" {
		return "", false
	}
	column, ok := t.column(e.GetLexpr())
	if !ok {
		return "", false
	}
	values := listed(e)
	switch kind := e.GetKind(); {
	case values != nil:
	case kind == pg.A_Expr_Kind_AEXPR_OP, kind == pg.A_Expr_Kind_AEXPR_OP_ANY:
		values = []*pg.Node{e.GetRexpr()}
	default:
		return "", false
	}
	return column, !slices.ContainsFunc(values, func(n *pg.Node) bool { return !catalog.Constant(n) })
}

// limited recognises column IN (SELECT … LIMIT n) and column = ANY (ARRAY(SELECT …
// LIMIT n)). Each value must stand for one row.
func (j *judge) limited(t target, p *pg.Node) bool {
	sub, test := p.GetSubLink(), p.GetSubLink().GetTestexpr()
	if e := p.GetAExpr(); e.GetKind() == pg.A_Expr_Kind_AEXPR_OP_ANY {
		sub, test = e.GetRexpr().GetSubLink(), e.GetLexpr()
		if sub.GetSubLinkType() != pg.SubLinkType_ARRAY_SUBLINK {
			return false
		}
	} else if sub == nil || sub.GetSubLinkType() != pg.SubLinkType_ANY_SUBLINK {
		return false
	}
	query := sub.GetSubselect().GetSelectStmt()
	if !fewRows(query) {
		return false
	}
	if column, ok := t.column(test); ok && t.unique(column) {
		return true
	}
	// With several columns, or an unknown table, it is bounded if the query reads
	// the same table.
	from := query.GetFromClause()
	own := len(from) == 1 && from[0].GetRangeVar() != nil && j.schema.Relation(from[0].GetRangeVar()) == t.Relation
	return own && (test.GetRowExpr() != nil || !t.Known)
}

// fewRows reports whether a query has a LIMIT of a batch at most.
func fewRows(query *pg.SelectStmt) bool {
	limit, ok := query.GetLimitCount().GetAConst().GetVal().(*pg.A_Const_Ival)
	return ok && limit.Ival.GetIval() <= batchLimit
}

// shortRange recognises column BETWEEN a AND b for numbers close together.
func (t target) shortRange(p *pg.Node) (string, bool) {
	e := p.GetAExpr()
	if e.GetKind() != pg.A_Expr_Kind_AEXPR_BETWEEN {
		return "", false
	}
	ends := e.GetRexpr().GetList().GetItems()
	column, ok := t.column(e.GetLexpr())
	if !ok || len(ends) != 2 {
		return "", false
	}
	low, lok := ends[0].GetAConst().GetVal().(*pg.A_Const_Ival)
	high, hok := ends[1].GetAConst().GetVal().(*pg.A_Const_Ival)
	return column, lok && hok && int(high.Ival.GetIval())-int(low.Ival.GetIval()) <= batchLimit
}
