package lint_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/specboard/platform/migrations/check/internal/lint"
)

const documentHead = `# The rules for migrations

<!-- Written from the rules and their cases: go test ./migrations/check/internal/lint -run TestDocument -update -->

What ` + "`go run ./migrations/check lint`" + ` looks for. Each rule says what happens if
the statement runs, and shows a statement that it finds, judged as the next
migration of a database that has rows, with what to write instead. A finding in
your own file shows the same for your statement.

A rule is waived for a file by a line of its header, with the reason:
` + "`-- waive: RULE the reason`" + `. What breaks the running release needs no waiver in
a contract (` + "`-- phase: contract`" + `). How files are written and run is in
[migrations.md](migrations.md), how they are measured in
[migration-proof.md](migration-proof.md).
`

var classTitles = map[lint.Class]string{
	lint.Blocking:    "Blocking: stops readers or writers for as long as it works",
	lint.Breaking:    "Breaking: takes away what the running release uses",
	lint.Transaction: "Transactions: what one may contain",
	lint.Data:        "Data: rows changed in bulk",
	lint.Design:      "Design: what will cost later",
	lint.Format:      "Files",
}

// TestDocument keeps docs/migration-rules.md what the rules and their cases
// say.
func TestDocument(t *testing.T) {
	var b strings.Builder
	b.WriteString(documentHead)
	cases := loadCases(t)
	class := lint.Class("")
	for _, r := range lint.Rules() {
		if r.Class != class {
			class = r.Class
			if classTitles[class] == "" {
				t.Errorf("class %s has no title", class)
			}
			fmt.Fprintf(&b, "\n## %s\n", classTitles[class])
		}
		fmt.Fprintf(&b, "\n### %s\n\n%s (%s", r.ID, r.Title, r.Severity)
		if r.From > 0 {
			fmt.Fprintf(&b, ", from PostgreSQL %d on", r.From)
		}
		if r.Until > 0 {
			fmt.Fprintf(&b, ", until PostgreSQL %d", r.Until)
		}
		fmt.Fprintf(&b, "). %s\n", r.Why)
		if r.Lock != "" {
			fmt.Fprintf(&b, "\nLock: %s.\n", r.Lock)
		}
		fmt.Fprintf(&b, "\nInstead: %s.\n", r.Instead)
		if r.Firm {
			b.WriteString("\nIt cannot be waived.\n")
		}
		for _, c := range cases[r.ID] {
			if c.bad && len(c.sql) < 600 {
				b.WriteString(example(t, r, c))
				break
			}
		}
	}
	const path = "../../../../docs/migration-rules.md"
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	written, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(written), b.String()); diff != "" {
		t.Errorf("docs/migration-rules.md (-written +rules; -update writes it):\n%s", diff)
	}
}

// example is a bad case, what is said of it, and what to write instead.
func example(t *testing.T, r lint.Rule, c ruleCase) string {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "\n```sql\n%s```\n", strings.TrimRight(string(c.sql), "\n")+"\n")
	for _, f := range c.judge(t) {
		if f.Rule != r.ID {
			continue
		}
		fmt.Fprintf(&b, "\n> line %d: %s\n", f.Line, f.Message)
		for i, file := range f.Instead {
			label := "Instead of it"
			if i > 0 {
				label = "Then, in the next file"
			}
			fmt.Fprintf(&b, "\n%s:\n\n```sql\n%s\n```\n", label, strings.TrimRight(file, "\n"))
		}
		break
	}
	return b.String()
}
