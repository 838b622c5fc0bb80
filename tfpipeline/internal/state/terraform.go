package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

// NeverAppliedError says that a root has no state, or none with outputs.
type NeverAppliedError struct {
	Root string
	// Reason says what is missing, and where.
	Reason string
}

func (e *NeverAppliedError) Error() string {
	return fmt.Sprintf("%s was never applied: %s", e.Root, e.Reason)
}

// Outputs reads the outputs from a root's stored state. Terraform and its
// provider would need ten seconds for the same answer, which a rollback does
// not have. It returns a *NeverAppliedError if there are none.
func (b *Bucket) Outputs(ctx context.Context, root string) (deploy.Outputs, error) {
	key := b.platform.StateKey(root)
	there, err := b.getUpTo(ctx, key, largestState)
	switch {
	case errors.Is(err, ErrNoBucket):
		return deploy.Outputs{}, &NeverAppliedError{root, "the state bucket " + b.name + " does not exist"}
	case err != nil:
		return deploy.Outputs{}, err
	case there == nil:
		return deploy.Outputs{}, &NeverAppliedError{root, "there is no state at " + b.name + "/" + key}
	}
	o, err := parseOutputs(there.content)
	if err != nil {
		return deploy.Outputs{}, fmt.Errorf("read the state of %s: %w", root, err)
	}
	if len(o.Templates) == 0 {
		return deploy.Outputs{}, &NeverAppliedError{root, "its state has no outputs"}
	}
	return o, nil
}

// stateVersion is the only version of Terraform's format that is read.
const stateVersion = 4

// parseOutputs reads the outputs that a promotion needs.
func parseOutputs(content []byte) (deploy.Outputs, error) {
	type part struct {
		TemplateARN     string `json:"template_arn"`
		SecurityGroupID string `json:"security_group_id"`
	}
	var state struct {
		Version int
		Outputs struct {
			Services struct{ Value map[string]part }
			Tasks    struct{ Value map[string]part }
			Subnets  struct{ Value []string } `json:"task_subnet_ids"`
		}
	}
	// The rest of a state may have any shape: it is not read.
	if err := json.Unmarshal(content, &state); err != nil {
		return deploy.Outputs{}, err
	}
	if state.Version != stateVersion {
		return deploy.Outputs{}, fmt.Errorf("its format is version %d, and this program reads version %d", state.Version, stateVersion)
	}
	o := deploy.Outputs{Templates: map[string]string{}, Placements: map[string]deploy.Placement{}}
	for name, p := range state.Outputs.Services.Value {
		o.Templates[name] = p.TemplateARN
	}
	for name, p := range state.Outputs.Tasks.Value {
		o.Templates[name] = p.TemplateARN
		o.Placements[name] = deploy.Placement{Subnets: state.Outputs.Subnets.Value, SecurityGroups: []string{p.SecurityGroupID}}
	}
	return o, nil
}
