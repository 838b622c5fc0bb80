package lint

import (
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/specboard/platform/migrations/check/internal/catalog"
)

// newWords are a cheap look for what versions looks at closely.
var newWords = []string{"json", "replace", "atomic", "nulls", "set null", "set default", "security_invoker", "merge", "compression", "include", "procedure", "call", "hash", "expression", "default"}

func mayBeNew(sql string) bool {
	sql = strings.ToLower(sql)
	return slices.ContainsFunc(newWords, func(w string) bool { return strings.Contains(sql, w) })
}

// versions reports syntax that the chosen server does not know.
func (j *judge) versions(node *pg.Node) {
	if j.at.line > 0 || j.postgres >= catalog.GrammarVersion || !mayBeNew(j.at.statement.SQL) {
		return
	}
	catalog.Walk(node, func(n *pg.Node) bool {
		switch n := n.GetNode().(type) {
		case *pg.Node_JsonTable:
			j.needs(17, "JSON_TABLE")
		case *pg.Node_JsonFuncExpr:
			j.needs(17, "JSON_QUERY, JSON_VALUE and JSON_EXISTS")
		case *pg.Node_JsonObjectConstructor, *pg.Node_JsonArrayConstructor, *pg.Node_JsonIsPredicate:
			j.needs(16, "JSON constructors and IS JSON")
		case *pg.Node_MergeStmt:
			if len(n.MergeStmt.GetReturningList()) > 0 {
				j.needs(17, "MERGE … RETURNING")
			}
		case *pg.Node_MergeWhenClause:
			if n.MergeWhenClause.GetMatchKind() == pg.MergeMatchKind_MERGE_WHEN_NOT_MATCHED_BY_SOURCE {
				j.needs(17, "WHEN NOT MATCHED BY SOURCE")
			}
		case *pg.Node_Constraint:
			if n.Constraint.GetNullsNotDistinct() {
				j.needs(15, "NULLS NOT DISTINCT")
			}
			if len(n.Constraint.GetFkDelSetCols()) > 0 {
				j.needs(15, "ON DELETE SET NULL (columns)")
			}
			if len(n.Constraint.GetIncluding()) > 0 {
				j.needs(11, "INCLUDE")
			}
		case *pg.Node_IndexStmt:
			if len(n.IndexStmt.GetIndexIncludingParams()) > 0 {
				j.needs(11, "INCLUDE")
			}
		case *pg.Node_ViewStmt:
			for _, o := range n.ViewStmt.GetOptions() {
				if o.GetDefElem().GetDefname() == "security_invoker" {
					j.needs(15, "security_invoker")
				}
			}
		case *pg.Node_CreateTrigStmt:
			if n.CreateTrigStmt.GetReplace() {
				j.needs(14, "CREATE OR REPLACE TRIGGER")
			}
		case *pg.Node_CreateFunctionStmt:
			if n.CreateFunctionStmt.GetSqlBody() != nil {
				j.needs(14, "a function's body without quotes")
			}
			if n.CreateFunctionStmt.GetIsProcedure() {
				j.needs(11, "CREATE PROCEDURE")
			}
		case *pg.Node_CallStmt:
			j.needs(11, "CALL")
		case *pg.Node_ColumnDef:
			if n.ColumnDef.GetCompression() != "" {
				j.needs(14, "COMPRESSION")
			}
		case *pg.Node_AlterTableCmd:
			if n.AlterTableCmd.GetSubtype() == pg.AlterTableType_AT_DropExpression {
				j.needs(13, "DROP EXPRESSION")
			}
		case *pg.Node_PartitionSpec:
			if n.PartitionSpec.GetStrategy() == pg.PartitionStrategy_PARTITION_STRATEGY_HASH {
				j.needs(11, "PARTITION BY HASH")
			}
		}
		return true
	})
	if node.GetCreateStmt().GetPartbound().GetIsDefault() {
		j.needs(11, "a default partition")
	}
	if node.GetCreateStmt().GetPartspec().GetStrategy() == pg.PartitionStrategy_PARTITION_STRATEGY_HASH {
		j.needs(11, "PARTITION BY HASH")
	}
}
