package ecs

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"

	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

// Register registers a copy of a template that runs a given image.
func (e *Environment) Register(ctx context.Context, r deploy.Revision) (string, error) {
	out, err := e.ecs.DescribeTaskDefinition(ctx, &sdk.DescribeTaskDefinitionInput{
		TaskDefinition: &r.Template,
		Include:        []types.TaskDefinitionField{types.TaskDefinitionFieldTags},
	})
	if err != nil {
		return "", failed(ctx, err, "register task definition of %s: read template %s", r.Name, short(r.Template))
	}
	in := clone(out.TaskDefinition)
	in.Tags = mergeTags(out.Tags, r.Tags)
	container := slices.IndexFunc(in.ContainerDefinitions, func(c types.ContainerDefinition) bool { return value(c.Name) == r.Name })
	if container < 0 {
		return "", fmt.Errorf("register task definition of %s: template %s has no container of that name", r.Name, short(r.Template))
	}
	in.ContainerDefinitions[container].Image = &r.Image
	registered, err := e.ecs.RegisterTaskDefinition(ctx, in)
	if err != nil {
		return "", failed(ctx, err, "register task definition of %s", r.Name)
	}
	return *registered.TaskDefinition.TaskDefinitionArn, nil
}

// clone is the input that registers the same task definition again. What it
// leaves out is what ECS adds by itself.
func clone(d *types.TaskDefinition) *sdk.RegisterTaskDefinitionInput {
	return &sdk.RegisterTaskDefinitionInput{
		ContainerDefinitions:    slices.Clone(d.ContainerDefinitions),
		Cpu:                     d.Cpu,
		EnableFaultInjection:    d.EnableFaultInjection,
		EphemeralStorage:        d.EphemeralStorage,
		ExecutionRoleArn:        d.ExecutionRoleArn,
		Family:                  d.Family,
		InferenceAccelerators:   d.InferenceAccelerators, //nolint:staticcheck // AWS no longer offers it, but a copy must lose nothing
		IpcMode:                 d.IpcMode,
		Memory:                  d.Memory,
		NetworkMode:             d.NetworkMode,
		PidMode:                 d.PidMode,
		PlacementConstraints:    d.PlacementConstraints,
		ProxyConfiguration:      d.ProxyConfiguration,
		RequiresCompatibilities: d.RequiresCompatibilities,
		RuntimePlatform:         d.RuntimePlatform,
		TaskRoleArn:             d.TaskRoleArn,
		Volumes:                 d.Volumes,
	}
}

// mergeTags puts tags over those that a template has, in the order of their
// keys. Tags of AWS's own are left out: nobody else may set them.
func mergeTags(template []types.Tag, own map[string]string) []types.Tag {
	all := map[string]string{}
	for _, t := range template {
		if !strings.HasPrefix(value(t.Key), "aws:") {
			all[value(t.Key)] = value(t.Value)
		}
	}
	maps.Copy(all, own)
	var tags []types.Tag
	for _, key := range slices.Sorted(maps.Keys(all)) {
		tags = append(tags, types.Tag{Key: &key, Value: new(all[key])})
	}
	return tags
}

// DescribeTaskDefinitions returns them by ARN: one call each, which is all that
// ECS has.
func (e *Environment) DescribeTaskDefinitions(ctx context.Context, arns []string) (map[string]deploy.TaskDefinition, error) {
	var mu sync.Mutex
	found := map[string]deploy.TaskDefinition{}
	err := each(ctx, distinct(arns), func(ctx context.Context, arn string) error {
		out, err := e.ecs.DescribeTaskDefinition(ctx, &sdk.DescribeTaskDefinitionInput{TaskDefinition: &arn})
		if code, message := saidBy(err); code == "ClientException" && strings.Contains(message, "Unable to describe task definition") {
			return nil // ECS has no other word for not found
		}
		if err != nil {
			return failed(ctx, err, "describe task definition %s", short(arn))
		}
		mu.Lock()
		defer mu.Unlock()
		found[arn] = deploy.TaskDefinition{
			ARN:    *out.TaskDefinition.TaskDefinitionArn,
			Active: out.TaskDefinition.Status == types.TaskDefinitionStatusActive,
			Image:  e.imageOf(out.TaskDefinition),
		}
		return nil
	})
	return found, err
}

// imageOf is the image of the container that the family is named for.
func (e *Environment) imageOf(d *types.TaskDefinition) string {
	name := e.nameOf(value(d.TaskDefinitionArn))
	for _, c := range d.ContainerDefinitions {
		if value(c.Name) == name {
			return value(c.Image)
		}
	}
	return ""
}

// nameOf is the service or one-off task that a task definition belongs to, and
// its container.
func (e *Environment) nameOf(taskDefinition string) string {
	family, _, _ := strings.Cut(short(taskDefinition), ":")
	return strings.TrimPrefix(family, e.platform.Family(e.name, ""))
}

// short is the last part of an ARN: "family:7" of a task definition.
func short(arn string) string { return arn[strings.LastIndex(arn, "/")+1:] }

// distinct leaves out what is empty or was there before.
func distinct(arns []string) iter.Seq[string] {
	return func(yield func(string) bool) {
		seen := map[string]bool{"": true}
		for _, arn := range arns {
			if seen[arn] {
				continue
			}
			seen[arn] = true
			if !yield(arn) {
				return
			}
		}
	}
}
