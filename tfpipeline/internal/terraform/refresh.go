package terraform

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/hashicorp/terraform-exec/tfexec"
)

// Refresh reads everything again and writes it into the state; it changes
// nothing else. An apply knows a resource as it was when it was made, which is
// before the rules, policies and attachments that others add to it.
func (d *Driver) Refresh(ctx context.Context, lockTimeout time.Duration) error {
	if err := d.exec.SetEnv(d.env); err != nil {
		return fmt.Errorf("refresh: %w", err)
	}
	err := d.exec.Apply(ctx, tfexec.RefreshOnly(true), tfexec.LockTimeout(lockTimeout.String()))
	if err == nil {
		return nil
	}
	// A refreshed state that could not be saved is no loss: what it knows is
	// in the account.
	lost := os.Remove(filepath.Join(d.workspace.Dir, erroredState))
	if errors.Is(lost, os.ErrNotExist) {
		lost = nil
	}
	return errors.Join(fmt.Errorf("refresh: %w", explain(ctx, err)), lost)
}
