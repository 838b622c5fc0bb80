package localaws

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/specboard/platform/tfpipeline/internal/endpoint"
)

func (s *scaling) putPolicy(c *endpoint.Call) (any, error) {
	var in struct {
		scalable
		PolicyName, PolicyType                   string
		StepScalingPolicyConfiguration           json.RawMessage
		TargetTrackingScalingPolicyConfiguration json.RawMessage
		PredictiveScalingPolicyConfiguration     json.RawMessage
	}
	if err := endpoint.DecodeJSON(c.Body, &in); err != nil {
		return nil, err
	}
	in.region = c.Region
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.known(in.scalable); err != nil {
		return nil, err
	}
	if s.policies[in.scalable] == nil {
		s.policies[in.scalable] = map[string]*scalingPolicy{}
	}
	policy := s.policies[in.scalable][in.PolicyName]
	if policy == nil {
		s.created++
		policy = &scalingPolicy{
			PolicyARN: fmt.Sprintf("arn:aws:autoscaling:%s:%s:scalingPolicy:00000000-0000-4000-8000-%012x:resource/ecs/%s:policyName/%s",
				c.Region, s.account, s.created, in.ResourceId, in.PolicyName),
			PolicyName: in.PolicyName, PolicyType: "StepScaling",
			ServiceNamespace: in.ServiceNamespace, ResourceId: in.ResourceId, ScalableDimension: in.ScalableDimension,
			CreationTime: endpoint.Seconds{Time: time.Now()},
			Alarms:       []struct{}{},
		}
		s.policies[in.scalable][in.PolicyName] = policy
	}
	if in.PolicyType != "" {
		policy.PolicyType = in.PolicyType
	}
	policy.StepScalingPolicyConfiguration = in.StepScalingPolicyConfiguration
	policy.TargetTrackingScalingPolicyConfiguration = in.TargetTrackingScalingPolicyConfiguration
	policy.PredictiveScalingPolicyConfiguration = in.PredictiveScalingPolicyConfiguration
	return map[string]any{"PolicyARN": policy.PolicyARN, "Alarms": policy.Alarms}, nil
}

func (s *scaling) describePolicies(c *endpoint.Call) (any, error) {
	var in scalingQuery
	if err := in.read(c); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found := []*scalingPolicy{}
	for _, key := range in.matching(s.targets) {
		for _, name := range slices.Sorted(maps.Keys(s.policies[key])) {
			if len(in.PolicyNames) == 0 || slices.Contains(in.PolicyNames, name) {
				found = append(found, s.policies[key][name])
			}
		}
	}
	part, next, err := endpoint.Page(found, in.NextToken, in.MaxResults)
	return map[string]any{"ScalingPolicies": part, "NextToken": next}, err
}

func (s *scaling) deletePolicy(c *endpoint.Call) (any, error) {
	var in struct {
		scalable
		PolicyName string
	}
	if err := endpoint.DecodeJSON(c.Body, &in); err != nil {
		return nil, err
	}
	in.region = c.Region
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.policies[in.scalable][in.PolicyName] == nil {
		return nil, endpoint.Refuse("ObjectNotFoundException", "No scaling policy found for service namespace: %s, resource ID: %s, scalable dimension: %s, policy name: %s", in.ServiceNamespace, in.ResourceId, in.ScalableDimension, in.PolicyName)
	}
	delete(s.policies[in.scalable], in.PolicyName)
	return struct{}{}, nil
}

func (s *scaling) putAction(c *endpoint.Call) (any, error) {
	var in struct {
		scalable
		ScheduledActionName, Schedule, Timezone  string
		StartTime, EndTime, ScalableTargetAction json.RawMessage
	}
	if err := endpoint.DecodeJSON(c.Body, &in); err != nil {
		return nil, err
	}
	in.region = c.Region
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.known(in.scalable); err != nil {
		return nil, err
	}
	if s.actions[in.scalable] == nil {
		s.actions[in.scalable] = map[string]*scheduledAction{}
	}
	action := s.actions[in.scalable][in.ScheduledActionName]
	if action == nil {
		s.created++
		action = &scheduledAction{
			ScheduledActionARN: fmt.Sprintf("arn:aws:autoscaling:%s:%s:scheduledAction:00000000-0000-4000-8000-%012x:resource/ecs/%s:scheduledActionName/%s",
				c.Region, s.account, s.created, in.ResourceId, in.ScheduledActionName),
			ScheduledActionName: in.ScheduledActionName,
			ServiceNamespace:    in.ServiceNamespace, ResourceId: in.ResourceId, ScalableDimension: in.ScalableDimension,
			CreationTime: endpoint.Seconds{Time: time.Now()},
		}
		s.actions[in.scalable][in.ScheduledActionName] = action
	}
	action.Schedule, action.Timezone = in.Schedule, in.Timezone
	action.StartTime, action.EndTime, action.ScalableTargetAction = in.StartTime, in.EndTime, in.ScalableTargetAction
	return struct{}{}, nil
}

func (s *scaling) describeActions(c *endpoint.Call) (any, error) {
	var in scalingQuery
	if err := in.read(c); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found := []*scheduledAction{}
	for _, key := range in.matching(s.targets) {
		for _, name := range slices.Sorted(maps.Keys(s.actions[key])) {
			if len(in.ScheduledActionNames) == 0 || slices.Contains(in.ScheduledActionNames, name) {
				found = append(found, s.actions[key][name])
			}
		}
	}
	part, next, err := endpoint.Page(found, in.NextToken, in.MaxResults)
	return map[string]any{"ScheduledActions": part, "NextToken": next}, err
}

func (s *scaling) deleteAction(c *endpoint.Call) (any, error) {
	var in struct {
		scalable
		ScheduledActionName string
	}
	if err := endpoint.DecodeJSON(c.Body, &in); err != nil {
		return nil, err
	}
	in.region = c.Region
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.actions[in.scalable][in.ScheduledActionName] == nil {
		return nil, endpoint.Refuse("ObjectNotFoundException", "No scheduled action found for service namespace: %s, resource ID: %s, scheduled action name: %s", in.ServiceNamespace, in.ResourceId, in.ScheduledActionName)
	}
	delete(s.actions[in.scalable], in.ScheduledActionName)
	return struct{}{}, nil
}

// describeActivities says none, which is the truth: nothing scales here.
func (s *scaling) describeActivities(*endpoint.Call) (any, error) {
	return map[string]any{"ScalingActivities": []struct{}{}}, nil
}

// known refuses what is no scalable target. The lock is held.
func (s *scaling) known(key scalable) error {
	if s.targets[key] == nil {
		return endpoint.Refuse("ObjectNotFoundException", "No scalable target registered for service namespace: %s, resource ID: %s, scalable dimension: %s", key.ServiceNamespace, key.ResourceId, key.ScalableDimension)
	}
	return nil
}
