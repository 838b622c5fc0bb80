package lint_test

import (
	"os"
	"testing"

	"github.com/specboard/platform/migrations/check/internal/lint"
)

// FuzzLint: whatever is written, judging it ends in findings and never in a
// panic, with the deployed schema or without, for every version.
func FuzzLint(f *testing.F) {
	for _, list := range loadCases(f) {
		for _, c := range list {
			f.Add(string(c.sql), c.postgres)
		}
	}
	f.Add("", 16)
	f.Add("DO $$ BEGIN EXECUTE $q$ $q$; END $$", 18)
	f.Add("\xff\xfe", 10)
	data, err := os.ReadFile("testdata/base.sql")
	if err != nil {
		f.Fatal(err)
	}
	known := &lint.Base{Name: "base.sql", SQL: string(data)}
	f.Fuzz(func(t *testing.T, sql string, postgres int) {
		postgres = lint.OldestPostgres + abs(postgres)%(lint.NewestPostgres-lint.OldestPostgres+1)
		for _, b := range []*lint.Base{nil, known} {
			findings, err := lint.Run{Base: b, Postgres: postgres}.Files([]lint.File{{Name: "0001_x.sql", Data: []byte(sql)}})
			if err != nil {
				t.Fatalf("the base is sound: %v", err)
			}
			for _, finding := range findings {
				if finding.Rule == "" || finding.Message == "" || finding.Line < 0 {
					t.Errorf("a finding that says nothing: %+v", finding)
				}
			}
		}
		// A schema may be anything too, and then it is refused in words.
		_, _ = lint.Run{Base: &lint.Base{Name: "x.sql", SQL: sql}, Postgres: postgres}.Files(nil)
	})
}

func abs(n int) int {
	if n < 0 {
		return -(n + 1)
	}
	return n
}

// TestUnknownStatements: what the linter knows nothing of is said to be not
// judged, and never passed over.
func TestUnknownStatements(t *testing.T) {
	for _, sql := range []string{
		"IMPORT FOREIGN SCHEMA a FROM SERVER s INTO public;",
		"DO $$ DECLARE t text := 'DROP TABLE ' || current_user; BEGIN EXECUTE t; END $$;",
		"SELECT run_what_it_says('x');",
		"CALL something();",
	} {
		findings, err := lint.Run{Base: base(t), Postgres: lint.DefaultPostgres}.Files([]lint.File{{Name: "0001_x.sql", Data: []byte(sql)}})
		if err != nil {
			t.Fatal(err)
		}
		if !has(findings, "not-judged") && !has(findings, "unsupported") {
			t.Errorf("%s: passed over; found %v", sql, findings)
		}
	}
}
