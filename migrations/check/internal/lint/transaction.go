package lint

import (
	"fmt"
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/specboard/platform/migrations"
	"github.com/specboard/platform/migrations/check/internal/catalog"
)

// heldLock is one that the transaction took in an earlier statement.
type heldLock struct {
	Lock
	line int
}

// heldLocks are those that the transaction has.
type heldLocks []heldLock

// add adds the locks of the statement in a line.
func (h *heldLocks) add(locks []Lock, line int) {
	for _, l := range locks {
		*h = append(*h, heldLock{l, line})
	}
}

// strongest returns the strongest lock of earlier statements that stops
// writers, on a table that clients write or, if it stops readers, read.
func (h heldLocks) strongest() (heldLock, bool) {
	var best heldLock
	for _, l := range h {
		blocks := l.Mode.BlocksWriters() && l.Relation.IsTable() || l.Mode == catalog.AccessExclusive && l.Relation.Kind != catalog.Sequence
		if blocks && l.Mode > best.Mode {
			best = l
		}
	}
	return best, best.Mode > 0
}

// transaction judges what a statement means for the transaction that it is in.
func (j *judge) transaction(node *pg.Node, locks []Lock) {
	if held, ok := j.held.strongest(); ok {
		j.workUnderLock(node, held)
	}
	j.twoTables(locks)
}

func (h heldLock) String() string {
	return fmt.Sprintf("%s on %s, taken in line %d", h.Mode, h.Relation.Name, h.line)
}

// workUnderLock reports statements that take their time while a lock of an
// earlier statement keeps others out.
func (j *judge) workUnderLock(node *pg.Node, held heldLock) {
	switch n := node.GetNode().(type) {
	case *pg.Node_AlterTableStmt:
		// VALIDATE of a constraint that this transaction added is judged with
		// the ALTER TABLE, also in the same statement.
		for _, c := range n.AlterTableStmt.GetCmds() {
			if cmd := c.GetAlterTableCmd(); cmd.GetSubtype() == pg.AlterTableType_AT_ValidateConstraint {
				t := j.schema.AlterTarget(n.AlterTableStmt)
				if !j.schema.New(t) {
					j.report(0, "validate-with-lock-held", fmt.Sprintf("VALIDATE CONSTRAINT %s reads all of %s while the transaction holds %s", catalog.Quote(cmd.GetName()), t.Name, held),
						validate(t, catalog.Quote(cmd.GetName())))
				}
			}
		}
	case *pg.Node_UpdateStmt, *pg.Node_DeleteStmt, *pg.Node_MergeStmt:
		if t := writeTarget(j.schema, node); !j.schema.New(t) && !j.bounded(node, t) {
			j.reportf(0, "backfill-with-ddl", "rows of %s are changed while the transaction holds %s", t.Name, held)
		}
	case *pg.Node_InsertStmt:
		if source := readsExisting(j.schema, n.InsertStmt.GetSelectStmt()); source != nil {
			j.reportf(0, "backfill-with-ddl", "rows are copied from %s while the transaction holds %s", source.Name, held)
		}
	case *pg.Node_SelectStmt, *pg.Node_CreateTableAsStmt:
		if source := readsExisting(j.schema, node); source != nil {
			j.reportf(0, "lock-held", "%s is read while the transaction holds %s", source.Name, held)
		}
		catalog.Walk(node, func(n *pg.Node) bool {
			if strings.HasPrefix(catalog.Last(catalog.Strings(n.GetFuncCall().GetFuncname())), "pg_sleep") {
				j.reportf(0, "lock-held", "it sleeps while the transaction holds %s", held)
			}
			return true
		})
	case *pg.Node_RefreshMatViewStmt:
		j.reportf(0, "lock-held", "the view's query runs while the transaction holds %s", held)
	case *pg.Node_VacuumStmt:
		if !n.VacuumStmt.GetIsVacuumcmd() {
			j.reportf(0, "lock-held", "ANALYZE samples the table while the transaction holds %s", held)
		}
	}
}

// readsExisting returns a table that a query reads row by row and that was
// there before the file, or nil.
func readsExisting(schema *catalog.Schema, query *pg.Node) *catalog.Relation {
	var found *catalog.Relation
	local := withNames(query)
	catalog.Walk(query, func(n *pg.Node) bool {
		if select_ := n.GetSelectStmt(); select_ != nil && (smallLimit(select_) || endOfIndex(schema, select_)) {
			return false
		}
		v := n.GetRangeVar()
		if v == nil || found != nil || v.GetSchemaname() == "" && local[v.GetRelname()] || systemSchema(v) {
			return found == nil
		}
		if r := schema.Relation(v); !schema.New(r) && r.Kind != catalog.Sequence {
			found = r
		}
		return found == nil
	})
	return found
}

func systemSchema(v *pg.RangeVar) bool {
	return v.GetSchemaname() == "pg_catalog" || v.GetSchemaname() == "information_schema" ||
		v.GetSchemaname() == "" && strings.HasPrefix(v.GetRelname(), "pg_")
}

// A query that stops after so many rows is a batch.
const batchLimit = 10_000

func smallLimit(s *pg.SelectStmt) bool {
	return fewRows(s) && len(s.GetSortClause()) == 0
}

