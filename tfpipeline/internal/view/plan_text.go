// Package view writes what people and machines see: plans and, later,
// promotions, as text for a terminal, Markdown for a pull request, JSON for a
// program. It decides nothing.
package view

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/plan"
)

// Text is how a terminal is written to.
type Text struct {
	// Colour marks what matters with ANSI colours.
	Colour bool
}

var signs = map[plan.Action]string{
	plan.Create: "+", plan.Update: "~", plan.Revise: "~", plan.Replace: "±", plan.Delete: "-",
	plan.Forget: ".", plan.Import: "<", plan.Move: ">", plan.Read: " ", plan.Deferred: "…",
}

func (t Text) paint(a plan.Action, s string) string {
	if !t.Colour {
		return s
	}
	code := map[plan.Action]string{
		plan.Create: "32", plan.Update: "33", plan.Revise: "33", plan.Replace: "31", plan.Delete: "31", plan.Forget: "31",
	}[a]
	if code == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

// Plan writes a plan so that it is understood at a glance: what is new by
// module, everything else by address with its reason, and the counts last.
func (t Text) Plan(w io.Writer, p *plan.Plan) error {
	var b strings.Builder
	created := map[string]int{}
	for _, c := range p.Changes {
		switch c.Action {
		case plan.Create:
			created[moduleOf(c.Address)]++
		case plan.Read:
		default:
			fmt.Fprintf(&b, "  %s %s%s", t.paint(c.Action, signs[c.Action]+" "+verb(c.Action)), oneLine(c.Address), oneLine(because(c)))
			if effect := c.Effect(); effect != "" {
				b.WriteString(" — " + effect)
			}
			b.WriteByte('\n')
			for _, a := range attributes(c) {
				putLine(&b, "      %s", attributeLine(a, full))
			}
		}
	}
	if len(created) > 0 {
		fmt.Fprintf(&b, "  %s\n", t.paint(plan.Create, "+ create"))
		width := 0
		for m := range created {
			width = max(width, len(m))
		}
		for _, m := range slices.Sorted(maps.Keys(created)) {
			putLine(&b, "      %-*s %4d", width, m, created[m])
		}
	}
	for _, c := range p.Unaccepted(config.AcceptedDrifts()) {
		putLine(&b, "  ! changed outside of Terraform: %s", c.Address)
	}
	if len(p.Outputs) > 0 && len(p.Counts()) == 0 {
		putLine(&b, "  outputs: %s", strings.Join(p.Outputs, ", "))
	}
	if b.Len() > 0 {
		b.WriteByte('\n')
	}
	b.WriteString(Verdict(p) + "\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// because explains a change in as few words as there are.
func because(c plan.Change) string {
	var parts []string
	if c.PreviousAddress != "" && c.PreviousAddress != c.Address {
		parts = append(parts, "was "+c.PreviousAddress)
	}
	if len(c.ReplacePaths) > 0 && c.Action == plan.Replace {
		parts = append(parts, strings.Join(c.ReplacePaths, ", ")+" cannot be changed in place")
	} else if c.Reason != "" {
		parts = append(parts, c.Reason)
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, "; ") + ")"
}

// moduleOf is the outermost module of an address, without its key, or the
// root.
func moduleOf(address string) string {
	name, _, _ := strings.Cut(plan.Module(address), "[")
	return cmp.Or(name, "(root)")
}

// Verdict is a plan in one line.
func Verdict(p *plan.Plan) string {
	words := countWords(p.Counts())
	switch {
	case p.Errored:
		return p.Root + ": the plan failed; what it would have done is incomplete: " + cmp.Or(words, "nothing yet")
	case p.Empty():
		if n := len(p.Deferred()); n > 0 {
			return fmt.Sprintf("%s: no changes; %d deferred to its maintenance window", p.Root, n)
		}
		return p.Root + ": no changes"
	case words == "":
		return p.Root + ": only outputs change"
	default:
		return p.Root + ": " + words
	}
}
