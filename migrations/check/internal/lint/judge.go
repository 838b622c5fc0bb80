package lint

import (
	"fmt"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/specboard/platform/migrations"
	"github.com/specboard/platform/migrations/check/internal/catalog"
)

// judge looks at one file, statement by statement. The methods for one family of
// statements are those of a type for the family, which adds no state.
type judge struct {
	run       Run
	schema    *catalog.Schema
	migration migrations.Migration
	postgres  int
	findings  []Finding
	// refused are the findings of the file's reader.
	refused []Finding
	// covered counts findings that the contract covers.
	covered int

	at place
	// held are the locks that the transaction has so far, of statements before.
	held heldLocks
	// added are the enum values that the transaction added.
	added []enumValue
	// utc is set once the file sets its time zone to UTC.
	utc bool
	// made are the roles that the file makes.
	made map[string]bool
	// provisional are findings that the transaction's end may make up for.
	provisional []provisional
	// given are names that the file gave by RENAME.
	given map[string]bool
	// setAhead are sequences that the file sets by what a query finds.
	setAhead map[string]bool
	// enabled are triggers that the file enables.
	enabled map[string]bool
	// recreated are the triggers, policies, views and indexes that later
	// statements of the file make.
	recreated map[string]bool
	// droppedOf is what the file took off tables.
	droppedOf map[*catalog.Relation]*dropped
	// calls is how deep functions call one another.
	calls int
	// last is the last statement that is no setting: that of a backfill.
	last *pg.Node
}

func newJudge(r Run, schema *catalog.Schema, m migrations.Migration) *judge {
	return &judge{run: r, schema: schema, migration: m, postgres: schema.Postgres,
		enabled: map[string]bool{}, setAhead: map[string]bool{}, given: map[string]bool{}, made: map[string]bool{}, droppedOf: map[*catalog.Relation]*dropped{}}
}

type (
	// tableJudge looks at tables, columns, constraints and partitions.
	tableJudge struct{ *judge }
	// indexJudge looks at indexes.
	indexJudge struct{ *judge }
	// nameJudge looks at what disappears under its name: by DROP, RENAME or SET SCHEMA.
	nameJudge struct{ *judge }
	// bodyJudge looks at functions and DO blocks, and at what calls them.
	bodyJudge struct{ *judge }
)

// place is where a statement stands: in the file, or in a body on one line.
type place struct {
	statement migrations.Statement
	// line is set inside a body, and in says which.
	line int
	in   string
	// loop is set where it may run many times.
	loop bool
}

func (j *judge) enter(s migrations.Statement) { j.at = place{statement: s} }

// position returns line and column of an offset in the statement.
func (j *judge) position(offset int32) (line, column int) {
	if j.at.line > 0 {
		return j.at.line, 0
	}
	at := j.at.statement.Offset + min(max(int(offset), 0), len(j.at.statement.SQL))
	before := j.migration.SQL[:min(at, len(j.migration.SQL))]
	return j.at.statement.Line + strings.Count(before[min(j.at.statement.Offset, len(before)):], "\n"), len(before) - strings.LastIndexByte(before, '\n')
}

// report adds a finding at an offset of the statement at hand.
func (j *judge) report(offset int32, rule, message string, instead ...string) {
	r, ok := findRule(rule)
	if !ok {
		r = Rule{ID: rule, Severity: Error}
	}
	if r.Class == Breaking && j.migration.Phase == migrations.Contract {
		j.covered++
		return
	}
	line, column := j.position(offset)
	if j.at.in != "" {
		message = j.at.in + ": " + message
	}
	j.findings = append(j.findings, Finding{File: j.migration.File, Line: line, Column: column, Rule: rule,
		Severity: r.Severity, Message: message, Why: r.Why, Lock: r.Lock, Instead: instead})
}

func (j *judge) reportf(offset int32, rule, format string, args ...any) {
	j.report(offset, rule, fmt.Sprintf(format, args...))
}

// alone reports whether every statement is a transaction of its own.
func (j *judge) alone() bool { return j.migration.Mode != migrations.Whole }

// statement judges one statement and applies it to the schema.
func (j *judge) statement(node *pg.Node) {
	locks, first := j.locks(node), len(j.findings)
	j.outside(node)
	j.versions(node)
	j.enumUse(node)
	j.transaction(node, locks)
	j.judge(node)
	j.small(locks, first)
	switch {
	case node.GetAlterTableStmt() != nil: // applied action by action
	case j.at.line > 0:
		j.schema.ApplyAt(node, "", j.at.line)
	default:
		j.schema.ApplyAt(node, j.at.statement.SQL, j.at.statement.Line)
	}
	line, _ := j.position(0)
	j.held.add(locks, line)
	if j.alone() && j.at.line == 0 {
		j.held, j.added = nil, nil
		j.endTransaction()
	}
}

