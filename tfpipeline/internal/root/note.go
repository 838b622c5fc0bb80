package root

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/specboard/platform/tfpipeline/internal/process"
)

// note is a file that a run keeps on this machine while it holds a lease. From
// the notes of dead runs, settle learns which leases and locks they have left;
// nothing else depends on them.
type note struct {
	Environment string
	// Attempt is the id of the run's lease and state lock.
	Attempt string

	path string
}

func noteFolder(cache string) string { return filepath.Join(cache, "runs") }

// Note chooses the id of a run and writes its note, which end removes. A
// killed run leaves its note behind.
func Note(cache, environment string) (attempt string, end func() error, err error) {
	attempt = newAttempt()
	dir := noteFolder(cache)
	content, err := json.Marshal(note{Environment: environment, Attempt: attempt})
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		return "", nil, fmt.Errorf("note the run: %w", err)
	}
	path := filepath.Join(dir, attempt+".json")
	f, err := process.Mark(path, content)
	if err != nil {
		return "", nil, fmt.Errorf("note the run: %w", err)
	}
	return attempt, func() error { return errors.Join(os.Remove(path), f.Close()) }, nil
}

// findNotes reads the notes of an environment, those of live runs and those of
// dead ones. It skips notes that have just been removed or cannot be read.
func findNotes(cache, environment string) (alive, dead []note, err error) {
	paths, err := filepath.Glob(filepath.Join(noteFolder(cache), "*.json"))
	if err != nil {
		return nil, nil, fmt.Errorf("look for runs: %w", err)
	}
	for _, path := range paths {
		n, lives, ok := readNote(path)
		switch {
		case !ok || n.Environment != environment:
		case lives:
			alive = append(alive, n)
		default:
			dead = append(dead, n)
		}
	}
	return alive, dead, nil
}

func readNote(path string) (n note, lives, ok bool) {
	content, lives, err := process.ReadMark(path)
	if err != nil || json.Unmarshal(content, &n) != nil {
		return n, false, false
	}
	n.path = path
	return n, lives, true
}

// forgetDead removes the notes of dead runs once another run has their
// environment's lease: nothing is left to settle then.
func forgetDead(cache, environment string) error {
	_, dead, err := findNotes(cache, environment)
	for _, n := range dead {
		err = errors.Join(err, n.forget())
	}
	return err
}

// forget removes the note of a run that died.
func (n note) forget() error {
	if err := os.Remove(n.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("forget a run that died: %w", err)
	}
	return nil
}
