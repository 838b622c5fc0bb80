package terraform

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/hashicorp/terraform-exec/tfexec"
)

// NewModuleWorkspace copies one module, so that it can be validated and tested
// alone. It borrows the provider lock of a root: modules have none.
func NewModuleWorkspace(repository, module, root, parent string) (*Workspace, error) {
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return nil, fmt.Errorf("prepare module %s: %w", module, err)
	}
	top, err := os.MkdirTemp(parent, module+"-")
	if err != nil {
		return nil, fmt.Errorf("prepare module %s: %w", module, err)
	}
	w := &Workspace{Dir: filepath.Join(top, "modules", module), Plan: filepath.Join(top, "plan"), top: top}
	w.locked, err = os.ReadFile(filepath.Join(repository, "envs", root, lockFile))
	err = errors.Join(err,
		os.CopyFS(w.Dir, os.DirFS(filepath.Join(repository, "modules", module))),
		os.WriteFile(filepath.Join(w.Dir, lockFile), w.locked, 0o600),
	)
	if err != nil {
		return nil, fmt.Errorf("prepare module %s: %w", module, errors.Join(err, w.Close()))
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

// Test runs the module's terraform tests; it needs Validate's init.
func (d *Driver) Test(ctx context.Context) error {
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
