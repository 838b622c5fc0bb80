package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/migrations/scratch"
	"github.com/specboard/platform/tfpipeline/internal/process"
)

// workspace is a folder with a copy of the checkout, whose commits and tags are
// the demo's, and the program built from it. remove removes it.
type workspace struct {
	platform config.Platform
	// folder holds everything, checkout the copy, program the built one.
	folder, checkout, program string
	// postgres is the folder of PostgreSQL's programs.
	postgres string
	env      []string
}

// ours are the variables that would lead the program to somebody's account, or
// make it take this for a job of GitHub's.
func ours(variable string) bool {
	name, _, _ := strings.Cut(variable, "=")
	return slices.ContainsFunc([]string{"AWS_", "GITHUB_", "TF_"}, func(p string) bool { return strings.HasPrefix(name, p) }) ||
		slices.Contains([]string{"CI", "NOTIFY_URL", "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"}, name)
}

// newWorkspace makes the folder.
func newWorkspace(ctx context.Context, p config.Platform, env []string) (*workspace, error) {
	w := &workspace{platform: p, env: slices.DeleteFunc(slices.Clone(env), ours)}
	var err error
	if w.postgres, err = scratch.Programs(); err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "tfpipeline-demo-*")
	if err != nil {
		return nil, fmt.Errorf("make a folder for the demo: %w", err)
	}
	w.folder, w.checkout, w.program = folder, filepath.Join(folder, "checkout"), filepath.Join(folder, "bin", "tfpipeline")
	w.env = append(w.env, "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=demo", "GIT_AUTHOR_EMAIL=demo@example.org", "GIT_COMMITTER_NAME=demo", "GIT_COMMITTER_EMAIL=demo@example.org")
	if err := w.fill(ctx); err != nil {
		return nil, errors.Join(err, w.remove())
	}
	return w, nil
}

// remove removes the folder with everything in it.
func (w *workspace) remove() error { return os.RemoveAll(w.folder) }

// fill copies the checkout in which the demo was started, and builds the program
// with the demo's time of proof.
func (w *workspace) fill(ctx context.Context) error {
	top, err := w.output(ctx, ".", "git", "rev-parse", "--show-toplevel")
	if err != nil {
		return fmt.Errorf("find the checkout: %w", err)
	}
	files, err := w.output(ctx, top, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	if err != nil {
		return fmt.Errorf("list the checkout: %w", err)
	}
	for name := range strings.SplitSeq(strings.TrimRight(files, "\x00"), "\x00") {
		if err := copyFile(filepath.Join(top, name), filepath.Join(w.checkout, name)); err != nil {
			return fmt.Errorf("copy the checkout: %w", err)
		}
	}
	const defaults = "gen/config/default.go"
	if err := w.edit(defaults, bakes, fmt.Sprintf("${1}%d * time.Second", int(bake.Seconds()))); err != nil {
		return err
	}
	// An overlay, not the copy, so that the next demo finds it all in Go's cache.
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {filepath.Join(top, defaults): filepath.Join(w.checkout, defaults)}})
	if err != nil {
		return fmt.Errorf("replace %s: %w", defaults, err)
	}
	path := filepath.Join(w.folder, "overlay.json")
	if err := os.WriteFile(path, overlay, 0o600); err != nil {
		return fmt.Errorf("replace %s: %w", defaults, err)
	}
	if _, err := w.output(ctx, top, "go", "build", "-overlay", path, "-ldflags=-w", "-o", w.program, "./tfpipeline"); err != nil {
		return fmt.Errorf("build the program: %w", err)
	}
	return w.git(ctx, "init", "--quiet", "--initial-branch=main")
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if errors.Is(err, os.ErrNotExist) {
		return nil // git knows it, and somebody has deleted it
	}
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, info.Mode().Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// bakes finds the time of a proof in the configuration.
const bakes = `(MinimumBake:\s*)[^,}\n]+`

// edit replaces the matches of a pattern in a file of the copy. It fails if there is
// none.
func (w *workspace) edit(name, pattern, after string) error {
	path := filepath.Join(w.checkout, name)
	content, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("change %s: %w", name, err)
	}
	before := regexp.MustCompile(pattern)
	if !before.Match(content) {
		return fmt.Errorf("change %s: it has no %s", name, pattern)
	}
	return os.WriteFile(path, before.ReplaceAll(content, []byte(after)), 0o644)
}

// commit commits everything in the copy, and tags it unless tag is "". It
// returns the commit.
func (w *workspace) commit(ctx context.Context, subject, tag string) (string, error) {
	if err := errors.Join(w.git(ctx, "add", "--all"), w.git(ctx, "commit", "--quiet", "--allow-empty", "-m", subject)); err != nil {
		return "", err
	}
	if tag != "" {
		if err := w.git(ctx, "tag", "--annotate", tag, "-m", subject); err != nil {
			return "", err
		}
	}
	return w.output(ctx, w.checkout, "git", "rev-parse", "HEAD")
}

func (w *workspace) git(ctx context.Context, args ...string) error {
	_, err := w.output(ctx, w.checkout, "git", args...)
	return err
}

// output runs a program that ends by itself and returns what it printed.
func (w *workspace) output(ctx context.Context, dir, name string, args ...string) (string, error) {
	var stdout, stderr bytes.Buffer
	err := process.Run(ctx, process.Options{Dir: dir, Env: w.env, Stdout: &stdout, Stderr: &stderr, Group: true}, append([]string{name}, args...)...)
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", name, args[0], err, stderr.String())
	}
	return strings.TrimSuffix(stdout.String(), "\n"), nil
}

// stopTime is how long an interrupted command may take to end; Terraform first
// notes what it has made.
const stopTime = time.Minute
