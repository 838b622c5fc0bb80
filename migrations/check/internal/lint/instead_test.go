package lint_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/specboard/platform/migrations/check/internal/lint"
)

// TestInstead judges what findings say to write instead: the advice must be
// SQL, and the linter must find no error in it.
func TestInstead(t *testing.T) {
	advised := 0
	for rule, cases := range loadCases(t) {
		for _, c := range cases {
			if !c.bad {
				continue
			}
			for _, f := range c.judge(t) {
				if f.Rule != rule || len(f.Instead) == 0 {
					continue
				}
				advised++
				for _, left := range follow(t, c, f.Instead) {
					if left.Severity == lint.Error {
						t.Errorf("%s/%s: advised\n%s\nfound in it: %s", rule, c.name, strings.Join(f.Instead, "\n-- next file\n"), left)
					}
				}
			}
		}
	}
	if advised < 100 {
		t.Errorf("%d findings came with advice", advised)
	}
}

// follow judges files one after the other, each behind those before it.
func follow(t *testing.T, c ruleCase, files []string) []lint.Finding {
	t.Helper()
	deployed, err := os.ReadFile("testdata/base.sql")
	if err != nil {
		t.Fatal(err)
	}
	schema := string(deployed)
	var all []lint.Finding
	for i, sql := range files {
		findings, err := lint.Run{Base: &lint.Base{Name: "base.sql", SQL: schema}, Postgres: c.postgres}.Files([]lint.File{{Name: fmt.Sprintf("%04d_x.sql", i+1), Data: []byte(sql)}})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, findings...)
		if !slices.ContainsFunc(findings, func(f lint.Finding) bool { return f.Rule == "syntax" }) {
			schema += "\n" + sql
		}
	}
	return all
}
