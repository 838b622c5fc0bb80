package state

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

// freezeName ends the key of a freeze. It looks like a journal's name, so that
// roles may overwrite it and earlier releases of this program ignore it. No
// role may delete objects of the history, so the object also exists for an
// environment that is not frozen.
const freezeName = "freeze.journal.json"

// storedFreeze is the object's content. Changed makes every content unique.
type storedFreeze struct {
	Environment string         `json:"environment"`
	Changed     string         `json:"changed"`
	Freeze      *deploy.Freeze `json:"freeze"`
}

var _ deploy.Freezer = (*History)(nil)

// Frozen returns why an environment is frozen; nil if it is not.
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

// SetFreeze freezes the environment, or lifts the freeze if f is nil. attempt
// is the id of the change that does so, which holds the lease. It returns the
// freeze before it.
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
