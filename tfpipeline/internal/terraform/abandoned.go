package terraform

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/specboard/platform/tfpipeline/internal/process"
)

const (
	// ownerFile stays locked while a process of this program uses the
	// workspace.
	ownerFile = "owner"
	// groupFile names the process group of the Terraform that runs there.
	groupFile = "group"
)

// Abandoned is a workspace whose owner died. Its Terraform may still be
// ending.
type Abandoned struct{ top string }

// FindAbandoned finds the abandoned workspaces of a root below the folder that
// NewWorkspace was given; root "" means every root.
func FindAbandoned(parent, root string) ([]Abandoned, error) {
	marks, err := filepath.Glob(filepath.Join(parent, "*", ownerFile))
	if err != nil {
		return nil, fmt.Errorf("look for abandoned workspaces: %w", err)
	}
	var all []Abandoned
	for _, mark := range marks {
		top := filepath.Dir(mark)
		if _, err := os.Stat(filepath.Join(top, "envs", root)); err != nil && root != "" {
			continue
		}
		// A mark that cannot be read is being removed by its owner.
		if _, lives, err := process.ReadMark(mark); err == nil && !lives {
			all = append(all, Abandoned{top})
		}
	}
	return all, nil
}

// Running returns the process group of its Terraform; 0 if none runs.
func (a Abandoned) Running() (group int, err error) {
	return process.Running(filepath.Join(a.top, groupFile))
}

// State is the one that Terraform could not save; nil if there is none.
func (a Abandoned) State() ([]byte, error) {
	dirs, err := filepath.Glob(filepath.Join(a.top, "envs", "*"))
	if err != nil || len(dirs) != 1 {
		return nil, err // the workspace was still being created
	}
	return readErrored(dirs[0])
}

// Remove removes the workspace, with the plan in it.
func (a Abandoned) Remove() error {
	if err := os.RemoveAll(a.top); err != nil {
		return fmt.Errorf("remove an abandoned workspace: %w", err)
	}
	return nil
}

// removeAbandoned removes the workspaces whose owner died and in which nothing
// runs. A workspace with an unsaved state stays for the run that saves it.
func removeAbandoned(parent string) error {
	all, err := FindAbandoned(parent, "")
	for _, a := range all {
		group, runErr := a.Running()
		state, stateErr := a.State()
		if runErr == nil && group == 0 && stateErr == nil && state == nil {
			err = errors.Join(err, a.Remove())
		}
	}
	return err
}
