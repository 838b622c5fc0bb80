package lint

import (
	"slices"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/specboard/platform/migrations/check/internal/catalog"
)

// Lock is a lock that a statement takes; its transaction holds it to its end.
type Lock struct {
	Relation *catalog.Relation
	Mode     catalog.Mode
	// Second is set for a table that the statement only refers to: a foreign
	// key's target.
	Second bool
}

// locks returns what a statement locks among relations that were there before
// the file, from ShareUpdateExclusive up.
func (j *judge) locks(node *pg.Node) []Lock {
	l := &lockList{schema: j.schema}
	switch n := node.GetNode().(type) {
	case *pg.Node_AlterTableStmt:
		l.alterTable(n.AlterTableStmt)
	case *pg.Node_CreateStmt:
		l.createTable(n.CreateStmt)
	case *pg.Node_IndexStmt:
		mode := catalog.Share
		if n.IndexStmt.GetConcurrent() {
			mode = catalog.ShareUpdateExclusive
		}
		l.family(j.schema.Relation(n.IndexStmt.GetRelation()), n.IndexStmt.GetRelation().GetInh(), mode)
	case *pg.Node_DropStmt:
		l.drop(n.DropStmt)
	case *pg.Node_RenameStmt:
		l.rename(n.RenameStmt)
	case *pg.Node_AlterObjectSchemaStmt:
		if kind, ok := catalog.RelationKind(n.AlterObjectSchemaStmt.GetObjectType()); ok {
			l.add(j.schema.RelationAs(catalog.RangeParts(n.AlterObjectSchemaStmt.GetRelation()), kind), catalog.AccessExclusive)
		}
	case *pg.Node_CreateTrigStmt:
		l.family(j.schema.Relation(n.CreateTrigStmt.GetRelation()), n.CreateTrigStmt.GetRow(), catalog.ShareRowExclusive)
	case *pg.Node_RuleStmt:
		l.add(j.schema.Relation(n.RuleStmt.GetRelation()), catalog.AccessExclusive)
	case *pg.Node_CreatePolicyStmt:
		l.add(j.schema.Relation(n.CreatePolicyStmt.GetTable()), catalog.AccessExclusive)
	case *pg.Node_AlterPolicyStmt:
		l.add(j.schema.Relation(n.AlterPolicyStmt.GetTable()), catalog.AccessExclusive)
	case *pg.Node_CreatePublicationStmt:
		l.published(n.CreatePublicationStmt.GetPubobjects())
	case *pg.Node_AlterPublicationStmt:
		l.published(n.AlterPublicationStmt.GetPubobjects())
	case *pg.Node_TruncateStmt:
		for _, r := range n.TruncateStmt.GetRelations() {
			t := j.schema.Relation(r.GetRangeVar())
			l.family(t, r.GetRangeVar().GetInh(), catalog.AccessExclusive)
			if n.TruncateStmt.GetBehavior() == pg.DropBehavior_DROP_CASCADE {
				for _, referrer := range j.schema.Referrers(t) {
					l.add(referrer, catalog.AccessExclusive)
				}
			}
		}
	case *pg.Node_ClusterStmt:
		if n.ClusterStmt.GetRelation() != nil {
			l.add(j.schema.Relation(n.ClusterStmt.GetRelation()), catalog.AccessExclusive)
		}
	case *pg.Node_LockStmt:
		for _, r := range n.LockStmt.GetRelations() {
			l.family(j.schema.Relation(r.GetRangeVar()), r.GetRangeVar().GetInh(), catalog.Mode(n.LockStmt.GetMode()))
		}
	case *pg.Node_ReindexStmt:
		l.reindex(n.ReindexStmt)
	case *pg.Node_RefreshMatViewStmt:
		mode := catalog.AccessExclusive
		if n.RefreshMatViewStmt.GetConcurrent() {
			mode = catalog.Exclusive
		}
		l.add(j.schema.RelationAs(catalog.RangeParts(n.RefreshMatViewStmt.GetRelation()), catalog.MaterializedView), mode)
	case *pg.Node_ViewStmt:
		if r := j.schema.Find(n.ViewStmt.GetView().GetSchemaname(), n.ViewStmt.GetView().GetRelname()); r != nil {
			l.add(r, catalog.AccessExclusive)
		}
	case *pg.Node_AlterDomainStmt:
		l.domain(n.AlterDomainStmt)
	case *pg.Node_CommentStmt:
		l.comment(n.CommentStmt)
	case *pg.Node_VacuumStmt:
		mode := catalog.ShareUpdateExclusive
		if hasOption(n.VacuumStmt.GetOptions(), "full") {
			mode = catalog.AccessExclusive
		}
		for _, r := range n.VacuumStmt.GetRels() {
			l.family(j.schema.Relation(r.GetVacuumRelation().GetRelation()), true, mode)
		}
	case *pg.Node_CreateStatsStmt:
		for _, r := range n.CreateStatsStmt.GetRelations() {
			l.add(j.schema.Relation(r.GetRangeVar()), catalog.ShareUpdateExclusive)
		}
	}
	return l.list
}

