package lint

import (
	"fmt"
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/specboard/platform/migrations/check/internal/catalog"
)

// renameConstraint judges another name for a constraint, or for the index that
// it stands on: ON CONFLICT ON CONSTRAINT names those that make rows unique.
func (j nameJudge) renameConstraint(n *pg.RenameStmt) {
	if n.GetRenameType() == pg.ObjectType_OBJECT_INDEX {
		r := j.schema.RelationAs(catalog.RangeParts(n.GetRelation()), catalog.IndexKind)
		index := j.schema.IndexOf(r)
		if index == nil || j.schema.New(index.Table) {
			return
		}
		for _, c := range index.Table.Constraints {
			if c.Index == index {
				j.constraintRenamed(index.Table, c, n.GetNewname())
			}
		}
		return
	}
	t := j.schema.Relation(n.GetRelation())
	if j.schema.New(t) || n.GetMissingOk() && j.absent(t) {
		return
	}
	c := t.Constraint(n.GetSubname())
	switch {
	case c != nil:
		j.constraintRenamed(t, c, n.GetNewname())
	case !t.Known:
		j.warn("rename-constraint", "constraint %s of %s gets the name %s: if it makes rows unique, ON CONFLICT ON CONSTRAINT of the running release fails", catalog.Quote(n.GetSubname()), t.Name, catalog.Quote(n.GetNewname()))
	}
}

func (j nameJudge) constraintRenamed(t *catalog.Relation, c *catalog.Constraint, to string) {
	if c.File == j.schema.File || c.Kind == catalog.Check || c.Kind == catalog.Foreign {
		return
	}
	was := *c
	j.unless(func() bool {
		now := t.Constraint(was.Name)
		return now != nil && now.Kind != catalog.Check && now.Kind != catalog.Foreign && catalog.SameSet(now.Columns, was.Columns)
	},
		func() {
			j.reportf(0, "rename-constraint", "%s %s of %s gets the name %s", was.Kind, catalog.Quote(was.Name), t.Name, catalog.Quote(to))
		})
}

// uniqueStill returns a function that reports whether the columns of a dropped
// constraint are still unique at the end of the transaction, by whatever name.
func (j *judge) uniqueStill(t *catalog.Relation, was catalog.Constraint) func() bool {
	return func() bool {
		if was.Kind == catalog.Exclude {
			now := t.Constraint(was.Name)
			return now != nil && now.Kind == catalog.Exclude
		}
		if !t.UniqueOn(was.Columns, nil) {
			return false
		}
		var now *catalog.Constraint
		for _, c := range t.Constraints {
			if (c.Kind == catalog.Unique || c.Kind == catalog.Primary) && catalog.SameSet(c.Columns, was.Columns) && (now == nil || c.Name == was.Name) {
				now = c
			}
		}
		switch {
		case now == nil || now.Name == was.Name || now.File != j.schema.File:
		case now.Kind == catalog.Unique:
			j.reportf(0, "rename-constraint", "%s %s of %s is replaced by %s", was.Kind, catalog.Quote(was.Name), t.Name, catalog.Quote(now.Name))
		default:
			j.warn("rename-constraint", "%s %s of %s is replaced by the primary key %s: ON CONFLICT ON CONSTRAINT of the running release must not name it", was.Kind, catalog.Quote(was.Name), t.Name, catalog.Quote(now.Name))
		}
		return true
	}
}

// dropDomainDefault judges a default that the columns of a domain lose.
func (j *judge) dropDomainDefault(n *pg.AlterDomainStmt, d *catalog.UserType, name catalog.Name) {
	if d != nil && !catalog.Given(d.Default) && j.schema.Complete {
		return
	}
	why := when(d == nil || d.NotNull, "cannot be NULL")
	for _, t := range j.schema.DomainUsers(n) {
		for _, c := range t.Columns {
			if j.schema.Uses(c.Type, name) && c.NotNull && c.Default == nil && !j.schema.New(t) {
				why = fmt.Sprintf("column %s of %s cannot be NULL", catalog.Quote(c.Name), t.Name)
			}
		}
	}
	if why == "" && !j.schema.Complete {
		why = "a column of it may be NOT NULL"
	}
	if why == "" {
		return
	}
	j.unless(func() bool { return d != nil && catalog.Given(d.Default) },
		func() {
			j.reportf(0, "drop-default", "domain %s loses its default, and %s: an INSERT that leaves it out fails", name, why)
		})
}

