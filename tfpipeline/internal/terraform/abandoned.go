package terraform

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// ownerFile is held locked for as long as somebody works in a workspace. The
// kernel lets go of it when the process dies, however it dies.
const ownerFile = "owner"

// own marks a workspace as somebody's.
func own(top string) (*os.File, error) {
	// Written under another name, locked, and then shown, so that nobody takes
	// a workspace that is being made for an abandoned one.
	f, err := os.CreateTemp(top, ".owner-*")
	if err != nil {
		return nil, err
	}
	err = errors.Join(syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB), os.Rename(f.Name(), filepath.Join(top, ownerFile)))
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// removeAbandoned removes the workspaces whose owner died, with the plans in
// them. One that holds a state that could not be saved stays for the run that
// goes on from it.
func removeAbandoned(parent string) error {
	marks, err := filepath.Glob(filepath.Join(parent, "*", ownerFile))
	if err != nil {
		return fmt.Errorf("look for abandoned workspaces: %w", err)
	}
	for _, mark := range marks {
		top := filepath.Dir(mark)
		if states, err := filepath.Glob(filepath.Join(top, "envs", "*", erroredState)); err != nil || len(states) > 0 {
			continue
		}
		f, err := os.Open(mark)
		if err != nil {
			continue // its owner removes it at this moment
		}
		if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			err = os.RemoveAll(top)
		}
		if err := errors.Join(err, f.Close()); err != nil {
			return fmt.Errorf("remove an abandoned workspace: %w", err)
		}
	}
	return nil
}