// judge looks at one statement by itself.
func (j *judge) judge(node *pg.Node) {
	switch n := node.GetNode().(type) {
	case *pg.Node_AlterTableStmt:
		tableJudge{j}.alterTable(n.AlterTableStmt)
	case *pg.Node_CreateStmt:
		tableJudge{j}.createTable(n.CreateStmt)
	case *pg.Node_CreateForeignTableStmt:
		tableJudge{j}.createTable(n.CreateForeignTableStmt.GetBaseStmt())
	case *pg.Node_CreateTableAsStmt:
		if n.CreateTableAsStmt.GetIfNotExists() {
			j.queryThere(n.CreateTableAsStmt)
		}
		bodyJudge{j}.calledFunctions(node)
	case *pg.Node_IndexStmt:
		indexJudge{j}.createIndex(node, n.IndexStmt)
	case *pg.Node_DropStmt:
		nameJudge{j}.drop(n.DropStmt)
	case *pg.Node_RenameStmt:
		nameJudge{j}.rename(n.RenameStmt)
	case *pg.Node_AlterObjectSchemaStmt:
		nameJudge{j}.setSchema(n.AlterObjectSchemaStmt)
	case *pg.Node_ReindexStmt:
		indexJudge{j}.reindex(n.ReindexStmt)
	case *pg.Node_RefreshMatViewStmt:
		j.refresh(n.RefreshMatViewStmt)
	case *pg.Node_ClusterStmt:
		j.cluster(n.ClusterStmt)
	case *pg.Node_VacuumStmt:
		j.vacuum(n.VacuumStmt)
	case *pg.Node_LockStmt:
		j.lockTable(n.LockStmt)
	case *pg.Node_AlterDomainStmt:
		j.alterDomain(n.AlterDomainStmt)
	case *pg.Node_AlterEnumStmt:
		j.alterEnum(n.AlterEnumStmt)
	case *pg.Node_AlterTableMoveAllStmt:
		j.report(0, "set-tablespace", "it moves every table or index of a tablespace, one after the other")
	case *pg.Node_UpdateStmt, *pg.Node_DeleteStmt, *pg.Node_InsertStmt, *pg.Node_MergeStmt:
		j.write(node)
		if j.migration.Backfill == nil || j.at.line > 0 {
			j.rowLocks(node)
		}
		bodyJudge{j}.calledFunctions(node)
	case *pg.Node_SelectStmt:
		bodyJudge{j}.selectStatement(node, n.SelectStmt)
	case *pg.Node_TruncateStmt:
		j.truncate(n.TruncateStmt)
	case *pg.Node_DoStmt:
		bodyJudge{j}.do(n.DoStmt)
	case *pg.Node_CallStmt:
		bodyJudge{j}.call(n.CallStmt.GetFunccall())
		bodyJudge{j}.unknownFunction(n.CallStmt.GetFunccall())
	case *pg.Node_CreateFunctionStmt:
		bodyJudge{j}.createFunction(n.CreateFunctionStmt)
	case *pg.Node_VariableSetStmt:
		j.set(n.VariableSetStmt)
	case *pg.Node_AlterRoleSetStmt:
		of := "every role"
		if r := n.AlterRoleSetStmt.GetRole(); r != nil {
			of = roles([]*pg.Node{{Node: &pg.Node_RoleSpec{RoleSpec: r}}})
		}
		j.sessionDefault(of, n.AlterRoleSetStmt.GetSetstmt(), j.made[of])
	case *pg.Node_AlterDatabaseSetStmt:
		j.sessionDefault("the database "+catalog.Quote(n.AlterDatabaseSetStmt.GetDbname()), n.AlterDatabaseSetStmt.GetSetstmt(), false)
	case *pg.Node_CreateRoleStmt:
		j.password(n.CreateRoleStmt.GetOptions())
		j.made[catalog.Quote(n.CreateRoleStmt.GetRole())] = true
	case *pg.Node_AlterRoleStmt:
		j.alterRole(n.AlterRoleStmt)
	case *pg.Node_CreateUserMappingStmt:
		j.password(n.CreateUserMappingStmt.GetOptions())
	case *pg.Node_AlterUserMappingStmt:
		j.password(n.AlterUserMappingStmt.GetOptions())
	case *pg.Node_CreatePublicationStmt:
		j.publishes(n.CreatePublicationStmt.GetPubobjects(), n.CreatePublicationStmt.GetForAllTables(), n.CreatePublicationStmt.GetOptions())
	case *pg.Node_AlterPublicationStmt:
		if n.AlterPublicationStmt.GetAction() != pg.AlterPublicationAction_AP_DropObjects {
			j.publishes(n.AlterPublicationStmt.GetPubobjects(), n.AlterPublicationStmt.GetForAllTables(), n.AlterPublicationStmt.GetOptions())
		}
	case *pg.Node_AlterFunctionStmt:
		j.setOptions(n.AlterFunctionStmt.GetActions())
	case *pg.Node_TransactionStmt:
		j.transactionStatement(n.TransactionStmt)
	case *pg.Node_DropOwnedStmt:
		j.report(0, "drop-owned", "it drops whatever "+roles(n.DropOwnedStmt.GetRoles())+" owns")
	case *pg.Node_GrantStmt:
		j.grant(n.GrantStmt)
	case *pg.Node_GrantRoleStmt:
		if !n.GrantRoleStmt.GetIsGrant() {
			j.report(0, "revoke", "it takes the membership of a role away")
		}
	case *pg.Node_AlterOwnerStmt:
		j.alterOwner(n.AlterOwnerStmt)
	case *pg.Node_AlterSeqStmt:
		j.alterSequence(n.AlterSeqStmt)
	case *pg.Node_CreatePolicyStmt:
		j.createPolicy(n.CreatePolicyStmt)
	case *pg.Node_AlterPolicyStmt:
		j.alterPolicy(n.AlterPolicyStmt)
	case *pg.Node_ViewStmt:
		j.createView(n.ViewStmt)
	case *pg.Node_CreateTrigStmt:
		j.refuseTrigger(n.CreateTrigStmt)
	case *pg.Node_CreateEnumStmt, *pg.Node_CompositeTypeStmt,
		*pg.Node_CreateRangeStmt, *pg.Node_DefineStmt, *pg.Node_CreateDomainStmt, *pg.Node_CreateSchemaStmt, *pg.Node_CreateSeqStmt,
		*pg.Node_CreateExtensionStmt, *pg.Node_AlterExtensionStmt, *pg.Node_CommentStmt, *pg.Node_CreateStatsStmt,
		*pg.Node_AlterStatsStmt, *pg.Node_AlterDefaultPrivilegesStmt,
		*pg.Node_CreateCastStmt, *pg.Node_CreateOpClassStmt, *pg.Node_CreateOpFamilyStmt,
		*pg.Node_VariableShowStmt, *pg.Node_NotifyStmt,
		*pg.Node_ConstraintsSetStmt, *pg.Node_CreatePlangStmt, *pg.Node_AlterTypeStmt, *pg.Node_CreateConversionStmt,
		*pg.Node_SecLabelStmt, *pg.Node_ExplainStmt, *pg.Node_CreateEventTrigStmt, *pg.Node_AlterEventTrigStmt,
		*pg.Node_CreateFdwStmt, *pg.Node_CreateForeignServerStmt, *pg.Node_CreateTransformStmt,
		*pg.Node_AlterTsconfigurationStmt, *pg.Node_AlterTsdictionaryStmt, *pg.Node_AlterExtensionContentsStmt, *pg.Node_CreateAmStmt,
		*pg.Node_RuleStmt, *pg.Node_AlterObjectDependsStmt:
		j.harmless(node)
	default:
		j.refusedOrUnknown(node)
	}
}

