package localaws

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/specboard/platform/tfpipeline/internal/localaws/task"
)

// Image is what stands for an image here: a folder of programs and a command
// line.
type Image = task.Image

// Push puts an image into a repository of the endpoint that config names,
// under a tag, as docker push does with AWS, and returns its digest. The
// repository must exist. It is no error if the image already has that tag.
func Push(ctx context.Context, config aws.Config, repository, tag string, image Image) (digest string, err error) {
	manifest, err := image.Manifest()
	if err != nil {
		return "", err
	}
	client := ecr.NewFromConfig(config)
	out, err := client.PutImage(ctx, &ecr.PutImageInput{RepositoryName: &repository, ImageTag: &tag, ImageManifest: &manifest})
	if err == nil {
		return *out.Image.ImageId.ImageDigest, nil
	}
	if _, ok := errors.AsType[*types.ImageAlreadyExistsException](err); !ok {
		return "", fmt.Errorf("push an image to %s: %w", repository, err)
	}
	found, err := client.DescribeImages(ctx, &ecr.DescribeImagesInput{RepositoryName: &repository, ImageIds: []types.ImageIdentifier{{ImageTag: &tag}}})
	if err != nil {
		return "", fmt.Errorf("push an image to %s: %w", repository, err)
	}
	return *found.ImageDetails[0].ImageDigest, nil
}