// alterOwner judges OWNER TO of anything but tables, which ALTER TABLE holds.
func (j *judge) alterOwner(n *pg.AlterOwnerStmt) {
	parts := catalog.ObjectParts(n.GetObject())
	if j.ours(n.GetObjectType(), parts) {
		return
	}
	j.changeOwner(j.schema.ObjectKey(n.GetObjectType(), n.GetObject()), strings.Join(parts, "."), n.GetNewowner())
}

func (j *judge) changeOwner(key, name string, to *pg.RoleSpec) {
	role := to.GetRolename()
	if role == "" || j.schema.Owners[key] == role {
		return
	}
	j.unless(func() bool { now := j.schema.Owners[key]; return now != role && now != "" },
		func() {
			j.reportf(0, "change-owner", "%s belongs to %s from now on", name, catalog.Quote(role))
		})
}

// setBack judges a statement after which a sequence may give numbers again that it gave
// before.
func (j *judge) setBack(name string, owner *catalog.Relation) {
	if j.schema.New(owner) {
		return
	}
	j.unless(func() bool { return j.setAhead[name] || j.setAhead[""] }, func() {
		j.reportf(0, "sequence-set-back", "%s gives numbers again that it may have given before", name)
	})
}

// ahead reports whether the file tells a new sequence where to begin.
func (j *judge) ahead(s *catalog.Relation) bool {
	if s.Start || j.setAhead[s.Name.String()] || j.setAhead[""] {
		return true
	}
	return s.Owner != nil && slices.ContainsFunc(s.Owner.Columns, func(c *catalog.Column) bool {
		return j.setAhead[s.Owner.Name.String()+"."+catalog.Quote(c.Name)]
	})
}

func (j *judge) alterSequence(n *pg.AlterSeqStmt) {
	r := j.schema.RelationAs(catalog.RangeParts(n.GetSequence()), catalog.Sequence)
	if j.schema.New(r) || r.Owner != nil && j.schema.New(r.Owner) || n.GetMissingOk() && j.absent(r) {
		return
	}
	for _, o := range n.GetOptions() {
		e := o.GetDefElem()
		down := e.GetDefname() == "increment" && (e.GetArg().GetInteger().GetIval() < 0 || strings.HasPrefix(e.GetArg().GetFloat().GetFval(), "-"))
		if e.GetDefname() == "restart" || down || e.GetDefname() == "cycle" && e.GetArg().GetBoolean().GetBoolval() {
			j.setBack(r.Name.String(), r)
		}
	}
}

// setval judges SELECT setval(sequence, number); a number that is read from the
// table is ahead of what was given.
func (j *judge) setval(f *pg.FuncCall) {
	args := f.GetArgs()
	if len(args) < 2 {
		return
	}
	name, owner := "", (*catalog.Relation)(nil)
	if text, ok := catalog.Text(args[0]); ok {
		parts := strings.Split(strings.ReplaceAll(text, `"`, ""), ".")
		owner = j.schema.RelationAs(parts, catalog.Sequence)
		name = owner.Name.String()
		if owner.Owner != nil && !j.schema.New(owner) {
			owner = owner.Owner
		}
	} else if call := args[0].GetFuncCall(); call != nil && len(call.GetArgs()) == 2 { // pg_get_serial_sequence
		if text, ok := catalog.Text(call.GetArgs()[0]); ok {
			owner = j.schema.RelationAs(strings.Split(strings.ReplaceAll(text, `"`, ""), "."), catalog.Table)
			column, _ := catalog.Text(call.GetArgs()[1])
			name = owner.Name.String() + "." + catalog.Quote(column)
		}
	}
	if catalog.Constant(args[1]) && !j.schema.New(owner) {
		j.setBack(name, owner)
		return
	}
	j.setAhead[name] = true
}

// Policies decide which rows a role sees.

func (j *judge) createPolicy(n *pg.CreatePolicyStmt) {
	t := j.schema.Relation(n.GetTable())
	if j.schema.New(t) || n.GetPermissive() || t.Known && !t.RowSecurity || always(n.GetQual()) && always(n.GetWithCheck()) {
		return
	}
	j.reportf(0, "narrow-policy", "policy %s of %s is restrictive: rows that it does not let through vanish", catalog.Quote(n.GetPolicyName()), t.Name)
}

