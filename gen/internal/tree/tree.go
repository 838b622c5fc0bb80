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
	"os"
	"path"
	"slices"
	"strings"
	"sync"

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
	c := comparison{tree: t, seen: make(map[string]bool, len(t.files))}
	for _, folder := range folders() {
		c.group.Go(func() error { return c.folder(t.root, folder, folder) })
	}
	if err := c.group.Wait(); err != nil {
		return nil, err
	}
	// The others are missing, or belong elsewhere.
	for p, want := range t.files {
		if c.seen[p] {
			continue
		}
		state, err := t.state(p, want)
		if err != nil {
			return nil, fmt.Errorf("compare %s: %w", p, err)
		}
		c.add(p, state)
	}
	slices.SortFunc(c.found, func(a, b Difference) int { return strings.Compare(a.Path, b.Path) })
	return c.found, nil
}

// comparison walks the folders. Opening files takes most of the time, so every
// folder is read by a goroutine, and its files are opened from there.
type comparison struct {
	tree  *Tree
	group errgroup.Group

	mu    sync.Mutex
	seen  map[string]bool // wanted files that are on disk
	found []Difference
}

// add notes a file and how it differs; "" means equal.
func (c *comparison) add(p string, state State) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[p] = true
	if state != "" {
		c.found = append(c.found, Difference{p, state})
	}
}

// folder compares the files of a folder, which is name in its parent and p in the
// repository.
func (c *comparison) folder(parent *os.Root, name, p string) error {
	root, err := parent.OpenRoot(name)
	switch {
	case isMissing(err):
		return nil // and so are its files
	case err != nil:
		return fmt.Errorf("compare %s: %w", p, err)
	}
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return errors.Join(fmt.Errorf("compare %s: %w", p, err), root.Close())
	}
	var below errgroup.Group
	for _, d := range entries {
		p := path.Join(p, d.Name())
		want, wanted := c.tree.files[p]
		switch {
		case isTerraforms(p):
		case d.IsDir():
			below.Go(func() error { return c.folder(root, d.Name(), p) })
		case wanted && d.Type().IsRegular():
			state, err := content(root, d.Name(), want)
			if err != nil {
				return errors.Join(fmt.Errorf("compare %s: %w", p, err), below.Wait(), root.Close())
			}
			c.add(p, state)
		case !wanted && d.Type().IsRegular():
			ours, err := isOurs(root, d.Name())
			if err != nil {
				return errors.Join(fmt.Errorf("compare %s: %w", p, err), below.Wait(), root.Close())
			}
			if ours {
				c.add(p, Orphaned)
			}
		}
	}
	return errors.Join(below.Wait(), root.Close())
}

// state compares one file by its path; "" means equal.
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
	return content(t.root, p, want)
}

// content compares a regular file; "" means equal.
func content(root *os.Root, name string, want []byte) (State, error) {
	have, err := root.ReadFile(name)
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

// isOurs reads no more than the first line needs.
func isOurs(root *os.Root, name string) (ours bool, err error) {
	if isTemporary(name) {
		return true, nil
	}
	f, err := root.Open(name)
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
