package reference

import (
	"path"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// module is a folder of .tf files: what it declares, and what is wrong in it.
type module struct {
	dir      string
	broken   bool // a file does not parse
	blocks   []*hclsyntax.Block
	problems Problems

	variables map[string]*variable
	locals    map[string]*local
	outputs   map[string]hcl.Range
	// things are resources, data sources and ephemeral resources by address,
	// such as "data.aws_route53_zone.this".
	things map[string]hcl.Range
	calls  map[string]*call
	// aliases are configurations of providers, such as "aws.east".
	aliases map[string]bool
}

type variable struct {
	at             hcl.Range
	required, used bool
}

type local struct {
	at   hcl.Range
	used bool
}

// call is a module block.
type call struct {
	block *hclsyntax.Block
	// source is the folder of the module; empty if it is not in the tree.
	source string
}

func newModule(dir string) *module {
	return &module{
		dir:       dir,
		variables: map[string]*variable{},
		locals:    map[string]*local{},
		outputs:   map[string]hcl.Range{},
		things:    map[string]hcl.Range{},
		calls:     map[string]*call{},
		aliases:   map[string]bool{},
	}
}

// report adds a problem.
func (m *module) report(at hcl.Range, text string) {
	m.problems = append(m.problems, Problem{at.Filename, at.Start.Line, text})
}

// twice reports a second declaration of the same thing.
func (m *module) twice(what string, first, second hcl.Range) {
	m.report(second, what+" is declared twice, first in "+path.Base(first.Filename))
}

// declare collects the declarations of a file.
func (m *module) declare(f file) {
	if f.body == nil {
		m.broken = true
		return
	}
	for _, b := range f.body.Blocks {
		m.blocks = append(m.blocks, b)
		if want := labels(b.Type); want >= 0 && len(b.Labels) != want {
			m.report(b.DefRange(), "a block of type "+b.Type+" has the wrong number of labels")
			m.blocks = m.blocks[:len(m.blocks)-1]
			continue
		}
		m.declareBlock(b)
	}
	for _, a := range f.body.Attributes {
		m.report(a.NameRange, "argument "+a.Name+" stands outside of any block")
	}
}

// labels is the number of labels that a top-level block has; -1 if unknown.
func labels(kind string) int {
	switch kind {
	case "resource", "data", "ephemeral":
		return 2
	case "variable", "output", "module", "provider", "check":
		return 1
	case "locals", "terraform", "moved", "import", "removed":
		return 0
	default:
		return -1
	}
}

func (m *module) declareBlock(b *hclsyntax.Block) {
	at := b.DefRange()
	switch b.Type {
	case "variable":
		name := b.Labels[0]
		if v := m.variables[name]; v != nil {
			m.twice("variable "+name, v.at, at)
			return
		}
		m.variables[name] = &variable{at: at, required: b.Body.Attributes["default"] == nil}
	case "output":
		name := b.Labels[0]
		if first, ok := m.outputs[name]; ok {
			m.twice("output "+name, first, at)
		}
		m.outputs[name] = at
	case "locals":
		for name, a := range b.Body.Attributes {
			if l := m.locals[name]; l != nil {
				m.twice("local "+name, l.at, a.NameRange)
				continue
			}
			m.locals[name] = &local{at: a.NameRange}
		}
	case "resource", "data", "ephemeral":
		address := address(b)
		if first, ok := m.things[address]; ok {
			m.twice(address, first, at)
		}
		m.things[address] = at
	case "module":
		name := b.Labels[0]
		if first := m.calls[name]; first != nil {
			m.twice("module "+name, first.block.DefRange(), at)
		}
		m.calls[name] = &call{block: b}
	case "provider":
		if alias, ok := literalString(b.Body.Attributes["alias"]); ok {
			m.aliases[b.Labels[0]+"."+alias] = true
		}
	case "terraform":
		m.declareAliases(b)
	case "check", "moved", "import", "removed":
	default:
		m.report(at, "a block of type "+b.Type+" is unknown")
	}
}

// address is how the block of a resource is referred to.
func address(b *hclsyntax.Block) string {
	name := b.Labels[0] + "." + b.Labels[1]
	if b.Type == "resource" {
		return name
	}
	return b.Type + "." + name
}

// declareAliases notes the provider configurations that callers pass in:
// required_providers { aws = { configuration_aliases = [aws.east] } }.
func (m *module) declareAliases(b *hclsyntax.Block) {
	for _, r := range b.Body.Blocks {
		if r.Type != "required_providers" {
			continue
		}
		for _, a := range r.Body.Attributes {
			object, ok := a.Expr.(*hclsyntax.ObjectConsExpr)
			if !ok {
				continue
			}
			for _, item := range object.Items {
				if hcl.ExprAsKeyword(item.KeyExpr) != "configuration_aliases" {
					continue
				}
				for _, t := range item.ValueExpr.Variables() {
					m.aliases[strings.Join(steps(t), ".")] = true
				}
			}
		}
	}
}

// literalString is the value of an argument that is a plain string.
func literalString(a *hclsyntax.Attribute) (string, bool) {
	if a == nil {
		return "", false
	}
	t, ok := a.Expr.(*hclsyntax.TemplateExpr)
	if !ok || !t.IsStringLiteral() {
		return "", false
	}
	v, diags := t.Value(nil)
	return v.AsString(), !diags.HasErrors()
}

// steps are the names at the beginning of a traversal: up to the first index.
func steps(t hcl.Traversal) []string {
	var names []string
	for _, s := range t {
		switch s := s.(type) {
		case hcl.TraverseRoot:
			names = append(names, s.Name)
		case hcl.TraverseAttr:
			names = append(names, s.Name)
		default:
			return names
		}
	}
	return names
}
