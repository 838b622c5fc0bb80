package main

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	diff "github.com/google/go-cmp/cmp"
)

// figure is one row of the README's table: a benchmark's metrics, by unit, as text.
type figure struct {
	what, benchmark, format string
	units                   []string
	// needs is what the benchmark downloads; where it is not to be had, the row says so.
	needs string
}

// figures are the rows that benchmarks give; those of lines follow them.
var figures = []figure{
	{"`tfpipeline plan` beside bare `terraform init`, `plan`, `show -json`", "Overhead/plan", "%.2f × [%.2f–%.2f]", []string{"×bare", "×least", "×most"}, ""},
	{"`tfpipeline plan -all` beside the three such runs one after another", "Overhead/plan-all", "%.2f × [%.2f–%.2f]", []string{"×bare", "×least", "×most"}, ""},
	{"`gen -check` as a process, processor time", "GenProcess", "median %.0f ms [%.0f–%.0f]", []string{"cpu-ms", "cpu-ms-least", "cpu-ms-most"}, ""},
	{"of that, rendering, wall time", "Gen/render", "%.1f ms", []string{"ms"}, ""},
	{"proof of every reference, which only a changed tree needs", "Gen/references", "%.1f ms", []string{"ms"}, ""},
	{"`cdk synth` of the same services, beside `gen`, processor time", "CDK", "%.0f × [%.0f–%.0f]", []string{"×gen", "×least", "×most"}, "npm"},
	{"3 services rendered", "GenServices/3", "%.1f ms", []string{"ms"}, ""},
	{"50 services", "GenServices/50", "%.1f ms", []string{"ms"}, ""},
	{"300 services", "GenServices/300", "%.1f ms", []string{"ms"}, ""},
	{"the comment of a plan of 50 MB", "Comment", "%.0f ms", []string{"ms"}, ""},
	{"1,000 migration files linted", "Folder/1000", "%.0f ms", []string{"ms"}, ""},
	{"5,000 migration files linted", "Folder/5000", "%.0f ms", []string{"ms"}, ""},
	{"the migration files of the rules' tests linted, beside squawk 2.66.0 (from npm)", "Squawk", "%.2f × [%.2f–%.2f]", []string{"×squawk", "×least", "×most"}, "npm"},
}

// lines are the rows that tests give, by lines "figure: WHAT: TEXT".
var lines = []string{
	"3 services whose tasks start after 10s", "3 services whose tasks start after 2m0s", "3 services whose tasks start after 12m0s",
	"3 services whose tasks start after 40m0s", "50 services whose tasks start after 2m0s",
	"promotion of 3 services", "promotion of 3 services by step", "promotion of 50 services", "promotion of 50 services by step",
	"rollback of 3 services", "rollback of 3 services by step", "rollback of 50 services", "rollback of 50 services by step",
	"history of 20 records, read and written", "history of 2000 records, read and written", "history of 20000 records, read and written",
}

// marketLines are the rows that TestMarket gives.
var marketLines = []string{
	"requests while releases came, one with a bad worker, and while an operator was at work",
	"messages through the queues meanwhile",
	"`restore -to` a second before the rows were deleted", "the same once more", "`restore -back`",
}

// measured is a table that a command writes into a page.
type measured struct {
	command, page string
	figures       []figure
	lines         []string
}

func tables() []measured {
	return []measured{{"make bench", "../README.md", figures, lines}, {"make market", "../docs/disaster-recovery.md", nil, marketLines}}
}

func (m measured) begin() string { return "<!-- " + m.command + " writes what follows -->\n" }

func (m measured) block(text string) string {
	return m.begin() + text + "<!-- end of " + m.command + ": " + sum(text) + " -->"
}

// find finds the block in the page: the table and its sum.
func (m measured) find() *regexp.Regexp {
	return regexp.MustCompile(`(?s)` + regexp.QuoteMeta(m.begin()) + `(.*?)<!-- end of ` + m.command + `: (\w*) -->`)
}

const unmeasured = "not measured in this run"

