package main

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// documented is a command that a page tells its reader to run.
type documented struct {
	page string
	line int
	text string
	// needs is what the page says that it needs, in a comment that no reader sees:
	// account, github, network, local (moto and PostgreSQL) or time (it is the gate's
	// tests, or longer).
	needs string
}

func (d documented) String() string { return fmt.Sprintf("%s:%d: %s", d.page, d.line, d.text) }

// needs are what a command may need that a test of the gate has not, or that is no
// part of the gate since it takes too long.
var needs = []string{"account", "github", "network", "local", "time"}

var (
	needMark    = regexp.MustCompile(`<!-- commands: ([a-z]+) -->`)
	commandSpan = regexp.MustCompile("`((?:bin/)?tfpipeline [a-z][^`]*|make [a-z][^`]*|go run [^`]*)`")
	// shellLine begins with a program that pages name.
	shellLine = regexp.MustCompile(`^\s*((?:[A-Z_]+=\S+ )*(?:\S*bin/)?(?:tfpipeline|make|go|gh|aws|git|source|npm|docker|terraform|migrate|check|psql|curl)\b.*)`)
)

// documentedCommands are those of one page: lines of blocks without a language, or
// of a shell, and code within text. A mark counts until the next heading, or for its
// own line if something stands before it there.
func documentedCommands(t *testing.T, page string) (found []documented) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", page))
	if err != nil {
		t.Fatal(err)
	}
	fenced, language, need := false, "", ""
	for i, line := range strings.Split(string(content), "\n") {
		mark := needMark.FindStringSubmatch(line)
		here := need
		if mark != nil {
			if !slices.Contains(needs, mark[1]) {
				t.Errorf("%s:%d: a mark says %s, which is none of %s", page, i+1, mark[1], strings.Join(needs, ", "))
			}
			if here = mark[1]; strings.HasPrefix(strings.TrimSpace(line), "<!--") {
				need = mark[1]
			}
		}
		add := func(text string) {
			text, _, _ = strings.Cut(text, "   #")
			text = strings.TrimSpace(strings.ReplaceAll(text, `\|`, "|"))
			found = append(found, documented{page, i + 1, text, here})
		}
		switch trimmed := strings.TrimSpace(line); {
		case strings.HasPrefix(trimmed, "```"):
			fenced, language = !fenced, strings.TrimPrefix(trimmed, "```")
		case fenced:
			if m := shellLine.FindStringSubmatch(line); m != nil && (language == "" || language == "sh" || language == "bash") {
				add(m[1])
			}
		case strings.HasPrefix(line, "#"):
			need = ""
		default:
			for _, m := range commandSpan.FindAllStringSubmatch(line, -1) {
				add(m[1])
			}
		}
	}
	return found
}

