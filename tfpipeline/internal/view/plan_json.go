package view

import (
	"io"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/plan"
)

// planJSON is a plan for machines. It has no values: names, actions, reasons.
type planJSON struct {
	Root string `json:"root"`
	// Target is what was planned against: aws, a local endpoint, or offline.
	Target  string              `json:"target"`
	Counts  map[plan.Action]int `json:"counts"`
	Changes []changeJSON        `json:"changes"`
	Outputs []string            `json:"outputs"`
	// Drift is what no rule accepts, as the text has it.
	Drift   []changeJSON `json:"drift"`
	Errored bool         `json:"errored"`
	// Fingerprint and Summary are what apply -reviewed compares; a plan that
	// failed has none.
	Fingerprint string       `json:"fingerprint,omitempty"`
	Summary     plan.Summary `json:"summary,omitempty"`
}

type changeJSON struct {
	Address         string   `json:"address"`
	PreviousAddress string   `json:"previous_address,omitempty"`
	Type            string   `json:"type"`
	Action          string   `json:"action"`
	Actions         []string `json:"actions"`
	Reason          string   `json:"reason,omitempty"`
	ReplacePaths    []string `json:"replace_paths,omitempty"`
}

// PlanJSON writes one object.
func PlanJSON(w io.Writer, target string, p *plan.Plan) error {
	return WriteJSON(w, newPlanJSON(target, p))
}

func newPlanJSON(target string, p *plan.Plan) planJSON {
	out := planJSON{
		Root: p.Root, Target: target, Counts: p.Counts(), Errored: p.Errored,
		Changes: changesJSON(p.Changes), Drift: changesJSON(p.Unaccepted(config.AcceptedDrifts())),
		Outputs: append([]string{}, p.Outputs...),
	}
	if !p.Errored {
		out.Summary = p.Summary()
		out.Fingerprint = out.Summary.Fingerprint(p.Root)
	}
	return out
}

func changesJSON(changes []plan.Change) []changeJSON {
	out := make([]changeJSON, 0, len(changes))
	for _, c := range changes {
		j := changeJSON{
			Address: c.Address, PreviousAddress: c.PreviousAddress, Type: c.Type,
			Action: string(c.Action), Reason: c.Reason, ReplacePaths: c.ReplacePaths,
			Actions: []string{},
		}
		if c.Raw != nil {
			for _, a := range c.Raw.Actions {
				j.Actions = append(j.Actions, string(a))
			}
		}
		out = append(out, j)
	}
	return out
}
