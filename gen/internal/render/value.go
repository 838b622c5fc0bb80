package render

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
)

// What an argument's value can be, besides string, bool and int literals.
type (
	// expr is HCL expression source, such as expr("var.name"). Text from the
	// configuration never goes into one, it goes in as a literal, which
	// hclwrite escapes.
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

// fields builds an object from sorted keys.
func fields[V any](keys []string, value func(string) V) object {
	o := make(object, 0, len(keys))
	for _, k := range keys {
		o = append(o, field{k, value(k)})
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

var (
	newline    = &hclwrite.Token{Type: hclsyntax.TokenNewline, Bytes: []byte("\n")}
	comma      = &hclwrite.Token{Type: hclsyntax.TokenComma, Bytes: []byte(",")}
	openBrack  = &hclwrite.Token{Type: hclsyntax.TokenOBrack, Bytes: []byte("[")}
	closeBrack = &hclwrite.Token{Type: hclsyntax.TokenCBrack, Bytes: []byte("]")}
	openParen  = &hclwrite.Token{Type: hclsyntax.TokenOParen, Bytes: []byte("(")}
	closeParen = &hclwrite.Token{Type: hclsyntax.TokenCParen, Bytes: []byte(")")}
	openBrace  = &hclwrite.Token{Type: hclsyntax.TokenOBrace, Bytes: []byte("{")}
	closeBrace = &hclwrite.Token{Type: hclsyntax.TokenCBrace, Bytes: []byte("}")}
	equal      = &hclwrite.Token{Type: hclsyntax.TokenEqual, Bytes: []byte("=")}
)

// appendValue appends the tokens of a value. It copies them, since formatting
// changes the spaces in tokens.
func appendValue(ts hclwrite.Tokens, v any) (hclwrite.Tokens, error) {
	var err error
	switch v := v.(type) {
	case string:
		return appendString(ts, v), nil
	case bool:
		return append(ts, hclwrite.TokensForValue(cty.BoolVal(v))...), nil
	case int:
		return append(ts, hclwrite.TokensForValue(cty.NumberIntVal(int64(v)))...), nil
	case expr:
		return appendExpr(ts, string(v))
	case call:
		ts = append(ts, &hclwrite.Token{Type: hclsyntax.TokenIdent, Bytes: []byte(v.function)}, clone(openParen))
		if ts, err = appendValue(ts, v.argument); err != nil {
			return nil, fmt.Errorf("%s: %w", v.function, err)
		}
		return append(ts, clone(closeParen)), nil
	case row:
		ts = append(ts, clone(openBrack))
		for i, e := range v {
			if i > 0 {
				ts = append(ts, clone(comma))
			}
			if ts, err = appendValue(ts, e); err != nil {
				return nil, err
			}
		}
		return append(ts, clone(closeBrack)), nil
	case list:
		if len(v) == 0 || len(v) == 1 && short(v[0]) {
			return appendValue(ts, row(v))
		}
		ts = append(ts, clone(openBrack), clone(newline))
		for _, e := range v {
			if c, ok := e.(comment); ok {
				ts = append(ts, c.tokens()...)
				continue
			}
			if ts, err = appendValue(ts, e); err != nil {
				return nil, err
			}
			ts = append(ts, clone(comma), clone(newline))
		}
		return append(ts, clone(closeBrack)), nil
	case object:
		if len(v) == 0 {
			return append(ts, clone(openBrace), clone(closeBrace)), nil
		}
		ts = append(ts, clone(openBrace), clone(newline))
		seen := make(map[string]bool, len(v))
		for _, f := range v {
			if c, ok := f.value.(comment); ok {
				ts = append(ts, c.tokens()...)
				continue
			}
			// Of two equal keys Terraform silently keeps the last.
			if seen[f.key] {
				return nil, fmt.Errorf("%s: an object has this key twice", f.key)
			}
			seen[f.key] = true
			if ts, err = appendKey(ts, f.key); err != nil {
				return nil, err
			}
			ts = append(ts, clone(equal))
			if ts, err = appendValue(ts, f.value); err != nil {
				return nil, fmt.Errorf("%s: %w", f.key, err)
			}
			ts = append(ts, clone(newline))
		}
		return append(ts, clone(closeBrace)), nil
	default:
		return nil, fmt.Errorf("render a value of type %T: not a known kind of value", v)
	}
}

func appendKey(ts hclwrite.Tokens, key string) (hclwrite.Tokens, error) {
	switch {
	case strings.HasPrefix(key, "("):
		return appendExpr(ts, key)
	case key != "for" && hclsyntax.ValidIdentifier(key): // { for …} begins an expression
		return append(ts, &hclwrite.Token{Type: hclsyntax.TokenIdent, Bytes: []byte(key)}), nil
	default:
		return appendString(ts, key), nil
	}
}

// appendString appends a quoted string. Most strings need no escapes, and
// their tokens can be made without hclwrite's help.
func appendString(ts hclwrite.Tokens, s string) hclwrite.Tokens {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '$' || c == '%' {
			return append(ts, hclwrite.TokensForValue(cty.StringVal(s))...)
		}
	}
	ts = append(ts, &hclwrite.Token{Type: hclsyntax.TokenOQuote, Bytes: []byte{'"'}})
	if s != "" {
		ts = append(ts, &hclwrite.Token{Type: hclsyntax.TokenQuotedLit, Bytes: []byte(s)})
	}
	return append(ts, &hclwrite.Token{Type: hclsyntax.TokenCQuote, Bytes: []byte{'"'}})
}

// appendExpr splits expression source into tokens. hclwrite writes raw tokens
// unchecked; package reference, which parses every file, checks whether they
// are an expression.
func appendExpr(ts hclwrite.Tokens, src string) (hclwrite.Tokens, error) {
	if traversal(src) {
		return appendTraversal(ts, src), nil
	}
	b := []byte(src)
	lexed, diags := hclsyntax.LexExpression(b, "", hcl.InitialPos)
	if diags.HasErrors() {
		return nil, fmt.Errorf("lex expression %q: %w", src, diags)
	}
	for _, t := range lexed {
		if t.Type == hclsyntax.TokenEOF {
			break
		}
		ts = append(ts, &hclwrite.Token{Type: t.Type, Bytes: t.Bytes})
	}
	return ts, nil
}

// traversal reports whether an expression consists of names and dots alone.
// Most do, and they need no lexer.
func traversal(src string) bool {
	start := true // of a name
	for i := range len(src) {
		switch c := src[i]; {
		case 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_':
			start = false
		case start:
			return false
		case c == '.':
			start = true
		case c != '-' && (c < '0' || c > '9'):
			return false
		}
	}
	return !start
}

func appendTraversal(ts hclwrite.Tokens, src string) hclwrite.Tokens {
	for i, name := range strings.Split(src, ".") {
		if i > 0 {
			ts = append(ts, &hclwrite.Token{Type: hclsyntax.TokenDot, Bytes: []byte{'.'}})
		}
		ts = append(ts, &hclwrite.Token{Type: hclsyntax.TokenIdent, Bytes: []byte(name)})
	}
	return ts
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

func clone(t *hclwrite.Token) *hclwrite.Token {
	c := *t
	return &c
}
