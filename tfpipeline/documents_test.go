package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/view"
)

// What the page for people on call says they see is what the program, a
// workflow, AWS or GitHub says.
func TestOnCallQuotesMessages(t *testing.T) {
	page, err := os.ReadFile("../docs/on-call.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "## By what you see")
	table, _, _ = strings.Cut(table, "\n## ")
	// AWS's and GitHub's own words.
	said := "Not authorized to perform sts:AssumeRoleWithWebIdentity\nResource not accessible by integration\n"
	for _, root := range []string{".", "../.github"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || strings.HasSuffix(path, "_test.go") || filepath.Ext(path) != ".go" && filepath.Ext(path) != ".yml" {
				return err
			}
			content, err := os.ReadFile(path)
			said += string(content)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	quoted := regexp.MustCompile("(?m)^\\| `([^`]*)`").FindAllStringSubmatch(table, -1)
	for _, q := range quoted {
		for part := range strings.SplitSeq(q[1], "…") {
			if part = strings.TrimSpace(part); !strings.Contains(said, part) {
				t.Errorf("nothing says %q", part)
			}
		}
	}
	if len(quoted) < 10 {
		t.Errorf("%d quotations found: is the search broken?", len(quoted))
	}
}

// Each row of the comparison says has, better or lacks, and what there is has a command
// that shows it.
func TestDocumentedComparison(t *testing.T) {
	page, err := os.ReadFile("../docs/comparison.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for line := range strings.Lines(string(page)) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| wanted |") {
			continue
		}
		rows++
		cells := strings.Split(strings.Trim(strings.ReplaceAll(line, `\|`, "/"), "|"), "|")
		if len(cells) != 4 {
			t.Errorf("%d cells: %s", len(cells), line)
			continue
		}
		m := regexp.MustCompile(`^ (has|better|lacks)[:,] \S`).FindStringSubmatch(cells[2])
		if m == nil || m[1] != "lacks" && !strings.Contains(cells[3], "`") {
			t.Errorf("neither has nor better with a command, nor lacks with a reason: %s", line)
		}
	}
	if rows < 35 {
		t.Errorf("%d rows: is the search broken?", rows)
	}
}

// A page is also read where the platform is another: no command may name the example's
// instances, buckets or account. Its module's path is what init renames.
func TestDocumentsNameNoPlatform(t *testing.T) {
	var pages []string
	for _, pattern := range []string{"../docs/*.md", "../docs/*.1", "../*.md", "help/*.txt"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		pages = append(pages, found...)
	}
	module := regexp.MustCompile(`github\.com/[\w.-]+/[\w.-]+/(gen|migrations|tfpipeline)\b`)
	for _, name := range pages {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(module.ReplaceAllString(string(content), ""), "\n") {
			for _, word := range []string{"doc-platform", "specboard", "123456789012"} {
				if strings.Contains(strings.ToLower(line), word) {
					t.Errorf("%s:%d: names %s, which is the example's: %s", name, i+1, word, line)
				}
			}
		}
	}
}

// The page about GitHub lists every kind of message that a webhook gets, and
// shows one with every line that a message may have.
func TestGitHubListsMessages(t *testing.T) {
	page, err := os.ReadFile("../docs/github.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "## What the channel hears")
	section, _, _ = strings.Cut(section, "\n## ")
	began := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	m := view.Message{Platform: "shop", Moment: view.Ended, Record: deploy.Record{
		Kind: deploy.KindPromote, Environment: "production", Actor: "ada", Started: began, Ended: began.Add(5*time.Minute + 3*time.Second),
		Release: deploy.Release{Tag: "v1.4.0"}, Previous: deploy.Release{Tag: "v1.3.0"},
	}}
	first := func(m view.Message) string { head, _, _ := strings.Cut(m.Text(), "\n"); return head }
	constants := func(path, of string) (values []string) {
		source, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range regexp.MustCompile(`(?m)^\t\w+ +`+of+` = "(.*)"$`).FindAllStringSubmatch(string(source), -1) {
			values = append(values, c[1])
		}
		return values
	}
	var want []string
	for _, moment := range constants("internal/view/message.go", "Moment") {
		m := m
		if m.Moment = view.Moment(moment); m.Moment != view.Ended {
			want = append(want, first(m))
			continue
		}
		for _, outcome := range constants("internal/deploy/record.go", "Outcome") {
			m.Record.Outcome = deploy.Outcome(outcome)
			want = append(want, first(m))
		}
		m.Record.SupersededBy = &deploy.Release{Tag: "v1.5.0"}
		want = append(want, first(m))
	}
	var got []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]*)`").FindAllStringSubmatch(section, -1) {
		got = append(got, row[1])
	}
	slices.Sort(want)
	slices.Sort(got)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("kinds of messages (-the program's +the page's):\n%s", d)
	}

	m.Subjects = []string{"Show the invoice as PDF"}
	r := &m.Record
	r.Outcome, r.Step, r.Error, r.Left = deploy.Broken, deploy.StepWatch, "service api failed", []string{"task migrate has run"}
	r.Overrides = []deploy.Override{{Check: "proof", Reason: "staging is down"}}
	r.Next = deploy.Next{{Advice: deploy.AdviceInspect, Verb: deploy.VerbStatus}}
	r.RunURL = "https://github.com/acme/shop/actions/runs/1/attempts/1"
	if !strings.Contains(section, "```\n"+m.Text()+"\n```") {
		t.Errorf("the page does not show\n%s", m.Text())
	}
}

// The help of local names every flag of the sample application.
func TestHelpOfTheSampleApplication(t *testing.T) {
	source, err := os.ReadFile(filepath.Join("internal", "localaws", "sample", "main.go"))
	if err != nil {
		t.Fatal(err)
	}
	help, err := os.ReadFile(filepath.Join("help", "local.txt"))
	if err != nil {
		t.Fatal(err)
	}
	flags := regexp.MustCompile(`set\.\w+Var\(&b\.\w+, "([a-z-]+)"`).FindAllSubmatch(source, -1)
	for _, f := range flags {
		if !regexp.MustCompile(`(?m)-` + string(f[1]) + `\b`).Match(help) {
			t.Errorf("the help has no -%s", f[1])
		}
	}
	if len(flags) < 10 {
		t.Errorf("%d flags", len(flags))
	}
}
