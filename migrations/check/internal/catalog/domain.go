package catalog

import (
	"cmp"
	"slices"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/specboard/platform/migrations/check/internal/syntax"
)

// DomainUsers returns the tables and materialised views with a column of the
// domain that an ALTER DOMAIN changes, by name.
func (s *Schema) DomainUsers(n *pg.AlterDomainStmt) []*Relation {
	name := s.ObjectName(syntax.Strings(n.GetTypeName()))
	var list []*Relation
	for _, r := range s.Relations {
		if slices.ContainsFunc(r.Columns, func(c *Column) bool { return s.uses(c.Type, name) }) {
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(a, b *Relation) int { return cmp.Compare(a.Name.String(), b.Name.String()) })
	return list
}

// uses reports whether a type is the domain or is based on it.
func (s *Schema) uses(t Type, domain Name) bool {
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
	return s.Types[s.ObjectName(syntax.Strings(n.GetTypeName()))]
}
