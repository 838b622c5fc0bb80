package scaffold

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// locked is a file system with a folder or file that may not be read.
type locked struct {
	fs.FS
	name string
}

func (l locked) Open(name string) (fs.File, error) {
	if name == l.name {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return l.FS.Open(name)
}

// What may not be read is passed over and named, and nothing else is missing.
func TestTextsPassesOver(t *testing.T) {
	files := fstest.MapFS{"data/postgres/base": {Data: []byte("x")}, "a.go": {Data: []byte("x")}, "z.go": {Data: []byte("x")}, "scripts/bin/run": {Data: []byte("x")}, "bin/run": {Data: []byte("x")}}
	for name, want := range map[string][]string{
		"data/postgres": {"a.go", "scripts/bin/run", "z.go"},
		"a.go":          {"data/postgres/base", "scripts/bin/run", "z.go"},
	} {
		var got []string
		unread, err := texts(locked{files, name}, func(p string, _ []byte, _ fs.FileMode) error {
			got = append(got, p)
			return nil
		})
		if err != nil || len(unread) != 1 || unread[0] != "passed over "+name+", which may not be read" {
			t.Errorf("%s: %q, %v", name, unread, err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

// A checkout in which a new file cannot be written is left as it was.
func TestWriteChangesNothingUnlessAllIsStaged(t *testing.T) {
	dir := clone(t)
	// Walked last, so that all others are staged by then.
	if err := os.MkdirAll(filepath.Join(dir, "z.go"+stagedSuffix, "x"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "z.go"), []byte("import \""+upstream+"/gen\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	before := contents(t, dir)
	if did, err := Write(dir, companies()["a bakery with one container"].Platform()); err == nil {
		t.Errorf("it did %q", did)
	}
	if d := cmp.Diff(before, contents(t, dir)); d != "" {
		t.Errorf("changed (-before +after):\n%s", d)
	}
}

// A run that was killed leaves new contents; the next run uses them up, also after git
// has brought back the files.
func TestWriteAfterAKilledRun(t *testing.T) {
	dir, whole := clone(t), clone(t)
	p := companies()["a bakery with one container"].Platform()
	if _, err := Write(whole, p); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"go.mod", "gen/main.go"} {
		if err := os.WriteFile(filepath.Join(dir, name+stagedSuffix), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "gen/main.go"), []byte(contents(t, whole)["gen/main.go"]), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "gen/main.go"+stagedSuffix)); err != nil {
		t.Fatal(err)
	}
	if _, err := Write(dir, p); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(contents(t, whole), contents(t, dir)); d != "" {
		t.Errorf("(-one run +two):\n%s", d)
	}
}
