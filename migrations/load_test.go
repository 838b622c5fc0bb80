package migrations

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func folder(files map[string]string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return fsys
}

// TestUpperCaseExtension: no file is passed over for how its name is written.
func TestUpperCaseExtension(t *testing.T) {
	_, problems, err := Read(fstest.MapFS{"0001_a.SQL": {Data: []byte("SELECT 1")}, "0002_b.Sql": {Data: []byte("SELECT 1")}})
	if err != nil || len(problems) != 2 || problems[0].Rule != RuleFileName || problems[1].Rule != RuleFileName {
		t.Errorf("%v, %v", problems, err)
	}
}

// A folder without migrations holds a placeholder, which is none.
func TestPlaceholder(t *testing.T) {
	list, problems, err := Read(fstest.MapFS{Placeholder: {Data: []byte("-- No migration.\n")}, "0001_a.sql": {Data: []byte("SELECT 1")}})
	if err != nil || len(problems) > 0 || len(list) != 1 {
		t.Errorf("%v, %v, %v", list, problems, err)
	}
}

func TestOwnMigrations(t *testing.T) {
	list, err := Load(Files())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fs.Stat(Files(), Placeholder); len(list) == 0 && err != nil {
		t.Error("no migration, and not even the placeholder is embedded: is the pattern wrong?")
	}
	for i, m := range list {
		if m.Number != i+1 {
			t.Errorf("%s is number %d in the list", m.File, i+1)
		}
	}
}

func TestLoadOrdersAndNormalises(t *testing.T) {
	list, err := Load(folder(map[string]string{
		"0002_b.sql": "-- phase: contract\r\n-- unused-since: v1.4.0\r\nDROP TABLE a;\r\n",
		"0001_a.sql": "\xef\xbb\xbfCREATE TABLE a ();",
		"README.md":  "no migration",
	}))
	if err != nil {
		t.Fatal(err)
	}
	if list[0].ID() != "0001_a" || list[1].ID() != "0002_b" {
		t.Fatalf("order: %s, %s", list[0].ID(), list[1].ID())
	}
	if list[0].SQL != "CREATE TABLE a ();" {
		t.Errorf("the byte-order mark stays: %q", list[0].SQL)
	}
	if list[1].Phase != Contract || list[1].UnusedSince != "v1.4.0" || list[1].Statements[0].Line != 3 {
		t.Errorf("%+v", list[1])
	}
	unix, _ := Parse("x.sql", []byte("-- phase: contract\n-- unused-since: v1.4.0\nDROP TABLE a;\n"))
	if unix.Checksum != list[1].Checksum {
		t.Error("line endings change the checksum")
	}
	other, _ := Parse("x.sql", []byte("-- phase: contract\n-- unused-since: v1.4.0\nDROP TABLE b;\n"))
	if other.Checksum == list[1].Checksum {
		t.Error("another statement has the same checksum")
	}
}

func TestLoadReportsAllProblems(t *testing.T) {
	_, err := Load(folder(map[string]string{
		"0001_a.sql":      "CREATE TABLE a ()",
		"0001_again.sql":  "CREATE TABLE b ()",
		"0004_c.sql":      "-- phase: shrink\n-- waived: blue\nSELECT 1",
		"0005_d.sql":      "-- phase: contract\nDROP TABLE a",
		"0007_e.sql":      "BEGIN;\nCREATE TABLE e ();\nCOMMIT;",
		"addUsers.sql":    "SELECT 1",
		"0008_f.sql":      "SELECT 'open",
		"0009_g.sql":      "-- nothing here\n",
		"0010_h.sql":      "SELECT '\xff'",
		"00011_long.sql":  "SELECT 1",
		"0000_zero.sql":   "SELECT 1",
		"0011_Upper.sql":  "SELECT 1",
		"0011_dash-a.sql": "SELECT 1",
	}))
	load, ok := errors.AsType[*LoadError](err)
	if !ok {
		t.Fatalf("no *LoadError: %v", err)
	}
	want := []string{
		"0000_zero.sql: file-name:", "00011_long.sql: file-name:", "0011_Upper.sql: file-name:", "0011_dash-a.sql: file-name:", "addUsers.sql: file-name:",
		"0001_again.sql: numbering: number 0001 is taken by 0001_a.sql; the next free one is 0011",
		"0004_c.sql: numbering: 0002 to 0003 are missing before it",
		`0004_c.sql:1: header: phase "shrink" is unknown: write expand or contract`,
		`0004_c.sql:2: header: unknown header "waived"`,
		"0005_d.sql:1: header: a contract needs the first release",
		"0007_e.sql: numbering: 0006 is missing before it",
		"0007_e.sql:1: transaction: the runner opens and commits", "0007_e.sql:3: transaction:",
		"0008_f.sql:1: syntax: this ' has no end",
		"0010_h.sql:1: encoding:",
	}
	text := err.Error()
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("missing %q", w)
		}
	}
	if len(load.Problems) != len(want) {
		t.Errorf("%d problems, want %d:\n%s", len(load.Problems), len(want), text)
	}
}

