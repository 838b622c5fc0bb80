package catalog

import (
	"slices"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// ViewColumns returns the columns that a view would have, or nil if its query
// does not determine all of them.
func (s *Schema) ViewColumns(query *pg.Node, aliases []*pg.Node) []*Column {
	var r Relation
	s.shape(&r, query, aliases)
	return r.Columns
}

func (s change) createView(n *pg.ViewStmt) {
	name := s.newName(n.GetView())
	v := s.Relations[name]
	if v == nil || v.stub {
		delete(s.Relations, name)
		v = s.create(name, View, n.GetReplace())
		v.Known = false
	}
	s.shape(v, n.GetQuery(), n.GetAliases())
}

// shape sets the columns of a view or CREATE TABLE AS, and the relations it reads;
// Columns is nil if they cannot be determined.
func (s *Schema) shape(r *Relation, query *pg.Node, aliases []*pg.Node) {
	columns, ok := s.columnsOf(query.GetSelectStmt(), nil)
	for i, a := range Strings(aliases) {
		if i < len(columns) {
			columns[i].Name = a
		}
	}
	if r.Columns = nil; ok {
		r.Columns = columns
	}
	r.Reads, r.Uses = nil, s.columnsUsed(query, nil)
	Walk(query, func(n *pg.Node) bool {
		if v := n.GetRangeVar(); v != nil {
			if t := s.Find(v.GetSchemaname(), v.GetRelname()); t != nil && !slices.Contains(r.Reads, t) {
				r.Reads = append(r.Reads, t)
			}
		}
		return true
	})
}

// item is an entry of a FROM clause, under its alias.
type item struct {
	alias   string
	columns []*Column
	known   bool
}

// columnsOf returns a query's result columns; false if they cannot be
// determined. A computed column has the zero Type.
func (s *Schema) columnsOf(q *pg.SelectStmt, outer []item) ([]*Column, bool) {
	if q == nil {
		return nil, false
	}
	with := slices.Clone(outer)
	for _, c := range q.GetWithClause().GetCtes() {
		e := c.GetCommonTableExpr()
		i := item{alias: e.GetCtename()}
		i.columns, i.known = s.columnsOf(e.GetCtequery().GetSelectStmt(), with)
		i.rename(Strings(e.GetAliascolnames()))
		with = append(with, i)
	}
	if q.GetLarg() != nil {
		return s.columnsOf(q.GetLarg(), with)
	}
	if len(q.GetTargetList()) == 0 {
		return nil, false
	}
	var from []item
	for _, f := range q.GetFromClause() {
		from = append(from, s.items(f, with)...)
	}
	var list []*Column
	for _, t := range q.GetTargetList() {
		r := t.GetResTarget()
		fields := r.GetVal().GetColumnRef().GetFields()
		if len(fields) > 0 && fields[len(fields)-1].GetAStar() != nil {
			of := ""
			if len(fields) > 1 {
				of = fields[len(fields)-2].GetString_().GetSval()
			}
			for _, i := range from {
				if of != "" && of != i.alias {
					continue
				}
				if !i.known {
					return nil, false
				}
				for _, c := range i.columns {
					list = append(list, &Column{Name: c.Name, Type: c.Type, File: s.File})
				}
			}
			continue
		}
		c := &Column{Name: r.GetName(), File: s.File, Type: s.typeOf(r.GetVal(), from)}
		if c.Name == "" {
			c.Name = resultName(r.GetVal())
		}
		list = append(list, c)
	}
	return list, true
}

func (i *item) rename(names []string) {
	columns := make([]*Column, len(i.columns))
	for k, c := range i.columns {
		own := *c
		if k < len(names) {
			own.Name = names[k]
		}
		columns[k] = &own
	}
	i.columns = columns
}

func (s *Schema) items(f *pg.Node, with []item) []item {
	switch n := f.GetNode().(type) {
	case *pg.Node_RangeVar:
		v := n.RangeVar
		i := item{alias: v.GetRelname()}
		if at := slices.IndexFunc(with, func(w item) bool { return w.alias == v.GetRelname() }); at >= 0 && v.GetSchemaname() == "" {
			i = with[at]
		} else if r := s.Find(v.GetSchemaname(), v.GetRelname()); r != nil {
			i.columns, i.known = r.Columns, r.Known || r.Columns != nil
		}
		if a := v.GetAlias(); a.GetAliasname() != "" {
			i.alias = a.GetAliasname()
			i.rename(Strings(a.GetColnames()))
		}
		return []item{i}
	case *pg.Node_RangeSubselect:
		i := item{alias: n.RangeSubselect.GetAlias().GetAliasname()}
		i.columns, i.known = s.columnsOf(n.RangeSubselect.GetSubquery().GetSelectStmt(), with)
		i.rename(Strings(n.RangeSubselect.GetAlias().GetColnames()))
		return []item{i}
	case *pg.Node_JoinExpr:
		list := append(s.items(n.JoinExpr.GetLarg(), with), s.items(n.JoinExpr.GetRarg(), with)...)
		if len(n.JoinExpr.GetUsingClause()) > 0 || n.JoinExpr.GetIsNatural() {
			for i := range list {
				list[i].known = false // a star gives a shared column once
			}
		}
		return list
	}
	return []item{{}}
}

// typeOf is the type of an expression that is a column or a cast.
func (s *Schema) typeOf(expr *pg.Node, from []item) Type {
	if c := expr.GetTypeCast(); c != nil {
		return s.ResolveType(c.GetTypeName())
	}
	names := Strings(expr.GetColumnRef().GetFields())
	if len(names) == 0 {
		return Type{}
	}
	for _, i := range from {
		if len(names) > 1 && names[len(names)-2] != i.alias {
			continue
		}
		for _, c := range i.columns {
			if c.Name == Last(names) {
				return c.Type
			}
		}
	}
	return Type{}
}

// resultName is the name that PostgreSQL gives a result column without one.
func resultName(expr *pg.Node) string {
	switch n := expr.GetNode().(type) {
	case *pg.Node_ColumnRef:
		return Last(Strings(n.ColumnRef.GetFields()))
	case *pg.Node_FuncCall:
		return Last(Strings(n.FuncCall.GetFuncname()))
	case *pg.Node_TypeCast:
		if name := resultName(n.TypeCast.GetArg()); name != "?column?" {
			return name
		}
		return Last(Strings(n.TypeCast.GetTypeName().GetNames()))
	case *pg.Node_CoalesceExpr:
		return "coalesce"
	case *pg.Node_CaseExpr:
		if name := resultName(n.CaseExpr.GetDefresult()); name != "?column?" {
			return name
		}
		return "case"
	case *pg.Node_SubLink:
		switch n.SubLink.GetSubLinkType() {
		case pg.SubLinkType_EXISTS_SUBLINK:
			return "exists"
		case pg.SubLinkType_ARRAY_SUBLINK:
			return "array"
		case pg.SubLinkType_EXPR_SUBLINK:
			if t := n.SubLink.GetSubselect().GetSelectStmt().GetTargetList(); len(t) == 1 {
				if name := t[0].GetResTarget().GetName(); name != "" {
					return name
				}
				return resultName(t[0].GetResTarget().GetVal())
			}
		}
	case *pg.Node_AArrayExpr:
		return "array"
	case *pg.Node_RowExpr:
		return "row"
	case *pg.Node_MinMaxExpr:
		if n.MinMaxExpr.GetOp() == pg.MinMaxOp_IS_LEAST {
			return "least"
		}
		return "greatest"
	}
	return "?column?"
}
