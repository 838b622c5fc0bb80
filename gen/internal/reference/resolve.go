package reference

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// resolve checks every block of the module.
func (m *module) resolve(modules map[string]*module) {
	for name, c := range m.calls {
		m.checkCall(name, c, modules)
	}
	for _, b := range m.blocks {
		m.resolveBlock(b, modules)
	}
	for name, v := range m.variables {
		if !v.used {
			m.report(v.at, "variable "+name+" is not used")
		}
	}
	for name, l := range m.locals {
		if !l.used {
			m.report(l.at, "local "+name+" is not used")
		}
	}
}

// resolveBlock checks one top-level block.
func (m *module) resolveBlock(b *hclsyntax.Block, modules map[string]*module) {
	r := &resolver{module: m, modules: modules}
	switch b.Type {
	case "terraform":
		r.constants(b.Body)
	case "variable":
		r.self = "var." + b.Labels[0]
		r.variableBlock(b)
	case "locals":
		for name, a := range b.Body.Attributes {
			r.self = "local." + name
			r.expression(a.Expr)
		}
	case "moved":
		// The address in "from" no longer exists; the one in "to" must.
		r.argument(b.Body.Attributes["to"])
	case "removed":
		for _, inner := range b.Body.Blocks {
			r.body(inner.Body)
		}
	case "check":
		// A data source within a check block is known only in that block.
		for _, inner := range b.Body.Blocks {
			if inner.Type == "data" && len(inner.Labels) == 2 {
				r.scoped = append(r.scoped, address(inner))
			}
		}
		r.body(b.Body)
	default:
		r.each = b.Body.Attributes["for_each"] != nil
		r.count = b.Body.Attributes["count"] != nil
		r.container = b.Type
		r.body(b.Body)
	}
}

// variableBlock checks a variable. Its type is no ordinary expression.
func (r *resolver) variableBlock(b *hclsyntax.Block) {
	for name, a := range b.Body.Attributes {
		if name == "type" {
			r.typeConstraint(a.Expr)
			continue
		}
		r.expression(a.Expr)
	}
	for _, inner := range b.Body.Blocks {
		r.body(inner.Body)
	}
}

// typeConstraint finds the types that terraform fmt would write differently.
func (r *resolver) typeConstraint(e hclsyntax.Expression) {
	if _, quoted := e.(*hclsyntax.TemplateExpr); quoted {
		r.report(e.Range(), "a type stands in quotes")
	}
	if k := hcl.ExprAsKeyword(e); slices.Contains([]string{"list", "map", "set"}, k) {
		r.report(e.Range(), "type "+k+" does not say of what; "+k+"(any) does")
	}
}

// constants checks a body that Terraform reads before it knows any values.
func (r *resolver) constants(b *hclsyntax.Body) {
	for name, a := range b.Attributes {
		for _, t := range a.Expr.Variables() {
			r.report(t.SourceRange(), name+" takes no references: Terraform reads it first")
		}
	}
	for _, inner := range b.Blocks {
		if inner.Type != "required_providers" {
			r.constants(inner.Body)
		}
	}
}

// body checks the arguments and the nested blocks of a block.
func (r *resolver) body(b *hclsyntax.Body) {
	for name, a := range b.Attributes {
		switch {
		case name == "provider" && r.isThing():
			r.provider(a.Expr)
		case name == "providers" && r.container == "module":
			r.providers(a.Expr)
		default:
			r.expression(a.Expr)
		}
	}
	for _, inner := range b.Blocks {
		switch inner.Type {
		case "dynamic":
			r.dynamic(inner)
		case "lifecycle":
			r.lifecycle(inner.Body)
		default:
			r.body(inner.Body)
		}
	}
}

// isThing reports whether the block may have a provider argument.
func (r *resolver) isThing() bool {
	return slices.Contains([]string{"resource", "data", "ephemeral", "import"}, r.container)
}

// lifecycle checks a lifecycle block, where ignore_changes names arguments of
// the resource itself.
func (r *resolver) lifecycle(b *hclsyntax.Body) {
	for name, a := range b.Attributes {
		if name != "ignore_changes" {
			r.expression(a.Expr)
		}
	}
	for _, inner := range b.Blocks {
		r.body(inner.Body)
	}
}

// dynamic checks a dynamic block, whose content knows its iterator.
func (r *resolver) dynamic(b *hclsyntax.Block) {
	iterator := ""
	if len(b.Labels) == 1 {
		iterator = b.Labels[0]
	}
	if a := b.Body.Attributes["iterator"]; a != nil {
		iterator = hcl.ExprAsKeyword(a.Expr)
	}
	r.argument(b.Body.Attributes["for_each"])
	r.iterators = append(r.iterators, iterator)
	r.argument(b.Body.Attributes["labels"])
	for _, inner := range b.Body.Blocks {
		r.body(inner.Body)
	}
	r.iterators = r.iterators[:len(r.iterators)-1]
}

// provider checks provider = aws.east.
func (r *resolver) provider(e hclsyntax.Expression) {
	for _, t := range e.Variables() {
		names := steps(t)
		if len(names) == 2 && !r.aliases[names[0]+"."+names[1]] {
			r.report(t.SourceRange(), "provider "+names[0]+"."+names[1]+" is not declared")
		}
	}
}

// providers checks providers = { aws = aws.east }, whose keys are the called
// module's.
func (r *resolver) providers(e hclsyntax.Expression) {
	object, ok := e.(*hclsyntax.ObjectConsExpr)
	if !ok {
		r.report(e.Range(), "providers is not a map of providers")
		return
	}
	for _, item := range object.Items {
		r.provider(item.ValueExpr)
	}
}

func (r *resolver) argument(a *hclsyntax.Attribute) {
	if a != nil {
		r.expression(a.Expr)
	}
}
