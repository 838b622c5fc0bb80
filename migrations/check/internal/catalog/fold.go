package catalog

import (
	"strconv"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// Fold computes the text that an expression of constants makes, as EXECUTE
// takes it: strings, ||, format, concat, quote_ident, quote_literal.
func Fold(node *pg.Node) (string, bool) {
	return (&folder{}).fold(node)
}

// FoldOpen is Fold for a text of which parts are known at run time only: a name
// such as ‹t› stands for each of them, and open says that there are some. Where
// such a name stands in the parsed text, OpenPlaces tells.
func FoldOpen(node *pg.Node) (text string, open, ok bool) {
	f := &folder{fill: true}
	text, ok = f.fold(node)
	return text, f.open, ok
}

// Placeholder reports whether a name or value is known at run time only, in
// whole or in part.
func Placeholder(name string) bool { return strings.Contains(name, "‹") }

// placeholder stands for an expression; to PostgreSQL it is a plain name.
func placeholder(expr *pg.Node) (string, bool) {
	written, err := DeparseExpression(expr)
	const most = 30
	if r := []rune(written); len(r) > most {
		written = string(r[:most-1]) + "…"
	}
	plain := strings.Map(func(r rune) rune {
		if r == '_' || r >= 0x80 || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' {
			return r
		}
		return '_'
	}, strings.ToLower(written))
	return "‹" + plain + "›", err == nil
}

type folder struct{ fill, open bool }

// fold computes a text, or fills in a placeholder for one that it cannot.
func (f *folder) fold(node *pg.Node) (string, bool) {
	text, ok := f.known(node)
	if !ok && f.fill {
		text, ok = placeholder(node)
		f.open = true
	}
	return text, ok
}

func (f *folder) known(node *pg.Node) (string, bool) {
	if text, ok := Text(node); ok {
		return text, true
	}
	if n, ok := node.GetAConst().GetVal().(*pg.A_Const_Ival); ok {
		return strconv.Itoa(int(n.Ival.GetIval())), true
	}
	if c := node.GetTypeCast(); c != nil {
		return f.fold(c.GetArg())
	}
	if e := node.GetAExpr(); e != nil && len(e.GetName()) == 1 && e.GetName()[0].GetString_().GetSval() == "||" {
		left, ok := f.fold(e.GetLexpr())
		right, also := f.fold(e.GetRexpr())
		return left + right, ok && also
	}
	call := node.GetFuncCall()
	if call == nil || call.GetFuncVariadic() {
		return "", false
	}
	args := call.GetArgs()
	switch name := Last(Strings(call.GetFuncname())); {
	case name == "format" && len(args) > 0:
		text, ok := (&folder{}).fold(args[0])
		if !ok {
			return "", false
		}
		return f.format(text, args[1:])
	case name == "concat":
		var b strings.Builder
		for _, a := range args {
			text, ok := f.fold(a)
			if !ok {
				return "", false
			}
			b.WriteString(text)
		}
		return b.String(), true
	case name == "quote_ident" && len(args) == 1:
		return f.quoted(args[0], 'I')
	case (name == "quote_literal" || name == "quote_nullable") && len(args) == 1:
		return f.quoted(args[0], 'L')
	}
	return "", false
}

// quoted is a text as format writes it for %s, %I and %L.
func (f *folder) quoted(node *pg.Node, as byte) (string, bool) {
	text, ok := f.fold(node)
	switch as {
	case 's':
		return text, ok
	case 'I':
		if !Placeholder(text) {
			text = Quote(text)
		}
		return text, ok
	case 'L':
		return quoteLiteral(text), ok
	}
	return "", false
}

// format is PostgreSQL's function for %s, %I, %L, their numbered forms, and %%.
func (f *folder) format(text string, args []*pg.Node) (string, bool) {
	var b strings.Builder
	next := 0
	for i := 0; i < len(text); i++ {
		if text[i] != '%' {
			b.WriteByte(text[i])
			continue
		}
		i++
		if digits := len(text[i:]) - len(strings.TrimLeft(text[i:], "0123456789")); digits > 0 && strings.HasPrefix(text[i+digits:], "$") {
			n, err := strconv.Atoi(text[i : i+digits])
			if err != nil || n < 1 {
				return "", false
			}
			next, i = n-1, i+digits+1
		}
		if i >= len(text) {
			return "", false
		}
		if text[i] == '%' {
			b.WriteByte('%')
			continue
		}
		if next >= len(args) {
			return "", false
		}
		written, ok := f.quoted(args[next], text[i])
		if !ok {
			return "", false
		}
		b.WriteString(written)
		next++
	}
	return b.String(), true
}

func quoteLiteral(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// Quote writes a name as an identifier, quoted only where it must be.
func Quote(name string) string {
	plain := name != "" && !reserved[name]
	for i := range len(name) {
		c := name[i]
		plain = plain && (c >= 'a' && c <= 'z' || c == '_' || i > 0 && (c >= '0' && c <= '9' || c == '$'))
	}
	if plain {
		return name
	}
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

// reserved holds the keywords that cannot be a table's or column's name
// without quotes.
var reserved = words(`all analyse analyze and any array as asc asymmetric both case cast check collate column
	constraint create current_catalog current_date current_role current_time current_timestamp current_user default
	deferrable desc distinct do else end except false fetch for foreign from grant group having in initially
	intersect into lateral leading limit localtime localtimestamp not null offset on only or order placing primary
	references returning select session_user some symmetric system_user table then to trailing true union unique
	user using variadic when where window with authorization binary collation concurrently cross current_schema
	freeze full ilike inner is isnull join left like natural notnull outer overlaps right similar tablesample verbose`)

func words(text string) map[string]bool {
	set := map[string]bool{}
	for _, w := range strings.Fields(text) {
		set[w] = true
	}
	return set
}
