package lint

import (
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/specboard/platform/migrations/check/internal/catalog"
)

func (l *lockList) alterTable(n *pg.AlterTableStmt) {
	t := l.schema.AlterTarget(n)
	mode := catalog.Mode(0)
	for _, c := range n.GetCmds() {
		cmd := c.GetAlterTableCmd()
		mode = max(mode, l.action(t, cmd))
	}
	l.family(t, n.GetRelation().GetInh() && recurses(n), mode)
}

// recurses reports whether an ALTER TABLE also changes the tables that inherit: all do,
// except for a few that concern a single table.
func recurses(n *pg.AlterTableStmt) bool {
	for _, c := range n.GetCmds() {
		switch c.GetAlterTableCmd().GetSubtype() {
		case pg.AlterTableType_AT_AttachPartition, pg.AlterTableType_AT_DetachPartition, pg.AlterTableType_AT_DetachPartitionFinalize,
			pg.AlterTableType_AT_AddInherit, pg.AlterTableType_AT_DropInherit, pg.AlterTableType_AT_SetRelOptions, pg.AlterTableType_AT_ResetRelOptions,
			pg.AlterTableType_AT_EnableRowSecurity, pg.AlterTableType_AT_DisableRowSecurity, pg.AlterTableType_AT_ForceRowSecurity,
			pg.AlterTableType_AT_NoForceRowSecurity, pg.AlterTableType_AT_ReplicaIdentity, pg.AlterTableType_AT_ChangeOwner,
			pg.AlterTableType_AT_AddIdentity, pg.AlterTableType_AT_SetIdentity, pg.AlterTableType_AT_DropIdentity,
			pg.AlterTableType_AT_SetStatistics, pg.AlterTableType_AT_SetLogged, pg.AlterTableType_AT_SetUnLogged,
			pg.AlterTableType_AT_SetTableSpace, pg.AlterTableType_AT_SetAccessMethod:
		default:
			return true
		}
	}
	return false
}

// action returns the lock that one action takes on its table, and adds those
// that it takes on others.
func (l *lockList) action(t *catalog.Relation, cmd *pg.AlterTableCmd) catalog.Mode {
	switch cmd.GetSubtype() {
	case pg.AlterTableType_AT_SetStatistics, pg.AlterTableType_AT_ClusterOn, pg.AlterTableType_AT_DropCluster,
		pg.AlterTableType_AT_SetOptions, pg.AlterTableType_AT_ResetOptions, pg.AlterTableType_AT_ValidateConstraint:
		if cmd.GetSubtype() == pg.AlterTableType_AT_ValidateConstraint {
			if c := t.Constraint(cmd.GetName()); c != nil && c.Kind == catalog.Foreign {
				return catalog.ShareUpdateExclusive // and ROW SHARE on the other
			}
		}
		return catalog.ShareUpdateExclusive
	case pg.AlterTableType_AT_SetRelOptions, pg.AlterTableType_AT_ResetRelOptions:
		return storageMode(t, cmd)
	case pg.AlterTableType_AT_EnableTrig, pg.AlterTableType_AT_EnableAlwaysTrig, pg.AlterTableType_AT_EnableReplicaTrig, pg.AlterTableType_AT_DisableTrig,
		pg.AlterTableType_AT_EnableTrigAll, pg.AlterTableType_AT_DisableTrigAll, pg.AlterTableType_AT_EnableTrigUser, pg.AlterTableType_AT_DisableTrigUser:
		return catalog.ShareRowExclusive
	case pg.AlterTableType_AT_AddConstraint:
		c := cmd.GetDef().GetConstraint()
		if c.GetContype() == pg.ConstrType_CONSTR_FOREIGN {
			l.foreign(c)
			return catalog.ShareRowExclusive
		}
	case pg.AlterTableType_AT_AddColumn:
		for _, c := range cmd.GetDef().GetColumnDef().GetConstraints() {
			l.foreign(c.GetConstraint())
		}
	case pg.AlterTableType_AT_DropConstraint:
		l.dropConstraint(t, cmd.GetName())
	case pg.AlterTableType_AT_DropColumn:
		for _, c := range t.Constraints {
			if c.Kind == catalog.Foreign && slices.Contains(c.Columns, cmd.GetName()) {
				l.put(Lock{Relation: c.Target, Mode: catalog.AccessExclusive, Second: true})
			}
		}
	case pg.AlterTableType_AT_AttachPartition:
		p := cmd.GetDef().GetPartitionCmd()
		if t.Kind == catalog.IndexKind {
			return catalog.ShareUpdateExclusive
		}
		l.add(l.schema.Relation(p.GetName()), catalog.AccessExclusive)
		l.add(t.DefaultPartition(), catalog.AccessExclusive)
		return catalog.ShareUpdateExclusive
	case pg.AlterTableType_AT_DetachPartition, pg.AlterTableType_AT_DetachPartitionFinalize:
		p := cmd.GetDef().GetPartitionCmd()
		mode := catalog.AccessExclusive
		if p.GetConcurrent() || cmd.GetSubtype() == pg.AlterTableType_AT_DetachPartitionFinalize {
			mode = catalog.ShareUpdateExclusive
		}
		l.add(l.schema.Relation(p.GetName()), mode)
		if mode == catalog.AccessExclusive {
			l.add(t.DefaultPartition(), catalog.AccessExclusive)
		}
		return mode
	case pg.AlterTableType_AT_AddInherit, pg.AlterTableType_AT_DropInherit:
		l.add(l.schema.Relation(cmd.GetDef().GetRangeVar()), catalog.ShareUpdateExclusive)
	}
	return catalog.AccessExclusive
}

