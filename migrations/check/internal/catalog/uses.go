package catalog

import (
	"slices"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// columnsUsed returns the columns of relations that SQL uses, as far as its names tell
// without doubt. The expression of a policy stands beside its table, which is of then.
func (s *Schema) columnsUsed(sql *pg.Node, of *Relation) map[*Relation][]string {
	reads := map[string]*Relation{} // by alias; nil for a name of two
	if of != nil {
		reads[of.Name.Name] = of
	}
	Walk(sql, func(n *pg.Node) bool {
		v := n.GetRangeVar()
		if v == nil {
			return true
		}
		alias := v.GetAlias().GetAliasname()
		if alias == "" {
			alias = v.GetRelname()
		}
		r := s.Find(v.GetSchemaname(), v.GetRelname())
		if old, twice := reads[alias]; twice && old != r {
			r = nil
		}
		reads[alias] = r
		return true
	})
	used := map[*Relation][]string{}
	use := func(r *Relation, column string) {
		if r != nil && r.Column(column) != nil && !slices.Contains(used[r], column) {
			used[r] = append(used[r], column)
		}
	}
	Walk(sql, func(n *pg.Node) bool {
		for _, name := range Strings(n.GetJoinExpr().GetUsingClause()) {
			for _, r := range reads {
				use(r, name)
			}
		}
		fields := n.GetColumnRef().GetFields()
		if len(fields) == 0 {
			return true
		}
		var from []*Relation
		if names := Strings(fields); len(fields) > 1 {
			from = append(from, reads[names[len(names)-2]])
		} else {
			for _, r := range reads {
				from = append(from, r)
			}
		}
		if fields[len(fields)-1].GetAStar() != nil {
			for _, r := range from {
				if r != nil {
					for _, c := range r.Columns {
						use(r, c.Name)
					}
				}
			}
			return true
		}
		name := fields[len(fields)-1].GetString_().GetSval()
		from = slices.DeleteFunc(from, func(r *Relation) bool { return r != nil && r.known() && r.Column(name) == nil })
		if len(from) == 1 { // else any of them may be meant
			use(from[0], name)
		}
		return true
	})
	return used
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
