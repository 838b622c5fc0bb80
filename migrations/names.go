package migrations

import "strings"

// indexTarget is what CREATE INDEX CONCURRENTLY works on.
type indexTarget struct {
	// Index is the index's own name; it never has a schema.
	Index string
	// Table is quoted for SQL, with its schema if written.
	Table string
}

// target reads the names out of CREATE INDEX CONCURRENTLY; nil if the index
// has none.
func (s Statement) target() *indexTarget {
	i := s.sequence("index", "concurrently")
	if i < 0 {
		return nil
	}
	i = s.skip(i, "if", "not", "exists")
	if i >= len(s.tokens) || s.tokens[i].is("on") {
		return nil
	}
	name := s.tokens[i]
	if name.kind != wordToken && name.kind != quotedToken || i+1 >= len(s.tokens) || !s.tokens[i+1].is("on") {
		return nil
	}
	table, _ := s.name(s.skip(i+2, "only"))
	return &indexTarget{Index: name.text, Table: table}
}

// skip passes over optional keywords.
func (s Statement) skip(i int, keywords ...string) int {
	for _, k := range keywords {
		if i < len(s.tokens) && s.tokens[i].is(k) {
			i++
		}
	}
	return i
}

// name reads a name with optional schema at token i, quoted for SQL, and
// returns the index behind it.
func (s Statement) name(i int) (string, int) {
	var parts []string
	for i < len(s.tokens) && (s.tokens[i].kind == wordToken || s.tokens[i].kind == quotedToken) {
		parts = append(parts, quote(s.tokens[i].text))
		i++
		if i >= len(s.tokens) || !s.tokens[i].is(".") {
			break
		}
		i++
	}
	return strings.Join(parts, "."), i
}

// names reads a list of names with commas between.
func (s Statement) names(i int) []string {
	var list []string
	for i < len(s.tokens) {
		var name string
		if name, i = s.name(i); name == "" {
			return list
		}
		list = append(list, name)
		if i >= len(s.tokens) || !s.tokens[i].is(",") {
			return list
		}
		i++
	}
	return list
}

// quote makes an identifier of any name.
func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