var (
	benchmarkLine = regexp.MustCompile(`(?m)^Benchmark(\S+?)(?:-\d+)?\s+\d+\t(.*)$`)
	figureLine    = regexp.MustCompile(`(?m)figure: ([^|\n][^:\n]*): (.*)$`)
)

// table is the figures of the output of the command.
func (m measured) table(output string) string {
	measured := map[string]map[string]float64{}
	for _, line := range benchmarkLine.FindAllStringSubmatch(output, -1) {
		values := map[string]float64{}
		words := strings.Fields(line[2])
		for i := 0; i+1 < len(words); i += 2 {
			values[words[i+1]], _ = strconv.ParseFloat(words[i], 64)
		}
		values["ms"] = values["ns/op"] / 1e6
		measured[line[1]] = values
	}
	var b strings.Builder
	b.WriteString("| what | figure |\n|---|---|\n")
	for _, f := range m.figures {
		text := unmeasured
		if f.needs != "" {
			text += ": needs " + f.needs
		}
		if values, ok := measured[f.benchmark]; ok {
			var numbers []any
			for _, u := range f.units {
				numbers = append(numbers, values[u])
			}
			text = fmt.Sprintf(f.format, numbers...)
		}
		fmt.Fprintf(&b, "| %s | %s |\n", f.what, text)
	}
	said := map[string]string{}
	for _, line := range figureLine.FindAllStringSubmatch(output, -1) {
		said[line[1]] = line[2]
	}
	for _, what := range m.lines {
		fmt.Fprintf(&b, "| %s | %s |\n", what, cmp.Or(said[what], unmeasured))
	}
	return b.String()
}

func sum(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text)))[:16] }

// The tables of figures are what their commands wrote there: the sum of each follows
// it. With FIGURES set to what a command printed, its table is written.
func TestDocsFigures(t *testing.T) {
	var output []byte
	if log := os.Getenv("FIGURES"); log != "" {
		var err error
		if output, err = os.ReadFile(log); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range tables() {
		page, err := os.ReadFile(m.page)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(output), "figure: "+m.lines[0]) {
			text := m.table(string(output))
			page = m.find().ReplaceAllLiteral(page, []byte(m.block(text)))
			if err := os.WriteFile(m.page, page, 0o644); err != nil {
				t.Fatal(err)
			}
			t.Logf("\n%s", text)
		}
		block := m.find().FindSubmatch(page)
		if block == nil {
			t.Errorf("%s has no table of %s", m.page, m.command)
			continue
		}
		text := string(block[1])
		if string(block[2]) != sum(text) {
			t.Errorf("%s has a table that %s did not write: its sum is %s, and the mark says %s", m.page, m.command, sum(text), block[2])
		}
		var want []string
		for _, f := range m.figures {
			want = append(want, f.what)
		}
		want = append(want, m.lines...)
		var got []string
		for _, row := range regexp.MustCompile(`(?m)^\| (.*?) \| (.*) \|$`).FindAllStringSubmatch(text, -1)[1:] {
			got = append(got, row[1])
			if row[2] == unmeasured {
				t.Errorf("%s has no figure of %q; run %s", m.page, row[1], m.command)
			}
		}
		if d := diff.Diff(want, got); d != "" {
			t.Errorf("rows of %s (-those of %s +its own); run %s:\n%s", m.page, m.command, m.command, d)
		}
	}
}

func TestDocsFiguresTable(t *testing.T) {
	got := tables()[0].table("goos: linux\nBenchmarkGenServices/50-2  \t  3\t 4500000 ns/op\nBenchmarkOverhead/plan-2 \t 1\t 1 ns/op\t 0.90 ×least\t 0.96 ×bare\t 1.01 ×most\n    x_test.go:1: figure: rollback of 3 services: 2 calls\n")
	for _, want := range []string{"| 50 services | 4.5 ms |\n", "show -json` | 0.96 × [0.90–1.01] |\n", "| 300 services | not measured", "| rollback of 3 services | 2 calls |\n", "| promotion of 3 services | not measured in this run |\n", "(from npm) | not measured in this run: needs npm |\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}