// TestDocsCommands lists every command of the pages with what runs it. A
// command is run by a test if a test's source has the verb with all of its flags on
// one line; a target of make, if the gate needs it. All others bear a mark.
func TestDocsCommands(t *testing.T) {
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	pages = append(pages, "../README.md", "../CONTRIBUTING.md", "../SECURITY.md")
	tests := sources(t)
	makefile, err := os.ReadFile("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	run, marked := 0, 0
	for _, p := range pages {
		for _, d := range documentedCommands(t, strings.TrimPrefix(filepath.ToSlash(p), "../")) {
			words := strings.Fields(d.text)
			by := ""
			for strings.Contains(words[0], "=") {
				words = words[1:] // a variable of the environment
			}
			switch program := strings.TrimPrefix(words[0], "bin/"); {
			case program == "tfpipeline" || d.is("go", "run", "./tfpipeline"):
				if program == "go" {
					words = words[2:]
				}
				by = d.verb(words[1:], tests)
			case program == "make":
				by = target(t, d, words[1:], string(makefile), tests)
			case d.is("go", "test"):
				by = tests.function(words)
			case program == "go" && len(words) > 2:
				by = tests.runs(words[2], words[3:]...)
			case program == "migrate":
				by = tests.runs("./migrations/migrate", words[1:]...)
			}
			switch {
			case by != "":
				run++
				t.Logf("%s: run by %s", d, by)
			case d.needs != "":
				marked++
				t.Logf("%s: needs %s", d, d.needs)
			default:
				t.Errorf("%s: no test runs it, and no mark says what it needs; write <!-- commands: %s --> above it", d, strings.Join(needs, "|"))
			}
		}
	}
	t.Logf("%d run, %d marked", run, marked)
	if run < 20 || marked < 20 {
		t.Error("so few: is the search broken?")
	}
}

func (d documented) is(words ...string) bool {
	fields := strings.Fields(d.text)
	return len(fields) >= len(words) && slices.Equal(fields[:len(words)], words)
}

// verb says which test runs a verb with these flags; TestDocumentsNameCommands checks
// that the program knows them.
func (d documented) verb(args []string, tests testSources) string {
	if len(args) == 0 || strings.ToUpper(args[0]) == args[0] {
		return "nothing: it is a form"
	}
	if args[0] == "help" || args[0] == "completion" {
		return "TestCommandLine"
	}
	var used []string
	for _, a := range args[1:] {
		if a == "--" || a == "|" || a == ">>" {
			break
		}
		if name, ok := strings.CutPrefix(a, "-"); ok {
			name, _, _ = strings.Cut(strings.TrimLeft(name, "-"), "=")
			used = append(used, "-"+name)
		}
	}
	return tests.runs(args[0], used...)
}

// target says what runs a target of make: the gate, or a test of what it calls.
func target(t *testing.T, d documented, args []string, makefile string, tests testSources) string {
	t.Helper()
	name := args[0]
	recipe := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + `:[^\n]*\n((?:\t.*\n)*)`).FindStringSubmatch(makefile)
	if recipe == nil {
		t.Errorf("%s: make has no target %q", d, name)
		return ""
	}
	// What .ci/run asks for, and what those need.
	if slices.Contains([]string{"gate", "check", "lint", "gen-check", "migrations-check", "validate", "other-platform", "build"}, name) {
		return "the gate"
	}
	if m := regexp.MustCompile(`\$\(TFPIPELINE\) (\w+)`).FindStringSubmatch(recipe[1]); m != nil {
		return tests.runs(m[1])
	}
	if m := regexp.MustCompile(`go run (\./\S+)(?: (\w+))?`).FindStringSubmatch(recipe[1]); m != nil {
		return tests.runs(m[1], strings.Fields(m[2])...)
	}
	if m := regexp.MustCompile(`go test .*-run '\^(\w+)\$\$'`).FindStringSubmatch(recipe[1]); m != nil {
		return tests.function([]string{"-run", m[1]})
	}
	if name == "help" && strings.Contains(recipe[1], "awk") {
		out, err := exec.CommandContext(t.Context(), "make", "-C", "..", "help").CombinedOutput()
		if err != nil || !strings.Contains(string(out), "make help") && !strings.Contains(string(out), "gate") {
			t.Errorf("make help: %v\n%s", err, out)
		}
		return t.Name()
	}
	return ""
}

// testSources are the files that tests consist of, by path, as the words of their
// lines.
type testSources map[string][][]string

func sources(t *testing.T) testSources {
	t.Helper()
	out := testSources{}
	for _, pattern := range []string{"*_test.go", "testdata/script/*.txtar", "../gen/*_test.go", "../migrations/migrate/*_test.go", "../migrations/check/*_test.go", "../.ci/other-platform", "../.github/workflows/*.yml"} {
		paths, err := filepath.Glob(pattern)
		if err != nil || len(paths) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, p := range paths {
			if p == "documented_commands_test.go" {
				continue // what it says of a command is no run of it
			}
			content, err := os.ReadFile(p)
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(strings.ReplaceAll(string(content), "\\\n", " ")) {
				if strings.HasPrefix(strings.TrimSpace(line), "//") {
					continue
				}
				out[p] = append(out[p], strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" \t\n\"'`,()[]{}=;", r) }))
			}
		}
	}
	return out
}

// runs names the file of the first test that has a verb and its flags on a line: as
// words of a script or a workflow, or as strings of Go. Of a program other than
// tfpipeline, which its folder names, it is a test of that folder.
func (s testSources) runs(verb string, args ...string) string {
	folder := ""
	if strings.HasPrefix(verb, "./") {
		verb, folder = "", "."+verb+"/"
	}
	want := slices.DeleteFunc(append([]string{verb}, args...), func(w string) bool {
		return w == "" || !strings.HasPrefix(w, "-") && (strings.ContainsAny(w, "./=$|0123456789") || strings.ToUpper(w) == w)
	})
	for _, p := range slices.Sorted(maps.Keys(s)) {
		if !strings.HasPrefix(p, folder) {
			continue
		}
		for _, line := range s[p] {
			if !slices.ContainsFunc(want, func(w string) bool { return !slices.Contains(line, w) }) {
				return strings.TrimPrefix(p, "../")
			}
		}
	}
	return ""
}

// function is the test that go test is asked for.
func (s testSources) function(words []string) string {
	i := slices.Index(words, "-run")
	if i < 0 || i+1 == len(words) {
		return ""
	}
	if words[i+1] == "TestDocsCommands" {
		return words[i+1]
	}
	for p, lines := range s {
		for _, line := range lines {
			if len(line) > 1 && line[0] == "func" && line[1] == words[i+1] {
				return words[i+1] + " in " + p
			}
		}
	}
	return ""
}
