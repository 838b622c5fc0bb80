package tree

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
)

// Write makes the disk equal to memory and returns what it changed, sorted by
// path. Each file changes at once, by renaming, and keeps its mode; those that
// are equal are not touched. With a foreign file in the way nothing is written
// and the error is a ForeignError. After any other error the files before the
// failing one are written; running it again goes on from there.
func (t *Tree) Write() ([]Difference, error) {
	differences, err := t.Compare()
	if err != nil {
		return nil, err
	}
	var foreign []string
	for _, d := range differences {
		if d.State == Foreign {
			foreign = append(foreign, d.Path)
		}
	}
	if len(foreign) > 0 {
		return nil, &ForeignError{foreign}
	}
	for i, d := range differences {
		if d.State == Orphaned {
			err = t.remove(d.Path)
		} else {
			err = t.replace(d.Path, t.files[d.Path])
		}
		if err != nil {
			return differences[:i], fmt.Errorf("write %s: %w", d.Path, err)
		}
	}
	return differences, nil
}

// temporary begins the names of files that are being written. One that is left
// behind by a killed run is an orphan of the next.
const temporary = ".gen-tmp-"

func isTemporary(p string) bool { return strings.HasPrefix(path.Base(p), temporary) }

// replace writes a file next to the old one and renames it over it.
func (t *Tree) replace(p string, content []byte) (err error) {
	if err := t.root.MkdirAll(path.Dir(p), 0o777); err != nil {
		return err
	}
	mode := fs.FileMode(0o666) // less the umask
	info, err := t.root.Stat(p)
	if err == nil {
		mode = info.Mode().Perm()
	}
	temp := path.Join(path.Dir(p), temporary+rand.Text())
	f, err := t.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, ignoreMissing(t.root.Remove(temp)))
		}
	}()
	_, err = f.Write(content)
	if info != nil {
		// The umask has removed some of the old file's permissions.
		err = errors.Join(err, f.Chmod(mode))
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return t.root.Rename(temp, p)
}

// remove deletes a file and the folders that are empty without it.
func (t *Tree) remove(p string) error {
	if err := ignoreMissing(t.root.Remove(p)); err != nil {
		return err
	}
	for _, dir := range parents(p) {
		entries, err := fs.ReadDir(t.root.FS(), dir)
		if err != nil {
			return ignoreMissing(err)
		}
		if len(entries) > 0 {
			return nil
		}
		if err := ignoreMissing(t.root.Remove(dir)); err != nil {
			return err
		}
	}
	return nil
}

func ignoreMissing(err error) error {
	if isMissing(err) {
		return nil
	}
	return err
}
