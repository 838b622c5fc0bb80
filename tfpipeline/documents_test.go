package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
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
