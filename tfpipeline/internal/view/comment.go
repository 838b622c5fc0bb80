package view

import (
	"fmt"
	"regexp"
	"strconv"
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
	// print is the plan's fingerprint once it was asked for: computing it for a long
	// plan takes seconds.
	print string
}

// Comment is the comment: its sections, and what stands around them.
type Comment struct {
	Sections []Section
	// Note stands above the table, such as that the plans are offline.
	Note string
	// RunURL links to the run that planned, Commit is what it planned. Run is
	// greater for a later run; 0 is unknown.
	RunURL, Commit string
	Run            int64
	// Platform tells the comments of several platforms in one repository apart.
	Platform string
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

// Markdown writes the comment. Sections lose detail, the longest first, until all of it
// fits; the resources that are destroyed are left out last.
func (c Comment) Markdown() string {
	levels := make([]detail, len(c.Sections))
	parts := make([]string, len(c.Sections))
	limit := 1 << 30
	render := func(i int) { parts[i] = c.Sections[i].markdown(levels[i], limit, c.Budget) }
	for i := range parts {
		render(i)
	}
	for {
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
			render(longest)
			continue
		}
		// Even the destroyed resources alone are too many.
		if limit > len(c.Sections)*1000 {
			limit = 1000
		} else {
			limit = limit * 3 / 4
		}
		if limit == 0 {
			return c.Marker() + "-->\n\nThe plan is too long to show. See the run.\n"
		}
		for i := range parts {
			render(i)
		}
	}
}

// Marker is what the comment begins with, whatever the commit.
func (c Comment) Marker() string {
	return Marker + "\n<!-- platform: " + plainWord(c.Platform) + ", "
}

var markedRun = regexp.MustCompile(`\Acommit: (\S*), run: ([0-9]+) -->`)

// OlderThan reports whether a comment that exists tells of another commit that
// a later run planned.
func (c Comment) OlderThan(body string) bool {
	rest, ok := strings.CutPrefix(strings.ReplaceAll(body, "\r\n", "\n"), c.Marker())
	m := markedRun.FindStringSubmatch(rest)
	if !ok || m == nil || c.Run == 0 || m[1] == plainWord(c.Commit) {
		return false
	}
	run, err := strconv.ParseInt(m[2], 10, 64)
	return err == nil && run > c.Run
}

// plainWord is what may stand in an HTML comment and in a title.
func plainWord(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '-' || r == '_' || r == '.' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return -1
	}, strings.ReplaceAll(s, "--", "-"))
}

func (c Comment) around(parts []string, levels []detail) string {
	var b strings.Builder
	if c.Platform == "" {
		b.WriteString(Marker + "\n## Terraform plan\n\n")
	} else {
		fmt.Fprintf(&b, "%scommit: %s, run: %d -->\n## Terraform plan of %s\n\n", c.Marker(), plainWord(c.Commit), c.Run, plainWord(c.Platform))
	}
	if c.Note != "" {
		b.WriteString(c.Note + "\n\n")
	}
	b.WriteString("| root | verdict | fingerprint |\n|---|---|---|\n")
	for i := range c.Sections {
		s := &c.Sections[i]
		fingerprint := s.Fingerprint()
		if fingerprint != "" {
			fingerprint = cellCode(fingerprint)
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", cellCode(s.Root), s.verdict(), fingerprint)
	}
	b.WriteString(strings.Join(parts, "") + "\n")
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
		foot = append(foot, "[run]("+linkTarget(c.RunURL)+")")
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
		return fmt.Sprintf("⛔ refused by the guard (%d): %s", len(s.Refused), countWords(s.Plan.Counts()))
	case s.Plan.Empty() && len(s.Plan.Deferred()) > 0:
		return fmt.Sprintf("✅ no changes, %d deferred", len(s.Plan.Deferred()))
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
			if a == plan.Revise {
				parts = append(parts, counted(n, "new revision"))
				continue
			}
			parts = append(parts, fmt.Sprintf("%d to %s", n, a))
		}
	}
	return strings.Join(parts, ", ")
}

// markdown is one section. limit bounds the list of destroyed resources. Of a section
// that does not fit into room, only so much is written as shows that it does not.
func (s Section) markdown(level detail, limit, room int) string {
	var body string
	if s.Error != "" {
		body = fence("", firstLines(s.Error, 60-20*int(level))) + "\n"
	}
	if s.Plan != nil {
		body += s.body(level, limit, room)
	}
	if body == "" {
		return "" // the table says that nothing changes
	}
	return "\n### " + code(s.Root) + "\n\n" + body
}

func fold(summary, body string) string {
	return "<details><summary>" + summary + "</summary>\n\n" + body + "\n</details>\n\n"
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
