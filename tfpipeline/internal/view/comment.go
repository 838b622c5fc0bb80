package view

import (
	"fmt"
	"strings"

	"github.com/specboard/platform/tfpipeline/internal/plan"
)

// Marker is the first line of the comment: the next run finds its comment by
// it. Whoever looks must check the author as well, since anybody can write it.
const Marker = "<!-- tfpipeline:plan v1 -->"

// Budgets in bytes. GitHub refuses a comment over 65,536 characters, and drops
// a job summary near 1 MiB without a word.
const (
	CommentBudget = 64_000
	SummaryBudget = 1_000 << 10
)

// Section is one root in the comment.
type Section struct {
	Root string
	// Plan is nil if planning failed before there was one.
	Plan *plan.Plan
	// Error is why the plan failed, if it did.
	Error string
	// Refused is what the guard would not let through.
	Refused []plan.Violation
}

// Comment is what stands around the sections.
type Comment struct {
	Sections []Section
	// Note stands above the table, such as that the plans are offline.
	Note string
	// RunURL links to the run that planned, Commit is what it planned.
	RunURL, Commit string
	// Budget is the most bytes that Markdown returns.
	Budget int
}

// detail is how much of a section is shown.
type detail int

const (
	full       detail = iota // attributes with their values
	names                    // attributes by name
	addresses                // resources only
	countsOnly               // nothing but what is destroyed, and the counts
)

// Markdown is the comment. Sections lose detail, the longest first, until all
// of it fits; what is destroyed stays named to the last.
func (c Comment) Markdown() string {
	levels := make([]detail, len(c.Sections))
	limit := 1 << 30
	for {
		parts := make([]string, len(c.Sections))
		total := 0
		for i, s := range c.Sections {
			parts[i] = s.markdown(levels[i], limit)
			total += len(parts[i])
		}
		out := c.around(parts, levels)
		if len(out) <= c.Budget {
			return out
		}
		longest := -1
		for i := range parts {
			if levels[i] < countsOnly && (longest < 0 || len(parts[i]) > len(parts[longest])) {
				longest = i
			}
		}
		if longest >= 0 {
			levels[longest]++
			continue
		}
		// Even the destroyed resources alone are too many.
		if limit > len(c.Sections)*1000 {
			limit = 1000
		} else {
			limit = limit * 3 / 4
		}
		if limit == 0 {
			return Marker + "\n\nThe plan is too long to show. See the run.\n"
		}
	}
}

func (c Comment) around(parts []string, levels []detail) string {
	var b strings.Builder
	b.WriteString(Marker + "\n## Terraform plan\n\n")
	if c.Note != "" {
		b.WriteString(c.Note + "\n\n")
	}
	b.WriteString("| root | verdict | fingerprint |\n|---|---|---|\n")
	for _, s := range c.Sections {
		fingerprint := s.fingerprint()
		if fingerprint != "" {
			fingerprint = cellCode(fingerprint)
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", cellCode(s.Root), s.verdict(), fingerprint)
	}
	for _, p := range parts {
		b.WriteString("\n" + p)
	}
	b.WriteString("\n")
	for _, l := range levels {
		if l != full {
			b.WriteString("Shortened to fit; the job summary of the run has all of it.\n\n")
			break
		}
	}
	var foot []string
	if c.Commit != "" {
		foot = append(foot, "Planned "+code(c.Commit))
	}
	if c.RunURL != "" {
		foot = append(foot, "[run]("+strings.NewReplacer("(", "%28", ")", "%29", " ", "%20", "\n", "").Replace(c.RunURL)+")")
	}
	if len(foot) > 0 {
		b.WriteString(strings.Join(foot, " · ") + "\n")
	}
	return b.String()
}

// failed sections have a plan that cannot be applied, or none.
func (s Section) failed() bool { return s.Plan == nil || s.Plan.Errored || s.Error != "" }

// verdict is the section in one cell.
func (s Section) verdict() string {
	switch {
	case s.failed():
		return "❌ failed"
	case len(s.Refused) > 0:
		return fmt.Sprintf("⛔ refused by the guard (%d)", len(s.Refused))
	case s.Plan.Empty():
		return "✅ no changes"
	case s.Plan.StateOnly():
		return "📝 apply required, no infrastructure change"
	default:
		counts := s.Plan.Counts()
		sign := "🔧 "
		for _, a := range plan.Actions() {
			if a.Destructive() && counts[a] > 0 {
				sign = "⚠️ "
			}
		}
		return sign + countWords(counts)
	}
}

func countWords(counts map[plan.Action]int) string {
	var parts []string
	for _, a := range []plan.Action{plan.Create, plan.Update, plan.Revise, plan.Replace, plan.Delete, plan.Forget, plan.Import, plan.Move} {
		if n := counts[a]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d to %s", n, a))
		}
	}
	return strings.Join(parts, ", ")
}

