package deploy

import "context"

// TaskDefinitions are the families of the environment's services and one-off
// tasks.
type TaskDefinitions interface {
	// Register registers a revision and returns its ARN.
	Register(ctx context.Context, r Revision) (string, error)
	// DescribeTaskDefinitions returns them by ARN; what ECS does not know is
	// absent.
	DescribeTaskDefinitions(ctx context.Context, arns []string) (map[string]TaskDefinition, error)
}

// Revision is a task definition to be registered: a copy of another one that
// runs a given image.
type Revision struct {
	// Name is the service or one-off task.
	Name string
	// Template is the ARN that is copied: the revision that Terraform last
	// applied, or, to bring back one that is INACTIVE, that one itself.
	Template string
	// Image is the full reference by digest that replaces the container's
	// image, such as "…/doc-platform/api@sha256:…".
	Image string
	// Tags are put on the revision.
	Tags map[string]string
}

// TaskDefinition is a registered revision.
type TaskDefinition struct {
	ARN string
	// Active: services and tasks can be started from it.
	Active bool
	// Image is the container's, as written in the revision.
	Image string
}
