package catalog

import (
	"fmt"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// Type is a column's type. Built-in ones have the schema pg_catalog and
// PostgreSQL's internal names: int8, varchar.
type Type struct {
	Name
	// Mods are what stands in parentheses: varchar(50), numeric(10,2). Interval
	// fields are left out.
	Mods []int
	// Fields are those of an interval without seconds, such as year to month, as
	// PostgreSQL's mask; 0 for any other type.
	Fields int
	Array  bool
}

// familiar names of built-in types, as people write them.
var familiar = map[string]string{
	"int2": "smallint", "int4": "integer", "int8": "bigint", "float4": "real", "float8": "double precision",
	"bool": "boolean", "bpchar": "char", "varbit": "bit varying",
}

// String writes the type as people do.
func (t Type) String() string {
	name := t.Name.String()
	if t.Schema == "pg_catalog" {
		name = t.Name.Name
		if f := familiar[name]; f != "" {
			name = f
		}
	}
	if len(t.Mods) > 0 {
		mods := make([]string, len(t.Mods))
		for i, m := range t.Mods {
			mods[i] = fmt.Sprint(m)
		}
		name += "(" + strings.Join(mods, ",") + ")"
	}
	if t.Array {
		name += "[]"
	}
	return name
}

// Equal reports whether two types are the same, modifiers included.
func (t Type) Equal(u Type) bool {
	return t.Name == u.Name && t.Array == u.Array && t.Fields == u.Fields && fmt.Sprint(t.Mods) == fmt.Sprint(u.Mods)
}

// Builtin returns the internal name of a type of pg_catalog that is no array,
// else "".
func (t Type) Builtin() string {
	if t.Schema != "pg_catalog" || t.Array {
		return ""
	}
	return t.Name.Name
}

var serials = map[string]string{
	"serial": "int4", "serial4": "int4", "bigserial": "int8", "serial8": "int8", "smallserial": "int2", "serial2": "int2",
}

// Serial returns the integer type behind serial, bigserial or smallserial.
func Serial(t *pg.TypeName) (Type, bool) {
	names := Strings(t.GetNames())
	if len(names) != 1 {
		return Type{}, false
	}
	base, ok := serials[names[0]]
	return Type{Name: Name{"pg_catalog", base}}, ok
}

// ResolveType finds what a written type means.
func (s *Schema) ResolveType(t *pg.TypeName) Type {
	if base, ok := Serial(t); ok {
		return base
	}
	names := Strings(t.GetNames())
	out := Type{Array: len(t.GetArrayBounds()) > 0}
	switch len(names) {
	case 0:
		return out
	case 1:
		out.Name = s.findType(names[0])
	default:
		out.Name = Name{names[len(names)-2], names[len(names)-1]}
	}
	for _, m := range t.GetTypmods() {
		c, ok := m.GetAConst().GetVal().(*pg.A_Const_Ival)
		if !ok {
			continue
		}
		out.Mods = append(out.Mods, int(c.Ival.GetIval()))
	}
	if out.Builtin() == "interval" && len(out.Mods) > 0 {
		// The first modifier of an interval is a mask of fields; one that includes
		// seconds loses nothing.
		const seconds = 1 << 12
		if out.Mods[0]&seconds == 0 {
			out.Fields = out.Mods[0]
		}
		out.Mods = out.Mods[1:]
	}
	if b := out.Name; b.Schema == "pg_catalog" && len(out.Mods) == 0 && (b.Name == "bpchar" || b.Name == "bit") && len(names) == 2 {
		out.Mods = []int{1}
	}
	if b := out.Name; b.Schema == "pg_catalog" && b.Name == "numeric" && len(out.Mods) == 1 {
		out.Mods = append(out.Mods, 0)
	}
	return out
}

func (s *Schema) findType(name string) Name {
	if BuiltinType(name) {
		return Name{"pg_catalog", name}
	}
	for _, schema := range s.Path {
		n := Name{schema, name}
		if s.Types[n] != nil || s.Relations[n] != nil {
			return n
		}
	}
	return s.inPath(name)
}

// UserType returns the definition of a type, nil for a built-in or unknown one.
func (s *Schema) UserType(t Type) *UserType {
	if t.Array {
		return nil
	}
	return s.Types[t.Name]
}

// Constrained reports whether a type is a domain that demands something, by itself or
// by a type that it is based on; arrays of such domains count as well.
func (s *Schema) Constrained(t Type) bool {
	u := s.Types[t.Name]
	return u != nil && u.Kind == "domain" && (u.Constrained() || s.Constrained(u.Base))
}

// Default returns the default that a domain, or a type that it is based on, gives its
// columns; nil if there is none.
func (s *Schema) Default(t Type) *pg.Node {
	for range 20 {
		u := s.UserType(t)
		if u == nil || u.Kind != "domain" {
			break
		}
		if u.Default != nil {
			return u.Default
		}
		t = u.Base
	}
	return nil
}

// Base returns the type at the end of a domain's chain of base types; for any other
// type, the type itself.
func (s *Schema) Base(t Type) Type {
	for range 20 {
		u := s.UserType(t)
		if u == nil || u.Kind != "domain" {
			break
		}
		t = u.Base
	}
	return t
}
