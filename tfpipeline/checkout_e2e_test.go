package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/gen/gentest"
)

// render writes the Terraform of a platform into a folder, with the locks of
// providers, which are this checkout's.
func render(t testing.TB, p config.Platform, dir string) {
	t.Helper()
	lock, err := os.ReadFile("../envs/shared/.terraform.lock.hcl")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(dir, os.DirFS(gentest.Tree(t, p))); err != nil {
		t.Fatal(err)
	}
	for _, root := range p.Roots() {
		if err := os.WriteFile(filepath.Join(dir, "envs", root, ".terraform.lock.hcl"), lock, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// docsProgram is the program of the platform Docs, built as make does, in a checkout
// of that platform: this one may deploy any other.
func docsProgram(t testing.TB, env []string) program {
	t.Helper()
	p := program{platform: configtest.Docs(), path: filepath.Join(t.TempDir(), "tfpipeline"), dir: t.TempDir(), env: env}
	render(t, p.platform, p.dir)
	file, err := filepath.Abs("main.go")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const imported = "\t\"github.com/specboard/platform/gen/config\"\n"
	changed := strings.NewReplacer("config.Default()", "configtest.Docs()", imported, imported+"\t\"github.com/specboard/platform/gen/config/configtest\"\n").Replace(string(source))
	dir := t.TempDir()
	main, overlay := filepath.Join(dir, "main.go"), filepath.Join(dir, "overlay.json")
	document, err := json.Marshal(map[string]map[string]string{"Replace": {file: main}})
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{main: []byte(changed), overlay: document} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-overlay", overlay, "-o", p.path, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return p
}
