package checkout

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/specboard/platform/tfpipeline/internal/console"
)

// repository is a git repository in a temporary folder.
type repository struct {
	t *testing.T
	*Checkout
}

func newRepository(t *testing.T) repository {
	t.Helper()
	r := repository{t, &Checkout{Dir: t.TempDir(), Env: append(os.Environ(),
		"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "HOME="+t.TempDir(),
		"GIT_AUTHOR_NAME=ada", "GIT_AUTHOR_EMAIL=ada@example.org", "GIT_COMMITTER_NAME=ada", "GIT_COMMITTER_EMAIL=ada@example.org")}}
	r.do("init", "-q", "-b", "main")
	return r
}

func (r repository) do(args ...string) string {
	r.t.Helper()
	out, err := r.git(r.t.Context(), args...)
	if err != nil {
		r.t.Fatal(err)
	}
	return strings.TrimSpace(out)
}

func (r repository) write(path, content string) {
	r.t.Helper()
	full := filepath.Join(r.Dir, path)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(content), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

func (r repository) commit(path, content string) string {
	r.t.Helper()
	r.write(path, content)
	r.do("add", "-A")
	r.do("commit", "-q", "-m", path)
	return r.do("rev-parse", "HEAD")
}

func TestHead(t *testing.T) {
	r := newRepository(t)
	if _, _, err := r.Head(t.Context()); err == nil {
		t.Error("a repository without a commit has a head")
	}
	r.write(".gitignore", "/bin/\n")
	want := r.commit("envs/staging/main.tf", "1")
	commit, changed, err := r.Head(t.Context())
	if err != nil || commit != want || changed != nil {
		t.Errorf("clean: %s %v %v", commit, changed, err)
	}
	r.write("bin/tfpipeline", "ignored")
	r.write("envs/staging/main.tf", "2")
	r.write("new file", "x")
	r.do("mv", ".gitignore", "moved")
	commit, changed, err = r.Head(t.Context())
	if d := cmp.Diff([]string{".gitignore", "envs/staging/main.tf", "moved", "bin/", "new file"}, changed); err != nil || commit != want || d != "" {
		t.Errorf("changed: %s, %v (-want +got):\n%s", commit, err, d)
	}
}

func TestPeelsTags(t *testing.T) {
	r := newRepository(t)
	first := r.commit("a", "1")
	r.do("tag", "light")
	r.do("tag", "-a", "-m", "release", "v1.0.0")
	r.do("tag", "-a", "-m", "of a tag", "v1.0.0-again", "v1.0.0")
	r.commit("a", "2")
	for _, tag := range []string{"light", "v1.0.0", "v1.0.0-again"} {
		if got, err := r.Peel(t.Context(), tag); err != nil || got != first {
			t.Errorf("%s: %s, %v", tag, got, err)
		}
	}
	r.do("branch", "v2.0.0") // a branch is no release
	for _, tag := range []string{"v2.0.0", "v9", "--help", "main"} {
		got, err := r.Peel(t.Context(), tag)
		if h, ok := errors.AsType[console.Next](err); !ok || got != "" || !strings.Contains(h.Next(), "git fetch --tags") {
			t.Errorf("%s: %s, %v", tag, got, err)
		}
	}
	asked := ""
	r.ReleaseCommit = func(_ context.Context, tag string) (string, error) { asked = tag; return "c0ffee", nil }
	if got, err := r.Peel(t.Context(), "v1.0.0"); err != nil || got != "c0ffee" || asked != "v1.0.0" {
		t.Errorf("by GitHub: %s, %v", got, err)
	}
}

func TestContains(t *testing.T) {
	r := newRepository(t)
	first := r.commit("a", "1")
	second := r.commit("a", "2")
	r.do("checkout", "-q", "-b", "side", first)
	side := r.commit("b", "1")
	for _, c := range []struct {
		descendant, ancestor string
		want                 bool
	}{{second, first, true}, {first, second, false}, {first, first, true}, {side, second, false}} {
		if got, err := r.Contains(t.Context(), c.descendant, c.ancestor); err != nil || got != c.want {
			t.Errorf("%s has %s: %v, %v", c.descendant, c.ancestor, got, err)
		}
	}
	if _, err := r.Contains(t.Context(), first, strings.Repeat("0", 40)); err == nil {
		t.Error("a commit that does not exist is compared")
	}
	// A shallow clone says that it cannot tell, rather than no.
	clone := repository{t, &Checkout{Dir: t.TempDir(), Env: r.Env}}
	clone.do("clone", "-q", "--depth", "1", "--branch", "main", "file://"+r.Dir, ".")
	_, err := clone.Contains(t.Context(), second, first)
	if h, ok := errors.AsType[console.Next](err); !ok || !strings.Contains(h.Next(), "fetch-depth: 0") {
		t.Errorf("in a shallow clone: %v", err)
	}
}

func TestExpandsCommits(t *testing.T) {
	r := newRepository(t)
	full := r.commit("a", "1")
	for _, name := range []string{full, full[:7], strings.Repeat("0", 40)} {
		if got, err := r.Expand(t.Context(), name); err != nil || !strings.HasPrefix(got, name) || len(got) != 40 {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
	for _, name := range []string{"", "abc", "0000000", "v1.0.0", "HEAD", full + "0", "--help-me"} {
		if got, err := r.Expand(t.Context(), name); console.NextOf(err) == "" {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
}

func TestSchema(t *testing.T) {
	r := newRepository(t)
	r.write("migrations/0001_create_users.sql", "-- phase: expand\nCREATE TABLE users (id bigint PRIMARY KEY);\n")
	schema, err := r.Schema(t.Context())
	if err != nil || len(schema) != 1 || schema[0].ID() != "0001_create_users" {
		t.Errorf("%v, %v", schema, err)
	}
	r.write("migrations/0001_again.sql", "-- phase: expand\nSELECT 1;\n")
	if _, err := r.Schema(t.Context()); err == nil || !strings.Contains(err.Error(), "read the migrations") {
		t.Errorf("%v", err)
	}
	var gone context.Context
	gone, cancel := context.WithCancelCause(t.Context())
	cancel(console.ErrInterrupted)
	if _, _, err := r.Head(gone); !errors.Is(err, console.ErrInterrupted) {
		t.Errorf("interrupted: %v", err)
	}
}

func TestBetween(t *testing.T) {
	r := newRepository(t)
	old := r.commit("migrations/0001_a.sql", "1")
	r.commit("envs/x.tf", "1")
	r.do("commit", "-q", "--allow-empty", "-m", "<script>alert(1)</script>")
	tip := r.commit("migrations/0002_b.sql", "2")
	got, err := r.Between(t.Context(), old, tip, 2)
	want := Ahead{Count: 3, Migrations: []string{"0002_b.sql"}, Commits: []Commit{
		{r.do("rev-parse", "--short", tip), "migrations/0002_b.sql"}, {r.do("rev-parse", "--short", tip+"~1"), "<script>alert(1)</script>"},
	}}
	if d := cmp.Diff(want, got); err != nil || d != "" {
		t.Errorf("%v (-want +got):\n%s", err, d)
	}
	if got, err := r.Between(t.Context(), tip, old, 2); err != nil || got.Count != 0 || got.Migrations != nil {
		t.Errorf("the other way: %+v, %v", got, err)
	}
	for _, unknown := range []string{strings.Repeat("0", 40), "--output=/tmp/x", ""} {
		if _, err := r.Between(t.Context(), old, unknown, 2); err == nil {
			t.Errorf("%q is compared", unknown)
		}
	}
}
