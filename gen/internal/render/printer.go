package render

import (
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

// printer writes HCL as terraform fmt would, so that an unchanged tree can be compared
// without Format. Tests prove that Format would change nothing.
type printer struct {
	source []byte // of all lines, without the spaces before them
	lines  []line
	line   line
	// depth is how many brackets that end on a later line are open.
	depth int
}

// line is where one line stands in the source. Where it is a whole name = value,
// equal is where in the line the value's sign belongs; otherwise it is 0.
type line struct {
	depth, equal int
	from, to     int
}

func (p *printer) text(s string) {
	if len(p.source) == p.line.from {
		p.line.depth = p.depth
	}
	p.source = append(p.source, s...)
}

func (p *printer) quoted(s string) { p.text(quote(s)) }

// end ends the line, an empty one as well.
func (p *printer) end() {
	p.line.to = len(p.source)
	p.lines = append(p.lines, p.line)
	p.line = line{from: p.line.to}
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
	p.line.equal = len(p.source) - p.line.from
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
	b := make([]byte, 0, len(p.source)+16*len(p.lines))
	widest, until := 0, 0
	for i, l := range p.lines {
		if i >= until {
			widest, until = 0, i
			for ; until < len(p.lines) && p.lines[until].equal > 0; until++ {
				widest = max(widest, p.columns(p.lines[until]))
			}
		}
		if l.from < l.to {
			b = spaces(b, 2*l.depth)
		}
		sign := l.from + l.equal
		b = append(b, p.source[l.from:sign]...)
		if l.equal > 0 {
			b = spaces(b, widest-p.columns(l))
		}
		b = append(append(b, p.source[sign:l.to]...), '\n')
	}
	return b
}

func spaces(b []byte, n int) []byte {
	for range n {
		b = append(b, ' ')
	}
	return b
}

// columns is the width of a line's name.
func (p *printer) columns(l line) int {
	name := p.source[l.from : l.from+l.equal]
	for _, c := range name {
		if c >= utf8.RuneSelf {
			return hclwrite.Tokens{{Bytes: name}}.Columns()
		}
	}
	return l.equal
}
