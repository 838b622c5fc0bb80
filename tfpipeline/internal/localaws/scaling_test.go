package localaws

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	aas "github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"
	"github.com/google/go-cmp/cmp"
)

// oneService is an ECS that knows the service api in the cluster prod, and how
// many tasks it is to run.
type oneService struct{ desired atomic.Int32 }

func (s *oneService) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Cluster, Service string
		Services         []string
		DesiredCount     int32
	}
	_ = json.NewDecoder(r.Body).Decode(&in)
	switch {
	case in.Service == "api":
		s.desired.Store(in.DesiredCount)
		_, _ = io.WriteString(w, "{}")
	case in.Cluster == "prod" && in.Services[0] == "api":
		fmt.Fprintf(w, `{"services":[{"status":"ACTIVE","desiredCount":%d}]}`, s.desired.Load())
	default:
		_, _ = io.WriteString(w, `{"services":[],"failures":[{"reason":"MISSING"}]}`)
	}
}

func TestScaling(t *testing.T) {
	service := &oneService{}
	e := start(t, newFakeControl(t, nil), Options{ECS: service})
	client := aas.NewFromConfig(awsConfig(e))
	const dimension = types.ScalableDimensionECSServiceDesiredCount
	id, space := aws.String("service/prod/api"), types.ServiceNamespaceEcs

	_, err := client.RegisterScalableTarget(t.Context(), &aas.RegisterScalableTargetInput{
		ResourceId: aws.String("service/prod/ghost"), ScalableDimension: dimension, ServiceNamespace: space, MinCapacity: aws.Int32(0), MaxCapacity: aws.Int32(1)})
	wantCode(t, err, "ValidationException")
	_, err = client.RegisterScalableTarget(t.Context(), &aas.RegisterScalableTargetInput{
		ResourceId: id, ScalableDimension: dimension, ServiceNamespace: space, MinCapacity: aws.Int32(3), MaxCapacity: aws.Int32(1)})
	wantCode(t, err, "ValidationException")
	_, err = client.PutScalingPolicy(t.Context(), &aas.PutScalingPolicyInput{
		PolicyName: aws.String("cpu"), ResourceId: id, ScalableDimension: dimension, ServiceNamespace: space})
	wantCode(t, err, "ObjectNotFoundException")

	registered, err := client.RegisterScalableTarget(t.Context(), &aas.RegisterScalableTargetInput{
		ResourceId: id, ScalableDimension: dimension, ServiceNamespace: space,
		MinCapacity: aws.Int32(0), MaxCapacity: aws.Int32(6), Tags: map[string]string{"Environment": "prod"}})
	if err != nil {
		t.Fatal(err)
	}
	arn := registered.ScalableTargetARN
	// Raising the minimum keeps the maximum, the tags and the ARN.
	again, err := client.RegisterScalableTarget(t.Context(), &aas.RegisterScalableTargetInput{
		ResourceId: id, ScalableDimension: dimension, ServiceNamespace: space, MinCapacity: aws.Int32(2)})
	if err != nil || aws.ToString(again.ScalableTargetARN) != aws.ToString(arn) {
		t.Errorf("%v, %v", again, err)
	}
	// A service that runs fewer tasks than the minimum gets more.
	if n := service.desired.Load(); n != 2 {
		t.Errorf("the service is to run %d tasks, want the new minimum of 2", n)
	}
	targets, err := client.DescribeScalableTargets(t.Context(), &aas.DescribeScalableTargetsInput{
		ServiceNamespace: space, ResourceIds: []string{"service/prod/api"}, ScalableDimension: dimension})
	if err != nil || len(targets.ScalableTargets) != 1 {
		t.Fatalf("%v, %v", targets, err)
	}
	got := targets.ScalableTargets[0]
	if aws.ToInt32(got.MinCapacity) != 2 || aws.ToInt32(got.MaxCapacity) != 6 || aws.ToBool(got.SuspendedState.DynamicScalingInSuspended) {
		t.Errorf("%+v", got)
	}

	configuration := &types.TargetTrackingScalingPolicyConfiguration{
		TargetValue: aws.Float64(60), ScaleInCooldown: aws.Int32(300),
		PredefinedMetricSpecification: &types.PredefinedMetricSpecification{PredefinedMetricType: types.MetricTypeECSServiceAverageCPUUtilization},
	}
	for range 2 { // idempotent
		if _, err := client.PutScalingPolicy(t.Context(), &aas.PutScalingPolicyInput{
			PolicyName: aws.String("cpu"), PolicyType: types.PolicyTypeTargetTrackingScaling, ResourceId: id, ScalableDimension: dimension,
			ServiceNamespace: space, TargetTrackingScalingPolicyConfiguration: configuration}); err != nil {
			t.Fatal(err)
		}
	}
	policies, err := client.DescribeScalingPolicies(t.Context(), &aas.DescribeScalingPoliciesInput{ServiceNamespace: space, ResourceId: id, PolicyNames: []string{"cpu"}})
	if err != nil || len(policies.ScalingPolicies) != 1 || policies.ScalingPolicies[0].PolicyType != types.PolicyTypeTargetTrackingScaling {
		t.Fatalf("%v, %v", policies, err)
	}
	if diff := cmp.Diff(60.0, aws.ToFloat64(policies.ScalingPolicies[0].TargetTrackingScalingPolicyConfiguration.TargetValue)); diff != "" {
		t.Error(diff)
	}

	if _, err := client.TagResource(t.Context(), &aas.TagResourceInput{ResourceARN: arn, Tags: map[string]string{"a": "1"}}); err != nil {
		t.Error(err)
	}
	if _, err := client.UntagResource(t.Context(), &aas.UntagResourceInput{ResourceARN: arn, TagKeys: []string{"Environment"}}); err != nil {
		t.Error(err)
	}
	tags, err := client.ListTagsForResource(t.Context(), &aas.ListTagsForResourceInput{ResourceARN: arn})
	if err != nil || !cmp.Equal(tags.Tags, map[string]string{"a": "1"}) {
		t.Errorf("%v, %v", tags, err)
	}

	if _, err := client.PutScheduledAction(t.Context(), &aas.PutScheduledActionInput{
		ScheduledActionName: aws.String("night"), ResourceId: id, ScalableDimension: dimension, ServiceNamespace: space,
		Schedule: aws.String("cron(0 2 * * ? *)"), ScalableTargetAction: &types.ScalableTargetAction{MinCapacity: aws.Int32(1)}}); err != nil {
		t.Error(err)
	}
	for name, action := range map[string]*aas.PutScheduledActionInput{
		"no capacity":       {Schedule: aws.String("cron(0 2 * * ? *)")},
		"more than most":    {Schedule: aws.String("rate(1 day)"), ScalableTargetAction: &types.ScalableTargetAction{MinCapacity: aws.Int32(3), MaxCapacity: aws.Int32(2)}},
		"no schedule":       {Schedule: aws.String("every day"), ScalableTargetAction: &types.ScalableTargetAction{MinCapacity: aws.Int32(3)}},
		"no time":           {Schedule: aws.String("at(tomorrow)"), ScalableTargetAction: &types.ScalableTargetAction{MinCapacity: aws.Int32(3)}},
		"no such time zone": {Schedule: aws.String("at(2027-01-01T00:00:00)"), Timezone: aws.String("Berlin"), ScalableTargetAction: &types.ScalableTargetAction{MinCapacity: aws.Int32(3)}},
	} {
		action.ScheduledActionName, action.ResourceId, action.ScalableDimension, action.ServiceNamespace = aws.String("bad"), id, dimension, space
		if _, err := client.PutScheduledAction(t.Context(), action); err == nil {
			t.Errorf("%s: accepted", name)
		} else {
			wantCode(t, err, "ValidationException")
		}
	}
	metric := func(id string, data bool) types.TargetTrackingMetricDataQuery {
		return types.TargetTrackingMetricDataQuery{Id: &id, Expression: aws.String("1"), ReturnData: &data}
	}
	for n, metrics := range [][]types.TargetTrackingMetricDataQuery{{metric("q0", false), metric("backlog", true)}, {metric("q0", true), metric("backlog", true)}, {metric("q0", false), metric("q0", true)}} {
		_, err := client.PutScalingPolicy(t.Context(), &aas.PutScalingPolicyInput{
			PolicyName: aws.String("backlog"), PolicyType: types.PolicyTypeTargetTrackingScaling, ResourceId: id, ScalableDimension: dimension, ServiceNamespace: space,
			TargetTrackingScalingPolicyConfiguration: &types.TargetTrackingScalingPolicyConfiguration{
				TargetValue: aws.Float64(100), CustomizedMetricSpecification: &types.CustomizedMetricSpecification{Metrics: metrics},
			}})
		if n == 0 {
			if err != nil {
				t.Errorf("a metric of two: %v", err)
			}
			continue
		}
		wantCode(t, err, "ValidationException")
	}
	actions, err := client.DescribeScheduledActions(t.Context(), &aas.DescribeScheduledActionsInput{ServiceNamespace: space, ResourceId: id})
	if err != nil || len(actions.ScheduledActions) != 1 || aws.ToInt32(actions.ScheduledActions[0].ScalableTargetAction.MinCapacity) != 1 {
		t.Errorf("%v, %v", actions, err)
	}
	if _, err := client.DeleteScheduledAction(t.Context(), &aas.DeleteScheduledActionInput{
		ScheduledActionName: aws.String("night"), ResourceId: id, ScalableDimension: dimension, ServiceNamespace: space}); err != nil {
		t.Error(err)
	}
	activities, err := client.DescribeScalingActivities(t.Context(), &aas.DescribeScalingActivitiesInput{ServiceNamespace: space})
	if err != nil || len(activities.ScalingActivities) != 0 {
		t.Errorf("%v, %v", activities, err)
	}

	if _, err := client.DeleteScalingPolicy(t.Context(), &aas.DeleteScalingPolicyInput{PolicyName: aws.String("cpu"), ResourceId: id, ScalableDimension: dimension, ServiceNamespace: space}); err != nil {
		t.Error(err)
	}
	if _, err := client.DeregisterScalableTarget(t.Context(), &aas.DeregisterScalableTargetInput{ResourceId: id, ScalableDimension: dimension, ServiceNamespace: space}); err != nil {
		t.Error(err)
	}
	_, err = client.ListTagsForResource(t.Context(), &aas.ListTagsForResourceInput{ResourceARN: arn})
	wantCode(t, err, "ResourceNotFoundException")
	_, err = client.DeregisterScalableTarget(t.Context(), &aas.DeregisterScalableTargetInput{ResourceId: id, ScalableDimension: dimension, ServiceNamespace: space})
	wantCode(t, err, "ObjectNotFoundException")
	_, err = client.GetPredictiveScalingForecast(t.Context(), &aas.GetPredictiveScalingForecastInput{
		PolicyName: aws.String("x"), ResourceId: id, ScalableDimension: dimension, ServiceNamespace: space, StartTime: aws.Time(fixedTime), EndTime: aws.Time(fixedTime)})
	wantCode(t, err, "NotModelledLocally")
}
