package lint

import (
	"fmt"
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/specboard/platform/migrations"
	"github.com/specboard/platform/migrations/check/internal/catalog"
)

// alterTable judges an ALTER TABLE, INDEX, VIEW … action by action, each on the
// schema that those before it leave.
func (j tableJudge) alterTable(n *pg.AlterTableStmt) {
	t := j.schema.AlterTarget(n)
	if n.GetMissingOk() && j.absent(t) {
		return
	}
	isNew := j.schema.New(t)
	strong := false
	for _, c := range n.GetCmds() {
		cmd := c.GetAlterTableCmd()
		if cmd == nil {
			continue
		}
		if cmd.GetSubtype() != pg.AlterTableType_AT_ValidateConstraint {
			strong = true
		}
	}
	for _, cmd := range inPasses(n.GetCmds()) {
		if cmd.GetSubtype() == pg.AlterTableType_AT_ValidateConstraint && strong && !isNew && !validated(t, cmd.GetName()) {
			j.report(0, "validate-with-lock-held", fmt.Sprintf("VALIDATE CONSTRAINT %s reads all of %s under the lock that the other actions of this ALTER TABLE take",
				catalog.Quote(cmd.GetName()), t.Name), withoutValidate(n), validate(t, catalog.Quote(cmd.GetName())))
		}
		j.columnInUse(t, cmd)
		if !isNew {
			j.action(t, cmd)
		} else {
			j.newTableAction(t, cmd)
		}
		j.schema.AlterTable(t, cmd)
	}
}

// inPasses returns the actions in the order in which PostgreSQL takes them: what
// is dropped is gone before a type changes, and both before all else (AlterTable
// in src/backend/commands/tablecmds.c).
func inPasses(list []*pg.Node) []*pg.AlterTableCmd {
	passes := make([][]*pg.AlterTableCmd, 3)
	for _, n := range list {
		cmd, pass := n.GetAlterTableCmd(), 2
		switch cmd.GetSubtype() {
		case pg.AlterTableType_AT_DropColumn, pg.AlterTableType_AT_DropConstraint, pg.AlterTableType_AT_DropNotNull,
			pg.AlterTableType_AT_DropIdentity, pg.AlterTableType_AT_DropExpression:
			pass = 0
		case pg.AlterTableType_AT_AlterColumnType:
			pass = 1
		}
		if cmd != nil {
			passes[pass] = append(passes[pass], cmd)
		}
	}
	return slices.Concat(passes...)
}

// withoutValidate is the statement with only its other actions.
func withoutValidate(n *pg.AlterTableStmt) string {
	rest := &pg.AlterTableStmt{Relation: n.GetRelation(), Objtype: n.GetObjtype(), MissingOk: n.GetMissingOk()}
	for _, c := range n.GetCmds() {
		if c.GetAlterTableCmd().GetSubtype() != pg.AlterTableType_AT_ValidateConstraint {
			rest.Cmds = append(rest.Cmds, c)
		}
	}
	sql, err := catalog.Deparse(&pg.Node{Node: &pg.Node_AlterTableStmt{AlterTableStmt: rest}})
	if err != nil {
		return "-- the other actions of the statement"
	}
	return sql + ";"
}

// validated reports whether a constraint is known to be valid already.
func validated(t *catalog.Relation, name string) bool {
	c := t.Constraint(name)
	return c != nil && c.Valid
}

// newTableAction judges the effects of an action on a table that the file made, as far
// as they reach beyond that table.
func (j tableJudge) newTableAction(t *catalog.Relation, cmd *pg.AlterTableCmd) {
	if def := cmd.GetDef().GetColumnDef(); def != nil && cmd.GetSubtype() == pg.AlterTableType_AT_AddColumn {
		j.columnDesign(def)
	}
	if cmd.GetSubtype() == pg.AlterTableType_AT_AttachPartition {
		j.attachPartition(t, cmd.GetDef().GetPartitionCmd())
	}
}