// refusedOrUnknown reports a statement that no case above knows, unless the file's
// reader has refused it already.
func (j *judge) refusedOrUnknown(node *pg.Node) {
	if j.at.line == 0 && reportedAt(j.refused, j.at.statement) {
		return
	}
	kind := strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%T", node.GetNode()), "*pg_query.Node_"), "Stmt")
	j.reportf(0, "not-judged", "%s: this linter does not know what the statement locks or breaks", kind)
}

// harmless looks at statements that create something new or have an effect only for a
// moment. It judges only their parts, such as the functions that they call.
func (j *judge) harmless(node *pg.Node) {
	switch n := node.GetNode().(type) {
	case *pg.Node_CreateSeqStmt:
		if n.CreateSeqStmt.GetIfNotExists() {
			j.otherThing(n.CreateSeqStmt.GetSequence(), catalog.Sequence)
		}
	case *pg.Node_CreateSchemaStmt:
		for _, e := range n.CreateSchemaStmt.GetSchemaElts() {
			j.judge(e)
		}
	case *pg.Node_RuleStmt:
		if n.RuleStmt.GetEvent() == pg.CmdType_CMD_SELECT || n.RuleStmt.GetReplace() {
			return
		}
		if r := j.schema.Relation(n.RuleStmt.GetRelation()); !j.schema.New(r) {
			j.reportf(0, "not-judged", "CREATE RULE on %s changes what the running release's statements do", r.Name)
		}
	case *pg.Node_ExplainStmt:
		for _, o := range n.ExplainStmt.GetOptions() {
			if o.GetDefElem().GetDefname() == "analyze" {
				j.judge(n.ExplainStmt.GetQuery())
			}
		}
	}
}

func roles(list []*pg.Node) string {
	var names []string
	for _, n := range list {
		names = append(names, catalog.Quote(n.GetRoleSpec().GetRolename()))
	}
	return strings.Join(names, ", ")
}
