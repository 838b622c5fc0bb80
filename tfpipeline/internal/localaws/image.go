package localaws

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/specboard/platform/tfpipeline/internal/endpoint"
)

// images are the images of Amazon ECR's repositories; moto keeps the
// repositories and their policies. moto's digest is not a digest of the
// manifest: images with equal layers share one, and an index gets one of 101
// random ones, so that a promotion by digest would prove nothing. Layers are
// not stored; a manifest is accepted without them.
type images struct {
	account string
	// repository returns a repository's settings; its error is the answer to
	// the client.
	repository func(ctx context.Context, region, name string) (mutability string, err error)
	// policy is the lifecycle policy of a repository, "" if it has none.
	policy func(ctx context.Context, region, name string) (string, error)
	now    func() time.Time

	mu           sync.Mutex
	repositories map[repositoryKey][]*image // oldest push first
}

type repositoryKey struct{ region, name string }

// image is one manifest in one repository.
type image struct {
	digest, manifest, mediaType string
	tags                        []string // sorted
	pushed                      time.Time
	size                        int64    // bytes, of configuration and layers
	references                  []string // digests of the images that an index lists
}

func newImages(account string, control *upstream) *images {
	return &images{
		account:      account,
		repository:   control.imageRepository,
		policy:       control.lifecyclePolicy,
		now:          time.Now,
		repositories: map[repositoryKey][]*image{},
	}
}

const ecrTarget = "AmazonEC2ContainerRegistry_V20150921."

// imageRepository asks moto for a repository.
func (u *upstream) imageRepository(ctx context.Context, region, name string) (string, error) {
	body, err := json.Marshal(map[string]any{"repositoryNames": []string{name}})
	if err != nil {
		return "", err
	}
	answer, err := u.askJSON(ctx, "ecr", region, ecrTarget+"DescribeRepositories", string(body))
	if err != nil {
		return "", asClientError(err)
	}
	var out struct {
		Repositories []struct{ ImageTagMutability string }
	}
	if err := endpoint.DecodeJSON(answer, &out); err != nil {
		return "", err
	}
	if len(out.Repositories) != 1 {
		return "", endpoint.Refuse("RepositoryNotFoundException", "The repository with name '%s' does not exist", name)
	}
	return out.Repositories[0].ImageTagMutability, nil
}

// lifecyclePolicy asks moto for the policy of a repository.
func (u *upstream) lifecyclePolicy(ctx context.Context, region, name string) (string, error) {
	body, err := json.Marshal(map[string]any{"repositoryName": name})
	if err != nil {
		return "", err
	}
	answer, err := u.askJSON(ctx, "ecr", region, ecrTarget+"GetLifecyclePolicy", string(body))
	if err != nil {
		if f, ok := errors.AsType[*endpoint.Failure](asClientError(err)); ok && f.Code == "LifecyclePolicyNotFoundException" {
			return "", nil
		}
		return "", asClientError(err)
	}
	var out struct{ LifecyclePolicyText string }
	err = endpoint.DecodeJSON(answer, &out)
	return out.LifecyclePolicyText, err
}

// asClientError turns moto's error into one that the client may see.
func asClientError(err error) error {
	refused, ok := errors.AsType[*upstreamError](err)
	if !ok {
		return err
	}
	var said struct {
		Type    string `json:"__type"`
		Message string
	}
	if json.Unmarshal([]byte(refused.body), &said) != nil || said.Type == "" {
		return err
	}
	return &endpoint.Failure{Status: refused.status, Code: said.Type[strings.LastIndex(said.Type, "#")+1:], Message: said.Message}
}

// imageID names an image by digest, tag or both.
type imageID struct {
	Digest string `json:"imageDigest,omitempty"`
	Tag    string `json:"imageTag,omitempty"`
}

// imageRequest holds the parameters of all image operations.
type imageRequest struct {
	key    repositoryKey
	mutate string

	RepositoryName         string
	RegistryId             string
	ImageManifest          string
	ImageManifestMediaType string
	ImageTag               string
	ImageDigest            string
	ImageIds               []imageID
	AcceptedMediaTypes     []string
	Filter                 struct{ TagStatus string }
	MaxResults             int
	NextToken              *string
	Force                  bool
}

