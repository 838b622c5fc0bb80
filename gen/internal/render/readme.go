package render

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/internal/tree"
)

// readme documents a module: what it is for, how it is called, what it needs
// and creates, inputs and outputs.
func (m module) readme() ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\n\n# %s\n", tree.HeaderLine("README.md"), m.name)
	for _, p := range m.about {
		b.WriteString("\n" + strings.Join(wrap(p, 80), "\n") + "\n")
	}

	call, err := m.usage()
	if err != nil {
		return nil, err
	}
	usage, err := formatNodes([]node{call})
	if err != nil {
		return nil, fmt.Errorf("usage: %w", err)
	}
	fmt.Fprintf(&b, "\n## Usage\n\n```hcl\n%s```\n", usage)
	b.WriteString("\n[examples/complete](../../examples/complete) has it among the others.\n")

	fmt.Fprintf(&b, "\n## Requirements\n\n| Name | Version |\n|---|---|\n| terraform | `%s` |\n| hashicorp/aws | `%s` |\n", config.TerraformConstraint, moduleProvider())
	b.WriteString("\n## Resources\n\n| Type | Kind |\n|---|---|\n")
	for _, kind := range []string{"resource", "data"} {
		for _, t := range m.resources(kind) {
			fmt.Fprintf(&b, "| %s | %s |\n", t, kind)
		}
	}

	b.WriteString("\n## Inputs\n\n| Name | Description | Type | Default |\n|---|---|---|---|\n")
	for _, v := range m.variables {
		fallback := "required"
		if v.fallback != nil {
			text, err := inline(v.fallback)
			if err != nil {
				return nil, fmt.Errorf("variable %s: %w", v.name, err)
			}
			fallback = "`" + text + "`"
		}
		kind, err := inline(v.kind)
		if err != nil {
			return nil, fmt.Errorf("variable %s: %w", v.name, err)
		}
		fmt.Fprintf(&b, "| %s | %s | `%s` | %s |\n", v.name, cell(v.description), kind, fallback)
	}
	if len(m.outputs) > 0 {
		b.WriteString("\n## Outputs\n\n| Name | Description |\n|---|---|\n")
		for _, o := range m.outputs {
			fmt.Fprintf(&b, "| %s | %s |\n", o.name, cell(o.description))
		}
	}
	return b.Bytes(), nil
}

// inline writes a value on one line, for a table's cell.
func inline(v any) (string, error) {
	var p printer
	if err := p.value(v); err != nil {
		return "", err
	}
	p.end()
	var b strings.Builder
	for line := range strings.Lines(string(p.bytes())) {
		line = strings.Join(strings.Fields(line), " ")
		if so := b.String(); so != "" {
			switch {
			case strings.HasSuffix(so, "(") || strings.HasSuffix(so, "["):
			case strings.HasSuffix(so, "{") || strings.HasSuffix(so, ",") || strings.HasPrefix(line, "}"):
				b.WriteByte(' ')
			default:
				b.WriteString(", ")
			}
		}
		b.WriteString(line)
	}
	return cell(b.String()), nil
}

// cell keeps text inside its cell of a Markdown table.
func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
