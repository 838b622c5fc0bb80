package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// TestDist runs make dist, which makes what a release has: programs for every system,
// completions, the man page and their checksums. A stand-in for go writes down what it
// was asked for; the soak test compiles, for this system alone.
func TestDist(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	checkout, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(checkout)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if name := e.Name(); !slices.Contains([]string{".git", "bin", "dist"}, name) {
			if err := os.Symlink(filepath.Join(checkout, name), filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	systems, env := []string{"darwin-amd64", "darwin-arm64", "linux-amd64", "linux-arm64"}, withoutAWS()
	command := []string{"dist"}
	compiles := os.Getenv("SOAK") != ""
	if compiles {
		systems = []string{runtime.GOOS + "-" + runtime.GOARCH}
		command = append(command, "PLATFORMS="+runtime.GOOS+"/"+runtime.GOARCH)
	} else {
		path := t.TempDir()
		writeFile(t, filepath.Join(path, "go"), `#!/bin/sh
out=$(printf '%s\n' "$@" | sed -n '/^-o$/{n;p;}')
case $out in
bin/*) mkdir bin && exec ln -s '`+self+`' "$out" ;;
*) echo "CGO_ENABLED=$CGO_ENABLED $GOOS/$GOARCH $*" >"$out" ;;
esac
`)
		if err := os.Chmod(filepath.Join(path, "go"), 0o755); err != nil {
			t.Fatal(err)
		}
		env = append(env, "PATH="+path+":"+os.Getenv("PATH"))
	}
	cmd := exec.CommandContext(t.Context(), "make", command...)
	cmd.Dir, cmd.Env = dir, env
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	want := []string{"SHA256SUMS", "tfpipeline.1", "tfpipeline.bash", "tfpipeline.fish", "tfpipeline.zsh"}
	for _, system := range systems {
		want = append(want, "gen-"+system, "tfpipeline-"+system)
	}
	slices.Sort(want)
	entries, err = os.ReadDir(filepath.Join(dir, "dist"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	files, sums := map[string]string{}, ""
	for _, e := range entries {
		content, err := os.ReadFile(filepath.Join(dir, "dist", e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		got, files[e.Name()] = append(got, e.Name()), string(content)
		if e.Name() != "SHA256SUMS" {
			sums += fmt.Sprintf("%x  %s\n", sha256.Sum256(content), e.Name())
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("dist has %q, want %q", got, want)
	}
	if files["SHA256SUMS"] != sums {
		t.Errorf("checksums:\n%s\nwant:\n%s", files["SHA256SUMS"], sums)
	}
	for name, says := range map[string]string{"tfpipeline.bash": "__tfpipeline_", "tfpipeline.zsh": "#compdef tfpipeline", "tfpipeline.fish": "fish completion for tfpipeline", "tfpipeline.1": ".TH TFPIPELINE 1"} {
		if !strings.Contains(files[name], says) {
			t.Errorf("%s says nothing of %q", name, says)
		}
	}
	if compiles {
		for program, says := range map[string]string{"gen": "-check", "tfpipeline": "Commands:"} {
			path := filepath.Join(dir, "dist", program+"-"+systems[0])
			if out, err := exec.CommandContext(t.Context(), path, "-h").CombinedOutput(); !strings.Contains(string(out), says) {
				t.Errorf("%s -h: %v\n%s", path, err, out)
			}
		}
		return
	}
	for name, asked := range files {
		if program, system, ok := strings.Cut(name, "-"); ok {
			if want := "CGO_ENABLED=0 " + strings.Replace(system, "-", "/", 1) + " build -trimpath "; !strings.HasPrefix(asked, want) || !strings.HasSuffix(asked, " ./"+program+"\n") {
				t.Errorf("%s is built by %q, want %q", name, asked, want)
			}
		}
	}
}
