// Package report writes the linter's findings for a terminal, a machine and a
// pull request.
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/specboard/platform/migrations/check/internal/lint"
)

// JSON writes one object a line for each finding.
func JSON(w io.Writer, findings []lint.Finding) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	for _, f := range findings {
		if err := e.Encode(f); err != nil {
			return fmt.Errorf("write findings: %w", err)
		}
	}
	return nil
}

// GitHub writes workflow commands, which become annotations on the lines of a
// pull request, and a last line for the log.
func GitHub(w io.Writer, findings []lint.Finding, files int) error {
	for _, f := range findings {
		place := "file=" + property(f.File)
		if f.Line > 0 {
			place += fmt.Sprintf(",line=%d", f.Line)
		}
		if f.Column > 0 {
			place += fmt.Sprintf(",col=%d", f.Column)
		}
		if _, err := fmt.Fprintf(w, "::%s %s,title=%s::%s\n", f.Severity, place, property(f.Rule), data(explained(f))); err != nil {
			return fmt.Errorf("write annotations: %w", err)
		}
	}
	if _, err := io.WriteString(w, tally(findings, files)); err != nil {
		return fmt.Errorf("write annotations: %w", err)
	}
	return nil
}

// tally is the last line for people: how much was judged and found.
func tally(findings []lint.Finding, files int) string {
	errors := 0
	for _, f := range findings {
		if f.Severity == lint.Error {
			errors++
		}
	}
	return fmt.Sprintf("%s judged: %s, %s\n", count(files, "file"), count(errors, "error"), count(len(findings)-errors, "warning"))
}

func data(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
}

func property(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C").Replace(s)
}

// Style is how a terminal marks words; the zero value marks none.
type Style struct{ Error, Warning, Strong, Faint, Reset string }

// colours is for terminals that have them.
var colours = Style{Error: "\x1b[31m", Warning: "\x1b[33m", Strong: "\x1b[1m", Faint: "\x1b[2m", Reset: "\x1b[0m"}

// Colours returns the style of a terminal with colours, or the plain one.
func Colours(on bool) Style {
	if on {
		return colours
	}
	return Style{}
}

// Text writes findings for people. Why and the lock are told once for each
// rule; what to do instead for each finding.
func Text(w io.Writer, findings []lint.Finding, files int, style Style) error {
	var b strings.Builder
	told := map[string]bool{}
	for _, f := range findings {
		mark := style.Warning
		if f.Severity == lint.Error {
			mark = style.Error
		}
		fmt.Fprintf(&b, "%s%s%s: %s%s%s: %s: %s\n", style.Strong, place(f), style.Reset, mark, f.Severity, style.Reset, f.Rule, f.Message)
		if !told[f.Rule] {
			told[f.Rule] = true
			if f.Why != "" {
				b.WriteString(wrap("why", f.Why, style))
			}
			if f.Lock != "" {
				b.WriteString(wrap("lock", f.Lock, style))
			}
		}
		for i, file := range f.Instead {
			label := "instead:"
			if i > 0 {
				label = "then, in the next file:"
			}
			fmt.Fprintf(&b, "    %s%s%s\n%s", style.Faint, label, style.Reset, indent(file))
		}
		b.WriteString("\n")
	}
	b.WriteString(tally(findings, files))
	if lint.Failed(findings) {
		b.WriteString("A finding that is meant can be waived in the file's first comment: -- waive: RULE the reason\n" +
			"What takes something away is declared there: -- phase: contract and -- unused-since: RELEASE\n")
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write findings: %w", err)
	}
	return nil
}

func place(f lint.Finding) string {
	s := f.File
	if f.Line > 0 {
		s += fmt.Sprintf(":%d", f.Line)
	}
	if f.Column > 0 {
		s += fmt.Sprintf(":%d", f.Column)
	}
	return s
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func indent(text string) string {
	return "        " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n        ") + "\n"
}

// wrap breaks a text into lines of readable length behind a label.
func wrap(label, text string, style Style) string {
	const width = 88
	var b strings.Builder
	line := ""
	for _, word := range strings.Fields(text) {
		if len(line)+len(word) > width {
			fmt.Fprintf(&b, "    %s%-6s%s%s\n", style.Faint, label, style.Reset, line)
			line, label = "", ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	fmt.Fprintf(&b, "    %s%-6s%s%s\n", style.Faint, label, style.Reset, line)
	return b.String()
}
