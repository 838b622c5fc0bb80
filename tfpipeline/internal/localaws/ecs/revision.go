package ecs

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// Service revisions: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-revision.html
// Image digests: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-type-ecs.html#deployment-container-image-stability
//
// The tags of a revision's images are resolved once, when its first task
// starts; all its tasks then run those digests. A container can opt out by
// versionConsistency.

// revision is what the tasks of a deployment are created from. It never
// changes, except that the first task adds the digests.
type revision struct {
	api types.ServiceRevision
	def *taskDefinition
	// resolved is when the first of its digests was found.
	resolved *time.Time
}

func (v *revision) arn() string { return *v.api.ServiceRevisionArn }

func (m *model) newRevision(s *service, def *taskDefinition, network *types.NetworkConfiguration) *revision {
	v := &revision{def: def, api: types.ServiceRevision{
		ServiceRevisionArn:          new(m.arn("service-revision/%s/%s/%s", s.cluster.name(), s.name(), digits())),
		ServiceArn:                  s.api.ServiceArn,
		ClusterArn:                  s.api.ClusterArn,
		TaskDefinition:              new(def.arn()),
		CreatedAt:                   new(m.agenda.now),
		LaunchType:                  s.api.LaunchType,
		CapacityProviderStrategy:    s.api.CapacityProviderStrategy,
		PlatformVersion:             new(platformVersion),
		PlatformFamily:              new("Linux"),
		NetworkConfiguration:        network,
		LoadBalancers:               s.api.LoadBalancers,
		ServiceConnectConfiguration: s.connect,
	}}
	for _, c := range def.api.ContainerDefinitions {
		v.api.ContainerImages = append(v.api.ContainerImages, types.ContainerImage{ContainerName: c.Name, Image: c.Image})
	}
	m.shapes[v.arn()] = v
	return v
}

// resolve finds the digests of a revision's images.
func (m *model) resolve(v *revision) error {
	for i := range v.api.ContainerImages {
		image := &v.api.ContainerImages[i]
		c := v.def.container(*image.ContainerName)
		if image.ImageDigest != nil || c.VersionConsistency == types.VersionConsistencyDisabled {
			continue
		}
		digest, err := m.options.Images(*image.Image)
		if err != nil {
			return fmt.Errorf("CannotPullContainerError: pull image manifest has been retried 7 time(s): %w", err)
		}
		image.ImageDigest = &digest
		if v.resolved == nil {
			v.resolved = new(m.agenda.now)
		}
	}
	return nil
}

// digests are those of a task's images by container: for a service's task
// those of the revision, for others what the references resolve to now.
func (m *model) digests(def *taskDefinition, v *revision) (map[string]string, error) {
	out := map[string]string{}
	if v != nil {
		if err := m.resolve(v); err != nil {
			return nil, err
		}
		for _, image := range v.api.ContainerImages {
			if image.ImageDigest != nil {
				out[*image.ContainerName] = *image.ImageDigest
			}
		}
	}
	for _, c := range def.api.ContainerDefinitions {
		if out[*c.Name] != "" {
			continue
		}
		digest, err := m.options.Images(*c.Image)
		if err != nil {
			return nil, fmt.Errorf("CannotPullContainerError: pull image manifest has been retried 7 time(s): %w", err)
		}
		out[*c.Name] = digest
	}
	return out, nil
}

// anyImage resolves every image.
func anyImage(reference string) (string, error) {
	if _, digest, ok := strings.Cut(reference, "@"); ok {
		return digest, nil
	}
	return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(reference))), nil
}

func (r *Runtime) describeServiceRevisions(in *sdk.DescribeServiceRevisionsInput) (*sdk.DescribeServiceRevisionsOutput, error) {
	if n := len(in.ServiceRevisionArns); n == 0 || n > 20 {
		return nil, refuse(invalidParameter, "serviceRevisionArns must have between 1 and 20 entries.")
	}
	out := &sdk.DescribeServiceRevisionsOutput{ServiceRevisions: []types.ServiceRevision{}, Failures: []types.Failure{}}
	for _, arn := range in.ServiceRevisionArns {
		if v := r.shapes[arn]; v != nil {
			if seen, ok := r.reads.seenRevision(v); ok {
				out.ServiceRevisions = append(out.ServiceRevisions, seen)
				continue
			}
		}
		out.Failures = append(out.Failures, missing(arn))
	}
	return out, nil
}
