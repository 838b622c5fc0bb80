package localaws

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/specboard/platform/tfpipeline/internal/endpoint"
)

// scaling is Application Auto Scaling. moto lacks its tags (which the provider
// lists after each creation) and activities, and looks for ECS services in
// moto's own ECS instead of the runtime. So targets, policies and actions are
// kept here. Of their effects only one is modelled: setting a target's limits
// brings the service's desired count within them.
type scaling struct {
	account string
	// service finds an ECS service and returns a function that sets its
	// desired count.
	service func(ctx context.Context, region, cluster, service string) (desired int, found bool, err error)
	scale   func(ctx context.Context, region, cluster, service string, desired int) error

	*store[scalingRecord]
	created int
}

// scalingRecord is a target, policy or action; it is described with the
// parameters it was created with.
type scalingRecord struct {
	fields map[string]json.RawMessage
	arn    string
	tags   map[string]string
	target string // the name of its target
}

// scalingKind is a resource type. name is the parameter with its name; a
// target has none.
type scalingKind struct {
	kind, name, arn, list, missing string
	put, describe, remove          string
}

var (
	scalableTargets = &scalingKind{
		"scalable target", "", "ScalableTargetARN", "ScalableTargets", "No scalable target found for",
		"RegisterScalableTarget", "DescribeScalableTargets", "DeregisterScalableTarget",
	}
	scalingKinds = []*scalingKind{
		scalableTargets,
		{
			"scalingPolicy", "PolicyName", "PolicyARN", "ScalingPolicies", "No scaling policy found for",
			"PutScalingPolicy", "DescribeScalingPolicies", "DeleteScalingPolicy",
		},
		{
			"scheduledAction", "ScheduledActionName", "ScheduledActionARN", "ScheduledActions", "No scheduled action found for",
			"PutScheduledAction", "DescribeScheduledActions", "DeleteScheduledAction",
		},
	}
)

func newScaling(account string) *scaling {
	return &scaling{account: account, store: newStore[scalingRecord]()}
}

// scalingCall is one operation, under the lock: the parameters that all
// operations share, and all parameters as they came.
type scalingCall struct {
	*endpoint.Call
	ServiceNamespace, ResourceId, ScalableDimension string
	ResourceIds                                     []string
	MinCapacity, MaxCapacity                        *int
	MaxResults                                      int
	NextToken                                       *string
	ResourceARN                                     string
	Tags                                            map[string]string
	TagKeys                                         []string
	given                                           map[string]json.RawMessage
}

func (c *scalingCall) text(name string) (s string) {
	_ = json.Unmarshal(c.given[name], &s) // absent: ""
	return s
}

// target names what is scaled.
func (c *scalingCall) target() string { return c.ResourceId + " " + c.ScalableDimension }

func (c *scalingCall) at(k *scalingKind) place {
	name := c.target()
	if k.name != "" {
		name += " " + c.text(k.name)
	}
	return place{c.Region, k.kind, name}
}

func (c *scalingCall) missing(what string) error {
	return endpoint.Refuse("ObjectNotFoundException", "%s service namespace: %s, resource ID: %s, scalable dimension: %s",
		what, c.ServiceNamespace, c.ResourceId, c.ScalableDimension)
}

func (s *scaling) operations() endpoint.Table {
	table := endpoint.Table{"application-autoscaling.*": func(c *endpoint.Call, _ endpoint.Next) (*endpoint.Reply, error) {
		return nil, notModelled(c.Service, c.Operation)
	}}
	add := func(name string, op func(*scalingCall) (any, error)) {
		table["application-autoscaling."+name] = func(call *endpoint.Call, _ endpoint.Next) (*endpoint.Reply, error) {
			c := &scalingCall{Call: call, given: map[string]json.RawMessage{}}
			if err := endpoint.DecodeJSON(call.Body, c); err != nil {
				return nil, err
			}
			if err := endpoint.DecodeJSON(call.Body, &c.given); err != nil {
				return nil, err
			}
			s.Lock()
			defer s.Unlock()
			out, err := op(c)
			if err != nil {
				return nil, err
			}
			return endpoint.JSON(out)
		}
	}
	for _, k := range scalingKinds {
		add(k.put, func(c *scalingCall) (any, error) { return s.put(c, k) })
		add(k.describe, func(c *scalingCall) (any, error) { return s.describe(c, k) })
		add(k.remove, func(c *scalingCall) (any, error) { return s.remove(c, k) })
	}
	// There are none, since nothing is ever scaled here.
	add("DescribeScalingActivities", func(*scalingCall) (any, error) { return map[string]any{"ScalingActivities": []any{}}, nil })
	for _, name := range []string{"ListTagsForResource", "TagResource", "UntagResource"} {
		add(name, s.changeTags)
	}
	return table
}

