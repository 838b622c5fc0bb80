package scaffold

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/migrations"
)

// platformFile is where the platform is described; keptFile is a copy of what it
// held.
const (
	platformFile = "gen/config/default.go"
	keptFile     = platformFile + ".before"
)

// migrationFiles are what init removes.
const migrationFiles = "migrations/[0-9]*.sql"

// placeholder is the content of the file that keeps the folder of migrations.
const placeholder = "-- No migration: a Go program embeds this folder, and needs a file there.\n-- make migration NAME=create_x adds the first.\n"

// Write turns the checkout in dir into the platform's: it removes the example's
// migrations, replaces gen/config/default.go, and replaces the Go module's path by
// the repository's wherever it occurs. It returns what it did, in sentences without a
// full stop, and what it could not read. If the platform is not valid, it changes nothing
// and returns Validate's error. A second call changes nothing more. Of a checkout that is somebody's own
// already, it keeps the migrations, and a copy of a default.go that differs.
func Write(dir string, p config.Platform) (did []string, err error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	source, err := Source(p)
	if err != nil {
		return nil, err
	}
	old, err := modulePath(dir)
	if err != nil {
		return nil, err
	}
	module := "github.com/" + p.Repository.Owner + "/" + p.Repository.Name
	own, err := owned(dir)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open the checkout: %w", err)
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	files, did, err := stageRename(root, old, module, func(p string) bool {
		example, _ := path.Match(migrationFiles, p) // the pattern is well-formed
		return p == platformFile || example && !own
	})
	if err != nil {
		return nil, err
	}
	replaced, err := replacePlatform(root, own, source)
	if did = append(did, replaced...); err != nil {
		return did, err
	}
	if len(files) > 0 {
		if err := putRename(root, files); err != nil {
			return did, err
		}
		did = append(did, fmt.Sprintf("renamed the Go module to %s in %d files", module, len(files)))
	}
	return did, nil
}

// replacePlatform keeps or removes what was there, and writes the platform.
func replacePlatform(root *os.Root, own bool, source []byte) (did []string, err error) {
	if own {
		did, err = keep(root, source)
	} else {
		did, err = emptyMigrations(root)
	}
	if err != nil {
		return did, err
	}
	if err := root.WriteFile(platformFile, source, 0o644); err != nil {
		return did, fmt.Errorf("write the platform: %w", err)
	}
	return append(did, "wrote "+platformFile), nil
}

var moduleLine = regexp.MustCompile(`(?m)^module\s+(\S+)`)

func modulePath(dir string) (string, error) {
	content, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return "", fmt.Errorf("read the Go module's name: %w", err)
	}
	m := moduleLine.FindSubmatch(content)
	if m == nil {
		return "", errors.New("read the Go module's name: go.mod has no line that begins with module")
	}
	return string(m[1]), nil
}

// upstream is the module's path in this project's own repository. It is split, so that
// init does not rename it.
const upstream = "github.com/specboard" + "/platform"

// owned reports whether a checkout is somebody's own already, and not the example: its
// module has another name, or an earlier run has written its platform.
func owned(dir string) (bool, error) {
	old, err := modulePath(dir)
	if err != nil || old != upstream {
		return err == nil, err
	}
	content, err := os.ReadFile(filepath.Join(dir, platformFile))
	if err != nil {
		return false, fmt.Errorf("read the platform: %w", err)
	}
	return bytes.Contains(content, []byte(written)), nil
}

// keep copies the platform file before another replaces it. It overwrites no older copy.
func keep(root *os.Root, source []byte) (did []string, err error) {
	content, err := root.ReadFile(platformFile)
	if err != nil || bytes.Equal(content, source) {
		return nil, err
	}
	name := keptFile
	copied, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	for n := 2; errors.Is(err, fs.ErrExist); n++ {
		name = keptFile + "-" + strconv.Itoa(n)
		copied, err = root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	}
	if err == nil {
		_, err = copied.Write(content)
		err = errors.Join(err, copied.Close())
	}
	if err != nil {
		return nil, fmt.Errorf("keep the platform of before: %w", err)
	}
	return []string{"kept what " + platformFile + " held in " + name}, nil
}

// emptyMigrations removes the numbered files and keeps a file that Go can
// embed.
func emptyMigrations(root *os.Root) (did []string, err error) {
	names, err := fs.Glob(root.FS(), migrationFiles)
	if err != nil {
		return nil, fmt.Errorf("list the migrations: %w", err)
	}
	for _, name := range names {
		if err := root.Remove(name); err != nil {
			return nil, fmt.Errorf("remove a migration of the example: %w", err)
		}
	}
	if err := root.WriteFile("migrations/"+migrations.Placeholder, []byte(placeholder), 0o644); err != nil {
		return nil, fmt.Errorf("empty the migrations: %w", err)
	}
	if len(names) > 0 {
		did = append(did, fmt.Sprintf("removed %d migrations of the example", len(names)))
	}
	return did, nil
}
