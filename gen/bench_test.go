package main

import (
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/gen/internal/reference"
	"github.com/specboard/platform/gen/internal/render"
)

// BenchmarkGen measures what a run without changes is made of.
func BenchmarkGen(b *testing.B) {
	p := configtest.Docs()
	files, err := rendered(p)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("validate", func(b *testing.B) {
		for b.Loop() {
			_ = p.Validate()
		}
	})
	b.Run("render", func(b *testing.B) {
		for b.Loop() {
			_, _ = render.Render(p)
		}
	})
	b.Run("references", func(b *testing.B) {
		for b.Loop() {
			_ = reference.Check(files)
		}
	})
	dir := b.TempDir()
	if code := run([]string{"-C", dir}, p, io.Discard, io.Discard); code != done {
		b.Fatalf("exit code %d", code)
	}
	b.Run("check", func(b *testing.B) {
		for b.Loop() {
			if code := run([]string{"-C", dir, "-check"}, p, io.Discard, io.Discard); code != done {
				b.Fatalf("exit code %d", code)
			}
		}
	})
}

// BenchmarkGenProcess is go run ./gen without the compiler: the whole process,
// from its start to its end, that finds the committed tree up to date. The
// metrics are medians and bounds, as the mean says little on a shared machine.
func BenchmarkGenProcess(b *testing.B) {
	program := filepath.Join(b.TempDir(), "gen")
	if out, err := exec.CommandContext(b.Context(), "go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		b.Fatalf("build: %v\n%s", err, out)
	}
	var took, used []float64
	for b.Loop() {
		for range 21 {
			began := time.Now()
			used = append(used, processorTime(b, exec.CommandContext(b.Context(), program, "-check", "-C", "..")))
			took = append(took, float64(time.Since(began).Microseconds())/1000)
		}
	}
	for unit, values := range map[string][]float64{"ms": took, "cpu-ms": used} {
		slices.Sort(values)
		b.ReportMetric(values[len(values)/2], unit)
		b.ReportMetric(values[0], unit+"-least")
		b.ReportMetric(values[len(values)-1], unit+"-most")
	}
}

// processorTime runs a command and returns what it used of all processors, in
// milliseconds: a busy machine changes it little.
func processorTime(b *testing.B, cmd *exec.Cmd) float64 {
	b.Helper()
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%s: %v\n%s", cmd, err, out)
	}
	return float64((cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Microseconds()) / 1000
}

// BenchmarkGenServices is validation, rendering and checking of a platform
// grown to many services; the time is linear in them.
func BenchmarkGenServices(b *testing.B) {
	for _, n := range []int{3, 50, 300} {
		p := configtest.Docs()
		for i := len(p.Services); i < n; i++ {
			// A load balancer takes a hundred services, so these are internal.
			p.Services = append(p.Services, config.Service{
				Name: fmt.Sprintf("s%d", i), Port: 3003, HealthCommand: []string{"CMD-SHELL", "wget -q -O- localhost:3003/health"},
				Secrets: []string{"session-secret"}, // a data store takes sixty clients
			})
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				if _, err := rendered(p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