func (l *lockList) comment(n *pg.CommentStmt) {
	parts := catalog.ObjectParts(n.GetObject())
	kind, ok := catalog.RelationKind(n.GetObjtype())
	if n.GetObjtype() == pg.ObjectType_OBJECT_COLUMN && len(parts) > 1 {
		parts, kind, ok = parts[:len(parts)-1], catalog.Table, true
	}
	if ok {
		l.add(l.schema.RelationAs(parts, kind), catalog.ShareUpdateExclusive)
	}
}

type lockList struct {
	schema *catalog.Schema
	list   []Lock
}

func (l *lockList) add(r *catalog.Relation, mode catalog.Mode) { l.put(Lock{Relation: r, Mode: mode}) }

func (l *lockList) put(lock Lock) {
	if lock.Relation == nil || l.schema.New(lock.Relation) || l.schema.Complete && l.schema.Stub(lock.Relation) {
		return
	}
	if i := slices.IndexFunc(l.list, func(o Lock) bool { return o.Relation == lock.Relation }); i >= 0 {
		l.list[i].Mode = max(l.list[i].Mode, lock.Mode)
		l.list[i].Second = l.list[i].Second && lock.Second
		return
	}
	l.list = append(l.list, lock)
}

// family locks a table and, unless ONLY it is named, what inherits from it.
func (l *lockList) family(r *catalog.Relation, inherit bool, mode catalog.Mode) {
	if !inherit {
		l.add(r, mode)
		return
	}
	for _, one := range r.Family() {
		l.add(one, mode)
	}
}

func (l *lockList) createTable(n *pg.CreateStmt) {
	if r := l.schema.Find(n.GetRelation().GetSchemaname(), n.GetRelation().GetRelname()); r != nil && n.GetIfNotExists() && l.schema.Complete {
		return
	}
	for _, p := range n.GetInhRelations() {
		mode := catalog.ShareUpdateExclusive
		parent := l.schema.Relation(p.GetRangeVar())
		if n.GetPartbound() != nil {
			mode = catalog.AccessExclusive
			l.add(parent.DefaultPartition(), catalog.AccessExclusive)
		}
		l.add(parent, mode)
	}
	for _, e := range n.GetTableElts() {
		l.foreign(e.GetConstraint())
		for _, c := range e.GetColumnDef().GetConstraints() {
			l.foreign(c.GetConstraint())
		}
	}
}

// foreign locks what a foreign key refers to.
func (l *lockList) foreign(c *pg.Constraint) {
	if c.GetContype() == pg.ConstrType_CONSTR_FOREIGN {
		l.put(Lock{Relation: l.schema.Relation(c.GetPktable()), Mode: catalog.ShareRowExclusive, Second: true})
	}
}

func (l *lockList) reindex(n *pg.ReindexStmt) {
	concurrent := hasOption(n.GetParams(), "concurrently")
	switch n.GetKind() {
	case pg.ReindexObjectType_REINDEX_OBJECT_TABLE:
		mode := catalog.Share
		if concurrent {
			mode = catalog.ShareUpdateExclusive
		}
		l.family(l.schema.Relation(n.GetRelation()), true, mode)
	case pg.ReindexObjectType_REINDEX_OBJECT_INDEX:
		index := l.schema.RelationAs(catalog.RangeParts(n.GetRelation()), catalog.IndexKind)
		if concurrent {
			l.add(index.Owner, catalog.ShareUpdateExclusive)
			return
		}
		l.add(index, catalog.AccessExclusive)
		if index.Owner != nil && index.Owner.Name.Name != "" {
			l.add(index.Owner, catalog.Share)
		}
	}
}

func (l *lockList) domain(n *pg.AlterDomainStmt) {
	check := n.GetSubtype() == "C" && !n.GetDef().GetConstraint().GetSkipValidation()
	if !check && n.GetSubtype() != "O" && n.GetSubtype() != "V" {
		return
	}
	for _, r := range l.schema.DomainUsers(n) {
		l.add(r, catalog.Share)
	}
}

func (l *lockList) published(objects []*pg.Node) {
	for _, o := range objects {
		if v := o.GetPublicationObjSpec().GetPubtable().GetRelation(); v != nil {
			l.family(l.schema.Relation(v), v.GetInh(), catalog.ShareUpdateExclusive)
		}
	}
}
