package lint

import (
	"maps"
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/specboard/platform/migrations/check/internal/catalog"
)

// newWords are words that a statement must contain before versions looks at it closely.
var newWords = append([]string{"json", "replace", "return", "nulls", "set null", "set default", "security_invoker", "merge", "compression", "include",
	"procedure", "call", "hash", "expression", "default", "storage", "multirange", "statistics", "search", "cycle", "inherit"}, slices.Sorted(maps.Keys(newFunctions))...)

// newFunctions are PostgreSQL's own functions that are newer than the oldest version,
// each with the version that brought it.
var newFunctions = map[string]int{
	"gen_random_uuid": 13, "date_bin": 14, "string_to_table": 14, "unistr": 14, "trim_array": 14, "range_agg": 14, "bit_count": 14,
	"regexp_count": 15, "regexp_instr": 15, "regexp_like": 15, "regexp_substr": 15,
	"random_normal": 16, "array_sample": 16, "array_shuffle": 16, "date_add": 16, "date_subtract": 16, "any_value": 16, "pg_input_is_valid": 16,
	"to_bin": 17, "to_oct": 17, "uuid_extract_timestamp": 17, "uuid_extract_version": 17,
	"uuidv7": 18, "uuidv4": 18, "array_sort": 18, "array_reverse": 18, "casefold": 18,
}

func mayBeNew(sql string) bool {
	sql = strings.ToLower(sql)
	return slices.ContainsFunc(newWords, func(w string) bool { return strings.Contains(sql, w) })
}

// newFunction reports a call of a function that the chosen server lacks, unless
// the schema or an extension may have it.
func (j *judge) newFunction(f *pg.FuncCall) {
	names := catalog.Strings(f.GetFuncname())
	if len(names) == 0 || !j.schema.Complete || len(j.schema.FindFunctions(names, len(f.GetArgs()))) > 0 {
		return
	}
	name := names[len(names)-1]
	if name == "gen_random_uuid" && j.schema.Others["extension pgcrypto"] {
		return
	}
	if since := newFunctions[name]; since > 0 {
		j.needs(since, name+"()")
	}
}

// versions reports syntax that the chosen server does not know.
func (j *judge) versions(node *pg.Node) {
	if j.at.line > 0 || j.postgres >= NewestPostgres || !mayBeNew(j.at.statement.SQL) {
		return
	}
	catalog.Walk(node, func(n *pg.Node) bool {
		switch n := n.GetNode().(type) {
		case *pg.Node_FuncCall:
			j.newFunction(n.FuncCall)
		case *pg.Node_CommonTableExpr:
			j.needsIf(n.CommonTableExpr.GetSearchClause() != nil || n.CommonTableExpr.GetCycleClause() != nil, 14, "SEARCH and CYCLE")
		case *pg.Node_StatsElem:
			j.needsIf(n.StatsElem.GetExpr() != nil, 14, "statistics of an expression")
		case *pg.Node_GrantRoleStmt:
			for _, o := range n.GrantRoleStmt.GetOpt() {
				if name := o.GetDefElem().GetDefname(); name == "inherit" || name == "set" {
					j.needs(16, "WITH "+strings.ToUpper(name))
				}
			}
		case *pg.Node_DefElem:
			j.needsIf(n.DefElem.GetDefname() == "multirange_type_name", 14, "a multirange")
		case *pg.Node_JsonTable:
			j.needs(17, "JSON_TABLE")
		case *pg.Node_JsonFuncExpr:
			j.needs(17, "JSON_QUERY, JSON_VALUE and JSON_EXISTS")
		case *pg.Node_JsonObjectConstructor, *pg.Node_JsonArrayConstructor, *pg.Node_JsonIsPredicate:
			j.needs(16, "JSON constructors and IS JSON")
		case *pg.Node_MergeStmt:
			j.needsIf(len(n.MergeStmt.GetReturningList()) > 0, 17, "MERGE … RETURNING")
		case *pg.Node_MergeWhenClause:
			j.needsIf(n.MergeWhenClause.GetMatchKind() == pg.MergeMatchKind_MERGE_WHEN_NOT_MATCHED_BY_SOURCE, 17, "WHEN NOT MATCHED BY SOURCE")
		case *pg.Node_Constraint:
			j.needsIf(n.Constraint.GetNullsNotDistinct(), 15, "NULLS NOT DISTINCT")
			j.needsIf(len(n.Constraint.GetFkDelSetCols()) > 0, 15, "ON DELETE SET NULL (columns)")
			j.needsIf(len(n.Constraint.GetIncluding()) > 0, 11, "INCLUDE")
		case *pg.Node_IndexStmt:
			j.needsIf(len(n.IndexStmt.GetIndexIncludingParams()) > 0, 11, "INCLUDE")
		case *pg.Node_ViewStmt:
			for _, o := range n.ViewStmt.GetOptions() {
				j.needsIf(o.GetDefElem().GetDefname() == "security_invoker", 15, "security_invoker")
			}
		case *pg.Node_CreateTrigStmt:
			j.needsIf(n.CreateTrigStmt.GetReplace(), 14, "CREATE OR REPLACE TRIGGER")
		case *pg.Node_CreateFunctionStmt:
			j.needsIf(n.CreateFunctionStmt.GetSqlBody() != nil, 14, "a function's body without quotes")
			j.needsIf(n.CreateFunctionStmt.GetIsProcedure(), 11, "CREATE PROCEDURE")
		case *pg.Node_CallStmt:
			j.needs(11, "CALL")
		case *pg.Node_ColumnDef:
			j.needsIf(strings.HasSuffix(typeText(n.ColumnDef.GetTypeName()), "multirange"), 14, "a multirange")
			j.needsIf(n.ColumnDef.GetCompression() != "", 14, "COMPRESSION")
			j.needsIf(n.ColumnDef.GetStorageName() != "", 16, "STORAGE of a new column")
		case *pg.Node_AlterTableCmd:
			j.needsIf(n.AlterTableCmd.GetSubtype() == pg.AlterTableType_AT_DropExpression, 13, "DROP EXPRESSION")
		}
		return true
	})
	j.needsIf(node.GetCreateStmt().GetPartbound().GetIsDefault(), 11, "a default partition")
	j.needsIf(node.GetCreateStmt().GetPartspec().GetStrategy() == pg.PartitionStrategy_PARTITION_STRATEGY_HASH, 11, "PARTITION BY HASH")
}
