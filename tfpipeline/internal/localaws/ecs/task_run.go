package ecs

import (
	"encoding/json"
	"slices"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html
// Idempotency: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/ECS_Idempotency.html

// tokenUse is a request that was made with a client token.
type tokenUse struct {
	at      time.Time
	request string
	tasks   []*task
}

// tokenLife is how long a token is remembered, unless an hour has passed since
// the last of its tasks stopped.
const tokenLife = 24 * time.Hour

func (u *tokenUse) valid(now time.Time) bool {
	if !now.Before(u.at.Add(tokenLife)) {
		return false
	}
	return slices.ContainsFunc(u.tasks, func(t *task) bool {
		return t.api.StoppedAt == nil || now.Before(t.api.StoppedAt.Add(forgetAfter))
	})
}

func (r *Runtime) runTask(in *sdk.RunTaskInput) (*sdk.RunTaskOutput, error) {
	c, err := r.cluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	key := c.name() + " " + value(in.ClientToken)
	request, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	if use := r.tokens[key]; value(in.ClientToken) != "" && use != nil && use.valid(r.agenda.now) {
		if use.request != string(request) {
			return nil, refuse("ConflictException", "The request with the client token %s has other parameters than the one before.", *in.ClientToken)
		}
		return tasksStarted(use.tasks, nil), nil
	}
	def, err := r.usable(in.TaskDefinition)
	if err != nil {
		return nil, err
	}
	if err := checkRun(in, def); err != nil {
		return nil, err
	}
	count := 1
	if in.Count != nil {
		count = int(*in.Count)
	}
	var tasks []*task
	failures := []types.Failure{}
	for range count {
		t := r.oneOff(c, def, in)
		if err := r.options.Launcher.Place(t.launch); err != nil {
			failures = append(failures, types.Failure{Reason: new(err.Error())})
			continue
		}
		r.add(t)
		tasks = append(tasks, t)
	}
	if value(in.ClientToken) != "" && len(tasks) > 0 {
		r.tokens[key] = &tokenUse{r.agenda.now, string(request), tasks}
	}
	return tasksStarted(tasks, failures), nil
}

func tasksStarted(tasks []*task, failures []types.Failure) *sdk.RunTaskOutput {
	out := &sdk.RunTaskOutput{Tasks: []types.Task{}, Failures: orEmpty(failures)}
	for _, t := range tasks {
		out.Tasks = append(out.Tasks, t.api)
	}
	return out
}

func checkRun(in *sdk.RunTaskInput, def *taskDefinition) error {
	if in.Count != nil && (*in.Count < 1 || *in.Count > 10) {
		return refuse(invalidParameter, "Count must be between 1 and 10.")
	}
	if in.LaunchType != "" && in.LaunchType != types.LaunchTypeFargate {
		return unmodelled("launch type %s", in.LaunchType)
	}
	if in.LaunchType != "" && len(in.CapacityProviderStrategy) > 0 {
		return refuse(invalidParameter, "Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again.")
	}
	if !startedByRule.MatchString(value(in.StartedBy)) {
		return refuse(invalidParameter, "startedBy: up to 128 letters, numbers, hyphens, forward slashes and underscores are allowed.")
	}
	if !tokenRule.MatchString(value(in.ClientToken)) {
		return refuse(invalidParameter, "clientToken: up to 64 ASCII characters in the range of 33-126 are allowed.")
	}
	vpc := value(in.NetworkConfiguration).AwsvpcConfiguration
	if def.api.NetworkMode == types.NetworkModeAwsvpc && (vpc == nil || len(vpc.Subnets) == 0) {
		return refuse(invalidParameter, "Network Configuration must be provided when networkMode 'awsvpc' is specified.")
	}
	if in.Overrides != nil {
		for _, o := range in.Overrides.ContainerOverrides {
			if def.container(value(o.Name)) == nil {
				return refuse(invalidParameter, "Override for container named %s is not a container in the TaskDefinition.", value(o.Name))
			}
		}
	}
	return validateTags(in.Tags)
}

// oneOff creates a task for RunTask.
func (m *model) oneOff(c *cluster, def *taskDefinition, in *sdk.RunTaskInput) *task {
	t := m.newTask(c, def)
	t.visible = m.agenda.now.Add(m.options.Pace.Visible)
	t.api.Group = in.Group
	if in.Group == nil {
		t.api.Group = new("family:" + t.family())
	}
	t.api.StartedBy = in.StartedBy
	t.api.EnableExecuteCommand = in.EnableExecuteCommand
	t.tags = slices.Clone(in.Tags)
	if in.PropagateTags == types.PropagateTagsTaskDefinition {
		t.tags = append(t.tags, def.tags...)
	}
	t.launch.StartedBy, t.launch.At = value(in.StartedBy), m.agenda.now
	if in.Overrides != nil {
		t.api.Overrides = in.Overrides
		t.launch.Definition.ContainerDefinitions = overridden(def.api.ContainerDefinitions, in.Overrides.ContainerOverrides)
	}
	return t
}

// overridden returns container definitions with a task's overrides applied.
func overridden(definitions []types.ContainerDefinition, overrides []types.ContainerOverride) []types.ContainerDefinition {
	out := slices.Clone(definitions)
	for i := range out {
		for _, o := range overrides {
			if value(o.Name) != value(out[i].Name) {
				continue
			}
			if o.Command != nil {
				out[i].Command = o.Command
			}
			environment := slices.Clone(out[i].Environment)
			for _, e := range o.Environment {
				environment = slices.DeleteFunc(environment, func(old types.KeyValuePair) bool { return value(old.Name) == value(e.Name) })
				environment = append(environment, e)
			}
			out[i].Environment = environment
		}
	}
	return out
}

// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeTasks.html
func (r *Runtime) describeTasks(in *sdk.DescribeTasksInput) (*sdk.DescribeTasksOutput, error) {
	c, err := r.cluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	if n := len(in.Tasks); n == 0 || n > 100 {
		return nil, refuse(invalidParameter, "Tasks must have between 1 and 100 entries.")
	}
	out := &sdk.DescribeTasksOutput{Tasks: []types.Task{}, Failures: []types.Failure{}}
	for _, reference := range in.Tasks {
		t := r.task(c, reference)
		var described types.Task
		ok := t != nil
		if ok {
			described, ok = r.reads.seenTask(t)
		}
		if !ok {
			out.Failures = append(out.Failures, missing(r.arn("task/%s/%s", c.name(), lastPart(reference))))
			continue
		}
		described.Tags = []types.Tag{}
		if slices.Contains(in.Include, types.TaskFieldTags) {
			described.Tags = orEmpty(t.tags)
		}
		out.Tasks = append(out.Tasks, described)
	}
	return out, nil
}

// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListTasks.html
// Without a desired status it lists the tasks that are to run.
func (r *Runtime) listTasks(in *sdk.ListTasksInput) (*sdk.ListTasksOutput, error) {
	c, err := r.cluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	if in.ServiceName != nil && r.service(c, *in.ServiceName) == nil {
		return nil, refuse("ServiceNotFoundException", "Service not found.")
	}
	status := string(in.DesiredStatus)
	if status == "" {
		status = "RUNNING"
	}
	arns := []string{}
	for _, t := range r.tasks {
		if t.cluster != c ||
			in.ServiceName != nil && (t.service == nil || t.service.name() != lastPart(*in.ServiceName)) ||
			in.Family != nil && t.family() != *in.Family ||
			in.StartedBy != nil && value(t.api.StartedBy) != *in.StartedBy ||
			r.reads.listed(t) != status {
			continue
		}
		arns = append(arns, t.arn())
	}
	arns, next, err := page(arns, in.MaxResults, 100, 100, in.NextToken)
	return &sdk.ListTasksOutput{TaskArns: arns, NextToken: next}, err
}
