package catalog

import (
	"fmt"
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// inPath is where a new object without a schema goes.
func (s *Schema) inPath(name string) Name {
	for _, schema := range s.Path {
		if _, ok := s.Schemas[schema]; ok || !s.Complete {
			return Name{schema, name}
		}
	}
	return Name{"public", name}
}

func (s change) newName(r *pg.RangeVar) Name {
	if r.GetSchemaname() != "" {
		return Name{r.GetSchemaname(), r.GetRelname()}
	}
	if r.GetRelpersistence() == "t" {
		return Name{"pg_temp", r.GetRelname()}
	}
	return s.inPath(r.GetRelname())
}

// Find returns a relation, or nil if it was never seen.
func (s *Schema) Find(schema, name string) *Relation {
	if schema != "" {
		return s.Relations[Name{schema, name}]
	}
	for _, p := range append([]string{"pg_temp"}, s.Path...) {
		if r := s.Relations[Name{p, name}]; r != nil {
			return r
		}
	}
	return nil
}

// Resolve returns the full name of the relation that these parts name, or of the one
// that would be made under them.
func (s *Schema) Resolve(parts []string) Name {
	schema, name := splitName(parts)
	if r := s.Find(schema, name); r != nil {
		return r.Name
	}
	if schema == "" {
		return s.inPath(name)
	}
	return Name{schema, name}
}

// Relation returns the relation that a statement names. One that was never seen is
// assumed to exist, and noted as unknown.
func (s *Schema) Relation(v *pg.RangeVar) *Relation {
	return s.relation(v.GetSchemaname(), v.GetRelname(), Table)
}

// RelationAs is Relation where the statement tells the kind.
func (s *Schema) RelationAs(names []string, kind Kind) *Relation {
	schema, name := splitName(names)
	return s.relation(schema, name, kind)
}

// PartOf returns the table and the name of a trigger, rule or policy; the table is nil
// if the parts name none.
func (s *Schema) PartOf(parts []string) (t *Relation, name string) {
	if len(parts) < 2 {
		return nil, ""
	}
	return s.RelationAs(parts[:len(parts)-1], Table), Last(parts)
}

func (s *Schema) relation(schema, name string, kind Kind) *Relation {
	if r := s.Find(schema, name); r != nil {
		return r
	}
	n := Name{schema, name}
	if schema == "" {
		n = s.inPath(name)
	}
	r := &Relation{Name: n, Kind: kind, Triggers: map[string]Trigger{}, stub: true}
	s.Relations[n] = r
	if kind == IndexKind {
		r.Owner = &Relation{Kind: Table}
	}
	return r
}

// splitName cuts a list of parts into schema and name.
func splitName(parts []string) (schema, name string) {
	switch n := len(parts); n {
	case 0:
		return "", ""
	case 1:
		return "", parts[0]
	default:
		return parts[n-2], parts[n-1]
	}
}

// ObjectName resolves the parts of a type's or function's name.
func (s *Schema) ObjectName(parts []string) Name {
	schema, name := splitName(parts)
	if schema != "" {
		return Name{schema, name}
	}
	for _, p := range s.Path {
		n := Name{p, name}
		if s.Types[n] != nil || len(s.Functions[n]) > 0 {
			return n
		}
	}
	return s.inPath(name)
}

// FindFunctions returns the functions to which a call may resolve.
func (s *Schema) FindFunctions(parts []string, args int) []*Function {
	var list []*Function
	for _, f := range s.Functions[s.ObjectName(parts)] {
		if args <= f.Args && args >= f.Required || args < 0 {
			list = append(list, f)
		}
	}
	return list
}

// Calling returns the relations whose triggers call a function, by name.
func (s *Schema) Calling(function Name) []*Relation {
	var list []*Relation
	for _, r := range s.Relations {
		for _, t := range r.Triggers {
			if t.Function == function && !slices.Contains(list, r) {
				list = append(list, r)
			}
		}
	}
	slices.SortFunc(list, func(a, b *Relation) int { return strings.Compare(a.Name.String(), b.Name.String()) })
	return list
}

// The longest name that PostgreSQL keeps, in bytes.
const maxName = 63

// ObjectNameFor makes a name as PostgreSQL does for constraints and indexes.
func (s change) makeName(table *Relation, taken func(string) bool, columns []string, suffix string) string {
	first, second := table.Name.Name, strings.Join(columns, "_")
	for n := 0; ; n++ {
		label := suffix
		if n > 0 {
			label = fmt.Sprintf("%s%d", suffix, n)
		}
		a, b := first, second
		for len(a)+len(b)+len(label)+2 > maxName && len(a)+len(b) > 0 {
			if len(a) > len(b) {
				a = a[:len(a)-1]
			} else {
				b = b[:len(b)-1]
			}
		}
		name := a + "_" + label
		if b != "" {
			name = a + "_" + b + "_" + label
		}
		if !taken(name) {
			return name
		}
	}
}

func (s change) indexName(table *Relation, columns []string, suffix string) string {
	return s.makeName(table, func(n string) bool { return s.Relations[Name{table.Name.Schema, n}] != nil }, columns, suffix)
}

func (s change) constraintName(table *Relation, columns []string, suffix string) string {
	return s.makeName(table, func(n string) bool { return table.Constraint(n) != nil }, columns, suffix)
}

func (s change) setPath(set *pg.VariableSetStmt) {
	if set.GetName() != "search_path" {
		return
	}
	switch set.GetKind() {
	case pg.VariableSetKind_VAR_SET_VALUE:
		s.Path = nil
		for _, a := range set.GetArgs() {
			if text, ok := Text(a); ok && text != "" {
				s.Path = append(s.Path, text)
			}
		}
	case pg.VariableSetKind_VAR_SET_DEFAULT, pg.VariableSetKind_VAR_RESET:
		s.ResetPath()
	}
}

// ResetPath puts the search path back to where a session begins.
func (s *Schema) ResetPath() { s.Path = []string{"public"} }

func (s *Schema) forget(r *Relation) {
	delete(s.Relations, r.Name)
	for _, p := range r.Parents {
		p.Children = slices.DeleteFunc(p.Children, func(c *Relation) bool { return c == r })
	}
	for _, i := range r.Indexes {
		delete(s.Relations, i.Relation.Name)
	}
	for name, o := range s.Relations {
		if o.Owner == r {
			delete(s.Relations, name)
		}
	}
	for _, c := range slices.Clone(r.Children) {
		s.forget(c)
	}
}

// ForgetOpen forgets the objects whose names are placeholders.
func (s *Schema) ForgetOpen() {
	for _, r := range s.Relations {
		if Placeholder(r.Name.Name) || Placeholder(r.Name.Schema) {
			s.forget(r)
		}
	}
}

// Stub reports whether a relation was only ever named, never seen made: then a
// complete schema knows that it does not exist.
func (s *Schema) Stub(r *Relation) bool { return r.stub }
