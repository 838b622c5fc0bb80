package lint_test

import (
	"path"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/specboard/platform/migrations/check/internal/lint"
)

// TestInputs holds the verdicts on files that were once judged wrong.
func TestInputs(t *testing.T) {
	archive, err := txtar.ParseFile("testdata/inputs.txtar")
	if err != nil {
		t.Fatal(err)
	}
	sql := map[string][]byte{}
	for _, f := range archive.Files {
		sql[f.Name] = f.Data
	}
	sequence := regexp.MustCompile(`^s[0-9]+\.sql$`)
	var before []lint.File
	for line := range strings.Lines(string(sql["want"])) {
		name, want, _ := strings.Cut(strings.TrimSpace(line), ":")
		t.Run(name, func(t *testing.T) {
			files := []lint.File{{Name: name, Data: sql[name]}}
			if sequence.MatchString(path.Base(name)) {
				before = append(before, files...)
				files = before
			}
			base := &lint.Base{Name: "schema.sql", SQL: string(sql[path.Dir(name)+"/schema.sql"])}
			findings, err := lint.Run{Base: base, Postgres: lint.DefaultPostgres}.Files(files)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range findings {
				if f.Severity == lint.Error {
					got = append(got, f.Rule)
				}
			}
			if strings.Join(got, " ") != strings.TrimSpace(want) {
				t.Errorf("want %q:\n%s", want, golden(findings))
			}
		})
	}
}
