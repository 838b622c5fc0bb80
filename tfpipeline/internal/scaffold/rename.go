package scaffold

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
)

// stagedSuffix ends the name of a file's new content, until it takes the file's place.
const stagedSuffix = ".tfpipeline-init"

// largest is the most bytes of a file that may name the module. No source is larger,
// but a dump of a database may be.
const largest = 32 << 20

// stageRename writes, for every text file that names the old module, what it will hold, into
// a file next to it. It returns these files with go.mod as the last, and sentences about
// what it could not read. It changes none of the checkout's own files; after an error, it
// removes what it wrote.
func stageRename(root *os.Root, old, module string, skip func(p string) bool) (files, unread []string, err error) {
	if old == module {
		return nil, nil, nil
	}
	named := regexp.MustCompile(regexp.QuoteMeta(old) + `($|[^A-Za-z0-9_-])`)
	unread, err = texts(root.FS(), func(p string, content []byte, mode fs.FileMode) error {
		if skip(p) || !named.Match(content) {
			return nil
		}
		files = append(files, p)
		// WriteFile would keep the mode of a file that a killed run left.
		if err := root.Remove(p + stagedSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return root.WriteFile(p+stagedSuffix, named.ReplaceAll(content, []byte(module+"$1")), mode)
	})
	if err != nil {
		for _, p := range files {
			_ = root.Remove(p + stagedSuffix) // the error to tell is the first one
		}
		return nil, nil, fmt.Errorf("rename the Go module in %s: nothing was changed: %w", root.Name(), err)
	}
	if i := slices.Index(files, "go.mod"); i >= 0 {
		files = append(slices.Delete(files, i, i+1), "go.mod")
	}
	return files, unread, nil
}

// putRename gives the staged files their places. It does nothing else, so that it is short:
// while the module has two names, Go compiles nothing here.
func putRename(root *os.Root, files []string) error {
	for i, p := range files {
		if err := root.Rename(p+stagedSuffix, p); err != nil {
			return fmt.Errorf("rename the Go module in %s: %d of %d files have the new name: %w", root.Name(), i, len(files), err)
		}
	}
	return nil
}

// texts calls found with every text file of the checkout. It passes over what it may not
// read, such as a database's folder that belongs to another user, and returns a sentence
// about each.
func texts(checkout fs.FS, found func(p string, content []byte, mode fs.FileMode) error) (unread []string, err error) {
	err = fs.WalkDir(checkout, ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return passOver(&unread, p, err)
		case d.IsDir() && (p == "bin" || slices.Contains([]string{".git", ".terraform", "node_modules"}, d.Name())):
			return fs.SkipDir
		case !d.Type().IsRegular() || strings.HasSuffix(p, stagedSuffix):
			return nil
		}
		info, err := d.Info()
		if err != nil || info.Size() > largest {
			return err
		}
		content, err := fs.ReadFile(checkout, p)
		if err != nil {
			return passOver(&unread, p, err)
		}
		if bytes.IndexByte(content, 0) >= 0 {
			return nil
		}
		return found(p, content, info.Mode().Perm())
	})
	return unread, err
}

// passOver notes a folder or file that may not be read; it returns every other error.
func passOver(unread *[]string, p string, err error) error {
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	*unread = append(*unread, "passed over "+path.Clean(p)+", which may not be read")
	return nil
}
