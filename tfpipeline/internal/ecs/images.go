package ecs

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
)

// manifestTypes are those that images are pushed as. Asked for none, ECR may
// give a manifest converted to an older format, which has another digest.
func manifestTypes() []string {
	return []string{
		"application/vnd.docker.distribution.manifest.v2+json",
		"application/vnd.docker.distribution.manifest.list.v2+json",
		"application/vnd.oci.image.manifest.v1+json",
		"application/vnd.oci.image.index.v1+json",
	}
}

// Digests returns what a tag means in the repository of each service: one call
// a repository, which is all that ECR has.
func (e *Environment) Digests(ctx context.Context, tag string, services []string) (map[string]string, error) {
	var mu sync.Mutex
	digests := map[string]string{}
	err := each(ctx, slices.Values(services), func(ctx context.Context, service string) error {
		image, err := e.image(ctx, service, types.ImageIdentifier{ImageTag: &tag})
		if err != nil || image == nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		digests[service] = *image.ImageId.ImageDigest
		return nil
	})
	return digests, err
}

// Missing returns the services whose repository does not hold the digest,
// sorted.
func (e *Environment) Missing(ctx context.Context, digests map[string]string) ([]string, error) {
	var mu sync.Mutex
	var missing []string
	err := each(ctx, maps.Keys(digests), func(ctx context.Context, service string) error {
		digest := digests[service]
		image, err := e.image(ctx, service, types.ImageIdentifier{ImageDigest: &digest})
		if err != nil || image != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		missing = append(missing, service)
		return nil
	})
	slices.Sort(missing)
	return missing, err
}

// Tag gives the very manifests a further tag, without a rebuild.
func (e *Environment) Tag(ctx context.Context, digests map[string]string, tag string) error {
	return each(ctx, maps.Keys(digests), func(ctx context.Context, service string) error {
		digest, repository := digests[service], e.platform.RepositoryName(service)
		image, err := e.image(ctx, service, types.ImageIdentifier{ImageDigest: &digest})
		if err != nil {
			return err
		}
		if image == nil {
			return fmt.Errorf("tag image %s@%s as %s: the repository does not hold it", repository, digest, tag)
		}
		_, err = e.ecr.PutImage(ctx, &ecr.PutImageInput{
			RegistryId:             &e.platform.Account,
			RepositoryName:         &repository,
			ImageManifest:          image.ImageManifest,
			ImageManifestMediaType: image.ImageManifestMediaType,
			// ECR refuses the manifest if this is not its digest.
			ImageDigest: &digest,
			ImageTag:    &tag,
		})
		if is(err, "ImageAlreadyExistsException") {
			return nil // it has the tag
		}
		return failed(ctx, err, "tag image %s@%s as %s", repository, digest, tag)
	})
}

// image is what a repository has under a tag or digest; nil if nothing.
func (e *Environment) image(ctx context.Context, service string, id types.ImageIdentifier) (*types.Image, error) {
	repository := e.platform.RepositoryName(service)
	reference := repository + ":" + value(id.ImageTag)
	if id.ImageDigest != nil {
		reference = repository + "@" + *id.ImageDigest
	}
	out, err := e.ecr.BatchGetImage(ctx, &ecr.BatchGetImageInput{
		RegistryId:         &e.platform.Account,
		RepositoryName:     &repository,
		ImageIds:           []types.ImageIdentifier{id},
		AcceptedMediaTypes: manifestTypes(),
	})
	if err != nil {
		return nil, failed(ctx, err, "look up image %s", reference)
	}
	for _, f := range out.Failures {
		if f.FailureCode != types.ImageFailureCodeImageNotFound {
			return nil, fmt.Errorf("look up image %s: ECR says %s: %s", reference, f.FailureCode, value(f.FailureReason))
		}
	}
	if len(out.Images) == 0 {
		return nil, nil
	}
	image := out.Images[0]
	if image.ImageId == nil || image.ImageId.ImageDigest == nil || image.ImageManifest == nil {
		return nil, fmt.Errorf("look up image %s: ECR's answer has no digest or no manifest", reference)
	}
	return &image, nil
}

// value is what a pointer points at, or the zero value.
func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