// storageMode is the lock for storage parameters: a weak one for those that only steer
// later work, as nearly all parameters of tables do.
func storageMode(t *catalog.Relation, cmd *pg.AlterTableCmd) catalog.Mode {
	if t.Kind == catalog.View {
		return catalog.AccessExclusive
	}
	for _, o := range cmd.GetDef().GetList().GetItems() {
		if o.GetDefElem().GetDefname() == "user_catalog_table" {
			return catalog.AccessExclusive
		}
	}
	return catalog.ShareUpdateExclusive
}

func (l *lockList) dropConstraint(t *catalog.Relation, name string) {
	if c := t.Constraint(name); c != nil && c.Kind == catalog.Foreign {
		l.put(Lock{Relation: c.Target, Mode: catalog.AccessExclusive, Second: true})
	}
}

func (l *lockList) drop(n *pg.DropStmt) {
	for _, o := range n.GetObjects() {
		parts := catalog.ObjectParts(o)
		switch n.GetRemoveType() {
		case pg.ObjectType_OBJECT_INDEX:
			r := l.schema.RelationAs(parts, catalog.IndexKind)
			mode := catalog.AccessExclusive
			if n.GetConcurrent() {
				mode = catalog.ShareUpdateExclusive
			}
			if l.schema.New(r) {
				continue
			}
			if r.Owner != nil && r.Owner.Name.Name != "" {
				l.family(r.Owner, true, mode)
			}
			l.add(r, mode)
		case pg.ObjectType_OBJECT_TRIGGER, pg.ObjectType_OBJECT_RULE, pg.ObjectType_OBJECT_POLICY:
			if t, name := l.schema.PartOf(parts); t != nil {
				if _, there := t.Triggers[name]; there || !n.GetMissingOk() || !t.Known || n.GetRemoveType() != pg.ObjectType_OBJECT_TRIGGER {
					l.add(t, catalog.AccessExclusive)
				}
			}
		case pg.ObjectType_OBJECT_FUNCTION, pg.ObjectType_OBJECT_PROCEDURE, pg.ObjectType_OBJECT_ROUTINE:
			if n.GetBehavior() == pg.DropBehavior_DROP_CASCADE {
				for _, r := range l.schema.Calling(l.schema.ObjectName(parts)) {
					l.add(r, catalog.AccessExclusive)
				}
			}
		case pg.ObjectType_OBJECT_SCHEMA:
			for _, r := range l.schema.In(strings.Join(parts, "")) {
				if r.Kind != catalog.IndexKind && r.Kind != catalog.Sequence {
					l.add(r, catalog.AccessExclusive)
				}
			}
		default:
			kind, ok := catalog.RelationKind(n.GetRemoveType())
			if !ok {
				continue
			}
			r := l.schema.RelationAs(parts, kind)
			l.family(r, true, catalog.AccessExclusive)
			if l.schema.New(r) {
				continue
			}
			for _, c := range r.Constraints {
				if c.Kind == catalog.Foreign {
					l.put(Lock{Relation: c.Target, Mode: catalog.AccessExclusive, Second: true})
				}
			}
			for _, p := range r.Parents {
				l.put(Lock{Relation: p, Mode: catalog.AccessExclusive, Second: true})
			}
		}
	}
}

func (l *lockList) rename(n *pg.RenameStmt) {
	if kind, ok := catalog.RelationKind(n.GetRenameType()); ok {
		mode := catalog.AccessExclusive
		if kind == catalog.IndexKind {
			mode = catalog.ShareUpdateExclusive
		}
		l.add(l.schema.RelationAs(catalog.RangeParts(n.GetRelation()), kind), mode)
		return
	}
	switch n.GetRenameType() {
	case pg.ObjectType_OBJECT_COLUMN, pg.ObjectType_OBJECT_TABCONSTRAINT:
		l.family(l.schema.Relation(n.GetRelation()), true, catalog.AccessExclusive)
	case pg.ObjectType_OBJECT_TRIGGER, pg.ObjectType_OBJECT_POLICY, pg.ObjectType_OBJECT_RULE:
		l.add(l.schema.Relation(n.GetRelation()), catalog.AccessExclusive)
	}
}

// hasOption reports whether a list of options has one that is on.
func hasOption(list []*pg.Node, name string) bool {
	for _, o := range list {
		e := o.GetDefElem()
		if e.GetDefname() != name {
			continue
		}
		if e.GetArg() == nil {
			return true
		}
		text := e.GetArg().GetString_().GetSval()
		if text == "" {
			text, _ = catalog.Text(e.GetArg())
		}
		return text != "false" && text != "off" && text != "0" && (e.GetArg().GetInteger() == nil || e.GetArg().GetInteger().GetIval() != 0) &&
			(e.GetArg().GetBoolean() == nil || e.GetArg().GetBoolean().GetBoolval())
	}
	return false
}
