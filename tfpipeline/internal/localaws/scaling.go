package localaws

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/specboard/platform/tfpipeline/internal/endpoint"
)

// scaling is Application Auto Scaling. moto has targets and policies, and
// neither tags (the provider lists them after each creation) nor activities;
// it also looks for the ECS service in its own ECS, which is not the one that
// answers. Targets and policies are kept here and scale nothing.
type scaling struct {
	account string
	// exists reports whether an ECS service is there.
	exists func(ctx context.Context, region, cluster, service string) (bool, error)

	mu       sync.Mutex
	targets  map[scalable]*scalableTarget
	policies map[scalable]map[string]*scalingPolicy // by name
	actions  map[scalable]map[string]*scheduledAction
	tags     map[string]map[string]string // ARN → tags
	created  int
}

// scalable names what is scaled: the DesiredCount of one ECS service.
type scalable struct {
	region string

	ServiceNamespace  string
	ResourceId        string
	ScalableDimension string
}

type scalableTarget struct {
	ServiceNamespace  string
	ResourceId        string
	ScalableDimension string
	MinCapacity       int
	MaxCapacity       int
	RoleARN           string
	ScalableTargetARN string
	SuspendedState    map[string]bool
	CreationTime      endpoint.Seconds
}

type scalingPolicy struct {
	PolicyARN         string
	PolicyName        string
	PolicyType        string
	ServiceNamespace  string
	ResourceId        string
	ScalableDimension string
	// Configurations are given back as they came.
	StepScalingPolicyConfiguration           json.RawMessage `json:",omitempty"`
	TargetTrackingScalingPolicyConfiguration json.RawMessage `json:",omitempty"`
	PredictiveScalingPolicyConfiguration     json.RawMessage `json:",omitempty"`
	Alarms                                   []struct{}
	CreationTime                             endpoint.Seconds
}

type scheduledAction struct {
	ScheduledActionARN   string
	ScheduledActionName  string
	ServiceNamespace     string
	ResourceId           string
	ScalableDimension    string
	Schedule             string
	Timezone             string          `json:",omitempty"`
	StartTime            json.RawMessage `json:",omitempty"`
	EndTime              json.RawMessage `json:",omitempty"`
	ScalableTargetAction json.RawMessage `json:",omitempty"`
	CreationTime         endpoint.Seconds
}

func newScaling(account string, exists func(ctx context.Context, region, cluster, service string) (bool, error)) *scaling {
	return &scaling{
		account:  account,
		exists:   exists,
		targets:  map[scalable]*scalableTarget{},
		policies: map[scalable]map[string]*scalingPolicy{},
		actions:  map[scalable]map[string]*scheduledAction{},
		tags:     map[string]map[string]string{},
	}
}

func (s *scaling) operations() endpoint.Table {
	table := endpoint.Table{}
	for name, op := range map[string]func(*endpoint.Call) (any, error){
		"RegisterScalableTarget":    s.register,
		"DescribeScalableTargets":   s.describeTargets,
		"DeregisterScalableTarget":  s.deregister,
		"PutScalingPolicy":          s.putPolicy,
		"DescribeScalingPolicies":   s.describePolicies,
		"DeleteScalingPolicy":       s.deletePolicy,
		"PutScheduledAction":        s.putAction,
		"DescribeScheduledActions":  s.describeActions,
		"DeleteScheduledAction":     s.deleteAction,
		"DescribeScalingActivities": s.describeActivities,
		"ListTagsForResource":       s.listTags,
		"TagResource":               s.tag,
		"UntagResource":             s.untag,
	} {
		table["application-autoscaling."+name] = func(c *endpoint.Call, _ endpoint.Next) (*endpoint.Reply, error) {
			out, err := op(c)
			if err != nil {
				return nil, err
			}
			return endpoint.JSON(out)
		}
	}
	table["application-autoscaling.*"] = func(c *endpoint.Call, _ endpoint.Next) (*endpoint.Reply, error) {
		return nil, notModelled(c.Service, c.Operation)
	}
	return table
}

