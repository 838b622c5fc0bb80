package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// figure is one row of the README's table: a benchmark's metrics, by unit, as text.
type figure struct {
	what, benchmark, format string
	units                   []string
}

// figures are the rows that benchmarks give; lines "figure: WHAT: TEXT" of tests
// follow them.
var figures = []figure{
	{"`tfpipeline plan` beside bare `terraform init`, `plan`, `show -json`", "Overhead/plan", "%.2f × [%.2f–%.2f]", []string{"×bare", "×least", "×most"}},
	{"`tfpipeline plan -all` beside the three such runs one after another", "Overhead/plan-all", "%.2f × [%.2f–%.2f]", []string{"×bare", "×least", "×most"}},
	{"`gen -check` as a process, processor time", "GenProcess", "median %.0f ms [%.0f–%.0f]", []string{"cpu-ms", "cpu-ms-least", "cpu-ms-most"}},
	{"of that, rendering, wall time", "Gen/render", "%.1f ms", []string{"ms"}},
	{"proof of every reference, which only a changed tree needs", "Gen/references", "%.1f ms", []string{"ms"}},
	{"`cdk synth` of the same services, beside `gen`, processor time", "CDK", "%.0f × [%.0f–%.0f]", []string{"×gen", "×least", "×most"}},
	{"3 services rendered", "GenServices/3", "%.1f ms", []string{"ms"}},
	{"50 services", "GenServices/50", "%.1f ms", []string{"ms"}},
	{"300 services", "GenServices/300", "%.1f ms", []string{"ms"}},
	{"the comment of a plan of 50 MB", "Comment", "%.0f ms", []string{"ms"}},
	{"1,000 migration files linted", "Folder/1000", "%.0f ms", []string{"ms"}},
	{"5,000 migration files linted", "Folder/5000", "%.0f ms", []string{"ms"}},
	{"the migration files of the rules' tests linted, beside squawk 2.66.0 (from npm)", "Squawk", "%.2f × [%.2f–%.2f]", []string{"×squawk", "×least", "×most"}},
}

var (
	benchmarkLine = regexp.MustCompile(`(?m)^Benchmark(\S+?)(?:-\d+)?\s+\d+\t(.*)$`)
	figureLine    = regexp.MustCompile(`(?m)figure: ([^|\n][^:\n]*): (.*)$`)
	figuresBlock  = regexp.MustCompile(`(?s)<!-- make bench writes what follows -->\n(.*?)<!-- end of make bench: (\w*) -->`)
)

// table is the figures of the output of make bench.
func table(output string) string {
	measured := map[string]map[string]float64{}
	for _, m := range benchmarkLine.FindAllStringSubmatch(output, -1) {
		values := map[string]float64{}
		words := strings.Fields(m[2])
		for i := 0; i+1 < len(words); i += 2 {
			values[words[i+1]], _ = strconv.ParseFloat(words[i], 64)
		}
		values["ms"] = values["ns/op"] / 1e6
		measured[m[1]] = values
	}
	var b strings.Builder
	b.WriteString("| what | figure |\n|---|---|\n")
	for _, f := range figures {
		text := "not measured in this run"
		if values, ok := measured[f.benchmark]; ok {
			var numbers []any
			for _, u := range f.units {
				numbers = append(numbers, values[u])
			}
			text = fmt.Sprintf(f.format, numbers...)
		}
		fmt.Fprintf(&b, "| %s | %s |\n", f.what, text)
	}
	for _, m := range figureLine.FindAllStringSubmatch(output, -1) {
		fmt.Fprintf(&b, "| %s | %s |\n", m[1], m[2])
	}
	return b.String()
}

func sum(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text)))[:16] }

// The README's table is what make bench wrote there: its sum follows it. With FIGURES
// set to the output of the benchmarks it is written.
func TestDocsFigures(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if log := os.Getenv("FIGURES"); log != "" {
		output, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		text := table(string(output))
		readme = figuresBlock.ReplaceAllLiteral(readme, []byte("<!-- make bench writes what follows -->\n"+text+"<!-- end of make bench: "+sum(text)+" -->"))
		if err := os.WriteFile("../README.md", readme, 0o644); err != nil {
			t.Fatal(err)
		}
		t.Logf("\n%s", text)
	}
	block := figuresBlock.FindSubmatch(readme)
	if block == nil {
		t.Fatal("README.md has no table of make bench")
	}
	text := string(block[1])
	if string(block[2]) != sum(text) {
		t.Errorf("README.md has a table that make bench did not write: its sum is %s, and the mark says %s", sum(text), block[2])
	}
	for _, f := range figures {
		if !strings.Contains(text, "| "+f.what+" |") {
			t.Errorf("README.md has no figure of %q; run make bench", f.what)
		}
	}
}

func TestDocsFiguresTable(t *testing.T) {
	got := table("goos: linux\nBenchmarkGenServices/50-2  \t  3\t 4500000 ns/op\nBenchmarkOverhead/plan-2 \t 1\t 1 ns/op\t 0.90 ×least\t 0.96 ×bare\t 1.01 ×most\n    x_test.go:1: figure: 3 services: 2 calls\n")
	for _, want := range []string{"| 50 services | 4.5 ms |\n", "show -json` | 0.96 × [0.90–1.01] |\n", "| 300 services | not measured", "| 3 services | 2 calls |\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}
