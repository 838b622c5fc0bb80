// Package migrationstest has migrations that tests use. They are the tests' own:
// those of the platform that is deployed may be others, or none.
package migrationstest

import (
	"embed"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

//go:embed schema/*.sql
var embedded embed.FS

// Files returns sixteen migrations, of which the last is a contract.
func Files(t testing.TB) fs.FS {
	t.Helper()
	files, err := fs.Sub(embedded, "schema")
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// Build builds the program migrate as an image does, without a C compiler, with
// these migrations in place of the checkout's.
func Build(t testing.TB, path string) {
	t.Helper()
	const module = "github.com/specboard/platform/migrations"
	out, err := exec.CommandContext(t.Context(), "go", "list", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		t.Fatalf("find the migrations: %v", err)
	}
	folder := strings.TrimSpace(string(out))
	replaced, err := filepath.Glob(filepath.Join(folder, "[0-9]*.sql"))
	if err != nil {
		t.Fatal(err)
	}
	replace := map[string]string{}
	for _, name := range replaced {
		replace[name] = "" // removed
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, Files(t)); err != nil {
		t.Fatal(err)
	}
	own, err := filepath.Glob(filepath.Join(dir, "*.sql"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range own {
		replace[filepath.Join(folder, filepath.Base(file))] = file
	}
	overlay := filepath.Join(dir, "overlay.json")
	document, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(overlay, document, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags=-s -w", "-overlay", overlay, "-o", path, module+"/migrate")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build migrate: %v\n%s", err, out)
	}
}
