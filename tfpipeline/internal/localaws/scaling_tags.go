package localaws

import (
	"maps"

	"github.com/specboard/platform/tfpipeline/internal/endpoint"
)

// tagRequest is what the tag operations are asked.
type tagRequest struct {
	ResourceARN string
	Tags        map[string]string
	TagKeys     []string
}

// taggable reads a request about the tags of a target that exists. The lock is
// held.
func (s *scaling) taggable(c *endpoint.Call) (in tagRequest, err error) {
	if err := endpoint.DecodeJSON(c.Body, &in); err != nil {
		return in, err
	}
	for _, target := range s.targets {
		if target.ScalableTargetARN == in.ResourceARN {
			return in, nil
		}
	}
	return in, endpoint.Refuse("ResourceNotFoundException", "The resource doesn't exist: %s", in.ResourceARN)
}

// listTags is what the provider asks after each creation and refresh of a
// scalable target; moto answers it with a 500.
func (s *scaling) listTags(c *endpoint.Call) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	in, err := s.taggable(c)
	if err != nil {
		return nil, err
	}
	tags := map[string]string{}
	maps.Copy(tags, s.tags[in.ResourceARN])
	return map[string]any{"Tags": tags}, nil
}

func (s *scaling) tag(c *endpoint.Call) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	in, err := s.taggable(c)
	if err != nil {
		return nil, err
	}
	s.addTags(in.ResourceARN, in.Tags)
	return struct{}{}, nil
}

func (s *scaling) untag(c *endpoint.Call) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	in, err := s.taggable(c)
	if err != nil {
		return nil, err
	}
	for _, key := range in.TagKeys {
		delete(s.tags[in.ResourceARN], key)
	}
	return struct{}{}, nil
}

// addTags adds to the tags of a resource. The lock is held.
func (s *scaling) addTags(arn string, tags map[string]string) {
	if s.tags[arn] == nil {
		s.tags[arn] = map[string]string{}
	}
	maps.Copy(s.tags[arn], tags)
}
