package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/endpoint"
	"github.com/specboard/platform/tfpipeline/internal/root"
	"github.com/specboard/platform/tfpipeline/internal/terraform"
)

// BenchmarkOverhead compares tfpipeline plan with the same three Terraform
// commands by hand, as whole processes, in pairs: only such ratios mean
// anything on a machine that others use too.
func BenchmarkOverhead(b *testing.B) {
	e2e(b)
	tfpipeline := filepath.Join(b.TempDir(), "tfpipeline")
	build := exec.CommandContext(b.Context(), "go", "build", "-o", tfpipeline, ".")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("build: %v\n%s", err, out)
	}
	bare := newBare(b)
	roots := config.Default().Roots()
	elapsed := func(do func()) time.Duration {
		start := time.Now()
		do()
		return time.Since(start)
	}
	plan := func(args ...string) func() {
		return func() {
			cmd := exec.CommandContext(b.Context(), tfpipeline, append([]string{"plan", "-offline", "-json"}, args...)...)
			cmd.Env = withoutAWS()
			if out, err := cmd.CombinedOutput(); err != nil {
				b.Fatalf("tfpipeline plan %v: %v\n%s", args, err, out)
			}
		}
	}
	const pairs = 3 // for each of the benchmark's iterations
	measure := func(b *testing.B, ours, theirs func()) {
		var ratios []float64
		for b.Loop() {
			for range pairs {
				base := elapsed(theirs)
				ratios = append(ratios, elapsed(ours).Seconds()/base.Seconds())
			}
		}
		slices.Sort(ratios)
		b.ReportMetric(ratios[len(ratios)/2], "×bare")
		b.ReportMetric(ratios[0], "×least")
		b.ReportMetric(ratios[len(ratios)-1], "×most")
	}
	b.Run("plan", func(b *testing.B) {
		measure(b, plan("-env", "staging"), func() { bare.run(b, "staging") })
	})
	b.Run("plan-all", func(b *testing.B) {
		measure(b, plan("-all"), func() {
			for _, r := range roots {
				bare.run(b, r)
			}
		})
	})
}

// bare is Terraform by hand: the same roots, endpoint and provider.
type bare struct {
	program, top string
	env          []string
}

func newBare(b *testing.B) *bare {
	b.Helper()
	server, err := endpoint.Serve(b.Context(), nil, endpoint.Offline(config.Default()))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = server.Close() })
	program, err := terraform.DefaultInstallation(b.TempDir()).Find(b.Context(), func(s string) { b.Log(s) })
	if err != nil {
		b.Fatal(err)
	}
	repository, err := filepath.Abs("..")
	if err != nil {
		b.Fatal(err)
	}
	x := &bare{program: program, top: b.TempDir()}
	if err := os.Symlink(filepath.Join(repository, "modules"), filepath.Join(x.top, "modules")); err != nil {
		b.Fatal(err)
	}
	for _, r := range config.Default().Roots() {
		dir := filepath.Join(x.top, "envs", r)
		if err := os.CopyFS(dir, os.DirFS(filepath.Join(repository, "envs", r))); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "offline_override.tf"), []byte(root.OfflineOverride), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	access := endpoint.Access{URL: server.URL(), Region: config.Default().Region, Key: "offline"}
	x.env = append(access.Environ(os.Environ()), "CHECKPOINT_DISABLE=1")
	locked := []terraform.LockedProvider{{Source: "registry.terraform.io/hashicorp/aws", Version: "5.100.0"}}
	if mirror := terraform.FindMirror(locked, os.Getenv); mirror != "" {
		file := filepath.Join(x.top, "mirror.tfrc")
		content := fmt.Sprintf("provider_installation {\n  filesystem_mirror {\n    path = %q\n  }\n}\n", mirror)
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			b.Fatal(err)
		}
		x.env = append(x.env, "TF_CLI_CONFIG_FILE="+file)
	}
	return x
}

// run is init, plan and show of one root, from scratch.
func (x *bare) run(b *testing.B, root string) {
	dir := filepath.Join(x.top, "envs", root)
	if err := os.RemoveAll(filepath.Join(dir, ".terraform")); err != nil {
		b.Fatal(err)
	}
	for _, args := range [][]string{
		{"init", "-no-color", "-input=false"},
		{"plan", "-no-color", "-input=false", "-out=plan"},
		{"show", "-json", "plan"},
	} {
		cmd := exec.CommandContext(b.Context(), x.program, args...)
		cmd.Dir, cmd.Env = dir, x.env
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if _, err := cmd.Output(); err != nil {
			b.Fatalf("terraform %v: %v\n%s", args, err, stderr.Bytes())
		}
	}
}
