package lint_test

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/specboard/platform/migrations/check/internal/lint"
)

var update = flag.Bool("update", false, "write what is found as the goldens")

// ruleCase is one migration of testdata/rules: in RULE.txtar, the file
// bad-NAME.sql must have a finding of RULE and good-NAME.sql none;
// bad-pg10-NAME.sql is judged for PostgreSQL 10.
type ruleCase struct {
	rule, name string
	sql        []byte
	bad        bool
	postgres   int
}

var versioned = regexp.MustCompile(`^(?:bad|good)-pg([0-9]+)-`)

func loadCases(t testing.TB) map[string][]ruleCase {
	t.Helper()
	files, err := filepath.Glob("testdata/rules/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]ruleCase{}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		rule := strings.TrimSuffix(filepath.Base(file), ".txtar")
		for _, f := range archive.Files {
			if !strings.HasSuffix(f.Name, ".sql") {
				continue
			}
			c := ruleCase{rule: rule, name: f.Name, sql: f.Data, bad: strings.HasPrefix(f.Name, "bad-"), postgres: lint.DefaultPostgres}
			if m := versioned.FindStringSubmatch(f.Name); m != nil {
				if c.postgres, err = strconv.Atoi(m[1]); err != nil {
					t.Fatal(err)
				}
			}
			all[rule] = append(all[rule], c)
		}
	}
	return all
}

func base(t testing.TB) *lint.Base {
	t.Helper()
	sql, err := os.ReadFile("testdata/base.sql")
	if err != nil {
		t.Fatal(err)
	}
	return &lint.Base{Name: "base.sql", SQL: string(sql)}
}

func (c ruleCase) judge(t testing.TB) []lint.Finding {
	t.Helper()
	findings, err := lint.Run{Base: base(t), Postgres: c.postgres}.Files([]lint.File{{Name: c.name, Data: c.sql}})
	if err != nil {
		t.Fatal(err)
	}
	return findings
}

func has(findings []lint.Finding, rule string) bool {
	for _, f := range findings {
		if f.Rule == rule {
			return true
		}
	}
	return false
}

func golden(findings []lint.Finding) string {
	var b strings.Builder
	for _, f := range findings {
		b.WriteString(f.String() + "\n")
		for i, file := range f.Instead {
			if i > 0 {
				b.WriteString("    -- next file\n")
			}
			b.WriteString("    " + strings.ReplaceAll(strings.TrimRight(file, "\n"), "\n", "\n    ") + "\n")
		}
	}
	return b.String()
}

// TestRules judges every case and compares what is found with the goldens.
func TestRules(t *testing.T) {
	total := 0
	for rule, cases := range loadCases(t) {
		total += len(cases)
		t.Run(rule, func(t *testing.T) {
			var found strings.Builder
			bad, good := 0, 0
			for _, c := range cases {
				findings := c.judge(t)
				found.WriteString(golden(findings))
				switch {
				case c.bad && !has(findings, rule):
					t.Errorf("%s: no finding of %s", c.name, rule)
				case !c.bad && has(findings, rule):
					t.Errorf("%s: found\n%s", c.name, golden(findings))
				}
				if c.bad {
					bad++
				} else {
					good++
				}
			}
			if bad == 0 || good == 0 && rule != "unsupported" {
				t.Errorf("%d bad and %d good cases; each rule needs both", bad, good)
			}
			compareGolden(t, rule, found.String())
		})
	}
	if total < 250 {
		t.Errorf("%d cases; there should be at least 250", total)
	}
}

func compareGolden(t *testing.T, rule, found string) {
	t.Helper()
	file := filepath.Join("testdata/rules", rule+".txtar")
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := ""
	last := len(archive.Files) - 1
	if last >= 0 && archive.Files[last].Name == "findings" {
		want = string(archive.Files[last].Data)
	} else {
		archive.Files = append(archive.Files, txtar.File{Name: "findings"})
		last++
	}
	if *update {
		archive.Files[last].Data = []byte(found)
		if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Errorf("findings (-want +got; -update writes them):\n%s", diff)
	}
}

// TestEveryRuleHasCases: a rule without a bad and a good case is a claim that
// nothing holds to. File names, numbers and encoding are tested on folders.
func TestEveryRuleHasCases(t *testing.T) {
	cases := loadCases(t)
	for _, r := range lint.Rules() {
		switch r.ID {
		case "file-name", "numbering", "encoding":
		default:
			if len(cases[r.ID]) == 0 {
				t.Errorf("no testdata/rules/%s.txtar", r.ID)
			}
		}
		delete(cases, r.ID)
	}
	for rule := range cases {
		t.Errorf("testdata/rules/%s.txtar: there is no such rule", rule)
	}
}
