package catalog

import (
	"slices"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// action applies one action of an ALTER TABLE.
func (s change) action(t *Relation, cmd *pg.AlterTableCmd) {
	switch cmd.GetSubtype() {
	case pg.AlterTableType_AT_AddColumn:
		if cmd.GetMissingOk() && (t.Column(cmd.GetDef().GetColumnDef().GetColname()) != nil || !t.Known) {
			return
		}
		s.addColumn(t, cmd.GetDef().GetColumnDef())
	case pg.AlterTableType_AT_DropColumn:
		for _, r := range t.Family() {
			s.dropColumn(r, cmd.GetName())
		}
	case pg.AlterTableType_AT_AddConstraint:
		s.addConstraint(t, cmd.GetDef().GetConstraint())
	case pg.AlterTableType_AT_DropConstraint:
		s.dropConstraint(t, cmd.GetName())
	case pg.AlterTableType_AT_ValidateConstraint:
		for _, r := range t.Family() {
			if c := r.Constraint(cmd.GetName()); c != nil {
				c.Valid = true
			}
		}
	case pg.AlterTableType_AT_AttachPartition:
		s.attach(t, cmd.GetDef().GetPartitionCmd())
	case pg.AlterTableType_AT_DetachPartition:
		s.disinherit(s.Relation(cmd.GetDef().GetPartitionCmd().GetName()), t)
	case pg.AlterTableType_AT_AddInherit:
		parent := s.Relation(cmd.GetDef().GetRangeVar())
		parent.Children = append(parent.Children, t)
		t.Parents = append(t.Parents, parent)
	case pg.AlterTableType_AT_DropInherit:
		s.disinherit(t, s.Relation(cmd.GetDef().GetRangeVar()))
	case pg.AlterTableType_AT_ChangeOwner:
		s.Owners[relationKey(t.Name)] = cmd.GetNewowner().GetRolename()
	case pg.AlterTableType_AT_ReplicaIdentity:
		by := cmd.GetDef().GetReplicaIdentityStmt().GetIdentityType()
		t.ReplicaIdentity = by == "f" || by == "i"
	case pg.AlterTableType_AT_EnableRowSecurity:
		t.RowSecurity = true
	case pg.AlterTableType_AT_DisableRowSecurity:
		t.RowSecurity = false
	case pg.AlterTableType_AT_SetLogged:
		t.Unlogged = false
	case pg.AlterTableType_AT_SetUnLogged:
		t.Unlogged = true
	default:
		for _, r := range t.Family() {
			if c := r.Column(cmd.GetName()); c != nil {
				if cmd.GetSubtype() == pg.AlterTableType_AT_AddIdentity && r == t {
					s.ownSequence(t, c, cmd.GetDef().GetConstraint().GetOptions())
				}
				s.alterColumn(c, cmd)
			}
		}
	}
}

func (s change) alterColumn(c *Column, cmd *pg.AlterTableCmd) {
	switch cmd.GetSubtype() {
	case pg.AlterTableType_AT_ColumnDefault, pg.AlterTableType_AT_SetExpression:
		c.Default = cmd.GetDef()
	case pg.AlterTableType_AT_SetNotNull:
		c.NotNull = true
	case pg.AlterTableType_AT_DropNotNull:
		c.NotNull = false
	case pg.AlterTableType_AT_DropExpression:
		c.Generated, c.Default = false, nil
	case pg.AlterTableType_AT_AddIdentity:
		c.Identity, c.NotNull = true, true
	case pg.AlterTableType_AT_DropIdentity:
		c.Identity = false
	case pg.AlterTableType_AT_AlterColumnType:
		def := cmd.GetDef().GetColumnDef()
		c.Type = s.ResolveType(def.GetTypeName())
		c.Collation = collation(def.GetCollClause())
	}
}

// dropColumn takes a column and what stands on it out of a table.
func (s change) dropColumn(t *Relation, name string) {
	t.Columns = slices.DeleteFunc(t.Columns, func(c *Column) bool { return c.Name == name })
	for _, i := range slices.Clone(t.Indexes) {
		if i.Uses(name) {
			s.dropIndex(i)
		}
	}
	t.Constraints = slices.DeleteFunc(t.Constraints, func(c *Constraint) bool { return slices.Contains(c.Columns, name) })
}

func (s change) attach(parent *Relation, cmd *pg.PartitionCmd) {
	if parent.Kind == IndexKind {
		return
	}
	child := s.Relation(cmd.GetName())
	if parent.Kind == Table { // never seen made
		parent.Kind = Partitioned
	}
	parent.Children = append(parent.Children, child)
	child.Parents = append(child.Parents, parent)
	child.Bound = cmd.GetBound()
}

func (s change) disinherit(child, parent *Relation) {
	parent.Children = slices.DeleteFunc(parent.Children, func(c *Relation) bool { return c == child })
	child.Parents = slices.DeleteFunc(child.Parents, func(p *Relation) bool { return p == parent })
	child.Bound = nil
}

func (s change) alterDomain(n *pg.AlterDomainStmt) {
	t := s.Types[s.ObjectName(Strings(n.GetTypeName()))]
	if t == nil {
		return
	}
	switch n.GetSubtype() {
	case "C":
		con := n.GetDef().GetConstraint()
		t.Checks = append(t.Checks, &Constraint{Name: con.GetConname(), Kind: Check, Expr: con.GetRawExpr(), Valid: !con.GetSkipValidation(), File: s.File})
	case "X":
		t.Checks = slices.DeleteFunc(t.Checks, func(c *Constraint) bool { return c.Name == n.GetName() })
	case "O":
		t.NotNull = true
	case "N":
		t.NotNull = false
	case "T":
		t.Default = n.GetDef()
	case "V":
		for _, c := range t.Checks {
			if c.Name == n.GetName() {
				c.Valid = true
			}
		}
	}
}
