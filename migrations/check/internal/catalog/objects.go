package catalog

import (
	"maps"
	"slices"

	pg "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/proto"
)

// relationKinds are the objects that share one name space.
var relationKinds = map[pg.ObjectType]Kind{
	pg.ObjectType_OBJECT_TABLE: Table, pg.ObjectType_OBJECT_FOREIGN_TABLE: ForeignTable, pg.ObjectType_OBJECT_VIEW: View,
	pg.ObjectType_OBJECT_MATVIEW: MaterializedView, pg.ObjectType_OBJECT_SEQUENCE: Sequence, pg.ObjectType_OBJECT_INDEX: IndexKind,
}

// RelationKind returns the kind of relation that an object type is.
func RelationKind(o pg.ObjectType) (Kind, bool) {
	k, ok := relationKinds[o]
	return k, ok
}

func (s change) renameObject(n *pg.RenameStmt) {
	if kind, ok := relationKinds[n.GetRenameType()]; ok {
		r := s.relation(n.GetRelation().GetSchemaname(), n.GetRelation().GetRelname(), kind)
		if i := s.IndexOf(r); i != nil { // a constraint's index gives it its name
			for _, c := range i.Table.Constraints {
				if c.Index == i {
					c.Name = n.GetNewname()
				}
			}
		}
		s.rename(r, n.GetNewname())
		return
	}
	switch n.GetRenameType() {
	case pg.ObjectType_OBJECT_COLUMN, pg.ObjectType_OBJECT_ATTRIBUTE:
		if n.GetRelation() != nil {
			for _, r := range s.Relation(n.GetRelation()).Family() {
				renameColumn(r, n.GetSubname(), n.GetNewname())
				for _, v := range s.Relations {
					if at := slices.Index(v.Uses[r], n.GetSubname()); at >= 0 {
						v.Uses[r][at] = n.GetNewname()
					}
				}
			}
		}
	case pg.ObjectType_OBJECT_TABCONSTRAINT:
		if c := s.Relation(n.GetRelation()).Constraint(n.GetSubname()); c != nil {
			c.Name = n.GetNewname()
			if c.Index != nil {
				s.rename(c.Index.Relation, n.GetNewname())
			}
		}
	case pg.ObjectType_OBJECT_TRIGGER:
		r := s.Relation(n.GetRelation())
		if t, ok := r.Triggers[n.GetSubname()]; ok {
			delete(r.Triggers, n.GetSubname())
			r.trigger(n.GetNewname(), t)
		}
	case pg.ObjectType_OBJECT_TYPE, pg.ObjectType_OBJECT_DOMAIN:
		old := s.ObjectName(Strings(n.GetObject().GetList().GetItems()))
		if t := s.Types[old]; t != nil {
			delete(s.Types, old)
			t.Name.Name = n.GetNewname()
			s.Types[t.Name] = t
			for _, r := range s.Relations {
				for _, c := range r.Columns {
					if c.Type.Name == old {
						c.Type.Name = t.Name
					}
				}
			}
		}
	case pg.ObjectType_OBJECT_FUNCTION, pg.ObjectType_OBJECT_PROCEDURE, pg.ObjectType_OBJECT_ROUTINE:
		o := n.GetObject().GetObjectWithArgs()
		old := s.ObjectName(Strings(o.GetObjname()))
		to := Name{old.Schema, n.GetNewname()}
		var stay []*Function
		for _, f := range s.Functions[old] {
			if !f.Dropped(o) {
				stay = append(stay, f)
				continue
			}
			f.Name = to
			s.Functions[to] = append(s.Functions[to], f)
		}
		if s.Functions[old] = stay; len(stay) == 0 {
			delete(s.Functions, old)
		}
	case pg.ObjectType_OBJECT_SCHEMA:
		s.renameSchema(n.GetSubname(), n.GetNewname())
	}
}

func renameColumn(r *Relation, old, name string) {
	if c := r.Column(old); c != nil {
		c.Name = name
	}
	swap := func(list []string) []string {
		list = slices.Clone(list)
		for i := range list {
			if list[i] == old {
				list[i] = name
			}
		}
		return list
	}
	for _, c := range r.Constraints {
		c.Columns, c.Expr = swap(c.Columns), renamed(c.Expr, old, name)
	}
	for _, i := range r.Indexes {
		i.Columns, i.Where, i.Exprs = swap(i.Columns), renamed(i.Where, old, name), slices.Clone(i.Exprs)
		for k, e := range i.Exprs {
			i.Exprs[k] = renamed(e, old, name)
		}
	}
	r.Key = swap(r.Key)
	for at, t := range r.Triggers {
		t.Columns = swap(t.Columns)
		r.Triggers[at] = t
	}
}

