package lint

import (
	"fmt"
	"regexp"

	pg "github.com/pganalyze/pg_query_go/v6"

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
