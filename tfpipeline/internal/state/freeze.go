package state

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

// freezeName ends the key of a freeze. It looks like a journal's, so that roles
// may replace it, and earlier releases of this program pass over it. Nobody may
// delete in the history, so an environment that is not frozen may have one too.
const freezeName = "freeze.journal.json"

// storedFreeze is the object. Changed makes every content another one.
type storedFreeze struct {
	Environment string         `json:"environment"`
	Changed     string         `json:"changed"`
	Freeze      *deploy.Freeze `json:"freeze"`
}

var _ deploy.Freezer = (*History)(nil)

// Frozen returns why nothing is promoted to the environment; nil if it is not
// frozen.
func (h *History) Frozen(ctx context.Context) (*deploy.Freeze, error) {
	stored, _, err := h.freeze(ctx)
	return stored.Freeze, err
}

func (h *History) freeze(ctx context.Context) (stored storedFreeze, version string, err error) {
	key := h.prefix + freezeName
	there, err := h.bucket.get(ctx, key)
	if err != nil || there == nil {
		return stored, "", err
	}
	if err := json.Unmarshal(there.content, &stored); err != nil || stored.Environment != h.environment {
		return storedFreeze{}, "", fmt.Errorf("read the freeze: %w", &ForeignError{key, "it is no freeze of " + h.environment, there.version})
	}
	return stored, there.version, nil
}

// SetFreeze freezes the environment, or lifts the freeze if f is nil; attempt is
// the id of whoever does, under the lease. It returns what was there before.
func (h *History) SetFreeze(ctx context.Context, f *deploy.Freeze, attempt string) (before *deploy.Freeze, err error) {
	stored, version, err := h.freeze(ctx)
	if err != nil {
		return nil, err
	}
	content, err := encode(storedFreeze{h.environment, attempt, f})
	if err == nil {
		_, err = h.bucket.put(ctx, h.prefix+freezeName, content, version)
	}
	if err != nil {
		return stored.Freeze, fmt.Errorf("store the freeze: %w", err)
	}
	return stored.Freeze, nil
}