// renamed returns a copy of an expression with another name for a column: the
// expression itself belongs to a statement that may be applied again.
func renamed(expr *pg.Node, old, name string) *pg.Node {
	if expr == nil {
		return nil
	}
	expr = proto.Clone(expr).(*pg.Node)
	Walk(expr, func(n *pg.Node) bool {
		fields := n.GetColumnRef().GetFields()
		if len(fields) == 0 {
			return true
		}
		if last := fields[len(fields)-1].GetString_(); last.GetSval() == old {
			last.Sval = name
		}
		return true
	})
	return expr
}

func (s change) renameSchema(old, name string) {
	s.Schemas[name] = s.Schemas[old]
	delete(s.Schemas, old)
	for n, r := range s.Relations {
		if n.Schema == old {
			s.move(r, Name{name, n.Name})
		}
	}
	for n, t := range s.Types {
		if n.Schema == old {
			delete(s.Types, n)
			t.Name.Schema = name
			s.Types[t.Name] = t
		}
	}
	for n, f := range s.Functions {
		if n.Schema == old {
			delete(s.Functions, n)
			s.Functions[Name{name, n.Name}] = f
		}
	}
}

func (s change) setSchema(n *pg.AlterObjectSchemaStmt) {
	if kind, ok := relationKinds[n.GetObjectType()]; ok {
		r := s.relation(n.GetRelation().GetSchemaname(), n.GetRelation().GetRelname(), kind)
		s.move(r, Name{n.GetNewschema(), r.Name.Name})
		for _, i := range r.Indexes {
			s.move(i.Relation, Name{n.GetNewschema(), i.Relation.Name.Name})
		}
	}
}

func (s change) drop(n *pg.DropStmt) {
	for _, o := range n.GetObjects() {
		parts := ObjectParts(o)
		switch n.GetRemoveType() {
		case pg.ObjectType_OBJECT_INDEX:
			r := s.Find(splitName(parts))
			if i := s.IndexOf(r); i != nil {
				s.dropIndex(i)
			} else if r != nil {
				s.forget(r)
			}
		case pg.ObjectType_OBJECT_TYPE, pg.ObjectType_OBJECT_DOMAIN:
			delete(s.Types, s.ObjectName(parts))
		case pg.ObjectType_OBJECT_FUNCTION, pg.ObjectType_OBJECT_PROCEDURE, pg.ObjectType_OBJECT_ROUTINE:
			name := s.ObjectName(parts)
			s.Functions[name] = slices.DeleteFunc(s.Functions[name], func(f *Function) bool { return f.Dropped(o.GetObjectWithArgs()) })
			if len(s.Functions[name]) == 0 {
				delete(s.Functions, name)
			}
			s.forgetRights(s.ObjectKey(pg.ObjectType_OBJECT_FUNCTION, o))
		case pg.ObjectType_OBJECT_POLICY:
			if t, name := s.PartOf(parts); t != nil {
				delete(t.Policies, name)
			}
		case pg.ObjectType_OBJECT_SCHEMA:
			s.dropSchema(first(parts))
		case pg.ObjectType_OBJECT_TRIGGER:
			if t, name := s.PartOf(parts); t != nil {
				delete(t.Triggers, name)
			}
		default:
			delete(s.Others, s.ObjectKey(n.GetRemoveType(), o))
			if _, ok := relationKinds[n.GetRemoveType()]; ok {
				if r := s.Find(splitName(parts)); r != nil {
					s.forget(r)
					s.forgetRights(relationKey(r.Name))
				}
			}
		}
	}
}

func (s change) dropSchema(name string) {
	delete(s.Schemas, name)
	maps.DeleteFunc(s.Relations, func(n Name, _ *Relation) bool { return n.Schema == name })
	maps.DeleteFunc(s.Types, func(n Name, _ *UserType) bool { return n.Schema == name })
	maps.DeleteFunc(s.Functions, func(n Name, _ []*Function) bool { return n.Schema == name })
}

// ObjectParts returns the parts of the name of an object in a DROP statement.
func ObjectParts(o *pg.Node) []string {
	switch o := o.GetNode().(type) {
	case *pg.Node_List:
		return Strings(o.List.GetItems())
	case *pg.Node_TypeName:
		return Strings(o.TypeName.GetNames())
	case *pg.Node_ObjectWithArgs:
		return Strings(o.ObjectWithArgs.GetObjname())
	case *pg.Node_String_:
		return []string{o.String_.GetSval()}
	}
	return nil
}