func (s *scaling) put(c *scalingCall, k *scalingKind) (any, error) {
	at := c.at(k)
	r := s.records[at]
	if k != scalableTargets && s.records[c.at(scalableTargets)] == nil {
		return nil, c.missing("No scalable target registered for")
	}
	fields := map[string]json.RawMessage{}
	if r == nil {
		s.created++
		r = &scalingRecord{tags: map[string]string{}, target: c.target(), arn: s.newARN(c, k)}
		for name, value := range map[string]any{
			k.arn: r.arn, "CreationTime": endpoint.Seconds{Time: time.Now()}, "Alarms": []any{},
			"PolicyType": "StepScaling", "SuspendedState": map[string]bool{"DynamicScalingInSuspended": false, "DynamicScalingOutSuspended": false, "ScheduledScalingSuspended": false},
			"RoleARN": fmt.Sprintf("arn:aws:iam::%s:role/aws-service-role/ecs.application-autoscaling.amazonaws.com/AWSServiceRoleForApplicationAutoScaling_ECSService", s.account),
		} {
			fields[name], _ = json.Marshal(value) // texts and numbers always encode
		}
	} else if k == scalableTargets {
		fields = maps.Clone(r.fields) // an update changes only what it names
	} else {
		for _, name := range []string{k.arn, "CreationTime", "Alarms", "PolicyType"} {
			fields[name] = r.fields[name]
		}
	}
	for name, value := range c.given {
		if name != "Tags" && string(value) != "null" {
			fields[name] = value
		}
	}
	if k == scalableTargets {
		if err := s.limit(c, fields); err != nil {
			return nil, err
		}
	}
	if err := checkScaling(k, fields); err != nil {
		return nil, err
	}
	r.fields = fields
	maps.Copy(r.tags, c.Tags)
	s.records[at] = r
	return map[string]any{k.arn: r.arn, "Alarms": []any{}}, nil
}

func (s *scaling) newARN(c *scalingCall, k *scalingKind) string {
	if k == scalableTargets {
		return fmt.Sprintf("arn:aws:application-autoscaling:%s:%s:scalable-target/0ec5%012x", c.Region, s.account, s.created)
	}
	return fmt.Sprintf("arn:aws:autoscaling:%s:%s:%s:00000000-0000-4000-8000-%012x:resource/ecs/%s:%s/%s",
		c.Region, s.account, k.kind, s.created, c.ResourceId, strings.ToLower(k.name[:1])+k.name[1:], c.text(k.name))
}

// limit checks a target's limits, and brings its service's desired count
// within them.
func (s *scaling) limit(c *scalingCall, fields map[string]json.RawMessage) error {
	if c.ServiceNamespace != "ecs" || c.ScalableDimension != "ecs:service:DesiredCount" {
		return endpoint.Refuse("ValidationException", "the local endpoint scales ecs:service:DesiredCount only, not %s of %s", c.ScalableDimension, c.ServiceNamespace)
	}
	parts := strings.Split(c.ResourceId, "/")
	if len(parts) != 3 || parts[0] != "service" {
		return endpoint.Refuse("ValidationException", "Unsupported service namespace, resource type or scalable dimension")
	}
	var low, high int
	if json.Unmarshal(fields["MinCapacity"], &low) != nil || json.Unmarshal(fields["MaxCapacity"], &high) != nil {
		return endpoint.Refuse("ValidationException", "a new scalable target needs a minimum and a maximum capacity")
	}
	if low < 0 || low > high {
		return endpoint.Refuse("ValidationException", "Maximum capacity cannot be less than minimum capacity")
	}
	ctx := c.Request.Context()
	desired, found, err := s.service(ctx, c.Region, parts[1], parts[2])
	if err != nil {
		return err
	}
	if !found {
		return endpoint.Refuse("ValidationException", "ECS service doesn't exist: %s", c.ResourceId)
	}
	if within := min(max(desired, low), high); within != desired {
		return s.scale(ctx, c.Region, parts[1], parts[2], within)
	}
	return nil
}

func (s *scaling) describe(c *scalingCall, k *scalingKind) (any, error) {
	if c.ResourceId != "" {
		c.ResourceIds = append(c.ResourceIds, c.ResourceId)
	}
	var names []string
	_ = json.Unmarshal(c.given[k.name+"s"], &names) // absent: all
	found := []map[string]json.RawMessage{}
	for _, r := range s.list(c.Region, k.kind) {
		of := (&scalingCall{given: r.fields}).text
		if c.ServiceNamespace == of("ServiceNamespace") && (c.ScalableDimension == "" || c.ScalableDimension == of("ScalableDimension")) &&
			(len(c.ResourceIds) == 0 || slices.Contains(c.ResourceIds, of("ResourceId"))) && (len(names) == 0 || slices.Contains(names, of(k.name))) {
			found = append(found, r.fields)
		}
	}
	part, next, err := endpoint.Page(found, c.NextToken, c.MaxResults)
	return map[string]any{k.list: part, "NextToken": next}, err
}

func (s *scaling) remove(c *scalingCall, k *scalingKind) (any, error) {
	at := c.at(k)
	if s.records[at] == nil {
		return nil, c.missing(k.missing)
	}
	delete(s.records, at)
	if k == scalableTargets { // its policies and scheduled actions go with it
		maps.DeleteFunc(s.records, func(p place, r *scalingRecord) bool { return p.region == c.Region && r.target == c.target() })
	}
	return struct{}{}, nil
}

// changeTags changes and returns the tags of a target. The provider lists them
// after each creation and refresh; moto answers 500.
func (s *scaling) changeTags(c *scalingCall) (any, error) {
	for _, r := range s.list(c.Region, scalableTargets.kind) {
		if r.arn != c.ResourceARN {
			continue
		}
		maps.Copy(r.tags, c.Tags)
		for _, key := range c.TagKeys {
			delete(r.tags, key)
		}
		return map[string]any{"Tags": r.tags}, nil
	}
	return nil, endpoint.Refuse("ResourceNotFoundException", "The resource doesn't exist: %s", c.ResourceARN)
}
