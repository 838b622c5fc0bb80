package catalog

import (
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
)

func (s change) createFunction(n *pg.CreateFunctionStmt) {
	f := &Function{Name: s.newObject(n.GetFuncname()), Volatile: true, Language: "sql", Create: n, File: s.maker(n.GetReplace()), SQL: s.source.sql, Line: s.source.line}
	for _, p := range n.GetParameters() {
		switch param := p.GetFunctionParameter(); param.GetMode() {
		case pg.FunctionParameterMode_FUNC_PARAM_OUT, pg.FunctionParameterMode_FUNC_PARAM_TABLE:
		case pg.FunctionParameterMode_FUNC_PARAM_VARIADIC:
			f.Args = 1000
		default:
			f.Args++
			if param.GetDefexpr() == nil {
				f.Required++
			}
		}
	}
	for _, o := range n.GetOptions() {
		e := o.GetDefElem()
		switch e.GetDefname() {
		case "volatility":
			f.Volatile = e.GetArg().GetString_().GetSval() == "volatile"
		case "language":
			f.Language = strings.ToLower(e.GetArg().GetString_().GetSval())
		case "as":
			f.Body = first(Strings(e.GetArg().GetList().GetItems()))
			if at := strings.Index(f.SQL, f.Body); f.Body != "" && at >= 0 {
				f.Line += strings.Count(f.SQL[:at], "\n")
			}
		}
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
		b.WriteString(last(Strings(a.GetTypeName().GetNames())) + strings.Repeat("[]", len(a.GetTypeName().GetArrayBounds())) + ",")
	}
	return b.String() == inputs(f.Create)
}

// sameParameters reports whether two functions of one name are the same one.
func sameParameters(a, b *pg.CreateFunctionStmt) bool {
	return inputs(a) == inputs(b)
}

func inputs(n *pg.CreateFunctionStmt) string {
	var b strings.Builder
	for _, p := range n.GetParameters() {
		switch param := p.GetFunctionParameter(); param.GetMode() {
		case pg.FunctionParameterMode_FUNC_PARAM_OUT, pg.FunctionParameterMode_FUNC_PARAM_TABLE:
		default:
			names := Strings(param.GetArgType().GetNames())
			b.WriteString(last(names) + strings.Repeat("[]", len(param.GetArgType().GetArrayBounds())) + ",")
		}
	}
	return b.String()
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
		return ExtensionVolatility(last(names))
	}
	return v
}
