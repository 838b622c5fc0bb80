package render

import (
	"fmt"
	"slices"
	"strings"
)

// node is an element of a file's or block's body: an argument, a nested block
// or a comment.
type node interface {
	print(*printer) error
}

// argument is one name = value.
type argument struct {
	name  string
	value any
}

// set makes an argument.
func set(name string, value any) argument { return argument{name, value} }

func (a argument) print(p *printer) error { return p.assign(a.name, a.value) }

// block is a nested or top-level block.
type block struct {
	kind   string
	labels []string
	body   []node
}

func (bl block) print(p *printer) error {
	p.text(bl.kind)
	for _, l := range bl.labels {
		p.text(" ")
		p.quoted(l)
	}
	p.open(" {")
	if err := p.nodes(bl.body); err != nil {
		return fmt.Errorf("%s: %w", strings.Join(append([]string{bl.kind}, bl.labels...), "."), err)
	}
	p.shut("}")
	p.end()
	return nil
}

func nested(kind string, body ...node) block { return block{kind, nil, body} }
func resource(kind, name string, body ...node) block {
	return block{"resource", []string{kind, name}, body}
}
func data(kind, name string, body ...node) block { return block{"data", []string{kind, name}, body} }
func ephemeral(kind, name string, body ...node) block {
	return block{"ephemeral", []string{kind, name}, body}
}
func labelled(kind, name string, body ...node) block { return block{kind, []string{name}, body} }

// dynamic makes a nested block for each element of a collection.
func dynamic(kind string, each any, content ...node) block {
	return labelled("dynamic", kind, set("for_each", each), nested("content", content...))
}

// locals makes a locals block.
func locals(body ...node) block { return nested("locals", body...) }

// comment is one paragraph; it is wrapped to 80 columns and stands directly
// above what follows it.
type comment string

func (c comment) print(p *printer) error {
	for _, line := range wrap(string(c), 76) {
		p.text("# " + line)
		p.end()
	}
	return nil
}

// wrap breaks text into lines of at most width bytes, at spaces.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == "":
			line = word
		case len(line)+1+len(word) > width:
			lines = append(lines, line)
			line = word
		default:
			line += " " + word
		}
	}
	return append(lines, line)
}

// sortArguments puts the arguments of a module call in alphabetical order, the
// order of the module's variables.tf.
func sortArguments(body []node) {
	slices.SortFunc(body, func(a, b node) int {
		return strings.Compare(a.(argument).name, b.(argument).name)
	})
}

// leading are the arguments that stand first, with a blank line after them.
var leading = []string{"count", "for_each", "source"}

// nodes writes a body with the blank lines of HashiCorp's style guide: one after
// the meta-arguments that lead, one around every block, none between a comment
// and what it is about.
func (p *printer) nodes(nodes []node) error {
	for i, n := range nodes {
		if i > 0 && blankBetween(nodes[i-1], n, nodes[i+1:]) {
			p.end()
		}
		if err := n.print(p); err != nil {
			return err
		}
	}
	return nil
}

func blankBetween(before, n node, after []node) bool {
	if _, ok := before.(comment); ok {
		return false
	}
	if _, ok := before.(block); ok {
		return true
	}
	if a, ok := before.(argument); ok && slices.Contains(leading, a.name) {
		return true
	}
	if _, ok := n.(comment); ok && len(after) > 0 {
		// A comment belongs to what follows it.
		return blankBetween(before, after[0], nil)
	}
	_, ok := n.(block)
	return ok
}
