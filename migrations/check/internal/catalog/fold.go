package catalog

import (
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// Fold computes the text that an expression of constants makes, as EXECUTE
// takes it: strings, ||, format, concat, quote_ident, quote_literal.
func Fold(node *pg.Node) (string, bool) {
	if text, ok := Text(node); ok {
		return text, true
	}
	if c := node.GetTypeCast(); c != nil {
		return Fold(c.GetArg())
	}
	if e := node.GetAExpr(); e != nil && len(e.GetName()) == 1 && e.GetName()[0].GetString_().GetSval() == "||" {
		left, ok := Fold(e.GetLexpr())
		right, also := Fold(e.GetRexpr())
		return left + right, ok && also
	}
	call := node.GetFuncCall()
	if call == nil {
		return "", false
	}
	args := make([]string, 0, len(call.GetArgs()))
	for _, a := range call.GetArgs() {
		text, ok := Fold(a)
		if !ok {
			return "", false
		}
		args = append(args, text)
	}
	names := Strings(call.GetFuncname())
	switch name := names[len(names)-1]; {
	case name == "format" && len(args) > 0:
		return format(args[0], args[1:])
	case name == "concat":
		return strings.Join(args, ""), true
	case name == "quote_ident" && len(args) == 1:
		return Quote(args[0]), true
	case name == "quote_literal" && len(args) == 1:
		return quoteLiteral(args[0]), true
	}
	return "", false
}

// format is PostgreSQL's function for %s, %I, %L and %%.
func format(text string, args []string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '%' {
			b.WriteByte(text[i])
			continue
		}
		i++
		if i >= len(text) {
			return "", false
		}
		if text[i] == '%' {
			b.WriteByte('%')
			continue
		}
		if len(args) == 0 {
			return "", false
		}
		switch text[i] {
		case 's':
			b.WriteString(args[0])
		case 'I':
			b.WriteString(Quote(args[0]))
		case 'L':
			b.WriteString(quoteLiteral(args[0]))
		default:
			return "", false
		}
		args = args[1:]
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
