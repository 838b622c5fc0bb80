package terraform

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Run is the note that a run of this program leaves on this machine for as
// long as it works on a root. Who is killed cannot remove its note, and so the
// next run knows whose lock it meets and what may be unfinished.
type Run struct {
	// State names what is worked on, such as bucket/key.
	State string
	// Operation is plan, apply ….
	Operation string
	Started   time.Time
	PID       int
	// Workspace is the temporary folder, which may hold a plan in clear.
	Workspace string `json:",omitempty"`

	path string
	// held keeps the file locked: the kernel lets go of it when the process
	// dies, however it dies, and process ids that are used again cannot
	// deceive anybody.
	held *os.File
}

// Runs is the folder of notes.
type Runs struct{ Dir string }

// Begin writes a note that lives until End.
func (r Runs) Begin(run Run) (_ *Run, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("note the run: %w", err)
		}
	}()
	if err := os.MkdirAll(r.Dir, 0o700); err != nil {
		return nil, err
	}
	run.PID, run.Started = os.Getpid(), time.Now().UTC()
	content, err := json.Marshal(run)
	if err != nil {
		return nil, err
	}
	// Written under a name that nobody reads, locked, and then shown.
	f, err := os.CreateTemp(r.Dir, ".new-*")
	if err != nil {
		return nil, err
	}
	run.held, run.path = f, filepath.Join(r.Dir, fmt.Sprintf("%d-%s.json", run.PID, strings.TrimPrefix(filepath.Base(f.Name()), ".new-")))
	_, err = f.Write(content)
	err = errors.Join(err, syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB), os.Rename(f.Name(), run.path))
	if err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(f.Name()))
	}
	return &run, nil
}

// Applied notes that nothing will be made any more, though the run goes on: who
// is killed from now on leaves nothing that the state does not know. The note
// keeps its length, so that a kill finds either the old or the new one.
func (r *Run) Applied() error {
	if r.held == nil || r.Operation == operationApplied {
		return nil
	}
	before, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("note the end of the apply: %w", err)
	}
	r.Operation = operationApplied
	content, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("note the end of the apply: %w", err)
	}
	padding := strings.Repeat(" ", max(len(before)-len(content), 0))
	if _, err := r.held.WriteAt(append(content, padding...), 0); err != nil {
		return fmt.Errorf("note the end of the apply: %w", err)
	}
	return nil
}

// operationApplied is the operation of a run that has applied.
const operationApplied = "none"

// End removes the note.
func (r *Run) End() error {
	if r.held == nil {
		return nil
	}
	err := errors.Join(os.Remove(r.path), r.held.Close())
	r.held = nil
	return err
}

// Others returns the other runs on a state that this machine knows of: those
// that live, and those that were killed, oldest first.
func (r Runs) Others(state string, own *Run) (alive, dead []Run, err error) {
	entries, err := os.ReadDir(r.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("list runs: %w", err)
	}
	for _, e := range entries {
		path := filepath.Join(r.Dir, e.Name())
		if filepath.Ext(path) != ".json" || own != nil && path == own.path {
			continue
		}
		run, lives, ok := readRun(path)
		switch {
		case !ok || run.State != state:
		case lives:
			alive = append(alive, run)
		default:
			dead = append(dead, run)
		}
	}
	older := func(a, b Run) int { return a.Started.Compare(b.Started) }
	slices.SortFunc(alive, older)
	slices.SortFunc(dead, older)
	return alive, dead, nil
}

// readRun reads a note and reports whether its run lives. A note that has just
// gone, or cannot be read, says nothing.
func readRun(path string) (run Run, lives, ok bool) {
	f, err := os.Open(path)
	if err != nil {
		return run, false, false
	}
	defer f.Close()
	content, err := io.ReadAll(f)
	if err != nil || json.Unmarshal(content, &run) != nil {
		return run, false, false
	}
	run.path = path
	lives = syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) != nil
	return run, lives, true
}

// Sweep removes the workspace of a killed run, with the plan in it. A state
// that it could not save is kept beside the workspace, and its path returned.
func (r Runs) Sweep(dead Run) (kept string, err error) {
	if dead.Workspace == "" {
		return "", nil
	}
	found, err := filepath.Glob(filepath.Join(dead.Workspace, "envs", "*", erroredState))
	if err == nil && len(found) == 1 {
		kept = dead.Workspace + "." + erroredState
		if err := os.Rename(found[0], kept); err != nil {
			return "", fmt.Errorf("keep the state of a killed run: %w", err)
		}
	}
	if err := os.RemoveAll(dead.Workspace); err != nil {
		return kept, fmt.Errorf("remove what a killed run left: %w", err)
	}
	return kept, nil
}

// Forget removes the note of a killed run, once nothing of it is left.
func (r Runs) Forget(dead Run) error {
	if err := os.Remove(dead.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget a killed run: %w", err)
	}
	return nil
}

// Who is how Terraform names this user on this machine in a lock.
func Who() string {
	name := ""
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		return name + "@"
	}
	return name + "@" + host
}