// action judges one action on a relation that was there before the file.
func (j tableJudge) action(t *catalog.Relation, cmd *pg.AlterTableCmd) {
	if t.Kind == catalog.ForeignTable {
		j.foreignTableAction(t, cmd)
		return
	}
	switch cmd.GetSubtype() {
	case pg.AlterTableType_AT_AddColumn:
		j.addColumn(t, cmd)
	case pg.AlterTableType_AT_DropColumn:
		if c := t.Column(cmd.GetName()); c != nil && c.File == j.schema.File {
			return
		}
		if cmd.GetMissingOk() && t.Known && t.Column(cmd.GetName()) == nil {
			return
		}
		settled := func() bool { return false }
		if c := t.Column(cmd.GetName()); c != nil {
			settled = j.otherColumn(t, c)
		}
		j.unless(settled, func() { j.reportf(0, "drop-column", "column %s of %s goes away", catalog.Quote(cmd.GetName()), t.Name) })
		j.cascade(cmd.GetBehavior(), "column "+catalog.Quote(cmd.GetName()))
	case pg.AlterTableType_AT_AlterColumnType:
		j.changeType(t, cmd)
	case pg.AlterTableType_AT_SetNotNull:
		j.setNotNull(t, cmd.GetName())
	case pg.AlterTableType_AT_DropNotNull:
		if c := t.Column(cmd.GetName()); c == nil || c.NotNull && c.File != j.schema.File {
			d := j.gone(t)
			d.notNull = append(d.notNull, cmd.GetName())
			j.unless(func() bool { now := t.Column(cmd.GetName()); return c != nil && (now == nil || now.NotNull) },
				func() {
					j.reportf(0, "drop-not-null", "column %s of %s may be NULL from now on", catalog.Quote(cmd.GetName()), t.Name)
				})
		}
	case pg.AlterTableType_AT_ColumnDefault:
		if !catalog.Given(cmd.GetDef()) {
			j.dropDefault(t, cmd.GetName(), "default", cmd.GetDef() != nil)
		}
	case pg.AlterTableType_AT_DropIdentity:
		j.dropDefault(t, cmd.GetName(), "identity", false)
	case pg.AlterTableType_AT_AddIdentity, pg.AlterTableType_AT_SetIdentity:
		j.identity(t, cmd)
	case pg.AlterTableType_AT_DropExpression:
		if c := t.Column(cmd.GetName()); cmd.GetMissingOk() && c != nil && !c.Generated {
			return
		}
		// the old rows keep their values, and new ones get none
		j.reportf(0, "drop-default", "column %s of %s is no longer computed: rows that the running release inserts lack it", catalog.Quote(cmd.GetName()), t.Name)
	case pg.AlterTableType_AT_SetExpression:
		j.reportf(0, "set-expression", "column %s of %s is computed anew for every row", catalog.Quote(cmd.GetName()), t.Name)
		j.needs(17, "SET EXPRESSION")
	case pg.AlterTableType_AT_AddConstraint:
		j.addConstraint(t, cmd.GetDef().GetConstraint())
	case pg.AlterTableType_AT_DropConstraint:
		j.dropConstraint(t, cmd)
	case pg.AlterTableType_AT_AttachPartition:
		j.attachPartition(t, cmd.GetDef().GetPartitionCmd())
	case pg.AlterTableType_AT_DetachPartition:
		j.detachPartition(t, cmd.GetDef().GetPartitionCmd())
	case pg.AlterTableType_AT_SetLogged, pg.AlterTableType_AT_SetUnLogged:
		if to := cmd.GetSubtype() == pg.AlterTableType_AT_SetUnLogged; !t.Known || t.Unlogged != to {
			j.reportf(0, "set-logged", "%s is rewritten", t.Name)
		}
	case pg.AlterTableType_AT_SetTableSpace:
		j.setTablespace(t, cmd.GetName())
	case pg.AlterTableType_AT_SetAccessMethod:
		j.reportf(0, "set-access-method", "%s is rewritten", t.Name)
		j.needs(15, "SET ACCESS METHOD")
	case pg.AlterTableType_AT_EnableRowSecurity, pg.AlterTableType_AT_ForceRowSecurity:
		if !t.RowSecurity && !j.given["row security "+t.Name.String()] || cmd.GetSubtype() == pg.AlterTableType_AT_ForceRowSecurity { // FORCE applies to the owner
			j.reportf(0, "enable-row-security", "rows of %s are hidden from roles that no policy lets through", t.Name)
		}
	case pg.AlterTableType_AT_ChangeOwner:
		j.changeOwner("relation "+t.Name.String(), t.Name.String(), cmd.GetNewowner())
	case pg.AlterTableType_AT_SetCompression:
		j.needs(14, "SET COMPRESSION")
	case pg.AlterTableType_AT_EnableTrig, pg.AlterTableType_AT_EnableAlwaysTrig, pg.AlterTableType_AT_EnableReplicaTrig,
		pg.AlterTableType_AT_EnableTrigAll, pg.AlterTableType_AT_EnableTrigUser:
		j.enabled[t.Name.String()+" "+strings.ToLower(strings.TrimPrefix(cmd.GetSubtype().String(), "AT_Enable"))+cmd.GetName()] = true
	case pg.AlterTableType_AT_DisableTrig, pg.AlterTableType_AT_DisableTrigAll, pg.AlterTableType_AT_DisableTrigUser:
		if trigger, known := t.Triggers[cmd.GetName()]; !known || trigger.File != j.schema.File {
			key := t.Name.String() + " " + strings.ToLower(strings.TrimPrefix(cmd.GetSubtype().String(), "AT_Disable")) + cmd.GetName()
			delete(j.enabled, key)
			j.unless(func() bool {
				return j.enabled[key] || j.enabled[t.Name.String()+" trigall"] || j.enabled[t.Name.String()+" triguser"] && !strings.HasSuffix(key, " trigall")
			}, func() {
				j.reportf(0, "drop-trigger", "DISABLE TRIGGER on %s: the running release relies on what it does", t.Name)
			})
		}
	case pg.AlterTableType_AT_DisableRowSecurity:
		j.given["row security "+t.Name.String()] = t.RowSecurity
	case pg.AlterTableType_AT_ValidateConstraint, pg.AlterTableType_AT_SetStatistics, pg.AlterTableType_AT_SetOptions, pg.AlterTableType_AT_ResetOptions,
		pg.AlterTableType_AT_SetStorage, pg.AlterTableType_AT_AlterConstraint, pg.AlterTableType_AT_ClusterOn,
		pg.AlterTableType_AT_DropCluster, pg.AlterTableType_AT_SetRelOptions, pg.AlterTableType_AT_ResetRelOptions, pg.AlterTableType_AT_ReplaceRelOptions,
		pg.AlterTableType_AT_NoForceRowSecurity, pg.AlterTableType_AT_ReplicaIdentity,
		pg.AlterTableType_AT_DetachPartitionFinalize, pg.AlterTableType_AT_EnableRule, pg.AlterTableType_AT_EnableAlwaysRule,
		pg.AlterTableType_AT_EnableReplicaRule, pg.AlterTableType_AT_DisableRule, pg.AlterTableType_AT_AddInherit, pg.AlterTableType_AT_AddOf,
		pg.AlterTableType_AT_DropOf, pg.AlterTableType_AT_GenericOptions, pg.AlterTableType_AT_AlterColumnGenericOptions:
	case pg.AlterTableType_AT_DropInherit:
		j.reportf(0, "detach-partition", "rows of %s leave its parent at once", t.Name)
	default:
		j.reportf(0, "not-judged", "%s: this linter does not know what the action locks or breaks", cmd.GetSubtype())
	}
}

