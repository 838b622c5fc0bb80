package terraform

import (
	"os"
	"path/filepath"
	"testing"
)

// TestAbandonedWorkspaces: what a killed run left is removed by the next one,
// unless it holds a state that is nowhere else; a run at work keeps its own.
func TestAbandonedWorkspaces(t *testing.T) {
	repository, parent := t.TempDir(), t.TempDir()
	write := func(path string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(repository, "envs", "staging", "main.tf"))
	// Nobody holds these owners' locks, as after kill -9.
	write(filepath.Join(parent, "staging-1", ownerFile))
	write(filepath.Join(parent, "staging-1", "plan"))
	write(filepath.Join(parent, "staging-2", ownerFile))
	write(filepath.Join(parent, "staging-2", "envs", "staging", erroredState))
	write(filepath.Join(parent, "staging-3", "being-made"))

	first, err := NewWorkspace(repository, "staging", parent, "")
	if err != nil {
		t.Fatal(err)
	}
	second, err := NewWorkspace(repository, "staging", parent, "")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{filepath.Base(first.top): true, filepath.Base(second.top): true, "staging-2": true, "staging-3": true}
	entries, err := os.ReadDir(parent)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !want[e.Name()] {
			t.Errorf("%s is still there", e.Name())
		}
		delete(want, e.Name())
	}
	for name := range want {
		t.Errorf("%s has gone", name)
	}
	for _, w := range []*Workspace{first, second} {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(w.top); err == nil {
			t.Errorf("%s outlives its end", w.top)
		}
	}
}
