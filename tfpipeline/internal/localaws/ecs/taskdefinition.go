package ecs

import (
	"slices"
	"strconv"
	"strings"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// Task definitions: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_definitions.html
// and, for their states, https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deregister-task-definition-v2.html
// and https://docs.aws.amazon.com/AmazonECS/latest/developerguide/delete-task-definition-v2.html.
// Not modelled: the ten minutes for which an INACTIVE revision may still be
// used; it cannot be from the start.

// family is all revisions of a name; the first has index 0 and number 1.
type family struct {
	name      string
	revisions []*taskDefinition
}

type taskDefinition struct {
	api  types.TaskDefinition
	tags []types.Tag
}

func (d *taskDefinition) arn() string { return *d.api.TaskDefinitionArn }

// short is family:revision, as events name it.
func (d *taskDefinition) short() string { return lastPart(d.arn()) }

func (d *taskDefinition) active() bool { return d.api.Status == types.TaskDefinitionStatusActive }

// container finds a container definition.
func (d *taskDefinition) container(name string) *types.ContainerDefinition {
	for i := range d.api.ContainerDefinitions {
		if value(d.api.ContainerDefinitions[i].Name) == name {
			return &d.api.ContainerDefinitions[i]
		}
	}
	return nil
}

// stopTimeout is the longest time that a container has between SIGTERM and
// SIGKILL: 30 s unless the definition says otherwise.
func (d *taskDefinition) stopTimeout() time.Duration {
	longest := time.Duration(0)
	for _, c := range d.api.ContainerDefinitions {
		t := 30 * time.Second
		if c.StopTimeout != nil {
			t = time.Duration(*c.StopTimeout) * time.Second
		}
		longest = max(longest, t)
	}
	return longest
}

// checksHealth reports whether a container has its own health check.
func (d *taskDefinition) checksHealth() bool {
	return slices.ContainsFunc(d.api.ContainerDefinitions, func(c types.ContainerDefinition) bool { return c.HealthCheck != nil })
}

// taskDefinition finds a revision in any state, by family (its latest ACTIVE
// revision), family:revision, or ARN.
func (m *model) taskDefinition(reference *string) (*taskDefinition, error) {
	unable := refuse(clientException, "Unable to describe task definition.")
	name, revision, numbered := strings.Cut(lastPart(value(reference)), ":")
	f := m.families[name]
	if f == nil {
		return nil, unable
	}
	if !numbered {
		for _, d := range slices.Backward(f.revisions) {
			if d.active() {
				return d, nil
			}
		}
		return nil, unable
	}
	n, err := strconv.Atoi(revision)
	if err != nil || n < 1 || n > len(f.revisions) || f.revisions[n-1] == nil {
		return nil, unable
	}
	return f.revisions[n-1], nil
}

// usable finds a revision from which tasks may be started.
func (m *model) usable(reference *string) (*taskDefinition, error) {
	if value(reference) == "" {
		return nil, refuse(invalidParameter, "TaskDefinition cannot be empty.")
	}
	d, err := m.taskDefinition(reference)
	if err != nil {
		return nil, refuse(clientException, "TaskDefinition not found.")
	}
	if !d.active() {
		return nil, refuse(clientException, "TaskDefinition is inactive")
	}
	return d, nil
}

func (r *Runtime) registerTaskDefinition(in *sdk.RegisterTaskDefinitionInput) (*sdk.RegisterTaskDefinitionOutput, error) {
	if err := validate(in); err != nil {
		return nil, err
	}
	f := r.families[*in.Family]
	if f == nil {
		f = &family{name: *in.Family}
		r.families[f.name] = f
	}
	revision := int32(len(f.revisions) + 1)
	arn := r.arn("task-definition/%s:%d", f.name, revision)
	compatible := []types.Compatibility{types.CompatibilityEc2}
	if slices.Contains(in.RequiresCompatibilities, types.CompatibilityFargate) {
		compatible = append(compatible, types.CompatibilityFargate)
	}
	d := &taskDefinition{tags: in.Tags, api: types.TaskDefinition{
		TaskDefinitionArn: &arn, Family: &f.name, Revision: revision,
		Status:                  types.TaskDefinitionStatusActive,
		ContainerDefinitions:    containerDefinitions(in),
		Cpu:                     in.Cpu,
		Memory:                  in.Memory,
		EphemeralStorage:        in.EphemeralStorage,
		EnableFaultInjection:    in.EnableFaultInjection,
		ExecutionRoleArn:        in.ExecutionRoleArn,
		TaskRoleArn:             in.TaskRoleArn,
		NetworkMode:             in.NetworkMode,
		IpcMode:                 in.IpcMode,
		PidMode:                 in.PidMode,
		PlacementConstraints:    orEmpty(in.PlacementConstraints),
		ProxyConfiguration:      in.ProxyConfiguration,
		RequiresCompatibilities: in.RequiresCompatibilities,
		Compatibilities:         compatible,
		RuntimePlatform:         in.RuntimePlatform,
		Volumes:                 orEmpty(in.Volumes),
		RegisteredAt:            new(r.agenda.now),
		RegisteredBy:            new("arn:aws:iam::" + r.options.Account + ":root"),
	}}
	f.revisions = append(f.revisions, d)
	return &sdk.RegisterTaskDefinitionOutput{TaskDefinition: &d.api, Tags: orEmpty(d.tags)}, nil
}

// containerDefinitions adds ECS's defaults to the given definitions.
func containerDefinitions(in *sdk.RegisterTaskDefinitionInput) []types.ContainerDefinition {
	out := slices.Clone(in.ContainerDefinitions)
	for i := range out {
		c := &out[i]
		if c.Essential == nil {
			c.Essential = new(true)
		}
		c.Environment = orEmpty(c.Environment)
		c.MountPoints = orEmpty(c.MountPoints)
		c.VolumesFrom = orEmpty(c.VolumesFrom)
		c.SystemControls = orEmpty(c.SystemControls)
		c.PortMappings = slices.Clone(orEmpty(c.PortMappings))
		for j := range c.PortMappings {
			p := &c.PortMappings[j]
			if p.Protocol == "" {
				p.Protocol = types.TransportProtocolTcp
			}
			if p.HostPort == nil && in.NetworkMode == types.NetworkModeAwsvpc {
				p.HostPort = p.ContainerPort
			}
		}
	}
	return out
}

func (r *Runtime) describeTaskDefinition(in *sdk.DescribeTaskDefinitionInput) (*sdk.DescribeTaskDefinitionOutput, error) {
	d, err := r.taskDefinition(in.TaskDefinition)
	if err != nil {
		return nil, err
	}
	out := &sdk.DescribeTaskDefinitionOutput{TaskDefinition: &d.api, Tags: []types.Tag{}}
	if slices.Contains(in.Include, types.TaskDefinitionFieldTags) {
		out.Tags = orEmpty(d.tags)
	}
	return out, nil
}

func (r *Runtime) deregisterTaskDefinition(in *sdk.DeregisterTaskDefinitionInput) (*sdk.DeregisterTaskDefinitionOutput, error) {
	if !strings.Contains(lastPart(value(in.TaskDefinition)), ":") {
		return nil, refuse(invalidParameter, "Invalid revision number. Revision is required to deregister a task definition")
	}
	d, err := r.taskDefinition(in.TaskDefinition)
	if err != nil {
		return nil, refuse(clientException, "The specified task definition does not exist. Specify a valid account, family, revision and try again.")
	}
	if d.active() {
		d.api.Status = types.TaskDefinitionStatusInactive
		d.api.DeregisteredAt = new(r.agenda.now)
	}
	return &sdk.DeregisterTaskDefinitionOutput{TaskDefinition: &d.api}, nil
}

// deleteTaskDefinitions moves INACTIVE revisions to DELETE_IN_PROGRESS. They
// disappear when nothing uses them and an hour has passed (our reading: AWS
// does not say when).
func (r *Runtime) deleteTaskDefinitions(in *sdk.DeleteTaskDefinitionsInput) (*sdk.DeleteTaskDefinitionsOutput, error) {
	if len(in.TaskDefinitions) == 0 || len(in.TaskDefinitions) > 10 {
		return nil, refuse(invalidParameter, "TaskDefinitions must have between 1 and 10 entries.")
	}
	out := &sdk.DeleteTaskDefinitionsOutput{TaskDefinitions: []types.TaskDefinition{}, Failures: []types.Failure{}}
	for _, reference := range in.TaskDefinitions {
		d, err := r.taskDefinition(&reference)
		switch {
		case err != nil:
			out.Failures = append(out.Failures, types.Failure{Arn: &reference, Reason: new("The specified task definition does not exist. Specify a valid account, family, revision and try again.")})
			continue
		case d.active():
			out.Failures = append(out.Failures, types.Failure{Arn: new(d.arn()), Reason: new("The specified task definition is still in ACTIVE status. Please deregister the target and try again.")})
			continue
		}
		d.api.Status = types.TaskDefinitionStatusDeleteInProgress
		d.api.DeleteRequestedAt = new(r.agenda.now)
		r.after(time.Hour, func() { r.forgetTaskDefinition(d) })
		out.TaskDefinitions = append(out.TaskDefinitions, d.api)
	}
	return out, nil
}

func (m *model) forgetTaskDefinition(d *taskDefinition) {
	used := slices.ContainsFunc(m.tasks, func(t *task) bool { return t.def == d && t.last() != "STOPPED" })
	for _, s := range m.services {
		used = used || slices.ContainsFunc(s.deployments, func(p *deployment) bool { return p.shape.def == d })
	}
	if used {
		m.after(time.Hour, func() { m.forgetTaskDefinition(d) })
		return
	}
	f := m.families[*d.api.Family]
	f.revisions[d.api.Revision-1] = nil
}