// foreignTableAction judges a table whose rows are elsewhere: nothing is read or
// written, but names still break.
func (j tableJudge) foreignTableAction(t *catalog.Relation, cmd *pg.AlterTableCmd) {
	if cmd.GetSubtype() == pg.AlterTableType_AT_DropColumn {
		j.reportf(0, "drop-column", "column %s of %s goes away", catalog.Quote(cmd.GetName()), t.Name)
	}
}

// columnInUse reports ALTER COLUMN TYPE and DROP COLUMN that PostgreSQL refuses.
func (j tableJudge) columnInUse(t *catalog.Relation, cmd *pg.AlterTableCmd) {
	does := map[pg.AlterTableType]string{pg.AlterTableType_AT_AlterColumnType: "change the type of", pg.AlterTableType_AT_DropColumn: "drop"}[cmd.GetSubtype()]
	if does == "" || cmd.GetBehavior() == pg.DropBehavior_DROP_CASCADE || t.Kind == catalog.Composite {
		return
	}
	if list := j.schema.DependsOn(t, cmd.GetName()); len(list) > 0 {
		j.reportf(0, "column-in-use", "PostgreSQL refuses to %s column %s of %s, which is used by %s", does, catalog.Quote(cmd.GetName()), t.Name, strings.Join(list, ", "))
	}
}

