package reference

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// resolver follows the references of one top-level block.
type resolver struct {
	*module
	modules map[string]*module

	container   string   // the block's type
	each, count bool     // whether it has for_each or count
	self        string   // the block's own address: referring to itself does not count as use
	iterators   []string // of the dynamic blocks around
	scoped      []string // addresses that only this block knows

	at     hcl.Range             // of the reference being checked
	scopes []map[string]struct{} // names of the for expressions around
	// elements are variables of for expressions that iterate over a module.
	elements map[string]string
}

// expression checks every reference in an expression.
func (r *resolver) expression(e hclsyntax.Expression) {
	// The walker itself returns no diagnostics.
	_ = hclsyntax.Walk(e, r)
}

// Enter is called before the parts of an expression are walked.
func (r *resolver) Enter(n hclsyntax.Node) hcl.Diagnostics {
	switch e := n.(type) {
	case hclsyntax.ChildScope:
		r.scopes = append(r.scopes, e.LocalNames)
	case *hclsyntax.ScopeTraversalExpr:
		r.reference(e.Traversal)
	case *hclsyntax.RelativeTraversalExpr:
		r.output(e.Source, e.Traversal)
	case *hclsyntax.SplatExpr:
		if each, ok := e.Each.(*hclsyntax.RelativeTraversalExpr); ok {
			r.output(e.Source, each.Traversal)
		}
	case *hclsyntax.ForExpr:
		if name, ok := moduleName(e.CollExpr); ok {
			if r.elements == nil {
				r.elements = map[string]string{}
			}
			r.elements[e.ValVar] = name
		}
	case *hclsyntax.TemplateWrapExpr:
		r.report(e.SrcRange, "an expression alone stands in quotes and ${}")
	}
	return nil
}

// Exit is called after the parts of an expression are walked.
func (r *resolver) Exit(n hclsyntax.Node) hcl.Diagnostics {
	switch e := n.(type) {
	case hclsyntax.ChildScope:
		r.scopes = r.scopes[:len(r.scopes)-1]
	case *hclsyntax.ForExpr:
		delete(r.elements, e.ValVar)
	}
	return nil
}

// output checks the first name that is taken of a module with an index or a
// splat: module.api[each.key].arn, module.api[*].arn.
func (r *resolver) output(source hclsyntax.Expression, t hcl.Traversal) {
	if index, ok := source.(*hclsyntax.IndexExpr); ok {
		source = index.Collection
	}
	name, ok := moduleName(source)
	if !ok || len(t) == 0 {
		return
	}
	if a, ok := t[0].(hcl.TraverseAttr); ok {
		r.at = a.SrcRange
		r.checkOutput(name, a.Name)
	}
}

// moduleName is X if e is module.X and no more.
func moduleName(e hclsyntax.Expression) (string, bool) {
	t, ok := e.(*hclsyntax.ScopeTraversalExpr)
	if !ok || len(t.Traversal) != 2 || t.Traversal.RootName() != "module" {
		return "", false
	}
	a, ok := t.Traversal[1].(hcl.TraverseAttr)
	return a.Name, ok
}

// reference checks one reference such as var.name or aws_vpc.this.id.
func (r *resolver) reference(t hcl.Traversal) {
	r.at = t.SourceRange()
	root := t.RootName()
	for _, names := range r.scopes {
		if _, ok := names[root]; ok {
			r.element(root, t)
			return
		}
	}
	if slices.Contains(r.iterators, root) {
		return
	}
	names := steps(t)
	second := ""
	if len(names) > 1 {
		second = names[1]
	}
	switch root {
	case "var":
		r.use("var.", "variable", second, func() (*bool, bool) {
			v := r.variables[second]
			if v == nil {
				return nil, false
			}
			return &v.used, true
		})
	case "local":
		r.use("local.", "local", second, func() (*bool, bool) {
			l := r.module.locals[second]
			if l == nil {
				return nil, false
			}
			return &l.used, true
		})
	case "module":
		r.moduleReference(t, second)
	case "each":
		r.known(r.each, "each."+second, "the block has no for_each")
		r.known(second == "key" || second == "value", "each."+second, "there is each.key and each.value only")
	case "count":
		r.known(r.count, "count."+second, "the block has no count")
		r.known(second == "index", "count."+second, "there is count.index only")
	case "path":
		r.known(slices.Contains([]string{"module", "root", "cwd"}, second), "path."+second, "there is no such path")
	case "terraform":
		r.known(slices.Contains([]string{"workspace", "applying"}, second), "terraform."+second, "there is no such value")
	case "self":
		r.known(r.container == "resource" || r.container == "data", "self", "only a resource has a self")
	case "data", "ephemeral":
		r.thing(names, 3)
	case "resource":
		r.thing(names[1:], 2)
	default:
		r.thing(names, 2)
	}
}

// element checks the output that an expression reads from one instance of a
// module.
func (r *resolver) element(name string, t hcl.Traversal) {
	if module, ok := r.elements[name]; ok && len(t) > 1 {
		if a, ok := t[1].(hcl.TraverseAttr); ok {
			r.checkOutput(module, a.Name)
		}
	}
}

// use marks a variable or local as used, other than by itself.
func (r *resolver) use(prefix, kind, name string, find func() (*bool, bool)) {
	used, ok := find()
	if !ok {
		r.report(r.at, prefix+name+": no "+kind+" "+name+" is declared")
		return
	}
	if r.self != prefix+name {
		*used = true
	}
}

// moduleReference checks module.X, module.X.output and module.X["k"].output.
func (r *resolver) moduleReference(t hcl.Traversal, name string) {
	if r.calls[name] == nil {
		r.report(r.at, "module."+name+": no module "+name+" is called")
		return
	}
	for _, step := range t[2:] {
		switch step := step.(type) {
		case hcl.TraverseIndex:
			if step.Key.Type() == cty.String || step.Key.Type() == cty.Number {
				continue
			}
		case hcl.TraverseAttr:
			r.checkOutput(name, step.Name)
		}
		return
	}
}

// thing checks the address of a resource, data source or ephemeral resource, whose
// address has count names.
func (r *resolver) thing(names []string, count int) {
	if len(names) < count {
		r.report(r.at, strings.Join(names, ".")+" refers to nothing")
		return
	}
	address := strings.Join(names[:count], ".")
	if _, ok := r.things[address]; !ok && !slices.Contains(r.scoped, address) {
		r.report(r.at, address+" is not declared")
	}
}

func (r *resolver) known(ok bool, what, why string) {
	if !ok {
		r.report(r.at, what+": "+why)
	}
}
