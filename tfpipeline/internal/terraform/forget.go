package terraform

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/hashicorp/terraform-exec/tfexec"
)

// stateModule is a module of a state, as Terraform shows it.
type stateModule struct {
	Resources []struct {
		Address string
		Values  struct{ ID string }
	}
	Modules []stateModule `json:"child_modules"`
}

func (m stateModule) find(address string) string {
	for _, r := range m.Resources {
		if r.Address == address {
			return r.Values.ID
		}
	}
	for _, below := range m.Modules {
		if id := below.find(address); id != "" {
			return id
		}
	}
	return ""
}

// StateID is the provider's id of the resource that the state has at an address; ""
// if it has none.
func (d *Driver) StateID(ctx context.Context, address string) (string, error) {
	out, err := d.output(ctx, "show", "-json", "-no-color")
	if err != nil {
		return "", fmt.Errorf("read the state: %w", err)
	}
	var state struct {
		Values struct {
			Root stateModule `json:"root_module"`
		}
	}
	if err := json.Unmarshal(out, &state); err != nil {
		return "", fmt.Errorf("read the state: %w", err)
	}
	return state.Values.Root.find(address), nil
}

// Forget takes a resource out of the state and leaves it as it is. The caller holds
// the state's lock.
func (d *Driver) Forget(ctx context.Context, address string) error {
	err := d.relay(ctx, d.env, stopTimeout, OrphanTimeout, func() error { return d.exec.StateRm(ctx, address, tfexec.Lock(false)) })
	if err != nil {
		return fmt.Errorf("forget %s: %w", address, err)
	}
	return nil
}
