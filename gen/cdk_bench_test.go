package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// cdk is the peer that the README compares with: the library, and the command that
// users run.
var cdk = []string{"aws-cdk-lib@2.180.0", "aws-cdk@2.1003.0", "constructs@10.4.2"}

// BenchmarkCDK has cdk synth, which npm installs, write the same services as
// CloudFormation, and gen write its whole tree, each as a process, in pairs. It
// counts processor time: only such ratios mean anything on a machine that others
// use too.
func BenchmarkCDK(b *testing.B) {
	npm, err := exec.LookPath("npm")
	if err != nil {
		b.Skip("cdk comes from npm, which is not here")
	}
	dir := b.TempDir()
	install := exec.CommandContext(b.Context(), npm, append([]string{"install", "--silent", "--no-audit", "--no-fund", "--prefix", dir}, cdk...)...)
	if out, err := install.CombinedOutput(); err != nil {
		b.Skipf("npm does not install %v here: %v\n%s", cdk, err, out)
	}
	program, err := os.ReadFile("testdata/cdk/app.js")
	if err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "app.js"), program, 0o600); err != nil {
		b.Fatal(err)
	}
	gen := filepath.Join(dir, "gen")
	if out, err := exec.CommandContext(b.Context(), "go", "build", "-o", gen, ".").CombinedOutput(); err != nil {
		b.Fatalf("build: %v\n%s", err, out)
	}
	var ratios []float64
	const pairs = 3 // for each of the benchmark's iterations
	for b.Loop() {
		for range pairs {
			synth := exec.CommandContext(b.Context(), "node", "node_modules/aws-cdk/bin/cdk", "synth", "--quiet", "--app", "node app.js")
			synth.Dir = dir
			theirs := processorTime(b, synth)
			ratios = append(ratios, theirs/processorTime(b, exec.CommandContext(b.Context(), gen, "-C", b.TempDir())))
		}
	}
	slices.Sort(ratios)
	b.ReportMetric(ratios[len(ratios)/2], "×gen")
	b.ReportMetric(ratios[0], "×least")
	b.ReportMetric(ratios[len(ratios)-1], "×most")
}
