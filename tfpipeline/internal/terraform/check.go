package terraform

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/hashicorp/terraform-exec/tfexec"
)

// NewFolderWorkspace copies one folder of the repository, such as modules/cache
// or examples/complete, so that it can be validated and tested, with modules/
// where its sources look for it. It borrows the provider lock of a root: only
// roots have one.
func NewFolderWorkspace(repository, folder, root, parent string) (w *Workspace, err error) {
	fail := func(err error) error { return fmt.Errorf("prepare %s: %w", folder, err) }
	modules, err := filepath.Abs(filepath.Join(repository, "modules"))
	if err != nil {
		return nil, fail(err)
	}
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return nil, fail(err)
	}
	top, err := os.MkdirTemp(parent, filepath.Base(folder)+"-")
	if err != nil {
		return nil, fail(err)
	}
	w = &Workspace{Dir: filepath.Join(top, filepath.FromSlash(folder)), Plan: filepath.Join(top, "plan"), top: top}
	w.locked, err = os.ReadFile(filepath.Join(repository, "envs", root, lockFile))
	err = errors.Join(err,
		os.CopyFS(w.Dir, os.DirFS(filepath.Join(repository, filepath.FromSlash(folder)))),
		os.WriteFile(filepath.Join(w.Dir, lockFile), w.locked, 0o600),
	)
	if !strings.HasPrefix(folder, "modules/") {
		err = errors.Join(err, os.Symlink(modules, filepath.Join(top, "modules")))
	}
	if err != nil {
		return nil, fail(errors.Join(err, w.Close()))
	}
	return w, nil
}

// Validate checks the configuration against the providers' schemas, without a
// backend.
func (d *Driver) Validate(ctx context.Context) error {
	if err := d.init(ctx, tfexec.Backend(false)); err != nil {
		return err
	}
	if _, err := d.output(ctx, "validate", "-no-color"); err != nil {
		return fmt.Errorf("validate: %w", err)
	}
	return nil
}

// Test runs the folder's terraform tests, without a backend. Terraform validates
// the configuration first, as Validate does.
func (d *Driver) Test(ctx context.Context) error {
	if err := d.init(ctx, tfexec.Backend(false)); err != nil {
		return err
	}
	var out bytes.Buffer
	if err := d.run(ctx, d.env, &out, "test", "-no-color"); err != nil {
		return fmt.Errorf("test: %w\n%s", err, out.Bytes())
	}
	return nil
}

// CheckFormat reports files that terraform fmt would write differently.
func CheckFormat(ctx context.Context, program string, dirs ...string) error {
	for _, dir := range dirs {
		cmd := exec.CommandContext(ctx, program, "fmt", "-check", "-recursive", "-no-color", dir)
		cmd.Env = []string{"CHECKPOINT_DISABLE=1"}
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("terraform fmt: %w: not formatted:\n%s", err, out)
		}
	}
	return nil
}
