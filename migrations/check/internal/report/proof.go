package report

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/specboard/platform/migrations"
	"github.com/specboard/platform/migrations/check/internal/prove"
)

// proofJSON adds the verdicts, which follow from the rest, to a proof.
type proofJSON struct {
	Proved   bool        `json:"proved"`
	Postgres string      `json:"postgres"`
	Files    []proofFile `json:"files"`
}

type proofFile struct {
	prove.Result
	Problems []string `json:"problems"`
}

// ProofJSON writes one object. Times are in nanoseconds.
func ProofJSON(w io.Writer, r prove.Report) error {
	out := proofJSON{Proved: r.Proved(), Postgres: r.Postgres, Files: []proofFile{}}
	for _, f := range r.Files {
		out.Files = append(out.Files, proofFile{f, append([]string{}, f.Problems()...)})
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(out); err != nil {
		return fmt.Errorf("write the proof: %w", err)
	}
	return nil
}

// ProofText writes for a terminal: a line a file, and below it what was seen.
func ProofText(w io.Writer, r prove.Report, style Style) error {
	var b strings.Builder
	for _, f := range r.Files {
		verdict := style.Strong + "proved" + style.Reset
		if len(f.Problems()) > 0 {
			verdict = style.Error + "not proved" + style.Reset
		}
		fmt.Fprintf(&b, "%s: %s%s\n", f.File, verdict, declared(f))
		for _, p := range f.Problems() {
			fmt.Fprintf(&b, "  ✗ %s\n", p)
		}
		for _, line := range observations(f) {
			fmt.Fprintf(&b, "    %s\n", line)
		}
	}
	fmt.Fprintf(&b, "%s, measured on PostgreSQL %s\n", summary(r), r.Postgres)
	_, err := io.WriteString(w, b.String())
	return err
}

// ProofMarkdown writes for a pull request: a table, and what is behind it.
func ProofMarkdown(w io.Writer, r prove.Report) error {
	var b strings.Builder
	b.WriteString("## Migrations, measured\n\n| file | verdict | strongest lock | longest wait of a reader, a writer |\n|---|---|---|---|\n")
	for _, f := range r.Files {
		verdict := "proved"
		if n := len(f.Problems()); n > 0 {
			verdict = fmt.Sprintf("**not proved** (%d)", n)
		}
		fmt.Fprintf(&b, "| `%s` | %s%s | %s | %s, %s |\n", f.File, verdict, declared(f), strongest(f.Effects), milliseconds(f.Reader), milliseconds(f.Writer))
	}
	b.WriteString("\n")
	for _, f := range r.Files {
		for _, p := range f.Problems() {
			fmt.Fprintf(&b, "- `%s`: %s\n", f.File, plain(p))
		}
	}
	b.WriteString("\n<details><summary>What was seen</summary>\n\n")
	for _, f := range r.Files {
		fmt.Fprintf(&b, "`%s`\n", f.File)
		for _, line := range observations(f) {
			fmt.Fprintf(&b, "- %s\n", plain(line))
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "</details>\n\n%s, measured on PostgreSQL %s.\n", summary(r), r.Postgres)
	_, err := io.WriteString(w, b.String())
	return err
}

// plain keeps text of statements and messages from being Markdown.
func plain(s string) string {
	longest, run := 0, 0
	for _, c := range s {
		if c == '`' {
			run++
			longest = max(longest, run)
		} else {
			run = 0
		}
	}
	ticks := strings.Repeat("`", longest+1)
	return ticks + " " + strings.Join(strings.Fields(s), " ") + " " + ticks
}

func declared(f prove.Result) string {
	var parts []string
	if f.Phase == migrations.Contract {
		parts = append(parts, "contract")
	}
	if len(f.Waived) > 0 {
		parts = append(parts, "waives "+strings.Join(f.Waived, ", "))
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, "; ") + ")"
}

// observations are what was seen, whether it matters or not.
func observations(f prove.Result) []string {
	var list []string
	for _, e := range f.Effects {
		line := fmt.Sprintf("line %d: %s", e.Line, first(e.SQL))
		if len(e.Locks) > 0 {
			line += fmt.Sprintf(": %s on %s", e.Locks[0].Mode, e.Locks[0].Relation)
		}
		if works := e.Works(); len(works) > 0 {
			line += ", " + strings.Join(works, ", ")
		}
		list = append(list, line+fmt.Sprintf(" (%s)", milliseconds(e.Elapsed)))
	}
	if f.Reader > 0 || f.Writer > 0 {
		list = append(list, fmt.Sprintf("a reader waited %s at worst, a writer %s; undisturbed %s", milliseconds(f.Reader), milliseconds(f.Writer), milliseconds(f.Undisturbed)))
	}
	for _, br := range f.Breaks {
		if !br.Certain() || f.Phase == migrations.Contract {
			list = append(list, br.String())
		}
	}
	if f.Queries > 0 {
		list = append(list, fmt.Sprintf("%d of %d queries of the deployed release go on as before", f.Queries-len(f.Failing), f.Queries))
	}
	if len(f.Empty) > 0 {
		list = append(list, "without rows, so that work on them is unseen: "+strings.Join(f.Empty, ", "))
	}
	return list
}

// first is the beginning of a statement, on one line.
func first(sql string) string {
	const most = 60
	s := []rune(strings.Join(strings.Fields(sql), " "))
	if len(s) > most {
		return string(s[:most]) + "…"
	}
	return string(s)
}

func strongest(effects []prove.Effect) string {
	var found prove.Lock
	for _, e := range effects {
		if len(e.Locks) > 0 && e.Locks[0].Mode > found.Mode {
			found = e.Locks[0]
		}
	}
	if found.Mode == 0 {
		return "none"
	}
	return fmt.Sprintf("%s on `%s`", found.Mode, found.Relation)
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}

func summary(r prove.Report) string {
	bad := 0
	for _, f := range r.Files {
		if len(f.Problems()) > 0 {
			bad++
		}
	}
	if bad == 0 {
		return fmt.Sprintf("%d migrations proved", len(r.Files))
	}
	return fmt.Sprintf("%d of %d migrations not proved", bad, len(r.Files))
}
