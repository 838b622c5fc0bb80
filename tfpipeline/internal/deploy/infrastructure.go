package deploy

import "context"

// Infrastructure is the environment's Terraform root in the checkout.
type Infrastructure interface {
	// Plan plans and judges. A plan that the guard refuses is an error.
	Plan(ctx context.Context) (Plan, error)
	// Apply applies the very plan that Plan made.
	Apply(ctx context.Context) error
	// Outputs reads those of the state: what was applied last.
	Outputs(ctx context.Context) (Outputs, error)
}

// Plan is what an apply would do.
type Plan struct {
	// Fingerprint stands for what changes.
	Fingerprint string `json:"fingerprint"`
	// Empty: nothing changes.
	Empty bool `json:"empty"`
	// Summary is a line such as "2 to add, 1 to change, 0 to destroy".
	Summary string `json:"summary,omitempty"`
	// Unreviewed says how it differs from the plan that was reviewed; nil if it
	// does not, or if none was.
	Unreviewed error `json:"-"`
}

// Outputs are what a promotion needs of the infrastructure.
type Outputs struct {
	// Templates are ARNs of task definitions, by service and one-off task.
	Templates map[string]string
	// Placements are where one-off tasks run, by task.
	Placements map[string]Placement
}

// Secrets are those of the environment.
type Secrets interface {
	// Empty returns which of the named secrets have no value.
	Empty(ctx context.Context, names []string) ([]string, error)
}

// Checkout is the repository at hand.
type Checkout interface {
	// Head returns the commit that is checked out, and the paths that differ
	// from it.
	Head(ctx context.Context) (commit string, changed []string, err error)
	// Peel returns the commit that a release's tag means.
	Peel(ctx context.Context, tag string) (commit string, err error)
	// Contains reports whether descendant has ancestor in its past; a commit
	// contains itself.
	Contains(ctx context.Context, descendant, ancestor string) (bool, error)
	// Schema returns the checkout's migrations.
	Schema(ctx context.Context) (Schema, error)
}
