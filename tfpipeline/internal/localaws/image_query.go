package localaws

import (
	"slices"

	"github.com/specboard/platform/tfpipeline/internal/endpoint"
)

// imageFailure says why one image of a batch was left out.
type imageFailure struct {
	ImageId       imageID `json:"imageId"`
	FailureCode   string  `json:"failureCode"`
	FailureReason string  `json:"failureReason"`
}

func missingImage(id imageID) imageFailure {
	if id == (imageID{}) {
		return imageFailure{id, "MissingDigestAndTag", "Invalid request parameters: both tag and digest cannot be null"}
	}
	return imageFailure{id, "ImageNotFound", "Requested image not found"}
}

func (s *images) get(in *imageRequest) (any, error) {
	found, failures := []any{}, []imageFailure{}
	for _, id := range in.ImageIds {
		i := s.find(in.key, id)
		if i == nil || (len(in.AcceptedMediaTypes) > 0 && !slices.Contains(in.AcceptedMediaTypes, i.mediaType)) {
			failures = append(failures, missingImage(id))
			continue
		}
		found = append(found, s.whole(in, i, id.Tag))
	}
	return map[string]any{"images": found, "failures": failures}, nil
}

// imageDetail is an image as DescribeImages has it.
type imageDetail struct {
	RegistryId             string           `json:"registryId"`
	RepositoryName         string           `json:"repositoryName"`
	ImageDigest            string           `json:"imageDigest"`
	ImageTags              []string         `json:"imageTags,omitempty"`
	ImageSizeInBytes       int64            `json:"imageSizeInBytes"`
	ImagePushedAt          endpoint.Seconds `json:"imagePushedAt"`
	ImageManifestMediaType string           `json:"imageManifestMediaType"`
}

func (s *images) describe(in *imageRequest) (any, error) {
	var chosen []*image
	if len(in.ImageIds) > 0 {
		for _, id := range in.ImageIds {
			i := s.find(in.key, id)
			if i == nil {
				return nil, s.notFound(in, id)
			}
			if !slices.Contains(chosen, i) {
				chosen = append(chosen, i)
			}
		}
	} else {
		chosen = s.filtered(in)
	}
	part, next, err := endpoint.Page(chosen, in.NextToken, in.MaxResults)
	details := []imageDetail{}
	for _, i := range part {
		details = append(details, imageDetail{
			s.account, in.RepositoryName, i.digest, i.tags, i.size, endpoint.Seconds{Time: i.pushed}, i.mediaType,
		})
	}
	return map[string]any{"imageDetails": details, "nextToken": next}, err
}

func (s *images) list(in *imageRequest) (any, error) {
	ids := []imageID{}
	for _, i := range s.filtered(in) {
		if len(i.tags) == 0 {
			ids = append(ids, imageID{Digest: i.digest})
		}
		for _, tag := range i.tags {
			ids = append(ids, imageID{i.digest, tag})
		}
	}
	part, next, err := endpoint.Page(ids, in.NextToken, in.MaxResults)
	return map[string]any{"imageIds": part, "nextToken": next}, err
}

func (s *images) filtered(in *imageRequest) []*image {
	return slices.DeleteFunc(slices.Clone(s.repositories[in.key]), func(i *image) bool {
		return (in.Filter.TagStatus == "TAGGED" && len(i.tags) == 0) ||
			(in.Filter.TagStatus == "UNTAGGED" && len(i.tags) > 0)
	})
}

// remove deletes an image by its digest, or a tag by its name, and with its
// last tag the image.
func (s *images) remove(in *imageRequest) (any, error) {
	removed, failures := []imageID{}, []imageFailure{}
	for _, id := range in.ImageIds {
		i := s.find(in.key, id)
		switch {
		case i == nil:
			failures = append(failures, missingImage(id))
		case id.Tag != "" && len(i.tags) > 1:
			i.untag(id.Tag)
			removed = append(removed, imageID{i.digest, id.Tag})
		case s.listed(in.key, i.digest):
			failures = append(failures, imageFailure{id, "ImageReferencedByManifestList", "Requested image referenced by manifest list"})
		default:
			s.drop(in.key, i)
			removed = append(removed, imageID{i.digest, id.Tag})
		}
	}
	return map[string]any{"imageIds": removed, "failures": failures}, nil
}

// listed reports whether an index of the repository lists an image.
func (s *images) listed(key repositoryKey, digest string) bool {
	return slices.ContainsFunc(s.repositories[key], func(i *image) bool {
		return slices.Contains(i.references, digest)
	})
}

func (s *images) drop(key repositoryKey, dropped *image) {
	s.repositories[key] = slices.DeleteFunc(s.repositories[key], func(i *image) bool { return i == dropped })
}