func (s *scaling) register(c *endpoint.Call) (any, error) {
	var in struct {
		scalable
		MinCapacity, MaxCapacity *int
		RoleARN                  string
		SuspendedState           map[string]bool
		Tags                     map[string]string
	}
	if err := endpoint.DecodeJSON(c.Body, &in); err != nil {
		return nil, err
	}
	in.region = c.Region
	if in.ServiceNamespace != "ecs" || in.ScalableDimension != "ecs:service:DesiredCount" {
		return nil, endpoint.Refuse("ValidationException", "the local endpoint scales ecs:service:DesiredCount only, not %s of %s", in.ScalableDimension, in.ServiceNamespace)
	}
	parts := strings.Split(in.ResourceId, "/")
	if len(parts) != 3 || parts[0] != "service" {
		return nil, endpoint.Refuse("ValidationException", "Unsupported service namespace, resource type or scalable dimension")
	}
	found, err := s.exists(c.Request.Context(), c.Region, parts[1], parts[2])
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, endpoint.Refuse("ValidationException", "ECS service doesn't exist: %s", in.ResourceId)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	target := s.targets[in.scalable]
	if target == nil {
		if in.MinCapacity == nil || in.MaxCapacity == nil {
			return nil, endpoint.Refuse("ValidationException", "a new scalable target needs a minimum and a maximum capacity")
		}
		s.created++
		target = &scalableTarget{
			ServiceNamespace: in.ServiceNamespace, ResourceId: in.ResourceId, ScalableDimension: in.ScalableDimension,
			RoleARN:           fmt.Sprintf("arn:aws:iam::%s:role/aws-service-role/ecs.application-autoscaling.amazonaws.com/AWSServiceRoleForApplicationAutoScaling_ECSService", s.account),
			ScalableTargetARN: fmt.Sprintf("arn:aws:application-autoscaling:%s:%s:scalable-target/0ec5%012x", c.Region, s.account, s.created),
			SuspendedState: map[string]bool{
				"DynamicScalingInSuspended": false, "DynamicScalingOutSuspended": false, "ScheduledScalingSuspended": false,
			},
			CreationTime: endpoint.Seconds{Time: time.Now()},
		}
	}
	low, high := target.MinCapacity, target.MaxCapacity
	if in.MinCapacity != nil {
		low = *in.MinCapacity
	}
	if in.MaxCapacity != nil {
		high = *in.MaxCapacity
	}
	if low < 0 || low > high {
		return nil, endpoint.Refuse("ValidationException", "Maximum capacity cannot be less than minimum capacity")
	}
	target.MinCapacity, target.MaxCapacity = low, high
	if in.RoleARN != "" {
		target.RoleARN = in.RoleARN
	}
	maps.Copy(target.SuspendedState, in.SuspendedState)
	s.targets[in.scalable] = target
	s.addTags(target.ScalableTargetARN, in.Tags)
	return map[string]string{"ScalableTargetARN": target.ScalableTargetARN}, nil
}

func (s *scaling) describeTargets(c *endpoint.Call) (any, error) {
	var in scalingQuery
	if err := in.read(c); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found := []*scalableTarget{}
	for _, key := range in.matching(s.targets) {
		found = append(found, s.targets[key])
	}
	part, next, err := endpoint.Page(found, in.NextToken, in.MaxResults)
	return map[string]any{"ScalableTargets": part, "NextToken": next}, err
}

func (s *scaling) deregister(c *endpoint.Call) (any, error) {
	var in scalable
	if err := endpoint.DecodeJSON(c.Body, &in); err != nil {
		return nil, err
	}
	in.region = c.Region
	s.mu.Lock()
	defer s.mu.Unlock()
	target, ok := s.targets[in]
	if !ok {
		return nil, endpoint.Refuse("ObjectNotFoundException", "No scalable target found for service namespace: %s, resource ID: %s, scalable dimension: %s", in.ServiceNamespace, in.ResourceId, in.ScalableDimension)
	}
	// Its policies and scheduled actions go with it.
	delete(s.tags, target.ScalableTargetARN)
	delete(s.targets, in)
	delete(s.policies, in)
	delete(s.actions, in)
	return struct{}{}, nil
}

// scalingQuery is what the Describe operations can be asked.
type scalingQuery struct {
	ServiceNamespace     string
	ResourceId           string
	ResourceIds          []string
	ScalableDimension    string
	PolicyNames          []string
	ScheduledActionNames []string
	MaxResults           int
	NextToken            *string
	region               string
}

func (q *scalingQuery) read(c *endpoint.Call) error {
	q.region = c.Region
	if err := endpoint.DecodeJSON(c.Body, q); err != nil {
		return err
	}
	if q.ResourceId != "" {
		q.ResourceIds = append(q.ResourceIds, q.ResourceId)
	}
	return nil
}

// matching returns the keys of the targets that are asked for, by resource.
func (q *scalingQuery) matching(targets map[scalable]*scalableTarget) []scalable {
	var keys []scalable
	for key := range targets {
		if key.region == q.region && key.ServiceNamespace == q.ServiceNamespace &&
			(q.ScalableDimension == "" || q.ScalableDimension == key.ScalableDimension) &&
			(len(q.ResourceIds) == 0 || slices.Contains(q.ResourceIds, key.ResourceId)) {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(a, b scalable) int { return cmp.Compare(a.ResourceId, b.ResourceId) })
	return keys
}
