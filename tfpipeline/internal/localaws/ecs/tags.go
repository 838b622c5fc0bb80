package ecs

import (
	"slices"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// Tags: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-using-tags.html

func validateTags(tags []types.Tag) error {
	if len(tags) > 50 {
		return refuse(invalidParameter, "Resources can have at most 50 tags.")
	}
	seen := map[string]bool{}
	for _, t := range tags {
		key := value(t.Key)
		switch {
		case key == "" || len(key) > 128 || len(value(t.Value)) > 256:
			return refuse(invalidParameter, "Tag %q: a key has 1 to 128 characters, a value at most 256.", key)
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			return refuse(invalidParameter, "Tag %q: aws: is reserved.", key)
		case !tagRule.MatchString(key) || !tagRule.MatchString(value(t.Value)):
			return refuse(invalidParameter, "Tag '%s=%s' contains invalid characters: letters, numbers, spaces and + - = . _ : / @ are allowed.", key, value(t.Value))
		case seen[key]:
			return refuse(invalidParameter, "Tag %q: is given twice.", key)
		}
		seen[key] = true
	}
	return nil
}

// tagged finds the tags of a resource by its ARN.
func (m *model) tagged(arn *string) (*[]types.Tag, error) {
	gone := refuse(invalidParameter, "The specified resource does not exist: %s", value(arn))
	_, resource, _ := strings.Cut(value(arn), ":ecs:")
	parts := strings.SplitN(resource, ":", 3)
	if len(parts) < 3 {
		return nil, gone
	}
	kind, _, _ := strings.Cut(parts[2], "/")
	switch kind {
	case "cluster":
		if c, err := m.cluster(arn); err == nil {
			return &c.tags, nil
		}
	case "task-definition":
		if d, err := m.taskDefinition(arn); err == nil {
			return &d.tags, nil
		}
	case "service":
		for _, s := range m.services {
			if s.arn() == *arn && s.status() != "INACTIVE" {
				return &s.tags, nil
			}
		}
	case "task":
		for _, t := range m.tasks {
			if t.arn() == *arn {
				return &t.tags, nil
			}
		}
	}
	return nil, gone
}

func (r *Runtime) tagResource(in *sdk.TagResourceInput) (*sdk.TagResourceOutput, error) {
	tags, err := r.tagged(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	if err := validateTags(in.Tags); err != nil {
		return nil, err
	}
	for _, t := range in.Tags {
		*tags = append(without(*tags, *t.Key), t)
	}
	return &sdk.TagResourceOutput{}, nil
}

func (r *Runtime) untagResource(in *sdk.UntagResourceInput) (*sdk.UntagResourceOutput, error) {
	tags, err := r.tagged(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	*tags = without(*tags, in.TagKeys...)
	return &sdk.UntagResourceOutput{}, nil
}

func (r *Runtime) listTagsForResource(in *sdk.ListTagsForResourceInput) (*sdk.ListTagsForResourceOutput, error) {
	tags, err := r.tagged(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return &sdk.ListTagsForResourceOutput{Tags: orEmpty(*tags)}, nil
}

func without(tags []types.Tag, keys ...string) []types.Tag {
	return slices.DeleteFunc(slices.Clone(tags), func(t types.Tag) bool { return slices.Contains(keys, value(t.Key)) })
}
