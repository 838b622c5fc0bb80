package ecs

import (
	"context"
	"slices"
	"sync"

	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// revision is what a service revision runs.
type revision struct {
	taskDefinition string // ARN
	// digest is ECS's own record of the service's image; "" until the first
	// task has pulled it.
	digest string
}

// complete reports whether ECS has nothing to add to a revision any more.
func (r revision) complete() bool { return r.digest != "" }

// known reports whether there is a revision at all: its task definition is
// there from the start, and stays.
func (r revision) known() bool { return r.taskDefinition != "" }

// describeRevisions returns service revisions by ARN, without those that ECS
// does not know. Those that are remembered and enough are not asked for again.
func (e *Environment) describeRevisions(ctx context.Context, arns []string, enough func(revision) bool) (map[string]revision, error) {
	found := map[string]revision{}
	var ask []string
	e.mu.Lock()
	for arn := range distinct(arns) {
		if r := e.revisions[arn]; enough(r) {
			found[arn] = r
		} else {
			ask = append(ask, arn)
		}
	}
	e.mu.Unlock()

	var mu sync.Mutex
	err := each(ctx, slices.Chunk(ask, revisionsPerCall), func(ctx context.Context, arns []string) error {
		out, err := e.ecs.DescribeServiceRevisions(ctx, &sdk.DescribeServiceRevisionsInput{ServiceRevisionArns: arns})
		if err != nil {
			return failed(ctx, err, "describe service revisions of %s", e.cluster)
		}
		if err := unexpected(out.Failures, "describe service revisions of "+e.cluster); err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		for _, r := range out.ServiceRevisions {
			found[*r.ServiceRevisionArn] = revision{value(r.TaskDefinition), digestOf(r)}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}

	e.mu.Lock()
	defer e.mu.Unlock()
	for _, arn := range ask {
		if r, ok := found[arn]; ok {
			e.revisions[arn] = r
		}
	}
	return found, nil
}

// digestOf is the digest of the service's own container, which bears its name.
func digestOf(r types.ServiceRevision) string {
	for _, image := range r.ContainerImages {
		if value(image.ContainerName) == short(value(r.ServiceArn)) {
			return value(image.ImageDigest)
		}
	}
	return ""
}
