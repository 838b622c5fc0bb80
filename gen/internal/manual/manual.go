// Package manual writes the page about the platform's struct from the comments
// of the struct itself, so that both say the same.
package manual

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"slices"
	"strings"

	"github.com/specboard/platform/gen/internal/tree"
)

// Paths in the repository: the struct's source, and the page.
const (
	Source = "gen/config/platform.go"
	Path   = "docs/config.md"
)

const introduction = `# The platform's struct

` + "`gen/config/default.go`" + ` describes the platform as one Go value. These are its
fields, from the platform down to the last one. A field that is left out has its
zero value, and the text says what that means. ` + "`make gen`" + ` renders the value, and
refuses one that breaks a rule: all problems at once, each with the field, its
value, the rule and an example.
`

// Page is the page, from the struct's source. It fails on a type or a field
// without a comment.
func Page(source []byte) ([]byte, error) {
	file, err := parser.ParseFile(token.NewFileSet(), Source, source, parser.ParseComments)
	if err != nil {
		return nil, fmt.Errorf("read the struct: %w", err)
	}
	m := manual{declared: map[string]declaration{}, constants: map[string][]*ast.ValueSpec{}}
	for _, d := range file.Decls {
		if d, ok := d.(*ast.GenDecl); ok {
			m.declare(d)
		}
	}
	fmt.Fprintf(&m.text, "%s\n\n%s", tree.HeaderLine(Path), introduction)
	m.section("Platform")
	return m.text.Bytes(), errors.Join(m.problems...)
}

type declaration struct {
	spec    *ast.TypeSpec
	comment string
}

// manual is the page as it is written.
type manual struct {
	declared map[string]declaration
	// constants are the values that a type which is no struct may have.
	constants map[string][]*ast.ValueSpec
	text      bytes.Buffer
	written   []string
	problems  []error
}

func (m *manual) declare(d *ast.GenDecl) {
	kind := ""
	for _, s := range d.Specs {
		switch s := s.(type) {
		case *ast.TypeSpec:
			comment := d.Doc
			if s.Doc != nil {
				comment = s.Doc
			}
			m.declared[s.Name.Name] = declaration{s, sentence(comment)}
		case *ast.ValueSpec:
			if s.Type != nil {
				kind = types.ExprString(s.Type)
			}
			if d.Tok == token.CONST && kind != "" && s.Names[0].IsExported() {
				m.constants[kind] = append(m.constants[kind], s)
			}
		}
	}
}

// section writes a type and, after it, the types of its fields.
func (m *manual) section(name string) {
	d := m.declared[name]
	m.written = append(m.written, name)
	m.must(d.comment, name)
	fmt.Fprintf(&m.text, "\n## %s\n\n%s\n", name, d.comment)
	fields, ok := d.spec.Type.(*ast.StructType)
	if !ok {
		fmt.Fprint(&m.text, "\n| value | meaning |\n|---|---|\n")
		for _, c := range m.constants[name] {
			m.must(sentence(c.Doc), c.Names[0].Name)
			fmt.Fprintf(&m.text, "| `%s` | %s |\n", c.Names[0].Name, cell(c.Doc))
		}
		return
	}
	fmt.Fprint(&m.text, "\n| field | type | meaning |\n|---|---|---|\n")
	var below []string
	for _, f := range fields.Fields.List {
		var names []string
		for _, n := range f.Names {
			if n.IsExported() {
				names = append(names, "`"+n.Name+"`")
			}
		}
		if len(names) == 0 {
			continue
		}
		kind, element := m.kind(f.Type)
		meaning := cell(f.Doc)
		if m.must(meaning, name+"."+f.Names[0].Name); element != "" {
			below = append(below, element)
		}
		fmt.Fprintf(&m.text, "| %s | %s | %s |\n", strings.Join(names, ", "), kind, meaning)
	}
	for _, b := range below {
		if !slices.Contains(m.written, b) {
			m.section(b)
		}
	}
}

// kind is a field's type, with a link if the page has a section about it.
func (m *manual) kind(e ast.Expr) (text, ours string) {
	full := types.ExprString(e)
	element := strings.TrimPrefix(strings.TrimPrefix(full, "*"), "[]")
	element = strings.TrimPrefix(element, "map[string]")
	if _, ok := m.declared[element]; ok {
		return "[`" + full + "`](#" + strings.ToLower(element) + ")", element
	}
	return "`" + full + "`", ""
}

func (m *manual) must(text, what string) {
	if text == "" {
		m.problems = append(m.problems, fmt.Errorf("%s: %s has no comment, and %s is made of them", Source, what, Path))
	}
}

// sentence is a comment with a line for each of its paragraphs, and an empty line
// between two.
func sentence(comment *ast.CommentGroup) string {
	paragraphs := strings.Split(comment.Text(), "\n\n")
	for i, p := range paragraphs {
		paragraphs[i] = strings.TrimSpace(strings.ReplaceAll(p, "\n", " "))
	}
	return strings.Join(paragraphs, "\n\n")
}

// cell is a comment within a row of a table.
func cell(comment *ast.CommentGroup) string {
	return strings.NewReplacer("|", `\|`, "<", `\<`, "\n\n", "<br>").Replace(sentence(comment))
}
