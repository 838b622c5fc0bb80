package terraform

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/process"
)

// lockFile is Terraform's own record of the providers a root has selected.
const lockFile = ".terraform.lock.hcl"

// overrideFile is merged into the root's configuration by Terraform.
const overrideFile = "tfpipeline_override.tf"

// Workspace is a temporary copy of one root in which Terraform works: the
// repository stays free of .terraform folders, and an override file can be
// added next to the committed files. It contains plans with all values in
// clear text, so only its owner can enter it.
type Workspace struct {
	// Dir is the root's folder, with modules/ where its sources look for it.
	Dir string
	// Plan is where the saved plan goes.
	Plan string

	// Borrowed says that the root had no provider lock file yet and got the
	// shared root's; Init then writes it into the repository.
	Borrowed bool

	top    string
	source string
	locked []byte
	owner  *os.File
	left   bool
}

// NewWorkspace copies envs/<root> of the repository into a folder below parent
// and links modules/ next to it. override, if not empty, is written as an
// override file.
func NewWorkspace(repository, root, parent, override string) (*Workspace, error) {
	source := filepath.Join(repository, "envs", root)
	if _, err := os.Stat(source); err != nil {
		return nil, fmt.Errorf("prepare %s: %w (run make gen)", root, err)
	}
	modules, err := filepath.Abs(filepath.Join(repository, "modules"))
	if err != nil {
		return nil, fmt.Errorf("prepare %s: %w", root, err)
	}
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return nil, fmt.Errorf("prepare %s: %w", root, err)
	}
	if err := removeAbandoned(parent); err != nil {
		return nil, fmt.Errorf("prepare %s: %w", root, err)
	}
	top, err := os.MkdirTemp(parent, root+"-")
	if err != nil {
		return nil, fmt.Errorf("prepare %s: %w", root, err)
	}
	w := &Workspace{Dir: filepath.Join(top, "envs", root), Plan: filepath.Join(top, "plan"), top: top, source: source}
	w.owner, err = process.Mark(filepath.Join(top, ownerFile), nil)
	err = errors.Join(err,
		os.MkdirAll(w.Dir, 0o700),
		// Roots refer to ../../modules; a link serves as well as a copy.
		os.Symlink(modules, filepath.Join(top, "modules")),
		w.copyRoot(source),
		w.borrowLock(filepath.Join(repository, "envs", config.SharedRoot)),
	)
	if err == nil && override != "" {
		err = os.WriteFile(filepath.Join(w.Dir, overrideFile), []byte(override), 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("prepare %s: %w", root, errors.Join(err, w.Close()))
	}
	return w, nil
}

// Uses reports whether a root's lock file has a provider, such as
// hashicorp/aws.
func Uses(repository, root, provider string) (bool, error) {
	content, err := os.ReadFile(filepath.Join(repository, "envs", root, lockFile))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read the provider lock of %s: %w", root, err)
	}
	locked, err := lockedProviders(content)
	return slices.ContainsFunc(locked, func(p LockedProvider) bool { return strings.HasSuffix(p.Source, "/"+provider) }), err
}

func (w *Workspace) copyRoot(source string) error {
	entries, err := os.ReadDir(source)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.Type().IsRegular() || !strings.HasSuffix(e.Name(), ".tf") && e.Name() != lockFile {
			continue
		}
		content, err := os.ReadFile(filepath.Join(source, e.Name()))
		if err != nil {
			return err
		}
		if e.Name() == lockFile {
			w.locked = content
		}
		if err := os.WriteFile(filepath.Join(w.Dir, e.Name()), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// borrowLock copies the shared root's lock file to a root that was just added,
// so that all roots use the same providers.
func (w *Workspace) borrowLock(shared string) error {
	if w.locked != nil {
		return nil
	}
	content, err := os.ReadFile(filepath.Join(shared, lockFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	w.locked, w.Borrowed = content, true
	return os.WriteFile(filepath.Join(w.Dir, lockFile), content, 0o600)
}

// keepLock writes a borrowed lock into the repository.
func (w *Workspace) keepLock() error {
	if !w.Borrowed {
		return nil
	}
	return os.WriteFile(filepath.Join(w.source, lockFile), w.locked, 0o644)
}

// checkLock fails if init selected other providers than the committed lock
// file has. Terraform may add checksums for this platform to the copy; that
// does not change what runs.
func (w *Workspace) checkLock() error {
	after, err := os.ReadFile(filepath.Join(w.Dir, lockFile))
	if errors.Is(err, fs.ErrNotExist) && w.locked == nil {
		return nil // a root without providers
	}
	if err != nil {
		return fmt.Errorf("check the provider lock: %w", err)
	}
	if bytes.Equal(after, w.locked) {
		return nil
	}
	before, err := lockedProviders(w.locked)
	if err != nil {
		return err
	}
	now, err := lockedProviders(after)
	if err != nil {
		return err
	}
	for _, p := range now {
		found := false
		for _, b := range before {
			found = found || b == p
		}
		if !found {
			return fmt.Errorf("check the provider lock: init selected %s %s, which the committed %s does not: run terraform init in the root and commit the lock", p.Source, p.Version, lockFile)
		}
	}
	return nil
}

// Leave makes Close keep the workspace without its plan, as if its owner had
// died, so that FindAbandoned finds it.
func (w *Workspace) Leave() { w.left = true }

// Close removes the workspace, and with it every plan.
func (w *Workspace) Close() error {
	remove := func() error { return os.RemoveAll(w.top) }
	if w.left {
		remove = func() error { return os.RemoveAll(w.Plan) }
	}
	err := remove()
	if w.owner != nil {
		err = errors.Join(err, w.owner.Close())
		w.owner = nil
	}
	return err
}