// endOfIndex reports whether a query reads only the first or last entry of an
// index: SELECT max(id) FROM t.
func endOfIndex(schema *catalog.Schema, s *pg.SelectStmt) bool {
	if len(s.GetFromClause()) != 1 || s.GetFromClause()[0].GetRangeVar() == nil || s.GetWhereClause() != nil || len(s.GetGroupClause()) > 0 {
		return false
	}
	t := schema.Relation(s.GetFromClause()[0].GetRangeVar())
	for _, target := range s.GetTargetList() {
		found := false
		catalog.Walk(target, func(n *pg.Node) bool {
			f := n.GetFuncCall()
			names := catalog.Strings(f.GetFuncname())
			if len(names) == 1 && (names[0] == "max" || names[0] == "min") && len(f.GetArgs()) == 1 {
				if c, ok := columnOf(f.GetArgs()[0]); ok && leads(t, []string{c.name}) {
					found = true
				}
			}
			return !found
		})
		if !found {
			return false
		}
	}
	return len(s.GetTargetList()) > 0
}

// twoTables warns of a second table that the transaction locks.
func (j *judge) twoTables(locks []Lock) {
	for _, l := range locks {
		if l.Second || !l.Mode.BlocksWriters() || !l.Relation.IsTable() || j.held.on(l.Relation) {
			continue
		}
		for _, h := range j.held {
			if h.Second || !h.Mode.BlocksWriters() || !h.Relation.IsTable() || related(h.Relation, l.Relation) {
				continue
			}
			j.reportf(0, "two-tables", "%s is locked (%s) while the transaction holds %s", l.Relation.Name, l.Mode, h)
			return
		}
	}
}

func (h heldLocks) on(r *catalog.Relation) bool {
	return slices.ContainsFunc(h, func(l heldLock) bool { return l.Relation == r && l.Mode.BlocksWriters() })
}

// related reports whether two tables are partitions of one.
func related(a, b *catalog.Relation) bool {
	root := func(r *catalog.Relation) *catalog.Relation {
		for len(r.Parents) > 0 {
			r = r.Parents[0]
		}
		return r
	}
	return root(a) == root(b)
}

// enumValue is a value that the transaction added to an enum and cannot use yet.
type enumValue struct {
	value string
	line  int
}

func (j *judge) alterEnum(n *pg.AlterEnumStmt) {
	name := j.schema.ObjectName(catalog.Strings(n.GetTypeName()))
	t := j.schema.Types[name]
	isNew := t != nil && t.File == j.schema.File
	if n.GetOldVal() != "" {
		given := "value " + name.String() + " "
		if !isNew && !j.given[given+n.GetOldVal()] {
			j.unless(func() bool { return t != nil && slices.Contains(t.Labels, n.GetOldVal()) },
				func() {
					j.reportf(0, "rename-enum-value", "value %s of %s gets the name %s", n.GetOldVal(), name, n.GetNewVal())
				})
		}
		j.given[given+n.GetNewVal()] = true
		return
	}
	if isNew {
		return
	}
	line, _ := j.position(0)
	if j.postgres < 12 && !j.alone() {
		j.reportf(0, migrations.RuleTransaction, "PostgreSQL %d refuses ADD VALUE in a transaction: declare -- transaction: none", j.postgres)
	}
	if !j.alone() || j.at.line > 0 {
		j.added = append(j.added, enumValue{n.GetNewVal(), line})
	}
}

// enumUse reports the use of a value that the same transaction added.
func (j *judge) enumUse(node *pg.Node) {
	if len(j.added) == 0 || node.GetAlterEnumStmt() != nil || node.GetCommentStmt() != nil {
		return
	}
	catalog.Walk(node, func(n *pg.Node) bool {
		c, ok := n.GetAConst().GetVal().(*pg.A_Const_Sval)
		if !ok {
			return true
		}
		for _, v := range j.added {
			if v.value == c.Sval.GetSval() {
				j.reportf(n.GetAConst().GetLocation(), "enum-value-used", "value %q is used in the transaction that adds it (line %d)", v.value, v.line)
			}
		}
		return true
	})
}

func (j *judge) transactionStatement(n *pg.TransactionStmt) {
	if j.at.line == 0 {
		return // the file's reader has refused it
	}
	j.reportf(0, migrations.RuleTransaction, "%s ends the runner's transaction", strings.TrimPrefix(n.GetKind().String(), "TRANS_STMT_"))
}

// outside reports a statement in a body that PostgreSQL runs in no transaction
// block, and so in no function. In the file itself the runner sees to it.
func (j *judge) outside(node *pg.Node) {
	what := ""
	switch n := node.GetNode().(type) {
	case *pg.Node_IndexStmt:
		what = when(n.IndexStmt.GetConcurrent(), "CREATE INDEX CONCURRENTLY")
	case *pg.Node_DropStmt:
		what = when(n.DropStmt.GetConcurrent(), "DROP INDEX CONCURRENTLY")
	case *pg.Node_ReindexStmt:
		what = when(hasOption(n.ReindexStmt.GetParams(), "concurrently"), "REINDEX CONCURRENTLY")
	case *pg.Node_VacuumStmt:
		what = when(n.VacuumStmt.GetIsVacuumcmd(), "VACUUM")
	case *pg.Node_AlterTableStmt:
		for _, c := range n.AlterTableStmt.GetCmds() {
			if c.GetAlterTableCmd().GetDef().GetPartitionCmd().GetConcurrent() {
				what = "DETACH PARTITION CONCURRENTLY"
			}
		}
	}
	if what != "" && j.at.line > 0 {
		j.reportf(0, migrations.RuleTransaction, "PostgreSQL refuses %s in a function or DO block: make it a statement of the file", what)
	}
}

func when(yes bool, what string) string {
	if yes {
		return what
	}
	return ""
}
