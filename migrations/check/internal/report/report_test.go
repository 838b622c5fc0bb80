package report_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/specboard/platform/migrations/check/internal/lint"
	"github.com/specboard/platform/migrations/check/internal/report"
)

var findings = []lint.Finding{
	{
		File: "a,b:c%.sql", Line: 2, Column: 5, Rule: "drop-column", Severity: lint.Error, Message: "100% of <users>\nread it",
		Why: "The running release reads it.", Lock: "ACCESS EXCLUSIVE on users", Instead: []string{"SELECT 1;\n", "SELECT 2;\n"},
	},
	{File: "d.sql", Line: 1, Rule: "drop-column", Severity: lint.Error, Message: "again", Why: "The running release reads it."},
	{File: "e.sql", Rule: "json-column", Severity: lint.Warning, Message: "weighs little"},
}

func TestText(t *testing.T) {
	want := `a,b:c%.sql:2:5: error: drop-column: 100% of <users>
read it
    why   The running release reads it.
    lock  ACCESS EXCLUSIVE on users
    instead:
        SELECT 1;
    then, in the next file:
        SELECT 2;

d.sql:1: error: drop-column: again

e.sql: warning: json-column: weighs little

9 files judged: 2 errors, 1 warning
`
	var b strings.Builder
	if err := report.Text(&b, findings, 9, report.Colours(false)); err != nil {
		t.Fatal(err)
	}
	got, hint, _ := strings.Cut(b.String(), "A finding that is meant")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if !strings.Contains(hint, "-- waive: RULE the reason") {
		t.Errorf("errors without a word on waivers: %s", hint)
	}

	b.Reset()
	if err := report.Text(&b, findings[2:], 1, report.Colours(true)); err != nil {
		t.Fatal(err)
	}
	if want := "\x1b[1me.sql\x1b[0m: \x1b[33mwarning\x1b[0m: json-column: weighs little\n\n1 file judged: 0 errors, 1 warning\n"; b.String() != want {
		t.Errorf("%q", b.String())
	}
}

func TestGitHub(t *testing.T) {
	want := `::error file=a%2Cb%3Ac%25.sql,line=2,col=5,title=drop-column::100%25 of <users>%0Aread it%0AThe running release reads it.%0ALock: ACCESS EXCLUSIVE on users%0AInstead:%0ASELECT 1;%0A%0A%0AThen, in the next file:%0ASELECT 2;%0A
::error file=d.sql,line=1,title=drop-column::again%0AThe running release reads it.
::warning file=e.sql,title=json-column::weighs little
9 files judged: 2 errors, 1 warning
`
	var b strings.Builder
	if err := report.GitHub(&b, findings, 9); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestJSON(t *testing.T) {
	want := `{"file":"a,b:c%.sql","line":2,"column":5,"rule":"drop-column","severity":"error","message":"100% of <users>\nread it","why":"The running release reads it.","lock":"ACCESS EXCLUSIVE on users","instead":["SELECT 1;\n","SELECT 2;\n"]}
{"file":"d.sql","line":1,"rule":"drop-column","severity":"error","message":"again","why":"The running release reads it."}
{"file":"e.sql","line":0,"rule":"json-column","severity":"warning","message":"weighs little"}
`
	var b strings.Builder
	if err := report.JSON(&b, findings); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
