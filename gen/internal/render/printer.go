package render

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2/hclwrite"
)

// Format has hclwrite lay out files, by path, as terraform fmt does. What was rendered
// mostly is laid out so; hclwrite takes ten times as long and has the last word.
func Format(files map[string][]byte) {
	for path, content := range files {
		if strings.HasSuffix(path, ".tf") || strings.HasSuffix(path, ".hcl") {
			files[path] = hclwrite.Format(content)
		}
	}
}

// printer writes HCL as terraform fmt would, so that a tree that nothing changed can
// be compared without Format. Tests hold that Format then changes nothing.
type printer struct {
	lines []line
	line  line
	// depth is how many brackets that end on a later line are open.
	depth int
}

// line is one line of source, without the spaces before it. Where it is a whole
// name = value, equal is where the value's sign belongs; otherwise it is 0.
type line struct {
	depth, equal int
	text         []byte
}

func (p *printer) text(s string) {
	if len(p.line.text) == 0 {
		p.line.depth = p.depth
	}
	p.line.text = append(p.line.text, s...)
}

func (p *printer) quoted(s string) { p.text(quote(s)) }

// end ends the line, an empty one as well.
func (p *printer) end() {
	p.lines = append(p.lines, p.line)
	p.line = line{}
}

// open ends a line whose bracket is shut on another.
func (p *printer) open(bracket string) {
	p.text(bracket)
	p.line.equal = 0
	p.end()
	p.depth++
}

// shut begins a line with the bracket that open opened.
func (p *printer) shut(bracket string) {
	p.depth--
	p.text(bracket)
}

// assign writes name = value.
func (p *printer) assign(name string, value any) error {
	p.text(name)
	p.line.equal = len(p.line.text)
	p.text(" = ")
	if err := p.value(value); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	p.end()
	return nil
}

// expression writes expression source, whose lines are indented anew.
func (p *printer) expression(src string) {
	for i, text := range strings.Split(src, "\n") {
		if i > 0 {
			p.end()
			text = strings.TrimSpace(text)
			if strings.IndexAny(text, ")]}") == 0 {
				p.depth--
			}
			text, p.line.equal = assignment(text)
		}
		p.text(text)
		if strings.Contains("([{", text[len(text)-1:]) {
			p.line.equal = 0
			p.depth++
		}
	}
}

// assignment is a name = value with single spaces, and where its sign belongs, less
// the space before it; 0 if text is none.
func assignment(text string) (string, int) {
	name, value, ok := strings.Cut(text, " = ")
	name = strings.TrimRight(name, " ")
	if !ok || strings.ContainsAny(name, "([{ ") {
		return text, 0
	}
	return name + " = " + value, len(name)
}

// bytes is all of it, with the equals signs of consecutive lines aligned.
func (p *printer) bytes() []byte {
	var b bytes.Buffer
	widest, until := 0, 0
	for i, l := range p.lines {
		if i >= until {
			widest, until = 0, i
			for ; until < len(p.lines) && p.lines[until].equal > 0; until++ {
				widest = max(widest, p.lines[until].columns())
			}
		}
		if len(l.text) > 0 {
			b.WriteString(strings.Repeat("  ", l.depth))
		}
		b.Write(l.text[:l.equal])
		if l.equal > 0 {
			b.WriteString(strings.Repeat(" ", widest-l.columns()))
		}
		b.Write(l.text[l.equal:])
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// columns is the width of a name.
func (l line) columns() int {
	for _, c := range l.text[:l.equal] {
		if c >= utf8.RuneSelf {
			return hclwrite.Tokens{{Bytes: l.text[:l.equal]}}.Columns()
		}
	}
	return l.equal
}
