package reference

import (
	"maps"
	"path"
	"slices"
	"strings"
)

// metaArguments of a module block are Terraform's own.
func metaArguments() []string {
	return []string{"count", "depends_on", "for_each", "providers", "source", "version"}
}

// checkCall compares a module block with the variables of what it calls.
func (m *module) checkCall(name string, c *call, modules map[string]*module) {
	at := c.block.DefRange()
	what := "module " + name
	for _, b := range c.block.Body.Blocks {
		m.report(b.DefRange(), what+" has a block "+b.Type+": a module takes arguments only")
	}
	source, ok := literalString(c.block.Body.Attributes["source"])
	switch {
	case !ok:
		m.report(at, what+" has no source that is a plain string")
		return
	case !strings.HasPrefix(source, "./") && !strings.HasPrefix(source, "../"):
		m.report(at, what+" comes from "+source+", which is not in the tree")
		return
	}
	called := modules[path.Join(m.dir, source)]
	if called == nil {
		m.report(at, what+" comes from "+path.Join(m.dir, source)+", which holds no module")
		return
	}
	if called.broken {
		return
	}
	c.source = called.dir

	for _, v := range slices.Sorted(maps.Keys(called.variables)) {
		if called.variables[v].required && c.block.Body.Attributes[v] == nil {
			m.report(at, what+" lacks the argument "+v+", which "+called.dir+" requires")
		}
	}
	for n, a := range c.block.Body.Attributes {
		if called.variables[n] == nil && !slices.Contains(metaArguments(), n) {
			m.report(a.NameRange, what+" has an argument "+n+", which "+called.dir+" does not know")
		}
	}
}

// checkOutput checks that the module a call names has an output.
func (r *resolver) checkOutput(module, output string) {
	c := r.calls[module]
	if c == nil || c.source == "" {
		return
	}
	if _, ok := r.modules[c.source].outputs[output]; !ok {
		r.report(r.at, "module."+module+"."+output+": "+c.source+" has no output "+output)
	}
}
