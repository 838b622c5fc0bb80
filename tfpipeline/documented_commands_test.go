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
	commandSpan = regexp.MustCompile("`((?:bin/)?tfpipeline [a-z][^`]*|make [a-z][^`]*|go run [^`]*|(?:aws|gh|git|migrate|terraform|psql|curl|docker|npm) [a-z-][^`]*)`")
	// joined is what stands between two commands of one line.
	joined = regexp.MustCompile(`(?: &&|;) +(tfpipeline )`)
	// shellLine begins with a program that pages name.
	shellLine = regexp.MustCompile(`^\s*((?:[A-Z_]+=\S+ )*(?:\S*bin/)?(?:tfpipeline|make|go|gh|aws|git|source|npm|docker|terraform|migrate|check|psql|curl|pg_dump|jq|shuf|sha256sum|install|man)\b.*)`)
)

// documentedCommands are those of one page: lines of blocks without a language, or
// of a shell, examples of the help, and code within text. A mark counts until the next heading, or for its
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
			for text := range strings.SplitSeq(joined.ReplaceAllString(strings.ReplaceAll(text, `\|`, "|"), "\n$1"), "\n") {
				found = append(found, documented{page, i + 1, strings.TrimSpace(text), here})
			}
		}
		switch trimmed := strings.TrimSpace(line); {
		case strings.HasPrefix(trimmed, "```"):
			fenced, language = !fenced, strings.TrimPrefix(trimmed, "```")
		case fenced:
			// A text of the help has its examples behind two spaces.
			help := language == "text" && strings.HasPrefix(line, "  tfpipeline ")
			if m := shellLine.FindStringSubmatch(line); m != nil && (help || language == "" || language == "sh" || language == "bash") {
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

// TestDocsCommands lists every command of the pages with its result. The parser must
// take each of tfpipeline's commands as it stands there, and make each target. What a
// world on this machine can answer is run against it, in this process. The others are
// run by another test, which has the verb with all of its flags on one line, or bear
// a mark.
func TestDocsCommands(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	var found []documented
	for _, p := range append(pages, "../README.md", "../CONTRIBUTING.md", "../SECURITY.md") {
		found = append(found, documentedCommands(t, strings.TrimPrefix(filepath.ToSlash(p), "../"))...)
	}
	tests := sources(t)
	makefile, err := os.ReadFile("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	targets, help := makeTargets(t)
	results := runDocumented(t, found)
	counts := map[string]int{}
	for _, d := range found {
		words := d.words()
		by, how := "", "run by "
		switch {
		case results[d.text] != "":
			by, how = results[d.text], ""
		case words[0] == "tfpipeline":
			by = d.verb(words[1:], tests)
		case words[0] == "make":
			if !strings.Contains(targets, "\n"+words[1]+":") {
				t.Errorf("%s: make has no such target", d)
			}
			by = target(words[1], string(makefile), help, tests)
		case d.is("go", "test"):
			by = tests.function(words)
		case words[0] == "go" && len(words) > 2:
			by = tests.runs(words[2], words[3:]...)
		case words[0] == "migrate":
			by = tests.runs("./migrations/migrate", words[1:]...)
		}
		switch {
		case by != "":
			counts[how]++
			t.Logf("%s: %s%s", d, how, by)
		case d.needs != "":
			counts[d.needs]++
			t.Logf("%s: needs %s", d, d.needs)
		default:
			t.Errorf("%s: no test runs it, and no mark says what it needs; write <!-- commands: %s --> above it", d, strings.Join(needs, "|"))
		}
	}
	t.Logf("%d commands; run here: %d; %v", len(found), counts[""], counts)
	if counts[""] < 50 || len(found) < 150 {
		t.Error("so few: is the search broken?")
	}
}

// words are the command's, without the variables of its environment, and with
// tfpipeline for all the ways to call it.
func (d documented) words() []string {
	line, _, _ := strings.Cut(d.text, " |")
	line, _, _ = strings.Cut(line, " >")
	var words []string
	for _, w := range regexp.MustCompile(`(?:[^\s'"$]|\$\([^)]*\)|\$|'[^']*'|"[^"]*")+`).FindAllString(line, -1) {
		words = append(words, strings.NewReplacer("'", "", `"`, "").Replace(w))
	}
	for strings.Contains(words[0], "=") {
		words = words[1:]
	}
	words[0] = strings.TrimPrefix(words[0], "bin/")
	if slices.Equal(words[:min(3, len(words))], []string{"go", "run", "./tfpipeline"}) {
		words = append([]string{"tfpipeline"}, words[3:]...)
	}
	return words
}

func (d documented) is(words ...string) bool {
	fields := d.words()
	return len(fields) >= len(words) && slices.Equal(fields[:len(words)], words)
}

// verb says which test runs a verb with these flags.
func (d documented) verb(args []string, tests testSources) string {
	var used []string
	for _, a := range args[1:] {
		if a == "--" {
			break
		}
		if name, ok := strings.CutPrefix(a, "-"); ok {
			name, _, _ = strings.Cut(strings.TrimLeft(name, "-"), "=")
			used = append(used, "-"+name)
		}
	}
	return tests.runs(args[0], used...)
}

// makeTargets are make's own list of its targets, and what make help prints. A dry
// run of each would not be one: make runs lines with $(MAKE) even then.
func makeTargets(t *testing.T) (targets, help string) {
	t.Helper()
	list, err := exec.CommandContext(t.Context(), "make", "-C", "..", "--dry-run", "--print-data-base", "help").CombinedOutput()
	if err != nil {
		t.Fatalf("make help: %v\n%s", err, list)
	}
	out, err := exec.CommandContext(t.Context(), "make", "-C", "..", "help").CombinedOutput()
	if err != nil {
		t.Fatalf("make help: %v\n%s", err, out)
	}
	return string(list), string(out)
}

// target says what runs a target of make: the gate, or a test of what it calls.
func target(name, makefile, help string, tests testSources) string {
	// What .ci/run asks for, and what those need.
	if slices.Contains([]string{"gate", "check", "lint", "gen-check", "migrations-check", "validate", "other-platform", "build"}, name) {
		return "the gate"
	}
	if name == "help" && strings.Contains(help, "  gate ") {
		return "TestDocsCommands"
	}
	recipe := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + `:[^\n]*\n((?:\t.*\n)*)`).FindStringSubmatch(makefile)
	if recipe == nil {
		return "" // make said so
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
	return ""
}

// testSources are what tests consist of, by file and function, as the words of their
// lines.
type testSources map[string][][]string

// A command that is refused, or that an answer names, is not run.
func sources(t *testing.T) testSources {
	refusal := regexp.MustCompile(`^\s*(?:std(?:out|err) |exits 1 |! exec )|next: |ExitFailed|continues from here`)
	t.Helper()
	out := testSources{}
	for _, pattern := range []string{"*_test.go", "testdata/script/*.txtar", "../gen/*_test.go", "../migrations/migrate/*_test.go", "../migrations/check/*_test.go", "../.ci/other-platform"} {
		paths, err := filepath.Glob(pattern)
		if err != nil || len(paths) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, p := range paths {
			if strings.HasPrefix(p, "documented_") || strings.HasSuffix(p, "bench_test.go") {
				continue // what it says of a command is no run of it, or none of the gate's
			}
			content, err := os.ReadFile(p)
			if err != nil {
				t.Fatal(err)
			}
			key := p
			for line := range strings.Lines(strings.ReplaceAll(string(content), "\\\n", " ")) {
				if strings.HasPrefix(strings.TrimSpace(line), "//") || refusal.MatchString(line) {
					continue
				}
				if name, ok := strings.CutPrefix(line, "func Test"); ok {
					name, _, _ = strings.Cut(name, "(")
					key = p + " Test" + name
				}
				out[key] = append(out[key], strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" \t\n\"'`,()[]{}=;", r) }))
			}
		}
	}
	return out
}

// runs names the first test that has a verb and its flags on a line: as
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
		if !strings.HasPrefix(p, folder) || strings.Contains(p, " TestSoak") || folder == "" && (strings.HasPrefix(p, "../gen/") || strings.HasPrefix(p, "../migrations/")) {
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
				return p
			}
		}
	}
	return ""
}
