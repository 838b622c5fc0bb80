package lint

import (
	"slices"
	"strconv"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/specboard/platform/migrations"
	"github.com/specboard/platform/migrations/check/internal/catalog"
	"github.com/specboard/platform/migrations/check/internal/syntax"
)

// writeTarget returns the table that a statement writes to, or nil.
func (j *judge) writeTarget(node *pg.Node) *catalog.Relation {
	var v *pg.RangeVar
	switch n := node.GetNode().(type) {
	case *pg.Node_UpdateStmt:
		v = n.UpdateStmt.GetRelation()
	case *pg.Node_DeleteStmt:
		v = n.DeleteStmt.GetRelation()
	case *pg.Node_InsertStmt:
		v = n.InsertStmt.GetRelation()
	case *pg.Node_MergeStmt:
		v = n.MergeStmt.GetRelation()
	}
	if v == nil {
		return nil
	}
	return j.schema.Relation(v)
}

func where(node *pg.Node) *pg.Node {
	switch n := node.GetNode().(type) {
	case *pg.Node_UpdateStmt:
		return n.UpdateStmt.GetWhereClause()
	case *pg.Node_DeleteStmt:
		return n.DeleteStmt.GetWhereClause()
	}
	return nil
}

func withClause(node *pg.Node) []*pg.Node {
	switch n := node.GetNode().(type) {
	case *pg.Node_UpdateStmt:
		return n.UpdateStmt.GetWithClause().GetCtes()
	case *pg.Node_DeleteStmt:
		return n.DeleteStmt.GetWithClause().GetCtes()
	case *pg.Node_InsertStmt:
		return n.InsertStmt.GetWithClause().GetCtes()
	case *pg.Node_SelectStmt:
		return n.SelectStmt.GetWithClause().GetCtes()
	case *pg.Node_MergeStmt:
		return n.MergeStmt.GetWithClause().GetCtes()
	}
	return nil
}

// write judges UPDATE, DELETE, INSERT and MERGE.
func (j *judge) write(node *pg.Node) {
	for _, cte := range withClause(node) {
		switch q := cte.GetCommonTableExpr().GetCtequery(); q.GetNode().(type) {
		case *pg.Node_UpdateStmt, *pg.Node_DeleteStmt, *pg.Node_InsertStmt, *pg.Node_MergeStmt:
			j.write(q)
		}
	}
	if j.migration.Backfill != nil && j.at.line == 0 {
		j.last = node
		return
	}
	t := j.writeTarget(node)
	switch n := node.GetNode().(type) {
	case *pg.Node_UpdateStmt:
		if !j.schema.New(t) && !j.bounded(node, t) {
			j.report(0, "unbatched-update", "it may change every row of "+t.Name.String(), j.batched(node, t)...)
		}
	case *pg.Node_DeleteStmt:
		if !j.schema.New(t) && !j.bounded(node, t) {
			j.report(0, "unbatched-delete", "it may delete every row of "+t.Name.String(), j.batched(node, t)...)
		}
	case *pg.Node_MergeStmt:
		j.needs(15, "MERGE")
		if !j.schema.New(t) {
			j.report(0, "unbatched-update", "it may change every row of "+t.Name.String())
		}
	case *pg.Node_InsertStmt:
		if source := j.readsExisting(n.InsertStmt.GetSelectStmt()); source != nil {
			j.reportf(0, "unbatched-insert", "all of %s is copied in one transaction", source.Name)
		}
	}
}

// batched writes an UPDATE or DELETE as a backfill.
func (j *judge) batched(node *pg.Node, t *catalog.Relation) []string {
	k := key(t)
	bounds, err := syntax.Expression(syntax.Quote(k) + " BETWEEN $1 AND $2")
	if err != nil {
		return nil
	}
	sql := deparse(node, func(n *pg.Node) {
		joined := bounds
		if old := where(n); old != nil {
			joined = &pg.Node{Node: &pg.Node_BoolExpr{BoolExpr: &pg.BoolExpr{Boolop: pg.BoolExprType_AND_EXPR, Args: []*pg.Node{old, bounds}}}}
		}
		switch n := n.GetNode().(type) {
		case *pg.Node_UpdateStmt:
			n.UpdateStmt.WhereClause = joined
		case *pg.Node_DeleteStmt:
			n.DeleteStmt.WhereClause = joined
		}
	})
	return []string{"-- backfill: table=" + strings.ReplaceAll(t.Name.String(), `"`, "") + " key=" + k + " batch=1000 pause=100ms\n\n" + sql}
}

