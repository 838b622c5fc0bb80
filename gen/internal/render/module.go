package render

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/internal/tree"
)

// module is one reusable Terraform module, before it becomes files.
type module struct {
	name string
	// about is the beginning of the README, one element for each paragraph.
	about     []string
	files     []source
	variables []variable
	outputs   []output
	// ready lists, by output, the resources that must exist before others use
	// it.
	ready map[string]row
	// tests are .tftest.hcl files that terraform test runs with a mock
	// provider.
	tests []source
}

// source is one file of a module or root.
type source struct {
	name string
	body []node
}

// variable is one input. Without a fallback it is required.
type variable struct {
	name        string
	kind        expr
	description string
	// fallback is the default; nil: the variable is required.
	fallback any
	// nullable variables accept null, which then means "none".
	nullable    bool
	ephemeral   bool
	validations []validation
	// example is the value in the README's usage; required variables have one.
	// What it refers to lies in another module's usage or in examples/complete.
	example any
}

// optionalObject is the type of an object, one attribute a line.
func optionalObject(attributes ...field) expr {
	var b strings.Builder
	b.WriteString("object({\n")
	for _, a := range attributes {
		fmt.Fprintf(&b, "    %s = %s\n", a.key, a.value)
	}
	return expr(b.String() + "  })")
}

// validation is a rule that catches at the plan what would otherwise fail only
// at the apply.
type validation struct {
	condition expr
	message   string
}

// output is one value that roots use.
type output struct {
	name        string
	description string
	value       expr
}

func (v variable) block() block {
	body := []node{set("description", v.description), set("type", v.kind)}
	if v.fallback != nil {
		body = append(body, set("default", v.fallback))
	}
	if v.ephemeral {
		body = append(body, set("ephemeral", true))
	}
	if !v.nullable {
		body = append(body, set("nullable", false))
	}
	for _, r := range v.validations {
		body = append(body, nested("validation",
			set("condition", r.condition),
			set("error_message", r.message),
		))
	}
	return labelled("variable", v.name, body...)
}

func (o output) block() block {
	return labelled("output", o.name, set("description", o.description), set("value", o.value))
}

// render turns the module into its files, below modules/<name>/.
func (m module) render() (map[string][]byte, error) {
	slices.SortFunc(m.variables, func(a, b variable) int { return strings.Compare(a.name, b.name) })
	slices.SortFunc(m.outputs, func(a, b output) int { return strings.Compare(a.name, b.name) })

	sources := append([]source{versions(moduleProvider())}, m.files...)
	variables := source{name: "variables.tf"}
	for _, v := range m.variables {
		variables.body = append(variables.body, v.block())
	}
	outputs := source{name: "outputs.tf"}
	for _, o := range m.outputs {
		b := o.block()
		if after := m.ready[o.name]; after != nil {
			b.body = append(b.body, set("depends_on", after))
		}
		outputs.body = append(outputs.body, b)
	}
	sources = append(sources, variables, outputs)
	sources = append(sources, m.tests...)

	dir := path.Join("modules", m.name)
	files, err := renderSources(dir, sources)
	if err != nil {
		return nil, err
	}
	readme, err := m.readme()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	files[path.Join(dir, "README.md")] = readme
	return files, nil
}

// moduleProvider are the provider's versions that a module works with: a root
// bounds them from above.
func moduleProvider() string { return ">= " + strings.TrimPrefix(config.ProviderConstraint, "~> ") }

// versions is the versions.tf of a module or root.
func versions(provider string) source {
	return source{"versions.tf", []node{
		nested("terraform",
			set("required_version", config.TerraformConstraint),
			nested("required_providers",
				set("aws", object{{"source", "hashicorp/aws"}, {"version", provider}}),
			),
		),
	}}
}

// renderSources formats the sources that are not empty.
func renderSources(dir string, sources []source) (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, s := range sources {
		if len(s.body) == 0 {
			continue
		}
		name := path.Join(dir, s.name)
		content, err := format(name, s.body)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		files[name] = content
	}
	return files, nil
}

// format writes one HCL file with the header of generated files.
func format(name string, body []node) ([]byte, error) {
	text, err := formatNodes(body)
	if err != nil {
		return nil, err
	}
	return append([]byte(tree.HeaderLine(name)+"\n\n"), text...), nil
}

func formatNodes(body []node) ([]byte, error) {
	var p printer
	if err := p.nodes(body); err != nil {
		return nil, err
	}
	return p.bytes(), nil
}
