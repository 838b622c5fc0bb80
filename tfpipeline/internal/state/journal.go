package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

// Journal returns the journal of an attempt, or deploy.ErrNoJournal. An object
// under its key that is no journal is a *ForeignError.
func (h *History) Journal(ctx context.Context, id string) (deploy.Journal, error) {
	if !idPattern.MatchString(id) {
		return deploy.Journal{}, fmt.Errorf("read the journal of %q: %w: no attempt has such an id", id, deploy.ErrNoJournal)
	}
	key := h.prefix + id + journalSuffix
	there, err := h.bucket.get(ctx, key)
	switch {
	case err != nil:
		return deploy.Journal{}, err
	case there == nil:
		return deploy.Journal{}, fmt.Errorf("read the journal of %s: %w", id, deploy.ErrNoJournal)
	}
	j, reason := h.parseJournal(id, there.content)
	switch {
	case j.Record.Version > deploy.RecordVersion:
		return deploy.Journal{}, fmt.Errorf("read the journal of %s: %w", id, &NewerFormatError{key, j.Record.Version})
	case reason != "":
		return deploy.Journal{}, fmt.Errorf("read the journal of %s: %w", id, &ForeignError{key, reason, there.version})
	}
	h.mu.Lock()
	h.journals[id] = there.version
	h.mu.Unlock()
	return j, nil
}

// parseJournal reads a journal. If the content is no journal, it returns the reason.
func (h *History) parseJournal(id string, content []byte) (j deploy.Journal, reason string) {
	if err := json.Unmarshal(content, &j); err != nil {
		return j, "it is not a journal: " + err.Error()
	}
	switch {
	case j.Record.Version < 1 || j.Record.Version > deploy.RecordVersion:
		return j, fmt.Sprintf("its format is version %d, and this program reads up to version %d", j.Record.Version, deploy.RecordVersion)
	case j.Record.ID != id:
		return j, fmt.Sprintf("it says that its id is %q", j.Record.ID)
	case j.Record.Environment != h.environment:
		return j, fmt.Sprintf("it says that it is of the environment %q", j.Record.Environment)
	}
	return j, ""
}

// WriteJournal stores the journal of an attempt. It overwrites only the
// version that was read or written here before.
func (h *History) WriteJournal(ctx context.Context, j deploy.Journal) error {
	if err := h.fits(j.Record); err != nil {
		return fmt.Errorf("store a journal: %w", err)
	}
	id := j.Record.ID
	content, err := encode(j)
	if err != nil {
		return fmt.Errorf("store the journal of %s: %w", id, err)
	}
	h.mu.Lock()
	over := h.journals[id]
	h.mu.Unlock()
	key := h.prefix + id + journalSuffix
	for {
		version, err := h.bucket.put(ctx, key, content, over)
		if err == nil {
			h.mu.Lock()
			h.journals[id] = version
			h.mu.Unlock()
			return nil
		}
		conflict, ok := errors.AsType[*conflictError](err)
		if !ok {
			return err
		}
		if conflict.there == nil {
			return fmt.Errorf("store the journal of %s: %w", id, err)
		}
		// The write before this one may have happened although its answer was
		// lost: then the stored journal is older than this one, and ours.
		before, reason := h.parseJournal(id, conflict.there.content)
		switch {
		case reason != "":
			return fmt.Errorf("store the journal of %s: %w", id, &ForeignError{key, reason, conflict.there.version})
		case !sameAttempt(before.Record, j.Record) || !before.Time.Before(j.Time):
			return fmt.Errorf("store the journal of %s: %w", id, err)
		}
		over = conflict.there.version
	}
}

// sameAttempt reports whether two records belong to one attempt, and not to
// two that were given the same id. The kind may differ: a promotion of an
// older release becomes a rollback.
func sameAttempt(a, b deploy.Record) bool {
	return a.ID == b.ID && a.Actor == b.Actor && a.RunURL == b.RunURL && a.Started.Equal(b.Started)
}

// unfinished returns those journals of a list that have no record in it, the oldest
// first; without those of runs that came too late to take over another one's work, and
// so have changed nothing.
func (h *History) unfinished(ctx context.Context, listed []listing) ([]deploy.Journal, error) {
	recorded := map[string]bool{}
	for _, o := range listed {
		if name := strings.TrimPrefix(o.key, h.prefix); !strings.HasSuffix(name, journalSuffix) {
			recorded[strings.TrimSuffix(name, recordSuffix)] = true
		}
	}
	var open []deploy.Journal
	for _, o := range listed {
		id, ok := strings.CutSuffix(strings.TrimPrefix(o.key, h.prefix), journalSuffix)
		if !ok || recorded[id] {
			continue
		}
		j, err := h.Journal(ctx, id)
		if _, foreign := errors.AsType[*ForeignError](err); foreign || errors.Is(err, deploy.ErrNoJournal) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if j.Phase != deploy.PhaseChecking {
			open = append(open, j)
		}
	}
	return open, nil
}
