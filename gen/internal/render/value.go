package render

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
)

// What an argument's value can be, besides string, bool and int literals.
type (
	// expr is HCL expression source, such as expr("var.name"), spaced as
	// terraform fmt does it. Text from the configuration never goes into one, it
	// goes in as a literal, which is escaped.
	expr string
	// list is a list with one element to a line, unless it has only one.
	list []any
	// row is a list on one line, for a few short elements.
	row []any
	// call is a function with one argument, such as jsonencode.
	call struct {
		function string
		argument any
	}
	// listed are the arguments of a call with several.
	listed []any
	// loop is a list of one element for each of a collection, such as
	// loop{"port", "var.port[*]", object{…}}.
	loop struct {
		each    string
		in      expr
		element any
	}
	// object is an object or map that keeps the order of its fields.
	object []field
)

// field is one line of an object. A key in parentheses is an expression; any
// other that is no identifier gets quoted. A comment as value stands alone.
type field struct {
	key   string
	value any
}

// note is a comment between the fields of an object.
func note(text string) field { return field{"", comment(text)} }

// sorted is a map as an object, in the order of its keys.
func sorted[V any](values map[string]V) (o object) {
	for _, k := range slices.Sorted(maps.Keys(values)) {
		o = append(o, field{k, values[k]})
	}
	return o
}

// strs turns strings into list elements.
func strs(in []string) []any {
	out := make([]any, len(in))
	for i, s := range in {
		out[i] = s
	}
	return out
}

// value writes a value on the current line and those after it.
func (p *printer) value(v any) error {
	switch v := v.(type) {
	case string:
		p.quoted(v)
	case bool:
		p.text(strconv.FormatBool(v))
	case int:
		p.text(strconv.Itoa(v))
	case expr:
		p.expression(string(v))
	case call:
		p.text(v.function + "(")
		if err := p.value(v.argument); err != nil {
			return fmt.Errorf("%s: %w", v.function, err)
		}
		p.text(")")
	case listed:
		for i, e := range v {
			if i > 0 {
				p.text(", ")
			}
			if err := p.value(e); err != nil {
				return err
			}
		}
	case loop:
		p.text("[for " + v.each + " in ")
		p.expression(string(v.in))
		p.text(" : ")
		if err := p.value(v.element); err != nil {
			return err
		}
		p.text("]")
	case row:
		p.text("[")
		for i, e := range v {
			if i > 0 {
				p.text(", ")
			}
			if err := p.value(e); err != nil {
				return err
			}
		}
		p.text("]")
	case list:
		if len(v) == 0 || len(v) == 1 && short(v[0]) {
			return p.value(row(v))
		}
		p.open("[")
		for _, e := range v {
			if c, ok := e.(comment); ok {
				_ = c.print(p)
				continue
			}
			if err := p.value(e); err != nil {
				return err
			}
			p.text(",")
			p.end()
		}
		p.shut("]")
	case object:
		return p.object(v)
	default:
		return fmt.Errorf("render a value of type %T: not a known kind of value", v)
	}
	return nil
}

func (p *printer) object(o object) error {
	if len(o) == 0 {
		p.text("{}")
		return nil
	}
	p.open("{")
	seen := make(map[string]bool, len(o))
	for _, f := range o {
		if c, ok := f.value.(comment); ok {
			_ = c.print(p)
			continue
		}
		// Of two equal keys Terraform silently keeps the last.
		if seen[f.key] {
			return fmt.Errorf("%s: an object has this key twice", f.key)
		}
		seen[f.key] = true
		if err := p.assign(key(f.key), f.value); err != nil {
			return err
		}
	}
	p.shut("}")
	return nil
}

// key is a key as it is written: { for …} begins an expression.
func key(k string) string {
	if strings.HasPrefix(k, "(") || k != "for" && (isWord(k) || hclsyntax.ValidIdentifier(k)) {
		return k
	}
	return quote(k)
}

// isWord reports whether a key is an identifier as most are, without a lexer.
func isWord(k string) bool {
	for i, c := range []byte(k) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
		if !letter && (i == 0 || c != '-' && (c < '0' || c > '9')) {
			return false
		}
	}
	return k != ""
}

// quote is a string's literal. The library is slow, and most strings need no escapes,
// so only the others go through it.
func quote(s string) string {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '$' || c == '%' {
			return string(hclwrite.TokensForValue(cty.StringVal(s)).Bytes())
		}
	}
	return `"` + s + `"`
}

// short reports whether an element is short enough for a list on one line.
func short(v any) bool {
	switch v := v.(type) {
	case string:
		return len(v) < 60
	case expr:
		return len(v) < 60 && !strings.Contains(string(v), "\n")
	default:
		return false
	}
}
