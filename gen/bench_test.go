package main

import (
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
