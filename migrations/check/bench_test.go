package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"
)

// squawkVersion is the peer's release that the README compares with.
const squawkVersion = "squawk-cli@2.66.0"

// BenchmarkSquawk lints the same files with squawk, which npm installs, and with
// this linter, each as one process for all files, in pairs: only ratios mean
// anything on a machine that others use too. The files are those of the rules'
// tests.
func BenchmarkSquawk(b *testing.B) {
	npm, err := exec.LookPath("npm")
	if err != nil {
		b.Skip("squawk comes from npm, which is not here")
	}
	dir := b.TempDir()
	install := exec.CommandContext(b.Context(), npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", dir, squawkVersion)
	if out, err := install.CombinedOutput(); err != nil {
		b.Skipf("npm does not install %s here: %v\n%s", squawkVersion, err, out)
	}
	native, err := filepath.Glob(filepath.Join(dir, "node_modules", "@squawk-cli", "*", "bin", "squawk"))
	if err != nil || len(native) != 1 {
		b.Skipf("%s has no program for this system", squawkVersion)
	}
	check := filepath.Join(dir, "check")
	if out, err := exec.CommandContext(b.Context(), "go", "build", "-o", check, ".").CombinedOutput(); err != nil {
		b.Fatalf("build: %v\n%s", err, out)
	}
	files := benchFiles(b, dir)
	elapsed := func(program string, args ...string) time.Duration {
		start := time.Now()
		out, err := exec.CommandContext(b.Context(), program, append(args, files...)...).CombinedOutput()
		took := time.Since(start)
		// Both exit with 1 when they find something.
		if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 1 {
			b.Fatalf("%s: %v\n%.500s", program, err, out)
		}
		return took
	}
	var ratios []float64
	const pairs = 7 // for each of the benchmark's iterations
	for b.Loop() {
		for range pairs {
			theirs := elapsed(native[0])
			ratios = append(ratios, elapsed(check, "lint").Seconds()/theirs.Seconds())
		}
	}
	slices.Sort(ratios)
	b.ReportMetric(ratios[len(ratios)/2], "×squawk")
	b.ReportMetric(ratios[0], "×least")
	b.ReportMetric(ratios[len(ratios)-1], "×most")
	b.ReportMetric(float64(len(files)), "files")
}

// benchFiles writes the files of the rules' tests out, and returns their paths.
func benchFiles(b *testing.B, dir string) (files []string) {
	b.Helper()
	archives, err := filepath.Glob("internal/lint/testdata/rules/*.txtar")
	if err != nil {
		b.Fatal(err)
	}
	for _, name := range archives {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			b.Fatal(err)
		}
		for _, f := range archive.Files {
			if !strings.HasSuffix(f.Name, ".sql") {
				continue
			}
			path := filepath.Join(dir, fmt.Sprintf("%04d_%s", len(files)+1, f.Name))
			if err := os.WriteFile(path, f.Data, 0o600); err != nil {
				b.Fatal(err)
			}
			files = append(files, path)
		}
	}
	return files
}
