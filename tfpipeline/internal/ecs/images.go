package ecs

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
)

// manifestTypes are those that images are pushed as. Without them, ECR may convert a
// manifest to an older format, which has another digest.
func manifestTypes() []string {
	return []string{
		"application/vnd.docker.distribution.manifest.v2+json",
		"application/vnd.docker.distribution.manifest.list.v2+json",
		"application/vnd.oci.image.manifest.v1+json",
		"application/vnd.oci.image.index.v1+json",
	}
}

// Digests returns the digest that a tag names in the repository of each service. ECR
// needs one call for each repository. It asks for the images' descriptions and not for
// their manifests, which the role of plans may not read.
func (e *Environment) Digests(ctx context.Context, tag string, services []string) (map[string]string, error) {
	var mu sync.Mutex
	digests := map[string]string{}
	err := each(ctx, slices.Values(services), func(ctx context.Context, service string) error {
		digest, err := e.describeImage(ctx, e.platform.RepositoryName(service), types.ImageIdentifier{ImageTag: &tag})
		if err != nil || digest == "" {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		digests[service] = digest
		return nil
	})
	return digests, err
}

// Missing returns the services whose image the registry does not hold, sorted. It leaves
// out references to other registries, and those without a digest.
func (e *Environment) Missing(ctx context.Context, images map[string]string) ([]string, error) {
	var mu sync.Mutex
	var missing []string
	err := each(ctx, maps.Keys(images), func(ctx context.Context, service string) error {
		path, ours := strings.CutPrefix(images[service], e.platform.Registry()+"/")
		repository, digest, exact := strings.Cut(path, "@")
		if !ours || !exact {
			return nil
		}
		found, err := e.describeImage(ctx, repository, types.ImageIdentifier{ImageDigest: &digest})
		if is(err, "RepositoryNotFoundException") {
			err = nil // it was removed with its images
		}
		if err != nil || found != "" {
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

// Tag adds a tag to exactly these manifests, without a rebuild.
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

// describeImage is the digest of what a repository has under a tag or digest;
// "" if nothing.
func (e *Environment) describeImage(ctx context.Context, repository string, id types.ImageIdentifier) (digest string, err error) {
	reference := imageReference(repository, id)
	out, err := e.ecr.DescribeImages(ctx, &ecr.DescribeImagesInput{
		RegistryId:     &e.platform.Account,
		RepositoryName: &repository,
		ImageIds:       []types.ImageIdentifier{id},
	})
	switch {
	case is(err, "ImageNotFoundException"):
		return "", nil
	case is(err, "RepositoryNotFoundException"):
		return "", failed(ctx, err, "look up image %s, whose repository tfpipeline apply -env shared has yet to create", reference)
	case err != nil:
		return "", failed(ctx, err, "look up image %s", reference)
	case len(out.ImageDetails) == 0:
		return "", nil
	}
	image := out.ImageDetails[0]
	switch {
	case value(image.ImageDigest) == "":
		return "", fmt.Errorf("look up image %s: ECR's answer has no digest", reference)
	case image.ImageStatus != "" && image.ImageStatus != types.ImageStatusActive:
		return "", fmt.Errorf("look up image %s: nobody can pull it: ECR calls it %s", reference, image.ImageStatus)
	}
	return *image.ImageDigest, nil
}

// imageReference is how an image is written.
func imageReference(repository string, id types.ImageIdentifier) string {
	if id.ImageDigest != nil {
		return repository + "@" + *id.ImageDigest
	}
	return repository + ":" + value(id.ImageTag)
}

// image is what a repository has under a tag or digest, with its manifest; nil
// if nothing.
func (e *Environment) image(ctx context.Context, service string, id types.ImageIdentifier) (*types.Image, error) {
	repository := e.platform.RepositoryName(service)
	reference := imageReference(repository, id)
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
