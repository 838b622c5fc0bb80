package catalog

import (
	"cmp"
	"slices"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// DomainUsers returns the tables and materialised views with a column of the
// domain that an ALTER DOMAIN changes, by name.
func (s *Schema) DomainUsers(n *pg.AlterDomainStmt) []*Relation {
	name := s.ObjectName(Strings(n.GetTypeName()))
	var list []*Relation
	for _, r := range s.Relations {
		if r.Kind != View && slices.ContainsFunc(r.Columns, func(c *Column) bool { return s.Uses(c.Type, name) }) {
			list = append(list, r)
		}
	}
	byName(list)
	return list
}

// Uses reports whether a type is the domain or is based on it.
func (s *Schema) Uses(t Type, domain Name) bool {
	for range 20 {
		if t.Name == domain {
			return true
		}
		u := s.Types[t.Name]
		if u == nil || u.Kind != "domain" {
			return false
		}
		t = u.Base
	}
	return false
}

// DomainOf returns the domain that an ALTER DOMAIN changes, or nil if it was
// never seen made.
func (s *Schema) DomainOf(n *pg.AlterDomainStmt) *UserType {
	return s.Types[s.ObjectName(Strings(n.GetTypeName()))]
}

// Referrers returns the tables whose foreign keys refer to a table, and those
// that refer to them, and so on: what TRUNCATE … CASCADE empties.
func (s *Schema) Referrers(t *Relation) []*Relation {
	seen := map[*Relation]bool{t: true}
	var list []*Relation
	for queue := []*Relation{t}; len(queue) > 0; queue = queue[1:] {
		for _, r := range s.Relations {
			if !seen[r] && slices.ContainsFunc(r.Constraints, func(c *Constraint) bool { return c.Kind == Foreign && c.Target == queue[0] }) {
				seen[r] = true
				list, queue = append(list, r), append(queue, r)
			}
		}
	}
	byName(list)
	return list
}

// In returns what a schema holds, by name.
func (s *Schema) In(schema string) []*Relation {
	var list []*Relation
	for n, r := range s.Relations {
		if n.Schema == schema {
			list = append(list, r)
		}
	}
	byName(list)
	return list
}

func byName(list []*Relation) {
	slices.SortFunc(list, func(a, b *Relation) int { return cmp.Compare(a.Name.String(), b.Name.String()) })
}
