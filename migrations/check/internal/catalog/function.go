package catalog

import (
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
)

func (s change) createFunction(n *pg.CreateFunctionStmt) {
	f := &Function{Name: s.newObject(n.GetFuncname()), Volatile: true, Create: n, File: s.maker(n.GetReplace()), SQL: s.source.sql, Line: s.source.line}
	in, _ := Parameters(n)
	for _, param := range in {
		switch {
		case param.GetMode() == pg.FunctionParameterMode_FUNC_PARAM_VARIADIC:
			f.Args = 1000
		default:
			f.Args++
			if param.GetDefexpr() == nil {
				f.Required++
			}
		}
	}
	for _, o := range n.GetOptions() {
		if e := o.GetDefElem(); e.GetDefname() == "volatility" {
			f.Volatile = e.GetArg().GetString_().GetSval() == "volatile"
		}
	}
	f.Language, f.Body = FunctionSource(n)
	if at := strings.Index(f.SQL, f.Body); f.Body != "" && at >= 0 {
		f.Line += strings.Count(f.SQL[:at], "\n")
	}
	list := s.Functions[f.Name]
	for i, old := range list {
		if sameParameters(old.Create, n) {
			f.File = old.File
			list[i] = f
			return
		}
	}
	s.Functions[f.Name] = append(list, f)
}

// Dropped reports whether a DROP FUNCTION means this function, among those of its name.
func (f *Function) Dropped(o *pg.ObjectWithArgs) bool {
	if o == nil || o.GetArgsUnspecified() {
		return true
	}
	var b strings.Builder
	for _, a := range o.GetObjargs() {
		b.WriteString(written(a.GetTypeName()))
	}
	return b.String() == inputs(f.Create)
}

// sameParameters reports whether two functions of one name are the same one.
func sameParameters(a, b *pg.CreateFunctionStmt) bool {
	return inputs(a) == inputs(b)
}

func inputs(n *pg.CreateFunctionStmt) string {
	in, _ := Parameters(n)
	var b strings.Builder
	for _, param := range in {
		b.WriteString(written(param.GetArgType()))
	}
	return b.String()
}

// written is a type as it is written, without its schema.
func written(t *pg.TypeName) string {
	return Last(Strings(t.GetNames())) + strings.Repeat("[]", len(t.GetArrayBounds())) + ","
}

// Parameters returns what a function takes and what it gives; INOUT is both.
func Parameters(n *pg.CreateFunctionStmt) (in, out []*pg.FunctionParameter) {
	for _, p := range n.GetParameters() {
		switch param := p.GetFunctionParameter(); param.GetMode() {
		case pg.FunctionParameterMode_FUNC_PARAM_OUT, pg.FunctionParameterMode_FUNC_PARAM_TABLE:
			out = append(out, param)
		case pg.FunctionParameterMode_FUNC_PARAM_INOUT:
			in, out = append(in, param), append(out, param)
		default:
			in = append(in, param)
		}
	}
	return in, out
}

// FunctionSource returns a function's language in lower case, and its body if that is
// a string.
func FunctionSource(n *pg.CreateFunctionStmt) (language, body string) {
	language = "sql"
	for _, o := range n.GetOptions() {
		switch e := o.GetDefElem(); e.GetDefname() {
		case "language":
			language = strings.ToLower(e.GetArg().GetString_().GetSval())
		case "as":
			body = first(Strings(e.GetArg().GetList().GetItems()))
		}
	}
	return language, body
}

// Volatile finds the first call in an expression whose value differs from row
// to row, or that nothing is known of: its name, and whether it is known.
func (s *Schema) Volatile(expr *pg.Node) (call string, known, volatile bool) {
	Walk(expr, func(n *pg.Node) bool {
		f := n.GetFuncCall()
		if f == nil || volatile {
			return !volatile
		}
		names := Strings(f.GetFuncname())
		v := s.callVolatility(names, len(f.GetArgs()))
		if v != Steady {
			call, known, volatile = strings.Join(names, "."), v == Volatile, true
		}
		return !volatile
	})
	return call, known, volatile
}

func (s *Schema) callVolatility(names []string, args int) Volatility {
	schema, name := splitName(names)
	if schema != "" && schema != "pg_catalog" {
		return s.ownVolatility(names, args)
	}
	if v := VolatilityOf(name, args); v != NotBuiltin {
		return v
	}
	return s.ownVolatility(names, args)
}

func (s *Schema) ownVolatility(names []string, args int) Volatility {
	v := NotBuiltin
	for _, f := range s.FindFunctions(names, args) {
		if f.Volatile {
			return Volatile
		}
		v = Steady
	}
	if v == NotBuiltin {
		return ExtensionVolatility(Last(names))
	}
	return v
}