func TestHeaders(t *testing.T) {
	const sql = "\nDELETE FROM t WHERE id BETWEEN $1 AND $2"
	tests := []struct {
		name, text string
		want       Header
		problem    string // a part of the only one
	}{
		{name: "none", text: "SELECT 1", want: Header{Phase: Expand}},
		{name: "all", text: "-- What for.\n--phase:  contract \n-- unused-since: release/2026-11\n-- waive: drop-column  nobody reads it\n-- waive: drop-table it is empty\n-- transaction: none\nSELECT 1",
			want: Header{Phase: Contract, UnusedSince: "release/2026-11", NoTransaction: true,
				Waivers: []Waiver{{"drop-column", "nobody reads it", 4}, {"drop-table", "it is empty", 5}}}},
		{name: "backfill", text: "-- backfill: table=app.docs key=doc_id batch=50 pause=2s" + sql,
			want: Header{Phase: Expand, Backfill: &Backfill{"app.docs", "doc_id", 50, 2 * time.Second}}},
		{name: "backfill defaults", text: "-- backfill: table=docs" + sql,
			want: Header{Phase: Expand, Backfill: &Backfill{"docs", "id", 1000, 100 * time.Millisecond}}},
		{name: "prose", text: "-- Note: a capital\n-- https://example.com/x\n-- two words: prose\nSELECT 1", want: Header{Phase: Expand}},
		{name: "prose in lower case", text: "-- note: what for\n-- case: any\nSELECT 1", want: Header{Phase: Expand}},
		{name: "letters swapped", text: "-- pahse: contract\nSELECT 1", want: Header{Phase: Expand}, problem: `unknown header "pahse"`},
		{name: "a part", text: "-- since: v1\nSELECT 1", want: Header{Phase: Expand}, problem: `unknown header "since"`},
		{name: "in a string", text: "SELECT '\n-- phase: contract\n'", want: Header{Phase: Expand}},
		{name: "wrong case", text: "-- Phase: contract\nSELECT 1", want: Header{Phase: Expand}, problem: `write "Phase" as "phase"`},
		{name: "underscore", text: "-- unused_since: v1\nSELECT 1", want: Header{Phase: Expand}, problem: `write "unused_since" as "unused-since"`},
		{name: "below", text: "SELECT 1;\n-- phase: contract\n", want: Header{Phase: Expand}, problem: `:2: header: "phase" must stand in the comment that begins the file`},
		{name: "twice", text: "-- phase: expand\n-- phase: expand\nSELECT 1", want: Header{Phase: Expand}, problem: `"phase" is already given in line 1`},
		{name: "unused-since alone", text: "-- unused-since: v1\nSELECT 1", want: Header{Phase: Expand, UnusedSince: "v1"}, problem: "unused-since belongs to a contract"},
		{name: "two releases", text: "-- phase: contract\n-- unused-since: v1 or v2\nSELECT 1", want: Header{Phase: Contract}, problem: "is no release"},
		{name: "waiver without reason", text: "-- waive: drop-column\nSELECT 1", want: Header{Phase: Expand}, problem: "name one rule and the reason"},
		{name: "backfill without table", text: "-- backfill: batch=10" + sql, want: Header{Phase: Expand, Backfill: &Backfill{"", "id", 10, 100 * time.Millisecond}}, problem: "needs the table"},
		{name: "backfill without keys", text: "-- backfill: table=t\nDELETE FROM t", want: Header{Phase: Expand, Backfill: &Backfill{"t", "id", 1000, 100 * time.Millisecond}}, problem: "takes its batch from $1 and $2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, problems := Parse("0001_x.sql", []byte(tt.text))
			var texts []string
			for _, p := range problems {
				texts = append(texts, p.String())
			}
			switch all := strings.Join(texts, "\n"); {
			case tt.problem == "" && all != "":
				t.Errorf("problems: %s", all)
			case tt.problem != "" && (!strings.Contains(all, tt.problem) || tt.name != "two releases" && len(problems) != 1):
				t.Errorf("problems: %s\nwant only: %s", all, tt.problem)
			}
			if diff := cmp.Diff(tt.want, m.Header); diff != "" {
				t.Error(diff)
			}
		})
	}
}