// bounded reports whether an UPDATE or DELETE touches few rows by what it says:
// those of some keys, a short range of them, or a query with a small LIMIT.
func (j *judge) bounded(node *pg.Node, t *catalog.Relation) bool {
	parts := syntax.Conjuncts(where(node))
	var fixed []string
	for _, p := range parts {
		if column, ok := fixedColumn(p); ok {
			fixed = append(fixed, column)
		}
		if limited(p) {
			return true
		}
		if column, ok := shortRange(p); ok && t.Known && t.UniqueOn([]string{column}, nil) {
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

// fixedColumn reads column = constant and column IN (constants).
func fixedColumn(p *pg.Node) (string, bool) {
	e := p.GetAExpr()
	if e == nil || e.GetLexpr().GetColumnRef() == nil || len(e.GetName()) == 0 || e.GetName()[0].GetString_().GetSval() != "=" {
		return "", false
	}
	names := syntax.Columns(e.GetLexpr())
	if len(names) != 1 {
		return "", false
	}
	if l := e.GetRexpr().GetList(); l != nil {
		return names[0], !slices.ContainsFunc(l.GetItems(), func(n *pg.Node) bool { return !syntax.Constant(n) })
	}
	return names[0], e.GetKind() == pg.A_Expr_Kind_AEXPR_OP && syntax.Constant(e.GetRexpr())
}

// limited reads column IN (SELECT … LIMIT n).
func limited(p *pg.Node) bool {
	sub := p.GetSubLink()
	if sub == nil || sub.GetSubLinkType() != pg.SubLinkType_ANY_SUBLINK {
		return false
	}
	limit, ok := sub.GetSubselect().GetSelectStmt().GetLimitCount().GetAConst().GetVal().(*pg.A_Const_Ival)
	return ok && limit.Ival.GetIval() <= batchLimit
}

// shortRange reads column BETWEEN a AND b for numbers close together.
func shortRange(p *pg.Node) (string, bool) {
	e := p.GetAExpr()
	if e.GetKind() != pg.A_Expr_Kind_AEXPR_BETWEEN || e.GetLexpr().GetColumnRef() == nil {
		return "", false
	}
	ends := e.GetRexpr().GetList().GetItems()
	names := syntax.Columns(e.GetLexpr())
	if len(ends) != 2 || len(names) != 1 {
		return "", false
	}
	low, lok := ends[0].GetAConst().GetVal().(*pg.A_Const_Ival)
	high, hok := ends[1].GetAConst().GetVal().(*pg.A_Const_Ival)
	return names[0], lok && hok && int(high.Ival.GetIval())-int(low.Ival.GetIval()) <= batchLimit
}

func (j *judge) truncate(n *pg.TruncateStmt) {
	for _, r := range n.GetRelations() {
		t := j.schema.Relation(r.GetRangeVar())
		if j.schema.New(t) {
			continue
		}
		j.report(0, "truncate", "every row of "+t.Name.String()+" is gone at once",
			"-- backfill: table="+strings.ReplaceAll(t.Name.String(), `"`, "")+" key="+key(t)+" batch=1000 pause=100ms\n\nDELETE FROM "+t.Name.String()+" WHERE "+syntax.Quote(key(t))+" BETWEEN $1 AND $2;")
		if n.GetBehavior() == pg.DropBehavior_DROP_CASCADE {
			j.report(0, "truncate-cascade", "every table that refers to "+t.Name.String()+" is emptied as well")
		}
	}
}

// backfill judges what a batched file declares, once its statement is known.
func (j *judge) backfill() {
	b := j.migration.Backfill
	if b == nil || j.last == nil {
		return
	}
	schema, table := "", b.Table
	if s, t, ok := strings.Cut(b.Table, "."); ok {
		schema, table = s, t
	}
	t := j.schema.RelationAs(nonEmpty(schema, table), catalog.Table)
	if t.Known {
		column := t.Column(b.Key)
		switch {
		case column == nil:
			j.report(0, "backfill-key", t.Name.String()+" has no column "+b.Key)
		case !column.NotNull:
			j.report(0, "backfill-key", b.Key+" of "+t.Name.String()+" may be NULL: such rows are never reached")
		case !leads(t, []string{b.Key}):
			j.report(0, "backfill-key", "no index of "+t.Name.String()+" begins with "+b.Key+": every batch reads the whole table")
		}
	}
	if !boundToBatch(j.last, b) {
		j.report(0, "backfill-key", "the batch is not bound to its keys: write … WHERE "+b.Key+" BETWEEN $1 AND $2")
	}
}

func nonEmpty(parts ...string) []string {
	return slices.DeleteFunc(parts, func(p string) bool { return p == "" })
}

// leads reports whether an index begins with these columns in any order.
func leads(t *catalog.Relation, columns []string) bool {
	return slices.ContainsFunc(t.Indexes, func(i *catalog.Index) bool {
		if len(i.Columns) < len(columns) || i.Where != nil || i.Method != "" && i.Method != "btree" && i.Method != "hash" {
			return false
		}
		return !slices.ContainsFunc(i.Columns[:len(columns)], func(c string) bool { return !slices.Contains(columns, c) })
	})
}

// boundToBatch reports whether a condition bounds the key by $1 and $2.
func boundToBatch(node *pg.Node, b *migrations.Backfill) bool {
	low, high := false, false
	syntax.Walk(node, func(n *pg.Node) bool {
		e := n.GetAExpr()
		if e == nil || !isColumn(e.GetLexpr(), b.Key) {
			return true
		}
		if e.GetKind() == pg.A_Expr_Kind_AEXPR_BETWEEN {
			ends := e.GetRexpr().GetList().GetItems()
			if len(ends) == 2 && parameter(ends[0]) == 1 && parameter(ends[1]) == 2 {
				low, high = true, true
			}
			return true
		}
		switch operator := strings.Join(syntax.Strings(e.GetName()), ""); {
		case operator == ">=" && parameter(e.GetRexpr()) == 1:
			low = true
		case operator == "<=" && parameter(e.GetRexpr()) == 2:
			high = true
		}
		return true
	})
	return low && high
}

func parameter(n *pg.Node) int {
	if c := n.GetTypeCast(); c != nil {
		return parameter(c.GetArg())
	}
	return int(n.GetParamRef().GetNumber())
}

func integer(text string) (int, bool) {
	n, err := strconv.Atoi(text)
	return n, err == nil
}