// markdown is one section. limit bounds the list of destroyed resources.
func (s Section) markdown(level detail, limit int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "### %s\n\n", code(s.Root))
	if s.Error != "" {
		b.WriteString(fence("", firstLines(s.Error, 60-20*int(level))) + "\n")
	}
	if s.Plan != nil {
		b.WriteString(s.body(level, limit))
	}
	return b.String()
}

// body is the plan of a section, without its title.
func (s Section) body(level detail, limit int) string {
	var b strings.Builder
	for _, v := range s.Refused {
		fmt.Fprintf(&b, "- ⛔ %s %s\n", code(v.Address), v.What)
	}
	shown, more := 0, 0
	var rest []plan.Change
	for _, c := range s.Plan.Changes {
		switch {
		case c.Action == plan.Read:
		case !c.Action.Destructive():
			rest = append(rest, c)
		case shown >= limit:
			more++
		default:
			shown++
			fmt.Fprintf(&b, "- **%s** %s", c.Action, code(c.Address))
			if why := because(c); why != "" && level < countsOnly {
				b.WriteString(" " + code(strings.Trim(why, " ()")))
			}
			b.WriteByte('\n')
			rest = append(rest, c)
		}
	}
	if more > 0 {
		fmt.Fprintf(&b, "- … and %d more that are destroyed: see the run\n", more)
	}
	if shown+more+len(s.Refused) > 0 {
		b.WriteByte('\n')
	}
	if level == countsOnly {
		if words := countWords(s.Plan.Counts()); words != "" {
			b.WriteString(words + ".\n")
		}
		return b.String()
	}
	if lines := changeLines(rest, level); len(lines) > 0 {
		b.WriteString(fold(countWords(s.Plan.Counts()), fence("diff", lines)))
	}
	if len(s.Plan.Outputs) > 0 {
		b.WriteString(fold(fmt.Sprintf("%d outputs change", len(s.Plan.Outputs)), fence("", s.Plan.Outputs)))
	}
	if lines := changeLines(s.Plan.Drift, level); len(lines) > 0 {
		b.WriteString(fold(fmt.Sprintf("%d changed outside of Terraform", len(s.Plan.Drift)), fence("diff", lines)))
	}
	return b.String()
}

func fold(summary, body string) string {
	return "<details><summary>" + summary + "</summary>\n\n" + body + "\n</details>\n\n"
}

// diffSigns colour the lines of a diff block.
var diffSigns = map[plan.Action]string{
	plan.Create: "+", plan.Update: "!", plan.Revise: "!", plan.Replace: "-", plan.Delete: "-", plan.Forget: "-",
	plan.Import: " ", plan.Move: " ",
}

func changeLines(changes []plan.Change, level detail) []string {
	var lines []string
	for _, c := range changes {
		if c.Action == plan.Read {
			continue
		}
		lines = append(lines, fmt.Sprintf("%s %s %s%s", diffSigns[c.Action], c.Action, c.Address, because(c)))
		if level >= addresses {
			continue
		}
		for _, a := range c.Attributes() {
			lines = append(lines, "      "+attributeLine(a, level))
		}
	}
	return lines
}

func attributeLine(a plan.Attribute, level detail) string {
	line := a.Path
	if level == full {
		switch {
		case a.Before == "":
			line += ": " + clip(a.After)
		case a.After == "":
			line += ": " + clip(a.Before) + " → (none)"
		default:
			line += ": " + clip(a.Before) + " → " + clip(a.After)
		}
	}
	if a.Forces {
		line += "  # forces replacement"
	}
	return line
}

// clip shortens a value, between runes.
func clip(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	cut := most
	for cut > 0 && s[cut]&0xC0 == 0x80 {
		cut--
	}
	return s[:cut] + "…"
}

func firstLines(text string, n int) []string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if len(lines) > max(n, 1) {
		lines = append(lines[:max(n, 1)], "…")
	}
	for i, l := range lines {
		lines[i] = clip(l)
	}
	return lines
}
