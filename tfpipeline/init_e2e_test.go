package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// copyCheckout copies what Git knows of this repository, or would add to it, but no
// Dockerfile of the services that it may have.
func copyCheckout(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	cmd.Dir = ".."
	list, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(list), "\x00"), "\x00") {
		if strings.HasSuffix(name, "Dockerfile") && !strings.HasPrefix(name, "tfpipeline/") {
			continue
		}
		info, err := os.Lstat(filepath.Join("..", name))
		if os.IsNotExist(err) {
			continue // removed, and not yet committed
		}
		if err != nil || !info.Mode().IsRegular() {
			t.Fatalf("%s: %v", name, err)
		}
		content, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(dir, name), string(content))
		if err := os.Chmod(filepath.Join(dir, name), info.Mode().Perm()); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// One command leads from a fresh clone to the plan of one's own platform, which
// names the deployed one nowhere.
func TestInit(t *testing.T) {
	e2e(t)
	t.Parallel()
	dir := copyCheckout(t)
	writeFile(t, filepath.Join(dir, "web", "Dockerfile"), "FROM nginx\nEXPOSE 8080\n")
	writeFile(t, filepath.Join(dir, "services", "ledger", "Dockerfile"), "FROM eclipse-temurin:21\nENV PORT=9000\nEXPOSE $PORT\n")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "bin", "README"), "")
	program := filepath.Join(dir, "bin", "tfpipeline")
	if err := os.Symlink(self, program); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "init", "-name", "ledger-core", "-account", "999988887777", "-region", "us-east-1",
		"-domain", "core.first-bank.com", "-repository", "FirstBank/ledger.core", "-health", "/actuator/health", "-yes")
	cmd.Dir, cmd.Env = dir, withoutAWS()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s%s", err, &stdout, &stderr)
	}
	planned := regexp.MustCompile(`(?m)^staging: (\d+) to create$`).FindStringSubmatch(stdout.String())
	if planned == nil {
		t.Fatalf("no plan:\n%s%s", &stdout, &stderr)
	}
	if n, err := strconv.Atoi(planned[1]); err != nil || n < 80 {
		t.Errorf("only %s to create:\n%s", planned[1], &stdout)
	}
	for _, want := range []string{"module.ledger ", "module.web ", "module.migrate "} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("nothing of %sin the plan:\n%s", want, &stdout)
		}
	}
	named := exec.CommandContext(t.Context(), "grep", "-rIl", "-e", "specboard/platform", "-e", "specboard.io", "-e", "doc-platform",
		"go.mod", "gen/config/default.go", "gen/main.go", "envs", "modules", ".golangci.yml")
	named.Dir = dir
	if out, err := named.CombinedOutput(); err == nil || len(out) > 0 {
		t.Errorf("still named in (%v):\n%s", err, out)
	}
}
