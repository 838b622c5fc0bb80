// Package tree keeps the generated files of a repository equal to those in
// memory, and leaves every other file alone.
//
// A file is ours if its first line is the header. Only ours are replaced or
// removed; .terraform/ and .terraform.lock.hcl are Terraform's and are not
// even read.
package tree

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
)

// folders are where generated files live and orphans are looked for.
func folders() []string { return []string{"examples", "modules", "envs"} }

// State is how a file on disk differs from the one in memory.
type State string

const (
	// Outdated files have other content.
	Outdated State = "outdated"
	// Missing files are not on disk.
	Missing State = "missing"
	// Orphaned files were generated once and no longer are.
	Orphaned State = "orphaned"
	// Foreign files are where a generated one belongs, but were not generated.
	Foreign State = "foreign"
)

// Difference is one file that is not as it should be.
type Difference struct {
	// Path is relative to the repository, with slashes.
	Path  string
	State State
}

// ForeignError says that files without the header are where generated files
// belong. Nothing was written.
type ForeignError struct{ Paths []string }

func (e *ForeignError) Error() string {
	return "refuse to replace what gen did not write: " + strings.Join(e.Paths, ", ") +
		"; move it away, or delete it if it may be replaced"
}

// Tree is a repository on disk and the generated files that belong into it.
type Tree struct {
	root *os.Root
	// files are the generated files by path, relative to the repository and
	// with slashes.
	files map[string][]byte
}

// Open opens the repository at dir. No path can leave it, neither by ".." nor
// by a symbolic link.
func Open(dir string, files map[string][]byte) (*Tree, error) {
	for p, content := range files {
		switch {
		case !fs.ValidPath(p) || p == ".":
			return nil, fmt.Errorf("open %s: %q is not a path inside the repository", dir, p)
		case !IsGenerated(content):
			return nil, fmt.Errorf("open %s: %s is to be written without the header %q", dir, p, HeaderLine(p))
		case isTerraforms(p):
			return nil, fmt.Errorf("open %s: %s is Terraform's own", dir, p)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open repository: %w", err)
	}
	return &Tree{root, files}, nil
}

// Close closes the repository.
func (t *Tree) Close() error { return t.root.Close() }

// Compare lists what differs on disk, sorted by path.
func (t *Tree) Compare() ([]Difference, error) {
	// Opening files takes most of the time, so several are opened at once.
	paths := slices.Collect(maps.Keys(t.files))
	states := make([]State, len(paths))
	orphans := make([][]Difference, len(folders()))
	var g errgroup.Group
	g.SetLimit(2 * runtime.GOMAXPROCS(0))
	for i, folder := range folders() {
		g.Go(func() (err error) {
			if orphans[i], err = t.orphans(folder); err != nil {
				return fmt.Errorf("look for orphans in %s: %w", folder, err)
			}
			return nil
		})
	}
	for i, p := range paths {
		g.Go(func() (err error) {
			if states[i], err = t.state(p, t.files[p]); err != nil {
				return fmt.Errorf("compare %s: %w", p, err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	differences := slices.Concat(orphans...)
	for i, state := range states {
		if state != "" {
			differences = append(differences, Difference{paths[i], state})
		}
	}
	slices.SortFunc(differences, func(a, b Difference) int { return strings.Compare(a.Path, b.Path) })
	return differences, nil
}

// state compares one file; "" means equal.
func (t *Tree) state(p string, want []byte) (State, error) {
	info, err := t.root.Lstat(p)
	switch {
	case isMissing(err):
		return Missing, nil
	case err != nil:
		return "", err
	case !info.Mode().IsRegular():
		return Foreign, nil
	}
	have, err := t.root.ReadFile(p)
	switch {
	case err != nil:
		return "", err
	case bytes.Equal(have, want):
		return "", nil
	case !IsGenerated(have):
		return Foreign, nil
	default:
		return Outdated, nil
	}
}

func isMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// orphans lists the files below a folder that are ours and no longer wanted.
func (t *Tree) orphans(folder string) ([]Difference, error) {
	var found []Difference
	err := fs.WalkDir(t.root.FS(), folder, func(p string, d fs.DirEntry, err error) error {
		switch {
		case p == folder && isMissing(err):
			return fs.SkipAll
		case err != nil:
			return err
		case d.IsDir() && isTerraforms(p):
			return fs.SkipDir
		case !d.Type().IsRegular() || isTerraforms(p):
			return nil
		}
		if _, wanted := t.files[p]; wanted {
			return nil
		}
		ours, err := t.isOurs(p)
		if ours {
			found = append(found, Difference{p, Orphaned})
		}
		return err
	})
	return found, err
}

// isOurs reads no more than the first line needs.
func (t *Tree) isOurs(p string) (ours bool, err error) {
	if isTemporary(p) {
		return true, nil
	}
	f, err := t.root.Open(p)
	if err != nil {
		return false, err
	}
	defer f.Close()
	head := make([]byte, 512)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return false, err
	}
	return IsGenerated(head[:n]), nil
}

// isTerraforms reports whether Terraform itself keeps a file or folder.
func isTerraforms(p string) bool {
	for part := range strings.SplitSeq(p, "/") {
		if part == ".terraform" || part == ".terraform.lock.hcl" {
			return true
		}
	}
	return false
}

// parents lists the folders above a path, the nearest first.
func parents(p string) []string {
	var dirs []string
	for d := path.Dir(p); d != "."; d = path.Dir(d) {
		dirs = append(dirs, d)
	}
	return dirs
}
