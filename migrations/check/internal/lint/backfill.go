package lint

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/specboard/platform/migrations"
	"github.com/specboard/platform/migrations/check/internal/catalog"
)

// key is the column that a backfill may walk along.
func key(t *catalog.Relation) string {
	for _, c := range t.Constraints {
		if c.Kind == catalog.Primary && len(c.Columns) > 0 {
			return c.Columns[0]
		}
	}
	return "id"
}

var plainName = regexp.MustCompile(`^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?$`)

// inBatches writes the file that runs a statement bound to $1 and $2 as a
// backfill.
func inBatches(t *catalog.Relation, sql string) string {
	header := fmt.Sprintf("-- backfill: table=%s key=%s batch=1000 pause=100ms", t.Name, key(t))
	switch {
	case !plainName.MatchString(t.Name.String()) || !plainName.MatchString(key(t)):
		header = "-- In batches by hand: the header of a backfill takes plain names only."
	case t.Known && t.Column(key(t)) == nil:
		header = "-- In batches by hand: the table has no primary key that a backfill could walk along."
	}
	return header + "\n\n" + sql
}

// fill writes the file that sets a column in batches.
func fill(t *catalog.Relation, column, expr string) string {
	return inBatches(t, fmt.Sprintf("UPDATE %s SET %s = %s\n WHERE %s IS NULL AND %s BETWEEN $1 AND $2;",
		t.Name, column, expr, column, catalog.Quote(key(t))))
}

// batched writes an UPDATE or DELETE as a backfill.
func batched(node *pg.Node, t *catalog.Relation) []string {
	column := catalog.Quote(key(t))
	if x := newTarget(node, t); x.joined {
		column = catalog.Quote(x.name) + "." + column
	}
	bounds, err := catalog.Expression(column + " BETWEEN $1 AND $2")
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
	return []string{inBatches(t, sql)}
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
	catalog.Walk(node, func(n *pg.Node) bool {
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
		switch operator := strings.Join(catalog.Strings(e.GetName()), ""); {
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
