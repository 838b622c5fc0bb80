// Package gentest renders platforms for tests: what a test says of a platform of
// configtest must not depend on the one that this repository deploys.
package gentest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/internal/reference"
	"github.com/specboard/platform/gen/internal/render"
)

// Tree returns a folder that holds the Terraform of a platform, as gen writes it,
// without formatting.
func Tree(t testing.TB, p config.Platform) (dir string) {
	t.Helper()
	files, err := render.Render(p)
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Check renders a platform, and fails if its Terraform does not hang together: calls of
// modules, references, variables and their types, but not what only Terraform knows.
func Check(t testing.TB, p config.Platform) {
	t.Helper()
	files, err := render.Render(p)
	if err != nil {
		t.Fatal(err)
	}
	if err := reference.Check(files); err != nil {
		t.Error(err)
	}
}
