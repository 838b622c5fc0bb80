package main

import (
	"fmt"
	"io"
	"testing"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/internal/reference"
	"github.com/specboard/platform/gen/internal/render"
)

// BenchmarkGen measures what a run without changes is made of.
func BenchmarkGen(b *testing.B) {
	p := config.Default()
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

// BenchmarkGenServices is validation, rendering and checking of a platform
// grown to many services; the time is linear in them.
func BenchmarkGenServices(b *testing.B) {
	for _, n := range []int{3, 300, 900} {
		p := config.Default()
		for i := len(p.Services); i < n; i++ {
			// A load balancer takes a hundred services, so these are internal.
			p.Services = append(p.Services, config.Service{
				Name: fmt.Sprintf("s%d", i), Port: 3003, HealthPath: "/health",
				Database: true, Cache: true, Calls: []string{"api"}, Secrets: []string{"session-secret"},
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
