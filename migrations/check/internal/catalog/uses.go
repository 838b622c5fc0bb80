package catalog

import (
	"cmp"
	"slices"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// columnsUsed returns the columns of relations that SQL uses, as far as its names tell
// without doubt. The expression of a policy stands beside its table, which is of then.
func (s *Schema) columnsUsed(sql *pg.Node, of *Relation) map[*Relation][]string {
	u := &uses{schema: s, used: map[*Relation][]string{}}
	var outer []fromNames
	if of != nil {
		outer = append(outer, fromNames{of.Name.Name: of})
	}
	u.statement(sql, outer)
	return u.used
}

// fromNames are the relations of a statement by the names that it has for them; nil
// stands for a query, a function or a relation that is not known.
type fromNames map[string]*Relation

// uses collects the columns that statements use.
type uses struct {
	schema *Schema
	used   map[*Relation][]string
}

func (u *uses) use(r *Relation, column string) {
	if r != nil && r.Column(column) != nil && !slices.Contains(u.used[r], column) {
		u.used[r] = append(u.used[r], column)
	}
}

// statement reads a statement or expression; outer are the names of the statements that
// it is part of, the nearest last.
func (u *uses) statement(sql *pg.Node, outer []fromNames) {
	if q := sql.GetSelectStmt(); q.GetLarg() != nil {
		for _, part := range []*pg.SelectStmt{q.GetLarg(), q.GetRarg()} {
			u.statement(&pg.Node{Node: &pg.Node_SelectStmt{SelectStmt: part}}, outer)
		}
		for _, c := range q.GetWithClause().GetCtes() {
			u.statement(c.GetCommonTableExpr().GetCtequery(), outer)
		}
		return
	}
	own := fromNames{}
	inside := func(visit func(*pg.Node)) {
		Walk(sql, func(n *pg.Node) bool {
			visit(n)
			return n == sql || n.GetSelectStmt() == nil
		})
	}
	inside(func(n *pg.Node) {
		if v := n.GetRangeVar(); v != nil {
			own[cmp.Or(v.GetAlias().GetAliasname(), v.GetRelname())] = u.schema.Find(v.GetSchemaname(), v.GetRelname())
		}
		if q := n.GetRangeSubselect(); q != nil {
			own[q.GetAlias().GetAliasname()] = nil
		}
		if f := n.GetRangeFunction(); f != nil {
			own[f.GetAlias().GetAliasname()] = nil
		}
	})
	all := append(slices.Clone(outer), own)
	inside(func(n *pg.Node) {
		for _, name := range Strings(n.GetJoinExpr().GetUsingClause()) {
			for _, r := range own {
				u.use(r, name)
			}
		}
		if fields := n.GetColumnRef().GetFields(); len(fields) > 0 {
			u.column(fields, all)
		}
		if n != sql && n.GetSelectStmt() != nil {
			u.statement(n, all)
		}
	})
}

// column finds what a column's name means in the nearest statement that has it.
func (u *uses) column(fields []*pg.Node, from []fromNames) {
	names, star := Strings(fields), fields[len(fields)-1].GetAStar() != nil
	for _, scope := range slices.Backward(from) {
		var candidates []*Relation
		for as, r := range scope {
			if len(names) > 1 && as != names[len(names)-2] || !star && r != nil && r.known() && r.Column(Last(names)) == nil {
				continue
			}
			candidates = append(candidates, r)
		}
		switch {
		case star:
			for _, r := range candidates {
				for _, c := range r.columns() {
					u.use(r, c.Name)
				}
			}
		case len(candidates) == 1: // else any of them may be meant
			u.use(candidates[0], Last(names))
		}
		if len(candidates) > 0 || star && len(names) == 1 {
			return
		}
	}
}

func (r *Relation) columns() []*Column {
	if r == nil {
		return nil
	}
	return r.Columns
}

// known reports whether all columns of a relation are known.
func (r *Relation) known() bool { return r.Known || r.Columns != nil }

// triggerColumns returns the columns that a trigger's definition names.
func triggerColumns(n *pg.CreateTrigStmt) []string {
	return append(Strings(n.GetColumns()), Columns(n.GetWhenClause())...)
}

// DependsOn returns what PostgreSQL keeps a column's type for, or does not drop it for,
// each as it is called, in order.
func (s *Schema) DependsOn(t *Relation, column string) []string {
	var list []string
	has := func(columns []string) bool { return slices.Contains(columns, column) }
	for _, r := range s.Relations {
		if has(r.Uses[t]) {
			list = append(list, string(r.Kind)+" "+r.Name.String())
		}
		for name, p := range r.Policies {
			if has(s.columnsUsed(p.GetQual(), r)[t]) || has(s.columnsUsed(p.GetWithCheck(), r)[t]) {
				list = append(list, "policy "+Quote(name)+" of "+r.Name.String())
			}
		}
	}
	for _, functions := range s.Functions {
		for _, f := range functions {
			if body := f.Create.GetSqlBody(); body != nil && has(s.columnsUsed(body, nil)[t]) {
				list = append(list, "function "+f.Name.String()+"()")
			}
		}
	}
	for name, trigger := range t.Triggers {
		if has(trigger.Columns) {
			list = append(list, "trigger "+Quote(name))
		}
	}
	for _, c := range t.Columns {
		if c.Generated && c.Name != column && has(Columns(c.Default)) {
			list = append(list, "generated column "+Quote(c.Name))
		}
	}
	if t.Kind == Partitioned && has(t.Key) {
		list = append(list, "partition key")
	}
	for _, p := range t.Parents {
		if p.Column(column) != nil {
			list = append(list, "parent "+p.Name.String())
		}
	}
	slices.Sort(list)
	return list
}
