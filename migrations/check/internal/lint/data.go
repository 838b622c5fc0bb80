package lint

import (
	"cmp"
	"slices"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/specboard/platform/migrations"
	"github.com/specboard/platform/migrations/check/internal/catalog"
)

// writeTarget returns the table that a statement writes to, or nil.
func writeTarget(schema *catalog.Schema, node *pg.Node) *catalog.Relation {
	v := cmp.Or(node.GetUpdateStmt().GetRelation(), node.GetDeleteStmt().GetRelation(), node.GetInsertStmt().GetRelation(), node.GetMergeStmt().GetRelation())
	if v == nil {
		return nil
	}
	return schema.Relation(v)
}

func where(node *pg.Node) *pg.Node {
	return cmp.Or(node.GetUpdateStmt().GetWhereClause(), node.GetDeleteStmt().GetWhereClause())
}

func withClause(node *pg.Node) []*pg.Node {
	return cmp.Or(node.GetUpdateStmt().GetWithClause(), node.GetDeleteStmt().GetWithClause(), node.GetInsertStmt().GetWithClause(),
		node.GetSelectStmt().GetWithClause(), node.GetMergeStmt().GetWithClause()).GetCtes()
}

// calledAs is the name that a statement has for a table: its alias or its own name.
func calledAs(v *pg.RangeVar) string { return cmp.Or(v.GetAlias().GetAliasname(), v.GetRelname()) }

// write judges UPDATE, DELETE, INSERT and MERGE.
func (j *judge) write(node *pg.Node) {
	for _, cte := range withClause(node) {
		if q := cte.GetCommonTableExpr().GetCtequery(); writes(q) {
			j.write(q)
		}
	}
	if j.migration.Backfill != nil && j.at.line == 0 {
		return // judged as a batch
	}
	t := writeTarget(j.schema, node)
	if migrations.RecordsMigrations(t.Name.Name) {
		return // as many rows as there are migrations
	}
	switch n := node.GetNode().(type) {
	case *pg.Node_UpdateStmt:
		if !j.schema.New(t) && !j.bounded(node, t) {
			j.report(0, "unbatched-update", "it may change every row of "+t.Name.String(), batched(node, t)...)
		}
	case *pg.Node_DeleteStmt:
		if !j.schema.New(t) && !j.bounded(node, t) {
			j.report(0, "unbatched-delete", "it may delete every row of "+t.Name.String(), batched(node, t)...)
		}
	case *pg.Node_MergeStmt:
		j.needs(15, "MERGE")
		if !j.schema.New(t) {
			j.report(0, "unbatched-update", "it may change every row of "+t.Name.String())
		}
	case *pg.Node_InsertStmt:
		if source := readsExisting(j.schema, n.InsertStmt.GetSelectStmt()); source != nil {
			j.reportf(0, "unbatched-insert", "all of %s is copied in one transaction", source.Name)
		}
	}
}

// rowLocks judges SELECT … FOR UPDATE and its kin, in a statement or inside one.
func (j *judge) rowLocks(node *pg.Node) {
	with := withNames(node)
	catalog.Walk(node, func(n *pg.Node) bool {
		query := n.GetSelectStmt()
		if fewRows(query) && !j.at.loop {
			return true
		}
		for _, clause := range query.GetLockingClause() {
			c := clause.GetLockingClause()
			for _, v := range lockedTables(query, c) {
				t := j.schema.Relation(v)
				if with[v.GetRelname()] && v.GetSchemaname() == "" || j.schema.New(t) || migrations.RecordsMigrations(t.Name.Name) {
					continue
				}
				as := target{Relation: t, name: calledAs(v), joined: len(query.GetFromClause()) > 1 || query.GetFromClause()[0].GetJoinExpr() != nil}
				if !j.boundedBy(as, query.GetWhereClause()) {
					j.reportf(0, "row-locks", "it may lock every row of %s", t.Name)
				}
			}
		}
		return true
	})
}

// withNames returns the names of the common table expressions of a statement.
func withNames(node *pg.Node) map[string]bool {
	names := map[string]bool{}
	catalog.Walk(node, func(n *pg.Node) bool {
		if c := n.GetCommonTableExpr(); c != nil {
			names[c.GetCtename()] = true
		}
		return true
	})
	return names
}

// lockedTables returns the tables whose rows a locking clause locks: those that it
// names, or all that the query reads.
func lockedTables(query *pg.SelectStmt, clause *pg.LockingClause) []*pg.RangeVar {
	var list []*pg.RangeVar
	for _, f := range query.GetFromClause() {
		catalog.Walk(f, func(n *pg.Node) bool {
			v := n.GetRangeVar()
			if v != nil && (len(clause.GetLockedRels()) == 0 || slices.ContainsFunc(clause.GetLockedRels(), func(l *pg.Node) bool {
				return l.GetRangeVar().GetRelname() == calledAs(v)
			})) {
				list = append(list, v)
			}
			return n.GetRangeSubselect() == nil // its own clause, or LIMIT, is another matter
		})
	}
	return list
}

func (j *judge) truncate(n *pg.TruncateStmt) {
	for _, r := range n.GetRelations() {
		t := j.schema.Relation(r.GetRangeVar())
		if j.schema.New(t) {
			continue
		}
		j.report(0, "truncate", "every row of "+t.Name.String()+" is gone at once",
			inBatches(t, "DELETE FROM "+t.Name.String()+" WHERE "+catalog.Quote(key(t))+" BETWEEN $1 AND $2;"))
		if n.GetBehavior() == pg.DropBehavior_DROP_CASCADE {
			j.report(0, "truncate-cascade", "every table that refers to "+t.Name.String()+" is emptied as well")
		}
	}
}