func (s *images) operations() endpoint.Table {
	table := endpoint.Table{
		"ecr.DeleteRepository": s.deleteRepository,
	}
	for name, op := range map[string]func(*imageRequest) (any, error){
		"PutImage":         s.put,
		"BatchGetImage":    s.get,
		"DescribeImages":   s.describe,
		"ListImages":       s.list,
		"BatchDeleteImage": s.remove,
	} {
		table["ecr."+name] = func(c *endpoint.Call, _ endpoint.Next) (*endpoint.Reply, error) {
			in, err := s.read(c)
			if err != nil {
				return nil, err
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			out, err := op(in)
			if err != nil {
				return nil, err
			}
			return endpoint.JSON(out)
		}
	}
	return table
}

// read reads a request about the images of a repository that exists.
func (s *images) read(c *endpoint.Call) (*imageRequest, error) {
	var in imageRequest
	if err := endpoint.DecodeJSON(c.Body, &in); err != nil {
		return nil, err
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	in.key = repositoryKey{c.Region, in.RepositoryName}
	var err error
	in.mutate, err = s.repository(c.Request.Context(), c.Region, in.RepositoryName)
	return &in, err
}

// imageTag is the pattern of tags.
var imageTag = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`)

// check refuses lists longer than AWS accepts, and malformed tags.
func (in *imageRequest) check() error {
	tags := []string{in.ImageTag}
	for _, id := range in.ImageIds {
		tags = append(tags, id.Tag)
	}
	for _, tag := range tags {
		if tag != "" && !imageTag.MatchString(tag) {
			return endpoint.Refuse("InvalidParameterException", "Invalid parameter at 'imageTag' failed to satisfy constraint: 'must satisfy regular expression '%s'', was %q", imageTag, tag)
		}
	}
	switch {
	case len(in.ImageIds) > 100:
		return endpoint.Refuse("InvalidParameterException", "Invalid parameter at 'imageIds' failed to satisfy constraint: 'Member must have length less than or equal to 100'")
	case in.MaxResults > 1000:
		return endpoint.Refuse("InvalidParameterException", "Invalid parameter at 'maxResults' failed to satisfy constraint: 'Member must have value less than or equal to 1000'")
	}
	return nil
}

// put stores a manifest, tags a stored one, or both.
func (s *images) put(in *imageRequest) (any, error) {
	sum := sha256.Sum256([]byte(in.ImageManifest))
	digest := "sha256:" + hex.EncodeToString(sum[:])
	if in.ImageDigest != "" && in.ImageDigest != digest {
		return nil, endpoint.Refuse("ImageDigestDoesNotMatchException", "The provided digest '%s' does not match the image's, '%s'", in.ImageDigest, digest)
	}
	stored := s.find(in.key, imageID{Digest: digest})
	tagged := s.find(in.key, imageID{Tag: in.ImageTag})
	switch {
	case stored != nil && in.ImageTag == "":
		return nil, endpoint.Refuse("ImageAlreadyExistsException", "Image with digest '%s' already exists in the repository with name '%s' in registry with id '%s'", digest, in.RepositoryName, s.account)
	case stored != nil && stored == tagged:
		return nil, endpoint.Refuse("ImageAlreadyExistsException", "Image with digest '%s' and tag '%s' already exists in the repository with name '%s' in registry with id '%s'", digest, in.ImageTag, in.RepositoryName, s.account)
	case tagged != nil && strings.HasPrefix(in.mutate, "IMMUTABLE"):
		return nil, endpoint.Refuse("ImageTagAlreadyExistsException", "The image tag '%s' already exists in the '%s' repository and cannot be overwritten because the repository is immutable.", in.ImageTag, in.RepositoryName)
	}
	if stored == nil {
		var err error
		if stored, err = newImage(digest, in.ImageManifest, in.ImageManifestMediaType, s.now()); err != nil {
			return nil, err
		}
		for _, reference := range stored.references {
			if s.find(in.key, imageID{Digest: reference}) == nil {
				return nil, endpoint.Refuse("ReferencedImagesNotFoundException", "Images with digests '[%s]' required for pushing image into repository with name '%s' in the registry with id '%s' do not exist", reference, in.RepositoryName, s.account)
			}
		}
		s.repositories[in.key] = append(s.repositories[in.key], stored)
	}
	if in.ImageTag != "" {
		if tagged != nil {
			tagged.untag(in.ImageTag)
		}
		stored.tags = append(stored.tags, in.ImageTag)
		slices.Sort(stored.tags)
	}
	return map[string]any{"image": s.whole(in, stored, in.ImageTag)}, nil
}

// newImage reads an image's properties from its manifest.
func newImage(digest, manifest, mediaType string, pushed time.Time) (*image, error) {
	type part struct {
		Digest string
		Size   int64
	}
	var m struct {
		MediaType string
		Config    part
		Layers    []part
		Manifests []part
	}
	if err := json.Unmarshal([]byte(manifest), &m); err != nil {
		return nil, endpoint.Refuse("InvalidParameterException", "Invalid parameter at 'imageManifest': %s", err)
	}
	if mediaType == "" {
		mediaType = m.MediaType
	}
	if mediaType == "" {
		mediaType = "application/vnd.docker.distribution.manifest.v2+json"
	}
	img := &image{digest: digest, manifest: manifest, mediaType: mediaType, pushed: pushed, size: m.Config.Size}
	for _, l := range m.Layers {
		img.size += l.Size
	}
	for _, l := range m.Manifests {
		img.references = append(img.references, l.Digest)
	}
	return img, nil
}

func (i *image) untag(tag string) {
	i.tags = slices.DeleteFunc(i.tags, func(t string) bool { return t == tag })
}

// find returns the image that an ID names, or nil.
func (s *images) find(key repositoryKey, id imageID) *image {
	if id == (imageID{}) {
		return nil
	}
	for _, i := range s.repositories[key] {
		if (id.Digest == "" || i.digest == id.Digest) && (id.Tag == "" || slices.Contains(i.tags, id.Tag)) {
			return i
		}
	}
	return nil
}

// whole describes an image with its manifest.
func (s *images) whole(in *imageRequest, i *image, tag string) map[string]any {
	return map[string]any{
		"registryId":             s.account,
		"repositoryName":         in.RepositoryName,
		"imageId":                imageID{i.digest, tag},
		"imageManifest":          i.manifest,
		"imageManifestMediaType": i.mediaType,
	}
}

// deleteRepository refuses to delete a repository with images unless forced;
// moto does not know of them.
func (s *images) deleteRepository(c *endpoint.Call, next endpoint.Next) (*endpoint.Reply, error) {
	var in imageRequest
	if err := endpoint.DecodeJSON(c.Body, &in); err != nil {
		return nil, err
	}
	key := repositoryKey{c.Region, in.RepositoryName}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.repositories[key]) > 0 && !in.Force {
		return nil, endpoint.Refuse("RepositoryNotEmptyException", "The repository with name '%s' in registry with id '%s' cannot be deleted because it still contains images", in.RepositoryName, s.account)
	}
	rep, err := next(c)
	if err == nil && rep.Status == http.StatusOK {
		delete(s.repositories, key)
	}
	return rep, err
}

func (s *images) notFound(in *imageRequest, id imageID) error {
	null := func(v string) string {
		if v == "" {
			return "null"
		}
		return v
	}
	return endpoint.Refuse("ImageNotFoundException", "The image with imageId {imageDigest:'%s', imageTag:'%s'} does not exist within the repository with name '%s' in the registry with id '%s'",
		null(id.Digest), null(id.Tag), in.RepositoryName, s.account)
}

// manifest returns the manifest of an image by its digest, from the repository
// that the reference names.
func (s *images) manifest(reference, digest string) (string, error) {
	key, _, err := s.parseReference(reference)
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.find(key, imageID{Digest: digest})
	if i == nil {
		return "", fmt.Errorf("pull image manifest has been retried 1 time(s): failed to resolve ref %s (%s): not found", reference, digest)
	}
	return i.manifest, nil
}
