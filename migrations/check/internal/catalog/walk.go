package catalog

import (
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Walk calls visit for every node of a tree, parents first; visit returns
// whether to go on below a node.
func Walk(node *pg.Node, visit func(*pg.Node) bool) {
	if node == nil || node.Node == nil {
		return
	}
	walk(node.ProtoReflect(), visit)
}

func walk(m protoreflect.Message, visit func(*pg.Node) bool) {
	if node, ok := m.Interface().(*pg.Node); ok && !visit(node) {
		return
	}
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.Message() == nil:
		case f.IsList():
			list := v.List()
			for i := range list.Len() {
				walk(list.Get(i).Message(), visit)
			}
		default:
			walk(v.Message(), visit)
		}
		return true
	})
}

// Columns returns the names of the columns that an expression uses, each once,
// in no particular order.
func Columns(expr *pg.Node) []string {
	var list []string
	seen := map[string]bool{}
	Walk(expr, func(n *pg.Node) bool {
		fields := n.GetColumnRef().GetFields()
		if len(fields) == 0 {
			return true
		}
		if name := fields[len(fields)-1].GetString_().GetSval(); name != "" && !seen[name] {
			seen[name] = true
			list = append(list, name)
		}
		return true
	})
	return list
}

// Strings returns the parts of a list of names.
func Strings(list []*pg.Node) []string {
	parts := make([]string, 0, len(list))
	for _, n := range list {
		parts = append(parts, n.GetString_().GetSval())
	}
	return parts
}

// Last returns the last part of a name, which is the name itself; "" for none.
func Last(parts []string) string {
	if len(parts) == 0 {
		return ""
	}
	return parts[len(parts)-1]
}

// Text returns a string constant, looking through casts.
func Text(node *pg.Node) (string, bool) {
	if c := node.GetTypeCast(); c != nil {
		return Text(c.GetArg())
	}
	if s, ok := node.GetAConst().GetVal().(*pg.A_Const_Sval); ok {
		return s.Sval.GetSval(), true
	}
	return "", false
}

// Constant reports whether an expression is a constant, perhaps with a sign or
// a cast.
func Constant(node *pg.Node) bool {
	switch n := node.GetNode().(type) {
	case *pg.Node_AConst:
		return true
	case *pg.Node_TypeCast:
		return Constant(n.TypeCast.GetArg())
	case *pg.Node_AExpr:
		return n.AExpr.GetLexpr() == nil && Constant(n.AExpr.GetRexpr())
	}
	return false
}

// Given reports whether a default gives a value: it is there, and not NULL.
func Given(expr *pg.Node) bool { return expr != nil && !IsNull(expr) }

// IsNull reports whether an expression is the constant NULL.
func IsNull(node *pg.Node) bool {
	if c := node.GetTypeCast(); c != nil {
		return IsNull(c.GetArg())
	}
	return node.GetAConst().GetIsnull()
}

// Conjuncts returns the parts that AND joins.
func Conjuncts(node *pg.Node) []*pg.Node {
	if b := node.GetBoolExpr(); b != nil && b.GetBoolop() == pg.BoolExprType_AND_EXPR {
		var list []*pg.Node
		for _, arg := range b.GetArgs() {
			list = append(list, Conjuncts(arg)...)
		}
		return list
	}
	if node == nil {
		return nil
	}
	return []*pg.Node{node}
}

// Word is a name as it is written in a text.
type Word struct {
	Text   string
	Offset int
}

// Names returns the identifiers in a text in full. The parser would cut the long ones.
func Names(sql string) []Word {
	if guard(sql) != nil {
		return nil
	}
	scan, err := pg.Scan(sql)
	if err != nil {
		return nil
	}
	var list []Word
	for _, t := range scan.GetTokens() {
		if t.GetToken() == pg.Token_IDENT {
			list = append(list, Word{strings.Trim(sql[t.GetStart():t.GetEnd()], `"`), int(t.GetStart())})
		}
	}
	return list
}

// OpenPlaces returns the places of a tree that hold a placeholder, each as the
// message and field of PostgreSQL's tree, such as RangeVar.relname or A_Const.sval.
func OpenPlaces(node *pg.Node) []string {
	var list []string
	openPlaces(node.ProtoReflect(), "", &list)
	return list
}

func openPlaces(m protoreflect.Message, outer string, list *[]string) {
	name := string(m.Descriptor().Name())
	if name == "String" && outer == "A_Const" {
		name = outer
	}
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.Kind() == protoreflect.StringKind && !f.IsList():
			if Placeholder(v.String()) {
				*list = append(*list, name+"."+string(f.Name()))
			}
		case f.Message() == nil:
		case f.IsList():
			for i := range v.List().Len() {
				openPlaces(v.List().Get(i).Message(), name, list)
			}
		default:
			openPlaces(v.Message(), name, list)
		}
		return true
	})
}