// needs reports a statement that the server's version does not know.
func (j *judge) needs(version int, what string) {
	if j.postgres < version {
		j.reportf(0, migrations.RuleUnsupported, "%s needs PostgreSQL %d; this is for %d", what, version, j.postgres)
	}
}

// needsIf is needs for what a statement may use.
func (j *judge) needsIf(used bool, version int, what string) {
	if used {
		j.needs(version, what)
	}
}

func (j tableJudge) cascade(behavior pg.DropBehavior, what string) {
	if behavior == pg.DropBehavior_DROP_CASCADE {
		j.reportf(0, "drop-cascade", "whatever depends on %s is dropped as well", what)
	}
}

// dropDefault judges a column that loses its default or identity; a NULL that is
// written hides the default of a domain, too.
func (j tableJudge) dropDefault(t *catalog.Relation, column, what string, written bool) {
	c := t.Column(column)
	if c != nil && numbers(c.Default) {
		j.given["numbered "+t.Name.String()+"."+column] = true
	}
	if c != nil && (!c.NotNull || what == "default" && !catalog.Given(c.Default) && (!written || c.Default != nil || !catalog.Given(j.schema.Default(c.Type)))) {
		return
	}
	if c == nil && t.Known || c != nil && what == "default" && (c.Identity || c.Generated) {
		return
	}
	j.unless(func() bool {
		now := t.Column(column)
		return c != nil && (now == nil || !now.NotNull || now.Identity || now.Generated || catalog.Given(now.Default))
	}, func() {
		j.reportf(0, "drop-default", "column %s of %s loses its %s and cannot be NULL: an INSERT that leaves it out fails", catalog.Quote(column), t.Name, what)
	})
}

func (j tableJudge) identity(t *catalog.Relation, cmd *pg.AlterTableCmd) {
	always := cmd.GetDef().GetConstraint().GetGeneratedWhen() == "a"
	for _, o := range cmd.GetDef().GetList().GetItems() {
		e := o.GetDefElem()
		always = always || e.GetDefname() == "generated" && e.GetArg().GetInteger().GetIval() == 'a'
		if e.GetDefname() == "restart" {
			j.setBack(t.Name.String()+"."+catalog.Quote(cmd.GetName()), t)
		}
	}
	if c := t.Column(cmd.GetName()); always && (c == nil || c.File != j.schema.File) {
		j.reportf(0, "identity-always", "column %s of %s no longer takes a value from an INSERT", catalog.Quote(cmd.GetName()), t.Name)
	}
	if cmd.GetSubtype() == pg.AlterTableType_AT_AddIdentity && j.given["numbered "+t.Name.String()+"."+cmd.GetName()] {
		j.numberedAnew(t, cmd.GetName())
	}
}

// numbers reports whether a default takes the next number of a sequence.
func numbers(def *pg.Node) bool {
	return catalog.Last(catalog.Strings(def.GetFuncCall().GetFuncname())) == "nextval"
}

// numberedAnew reports an identity that replaces the numbers of a sequence, unless the
// file tells it where to begin. The dropped sequence is a finding of its own.
func (j tableJudge) numberedAnew(t *catalog.Relation, column string) {
	owned := func(ok func(*catalog.Relation) bool) bool {
		for _, r := range j.schema.Relations {
			if r.Kind == catalog.Sequence && r.Owner == t && ok(r) {
				return true
			}
		}
		return false
	}
	if !owned(func(r *catalog.Relation) bool { return !j.schema.New(r) }) {
		return
	}
	j.unless(func() bool { return owned(func(r *catalog.Relation) bool { return j.schema.New(r) && j.ahead(r) }) }, func() {
		j.reportf(0, "sequence-set-back", "column %s of %s is numbered from the beginning again", catalog.Quote(column), t.Name)
	})
}

func (j tableJudge) setTablespace(t *catalog.Relation, space string) {
	if t.Kind == catalog.Partitioned {
		return // only where new partitions go
	}
	j.reportf(0, "set-tablespace", "the files of %s are copied to %s", t.Name, catalog.Quote(space))
}
