package view_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/tfpipeline/internal/plan"
	"github.com/specboard/platform/tfpipeline/internal/view"
)

// corpusSections reads the corpus: plans of real Terraform runs, by name.
func corpusSections(t *testing.T) map[string]view.Section {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(corpus, "*.json.gz"))
	if err != nil || len(paths) < 40 {
		t.Fatalf("%d plans in the corpus, want 40 (record them with TestRecordCorpus): %v", len(paths), err)
	}
	sections := map[string]view.Section{}
	for _, path := range paths {
		p, err := plan.Parse("production", recorded(t, path))
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		s := view.Section{Root: p.Root, Plan: p}
		if refusal, ok := errors.AsType[*plan.GuardError](plan.Guard(p, configtest.Docs(), nil)); ok {
			s.Refused = refusal.Violations
		}
		sections[strings.TrimSuffix(filepath.Base(path), ".json.gz")] = s
	}
	return sections
}

func TestCorpusGoldens(t *testing.T) {
	for name, s := range corpusSections(t) {
		t.Run(name, func(t *testing.T) {
			got := view.Comment{Sections: []view.Section{s}, Budget: view.CommentBudget}.Markdown()
			path := filepath.Join(corpus, name+".md")
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), got); d != "" {
				t.Errorf("comment (rewrite with -update):\n%s", d)
			}
		})
	}
}

// TestCorpusProperties renders every plan of the corpus at every level of
// detail: each smaller budget takes some away.
func TestCorpusProperties(t *testing.T) {
	for name, s := range corpusSections(t) {
		t.Run(name, func(t *testing.T) {
			named := 0
			for _, c := range s.Plan.Changes {
				if c.Action.Destructive() {
					named += len(c.Address) + 40
				}
			}
			seen := map[string]bool{}
			for budget := view.CommentBudget; budget >= 2000+2*named; budget = budget * 4 / 5 {
				got := view.Comment{Sections: []view.Section{s, s}, Budget: budget, RunURL: "https://github.test/run"}.Markdown()
				seen[got] = true
				if len(got) > budget || !utf8.ValidString(got) {
					t.Fatalf("%d bytes of %d, valid %v", len(got), budget, utf8.ValidString(got))
				}
				if strings.Contains(got, canary) {
					t.Fatalf("a secret is shown:\n%s", got)
				}
				for _, c := range s.Plan.Changes {
					address := strings.ReplaceAll(c.Address, "\n", "⏎")
					if c.Action.Destructive() && strings.Count(got, address) < 2 {
						t.Fatalf("%q is destroyed, and not named at %d bytes:\n%s", c.Address, budget, got)
					}
				}
				checkStructure(t, got)
			}
			if len(seen) == 0 {
				t.Fatal("no budget was tried")
			}
		})
	}
}

// What a mention, a tag or a reference needs stands in code only.
func TestCorpusHarmsNobody(t *testing.T) {
	for name, s := range corpusSections(t) {
		if !strings.HasPrefix(name, "hostile-") && name != "errored-precondition" {
			continue
		}
		s.Error = "Error: @everyone </details> ``` #1 <script>"
		got := view.Comment{Sections: []view.Section{s}, Budget: view.CommentBudget}.Markdown()
		bare := outsideOfCode(got)
		for _, bad := range []string{"@", "#1", "GH-2", "<script", "</summary><", "<b>", "<!-- x"} {
			if strings.Contains(bare, bad) {
				t.Errorf("%s: %q stands outside of code:\n%s", name, bad, bare)
			}
		}
	}
}

// outsideOfCode is what GitHub reads as Markdown and HTML.
func outsideOfCode(text string) string {
	var out strings.Builder
	open := ""
	for line := range strings.Lines(text) {
		m := fenceLine.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		switch {
		case open == "" && m != nil:
			open = m[1]
		case open == "":
			out.WriteString(stripCode(line))
		case m != nil && len(m[1]) >= len(open) && m[2] == "":
			open = ""
		}
	}
	return out.String()
}
