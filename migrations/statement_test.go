package migrations

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSplit(t *testing.T) {
	tests := []struct {
		name, sql string
		want      []string
	}{
		{"empty", " \n-- only a comment\n/* and /* another */ */;;", nil},
		{"no last semicolon", "SELECT 1; SELECT 2", []string{"SELECT 1", "SELECT 2"}},
		{"string", "SELECT ';'; SELECT 'it''s; fine'", []string{"SELECT ';'", "SELECT 'it''s; fine'"}},
		{"backslash in a plain string", `SELECT '\'; SELECT 2`, []string{`SELECT '\'`, "SELECT 2"}},
		{"escape string", `SELECT E'\'; x', e'\\'; SELECT 2`, []string{`SELECT E'\'; x', e'\\'`, "SELECT 2"}},
		{"escape string goes on", "SELECT E'a' -- c;\n '\\'; b'; SELECT 2", []string{"SELECT E'a' -- c;\n '\\'; b'", "SELECT 2"}},
		{"string beside string on one line", `SELECT E'a' , '\'; SELECT 2`, []string{`SELECT E'a' , '\'`, "SELECT 2"}},
		{"word that ends in e", `SELECT type'\'; SELECT 2`, []string{`SELECT type'\'`, "SELECT 2"}},
		{"quoted identifier", `SELECT ";""'" ; SELECT 2`, []string{`SELECT ";""'"`, "SELECT 2"}},
		{"dollar quotes", "DO $$ BEGIN; $x$ ; $$; SELECT $a$;$$;$a$", []string{"DO $$ BEGIN; $x$ ; $$", "SELECT $a$;$$;$a$"}},
		{"dollar in a word", "SELECT a$b$; SELECT $b$ FROM c; $b$", []string{"SELECT a$b$", "SELECT $b$ FROM c; $b$"}},
		{"tag with umlaut", "SELECT $ä$;$ä$; SELECT 2", []string{"SELECT $ä$;$ä$", "SELECT 2"}},
		{"parameter beside dollar quote", "SELECT $1$$;$$; SELECT 2", []string{"SELECT $1$$;$$", "SELECT 2"}},
		{"comments", "SELECT 1 -- ;\n, 2 /* ; /* ; */ ; */ ; SELECT 3", []string{"SELECT 1 -- ;\n, 2", "SELECT 3"}},
		{"operators", "SELECT 1 -1; SELECT 2 / 3 * 4", []string{"SELECT 1 -1", "SELECT 2 / 3 * 4"}},
		{"rule", "CREATE RULE r AS ON INSERT TO t DO ALSO (DELETE FROM a; DELETE FROM b); SELECT 1",
			[]string{"CREATE RULE r AS ON INSERT TO t DO ALSO (DELETE FROM a; DELETE FROM b)", "SELECT 1"}},
		{"begin atomic", "CREATE OR REPLACE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 1 END; END; SELECT 2",
			[]string{"CREATE OR REPLACE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 1 END; END", "SELECT 2"}},
		{"columns named begin and end", "CREATE TABLE t (begin int, \"end\" int); SELECT 1", []string{"CREATE TABLE t (begin int, \"end\" int)", "SELECT 1"}},
		{"transaction", "BEGIN; SELECT 1; END; SELECT 2", []string{"BEGIN", "SELECT 1", "END", "SELECT 2"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			list, _, err := Split(tt.sql)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, s := range list {
				got = append(got, s.SQL)
				if !strings.HasPrefix(tt.sql[s.Offset:], s.SQL) {
					t.Errorf("offset %d of %q", s.Offset, s.SQL)
				}
				if want := 1 + strings.Count(tt.sql[:s.Offset], "\n"); s.Line != want {
					t.Errorf("line %d of %q, want %d", s.Line, s.SQL, want)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSplitRefuses(t *testing.T) {
	tests := []struct {
		sql     string
		line    int
		message string
	}{
		{"SELECT 1;\nSELECT 'open", 2, "this ' has no end"},
		{"SELECT \"open", 1, `this " has no end`},
		{"\n\nSELECT $a$ open $$", 3, "this $a$ has no end"},
		{"/* /* */", 1, "comment has no end"},
		{"SELECT 1;\n\\i other.sql", 2, "psql's commands do not run here"},
		{"CREATE TABLE ${name} ()", 1, "placeholders are not filled in"},
		{`SELECT E'a\'`, 1, "this ' has no end"},
	}
	for _, tt := range tests {
		_, _, err := Split(tt.sql)
		if err == nil || err.Line != tt.line || !strings.Contains(err.Message, tt.message) {
			t.Errorf("%q: %v, want line %d: %s", tt.sql, err, tt.line, tt.message)
		}
	}
}

// FuzzSplit holds whatever the text: no panic, statements in order that do not
// overlap, and each of them is one statement when cut again.
func FuzzSplit(f *testing.F) {
	f.Add("SELECT ';'; DO $$ ; $$; SELECT E'\\';'")
	f.Add("CREATE FUNCTION f() BEGIN ATOMIC SELECT 1; END; /* ; /* */ */ SELECT \";\"")
	f.Add("CREATE RULE r AS ON INSERT TO t DO (a; b); U&'\\';\n'x'")
	f.Fuzz(func(t *testing.T, sql string) {
		list, _, _ := Split(sql)
		end := 0
		for _, s := range list {
			if s.Offset < end || sql[s.Offset:s.Offset+len(s.SQL)] != s.SQL {
				t.Fatalf("statement at %d overlaps or differs: %q", s.Offset, s.SQL)
			}
			if s.Line != 1+strings.Count(sql[:s.Offset], "\n") {
				t.Fatalf("line %d of the statement at %d", s.Line, s.Offset)
			}
			end = s.Offset + len(s.SQL)
			again, _, err := Split(s.SQL)
			if err != nil || len(again) != 1 || again[0].SQL != s.SQL {
				t.Fatalf("%q cut again: %v, %v", s.SQL, again, err)
			}
		}
		Parse("0001_x.sql", []byte(sql))
	})
}
