package catalog

import (
	"slices"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// addConstraint adds a table's constraint.
func (s change) addConstraint(t *Relation, con *pg.Constraint) {
	switch con.GetContype() {
	case pg.ConstrType_CONSTR_FOREIGN:
		s.constrain(t, con, Strings(con.GetFkAttrs()))
	case pg.ConstrType_CONSTR_CHECK:
		s.constrain(t, con, nil)
	case pg.ConstrType_CONSTR_NOTNULL:
		if c := t.Column(first(Strings(con.GetKeys()))); c != nil {
			c.NotNull = true
		}
	default:
		s.constrain(t, con, Strings(con.GetKeys()))
	}
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

func (s change) constrain(t *Relation, con *pg.Constraint, columns []string) {
	c := &Constraint{Name: con.GetConname(), Columns: columns, Valid: !con.GetSkipValidation(), File: s.File}
	var suffix string
	base := columns
	switch con.GetContype() {
	case pg.ConstrType_CONSTR_CHECK:
		c.Kind, c.Expr, suffix = Check, con.GetRawExpr(), "check"
		c.Columns = Columns(con.GetRawExpr())
		if base = c.Columns; len(base) != 1 {
			base = nil
		}
	case pg.ConstrType_CONSTR_FOREIGN:
		c.Kind, c.Target, suffix = Foreign, s.Relation(con.GetPktable()), "fkey"
	case pg.ConstrType_CONSTR_UNIQUE:
		c.Kind, suffix = Unique, "key"
	case pg.ConstrType_CONSTR_PRIMARY:
		c.Kind, suffix, base = Primary, "pkey", nil
	case pg.ConstrType_CONSTR_EXCLUSION:
		c.Kind, suffix = Exclude, "excl"
		for _, pair := range con.GetExclusions() {
			if items := pair.GetList().GetItems(); len(items) > 0 {
				c.Columns = append(c.Columns, items[0].GetIndexElem().GetName())
			}
		}
		base = named(c.Columns)
	default:
		return
	}
	if con.GetIndexname() != "" {
		s.useIndex(t, c, con.GetIndexname())
	} else if c.Name == "" {
		c.Name = s.constraintName(t, base, suffix)
	}
	t.Constraints = append(t.Constraints, c)
	switch {
	case c.Kind == Check:
		s.inheritCheck(t, c, con.GetIsNoInherit())
	case c.Kind == Foreign:
	case c.Index == nil:
		c.Index = s.addIndex(t, &Index{Unique: c.Kind != Exclude, Columns: c.Columns, Method: "btree"}, c.Name)
		s.partitionConstraint(t, c)
	}
	if c.Kind == Primary {
		for _, name := range c.Columns {
			if column := t.Column(name); column != nil {
				column.NotNull = true
			}
		}
	}
}

func (s change) inheritCheck(t *Relation, c *Constraint, alone bool) {
	if alone {
		return
	}
	for _, child := range t.Children {
		if child.Constraint(c.Name) == nil {
			own := *c
			child.Constraints = append(child.Constraints, &own)
			s.inheritCheck(child, &own, false)
		}
	}
}

// partitionConstraint gives the partitions the index of a parent's constraint.
func (s change) partitionConstraint(t *Relation, c *Constraint) {
	if t.Kind != Partitioned {
		return
	}
	for _, child := range t.Children {
		s.addIndex(child, &Index{Unique: c.Kind != Exclude, Columns: c.Columns, Method: "btree"}, s.indexName(child, c.Columns, "idx"))
	}
}

// useIndex makes a constraint out of an index; PostgreSQL renames the index to
// the constraint.
func (s change) useIndex(t *Relation, c *Constraint, index string) {
	for _, i := range t.Indexes {
		if i.Relation.Name.Name != index {
			continue
		}
		c.Index, c.Columns = i, i.Columns
		if c.Name != "" {
			s.rename(i.Relation, c.Name)
		}
	}
	if c.Name == "" {
		c.Name = index
	}
	if c.Index == nil { // made before anything was seen
		c.Index = &Index{Table: t, Unique: true, Relation: s.relation(t.Name.Schema, index, IndexKind)}
	}
}

// rename gives a relation another name in its schema.
func (s change) rename(r *Relation, name string) { s.move(r, Name{r.Name.Schema, name}) }

func (s change) move(r *Relation, name Name) {
	delete(s.Relations, r.Name)
	r.Name = name
	s.Relations[name] = r
}

func (s change) dropConstraint(t *Relation, name string) {
	c := t.Constraint(name)
	if c == nil {
		return
	}
	t.Constraints = slices.DeleteFunc(t.Constraints, func(o *Constraint) bool { return o == c })
	if c.Index != nil {
		s.dropIndex(c.Index)
	}
	for _, child := range t.Children {
		if c.Kind == Check {
			s.dropConstraint(child, name)
		}
	}
}

// addIndex gives a table an index of that name.
func (s change) addIndex(t *Relation, i *Index, name string) *Index {
	i.Table = t
	i.Relation = &Relation{Name: Name{t.Name.Schema, name}, Kind: IndexKind, File: s.File, Owner: t, Known: true, Temporary: t.Temporary}
	s.Relations[i.Relation.Name] = i.Relation
	t.Indexes = append(t.Indexes, i)
	return i
}

// copyIndex gives a table an index like another one's, under a name that PostgreSQL
// makes.
func (s change) copyIndex(t *Relation, i *Index) {
	own := *i
	s.addIndex(t, &own, s.indexName(t, named(i.Columns), "idx"))
}

func (s change) dropIndex(i *Index) {
	delete(s.Relations, i.Relation.Name)
	if i.Table != nil {
		i.Table.Indexes = slices.DeleteFunc(i.Table.Indexes, func(o *Index) bool { return o == i })
		i.Table.Constraints = slices.DeleteFunc(i.Table.Constraints, func(c *Constraint) bool { return c.Index == i })
	}
}

// IndexOf returns the index that a relation of kind index is, or nil if it was
// never seen made.
func (s *Schema) IndexOf(r *Relation) *Index {
	if r == nil || r.Owner == nil {
		return nil
	}
	for _, i := range r.Owner.Indexes {
		if i.Relation == r {
			return i
		}
	}
	return nil
}

func (s change) createIndex(n *pg.IndexStmt) {
	t := s.Relation(n.GetRelation())
	i := &Index{Unique: n.GetUnique(), Method: n.GetAccessMethod(), Where: n.GetWhereClause()}
	for _, p := range n.GetIndexParams() {
		e := p.GetIndexElem()
		i.Columns = append(i.Columns, e.GetName())
		i.Opclasses = append(i.Opclasses, Last(Strings(e.GetOpclass())))
		i.Collations = append(i.Collations, Last(Strings(e.GetCollation())))
		if e.GetExpr() != nil {
			i.Exprs = append(i.Exprs, e.GetExpr())
		}
	}
	name := n.GetIdxname()
	if name == "" {
		name = s.indexName(t, named(i.Columns), "idx")
	}
	if s.Relations[Name{t.Name.Schema, name}] != nil && n.GetIfNotExists() {
		return
	}
	s.addIndex(t, i, name)
	if n.GetRelation().GetInh() && t.Kind == Partitioned {
		for _, child := range t.Children {
			s.copyIndex(child, i)
		}
	}
}