// always reports whether a policy's condition lets every row through.
func always(n *pg.Node) bool {
	if n == nil {
		return true
	}
	return n.GetAConst().GetBoolval().GetBoolval()
}

// covers reports whether a condition lets through what another one did.
func covers(now, was *pg.Node) bool { return always(now) || text(now) == text(was) }

func (j *judge) alterPolicy(n *pg.AlterPolicyStmt) {
	t := j.schema.Relation(n.GetTable())
	if j.schema.New(t) || n.GetQual() == nil && n.GetWithCheck() == nil && len(n.GetRoles()) == 0 {
		return
	}
	old := t.Policies[n.GetPolicyName()]
	same := func(was, now *pg.Node) bool { return now == nil || always(now) || was != nil && text(was) == text(now) }
	if same(old.GetQual(), n.GetQual()) && same(old.GetWithCheck(), n.GetWithCheck()) && (len(n.GetRoles()) == 0 || everybody(n.GetRoles())) {
		return
	}
	j.reportf(0, "narrow-policy", "policy %s of %s lets through other rows, or other roles, than before", catalog.Quote(n.GetPolicyName()), t.Name)
}

// text writes an expression as SQL, "" for none.
func text(n *pg.Node) string {
	if n == nil {
		return ""
	}
	sql, err := catalog.DeparseExpression(n)
	if err != nil {
		return "…"
	}
	return sql
}

func everybody(roles []*pg.Node) bool {
	return len(roles) == 0 || slices.ContainsFunc(roles, func(r *pg.Node) bool { return r.GetRoleSpec().GetRoletype() == pg.RoleSpecType_ROLESPEC_PUBLIC })
}

// replacePolicy compares a policy that the file drops and makes again.
func (j *judge) replacePolicy(parts []string) {
	t, name := j.schema.PartOf(parts)
	old := t.Policies[name]
	if old == nil || j.schema.New(t) {
		return
	}
	at := j.at
	j.unless(func() bool { return true }, func() {})
	j.provisional[len(j.provisional)-1].settled = func() bool {
		j.at = at
		now := t.Policies[name]
		switch {
		case now == nil || now == old:
		case !covers(now.GetQual(), old.GetQual()), !covers(now.GetWithCheck(), old.GetWithCheck()),
			everybody(old.GetRoles()) && !everybody(now.GetRoles()), old.GetPermissive() && !now.GetPermissive(), now.GetCmdName() != old.GetCmdName() && now.GetCmdName() != "all":
			j.reportf(0, "narrow-policy", "policy %s of %s is made again and lets through other rows, or other roles, than before", catalog.Quote(name), t.Name)
		}
		return false
	}
}

// otherPolicy returns a function that reports whether another policy lets through, at
// the end of the transaction, what a dropped one did.
func (j *judge) otherPolicy(parts []string) func() bool {
	t, name := j.schema.PartOf(parts)
	if t == nil {
		return func() bool { return false }
	}
	old := t.Policies[name]
	return func() bool {
		for _, now := range t.Policies {
			if old != nil && now != old && now.GetPermissive() && (everybody(now.GetRoles()) || roles(now.GetRoles()) == roles(old.GetRoles())) &&
				(now.GetCmdName() == "all" || now.GetCmdName() == old.GetCmdName()) && covers(now.GetQual(), old.GetQual()) && covers(now.GetWithCheck(), old.GetWithCheck()) {
				return true
			}
		}
		return old != nil && !old.GetPermissive() // it took rows away
	}
}

// createView judges CREATE OR REPLACE VIEW over a view that was there.
func (j *judge) createView(n *pg.ViewStmt) {
	old := j.schema.Find(n.GetView().GetSchemaname(), n.GetView().GetRelname())
	if !n.GetReplace() || old == nil || old.Kind != catalog.View || j.schema.New(old) || old.Columns == nil {
		return
	}
	if columns := j.schema.ViewColumns(n.GetQuery(), n.GetAliases()); columns != nil {
		if what := lost(columnsNow(old), columns); what != "" {
			j.report(0, "view-columns", fmt.Sprintf("view %s is replaced, and %s: PostgreSQL refuses it", old.Name, what))
		}
	}
}
