package ecs_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"

	"github.com/specboard/platform/tfpipeline/internal/localaws/ecs"
	"github.com/specboard/platform/tfpipeline/internal/localaws/ecs/ecstest"
)

// What was set is what is read back: a difference would be drift for
// Terraform.
func TestServiceIsReadBackAsItWasSet(t *testing.T) {
	inWorld(t, func(w *world) {
		connect := &types.ServiceConnectConfiguration{
			Enabled: true, Namespace: new("arn:aws:servicediscovery:us-west-2:123456789012:namespace/ns-1"),
			Services: []types.ServiceConnectService{{PortName: new("api"), DiscoveryName: new("api"), ClientAliases: []types.ServiceConnectClientAlias{{DnsName: new("api"), Port: new(int32(3001))}}}},
		}
		in := &sdk.CreateServiceInput{
			Cluster: new("main"), ServiceName: new("api"), TaskDefinition: new(w.register("api", "one")), DesiredCount: new(int32(0)),
			LaunchType: types.LaunchTypeFargate, PropagateTags: types.PropagateTagsService,
			EnableECSManagedTags: true, EnableExecuteCommand: true,
			AvailabilityZoneRebalancing:   types.AvailabilityZoneRebalancingDisabled,
			HealthCheckGracePeriodSeconds: new(int32(60)),
			NetworkConfiguration: &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{
				Subnets: []string{"subnet-1", "subnet-2"}, SecurityGroups: []string{"sg-1"}, AssignPublicIp: types.AssignPublicIpDisabled}},
			LoadBalancers:               []types.LoadBalancer{{TargetGroupArn: new(groupARN), ContainerName: new("api"), ContainerPort: new(int32(3001))}},
			ServiceConnectConfiguration: connect,
			DeploymentConfiguration: &types.DeploymentConfiguration{
				MaximumPercent: new(int32(150)), MinimumHealthyPercent: new(int32(75)),
				DeploymentCircuitBreaker: &types.DeploymentCircuitBreaker{Enable: true, Rollback: true}},
			Tags: []types.Tag{{Key: new("Environment"), Value: new("staging")}},
		}
		must(w.client.CreateService(w.ctx, in))(t)
		out := must(w.client.DescribeServices(w.ctx, &sdk.DescribeServicesInput{
			Cluster: new("main"), Services: []string{"api"}, Include: []types.ServiceField{types.ServiceFieldTags}}))(t).Services[0]
		type view struct {
			LaunchType  types.LaunchType
			Tags        types.PropagateTags
			Managed     bool
			Exec        bool
			Rebalancing types.AvailabilityZoneRebalancing
			Grace       *int32
			Network     *types.NetworkConfiguration
			Balancers   []types.LoadBalancer
			Connect     *types.ServiceConnectConfiguration
			Max, Min    *int32
			Breaker     *types.DeploymentCircuitBreaker
			Own         []types.Tag
			Definition  *string
		}
		c, d := in.DeploymentConfiguration, out.DeploymentConfiguration
		want := view{in.LaunchType, in.PropagateTags, true, true, in.AvailabilityZoneRebalancing, in.HealthCheckGracePeriodSeconds,
			in.NetworkConfiguration, in.LoadBalancers, connect, c.MaximumPercent, c.MinimumHealthyPercent, c.DeploymentCircuitBreaker, in.Tags, in.TaskDefinition}
		got := view{out.LaunchType, out.PropagateTags, out.EnableECSManagedTags, out.EnableExecuteCommand, out.AvailabilityZoneRebalancing, out.HealthCheckGracePeriodSeconds,
			out.NetworkConfiguration, out.LoadBalancers, out.Deployments[0].ServiceConnectConfiguration, d.MaximumPercent, d.MinimumHealthyPercent, d.DeploymentCircuitBreaker, out.Tags, out.TaskDefinition}
		if diff := cmp.Diff(want, got, ecs.Everything); diff != "" {
			t.Errorf("(- set, + read):\n%s", diff)
		}
		if *out.Status != "ACTIVE" || out.SchedulingStrategy != types.SchedulingStrategyReplica || *out.PlatformVersion != "LATEST" || *out.Deployments[0].PlatformVersion != "1.4.0" {
			t.Errorf("%s %s %s %s", *out.Status, out.SchedulingStrategy, *out.PlatformVersion, *out.Deployments[0].PlatformVersion)
		}
		if got := *out.ServiceArn; got != "arn:aws:ecs:us-west-2:123456789012:service/main/api" {
			t.Errorf("ARN %s", got)
		}
	})
}

func TestWhatBeginsADeployment(t *testing.T) {
	type input = sdk.UpdateServiceInput
	for _, c := range []struct {
		name   string
		change func(*input)
		begins bool
	}{
		{"the same task definition", func(in *input) { in.TaskDefinition = new("api:1") }, false},
		{"another task definition", func(in *input) { in.TaskDefinition = new("api:2") }, true},
		{"by force", func(in *input) { in.ForceNewDeployment = true }, true},
		{"desired count", func(in *input) { in.DesiredCount = new(int32(2)) }, false},
		{"grace period", func(in *input) { in.HealthCheckGracePeriodSeconds = new(int32(9)) }, false},
		{"percents", func(in *input) {
			in.DeploymentConfiguration = &types.DeploymentConfiguration{MaximumPercent: new(int32(150))}
		}, false},
		{"zone rebalancing", func(in *input) { in.AvailabilityZoneRebalancing = types.AvailabilityZoneRebalancingDisabled }, false},
		{"the same network", func(in *input) { in.NetworkConfiguration = network }, false},
		{"another network", func(in *input) {
			in.NetworkConfiguration = &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{Subnets: []string{"subnet-2"}}}
		}, true},
		{"execute command", func(in *input) { in.EnableExecuteCommand = new(true) }, true},
		{"the same execute command", func(in *input) { in.EnableExecuteCommand = new(false) }, false},
		{"propagated tags", func(in *input) { in.PropagateTags = types.PropagateTagsService }, true},
		{"no load balancer", func(in *input) { in.LoadBalancers = []types.LoadBalancer{} }, true},
		{"service connect", func(in *input) {
			in.ServiceConnectConfiguration = &types.ServiceConnectConfiguration{Enabled: true}
		}, true},
	} {
		inWorld(t, func(w *world) {
			w.create("api", w.register("api", "one"), 1)
			w.register("api", "two")
			w.settle("api")
			before := w.describe("api")
			after := w.update("api", "", c.change)
			if begins := *before.CurrentServiceDeployment != *after.CurrentServiceDeployment; begins != c.begins {
				t.Errorf("%s: begins a deployment: %t", c.name, begins)
			}
		})
	}
}

func TestServicesAreRefused(t *testing.T) {
	type input = sdk.CreateServiceInput
	for _, c := range []struct {
		change func(*input)
		code   string
		want   string
	}{
		{func(in *input) { in.Cluster = new("no") }, "ClusterNotFoundException", ""},
		{func(in *input) { in.ServiceName = new("a b") }, "InvalidParameterException", "name"},
		{func(in *input) { in.TaskDefinition = new("api:9") }, "ClientException", "not found"},
		{func(in *input) { in.DesiredCount = nil }, "InvalidParameterException", "DesiredCount"},
		{func(in *input) { in.NetworkConfiguration = nil }, "InvalidParameterException", "Network Configuration"},
		{func(in *input) { in.LoadBalancers[0].ContainerName = new("x") }, "InvalidParameterException", "container x"},
		{func(in *input) { in.LoadBalancers[0].ContainerPort = new(int32(9)) }, "InvalidParameterException", "port 9"},
		{func(in *input) { in.LoadBalancers = nil; in.HealthCheckGracePeriodSeconds = new(int32(9)) }, "InvalidParameterException", "grace"},
		{percent(100, 100), "InvalidParameterException", "100"},
		{func(in *input) { in.LaunchType = types.LaunchTypeEc2 }, "NotModelledLocally", "EC2"},
		{func(in *input) { in.SchedulingStrategy = types.SchedulingStrategyDaemon }, "NotModelledLocally", "DAEMON"},
		{func(in *input) {
			in.DeploymentController = &types.DeploymentController{Type: types.DeploymentControllerTypeCodeDeploy}
		}, "NotModelledLocally", "CODE_DEPLOY"},
		{func(in *input) { in.DeploymentConfiguration.Strategy = types.DeploymentStrategyBlueGreen }, "NotModelledLocally", "BLUE_GREEN"},
		{func(in *input) {
			in.ServiceConnectConfiguration = &types.ServiceConnectConfiguration{Enabled: true, Services: []types.ServiceConnectService{{PortName: new("x")}}}
		}, "InvalidParameterException", "port name 'x'"},
	} {
		inWorld(t, func(w *world) {
			in := &input{
				Cluster: new("main"), ServiceName: new("api"), TaskDefinition: new(w.register("api", "one")), DesiredCount: new(int32(1)),
				LaunchType: types.LaunchTypeFargate, NetworkConfiguration: network, DeploymentConfiguration: &types.DeploymentConfiguration{},
				LoadBalancers: []types.LoadBalancer{{TargetGroupArn: new(groupARN), ContainerName: new("api"), ContainerPort: new(int32(3001))}},
			}
			c.change(in)
			_, err := w.client.CreateService(w.ctx, in)
			if w.code(err) != c.code || !strings.Contains(err.Error(), c.want) {
				t.Errorf("want %s %q, got %v", c.code, c.want, err)
			}
		})
	}
}

func TestCreateServiceIsIdempotentByItsToken(t *testing.T) {
	inWorld(t, func(w *world) {
		def := w.register("api", "one")
		token := func(in *sdk.CreateServiceInput) { in.ClientToken = new("t") }
		first := w.create("api", def, 0, token)
		if again := w.create("api", def, 0, token); *again.CurrentServiceDeployment != *first.CurrentServiceDeployment {
			t.Error("created twice")
		}
		_, err := w.client.CreateService(w.ctx, &sdk.CreateServiceInput{Cluster: new("main"), ServiceName: new("api"), TaskDefinition: &def,
			DesiredCount: new(int32(0)), NetworkConfiguration: network, ClientToken: new("u")})
		if w.code(err) != "InvalidParameterException" || !strings.Contains(err.Error(), "not idempotent") {
			t.Errorf("second creation: %v", err)
		}
	})
}

func TestDeleteService(t *testing.T) {
	inWorld(t, func(w *world) {
		def := w.register("api", "one")
		w.create("api", def, 1)
		w.settle("api")
		remove := &sdk.DeleteServiceInput{Cluster: new("main"), Service: new("api")}
		if _, err := w.client.DeleteService(w.ctx, remove); w.code(err) != "InvalidParameterException" {
			t.Errorf("delete of a service with tasks: %v", err)
		}
		_, err := w.client.DeleteCluster(w.ctx, &sdk.DeleteClusterInput{Cluster: new("main")})
		if w.code(err) != "ClusterContainsServicesException" {
			t.Errorf("delete of a cluster with services: %v", err)
		}
		w.update("api", "", func(in *sdk.UpdateServiceInput) { in.DesiredCount = new(int32(0)) })
		must(w.client.DeleteService(w.ctx, remove))(t)
		if s := w.describe("api"); *s.Status != "DRAINING" {
			t.Errorf("is %s", *s.Status)
		}
		if again := must(w.client.DeleteService(w.ctx, remove))(t); *again.Service.Status != "DRAINING" {
			t.Errorf("deleted twice, is %s", *again.Service.Status)
		}
		_, err = w.client.UpdateService(w.ctx, &sdk.UpdateServiceInput{Cluster: new("main"), Service: new("api")})
		if _, ok := errors.AsType[*types.ServiceNotActiveException](err); !ok {
			t.Errorf("update while DRAINING: %v", err)
		}
		_, err = w.client.CreateService(w.ctx, &sdk.CreateServiceInput{Cluster: new("main"), ServiceName: new("api"), TaskDefinition: &def, DesiredCount: new(int32(0)), NetworkConfiguration: network})
		if w.code(err) != "InvalidParameterException" || !strings.Contains(err.Error(), "still Draining") {
			t.Errorf("create while DRAINING: %v", err)
		}
		w.sleep(2 * time.Minute) // 30 to drain, 2 to quit, 10 to deprovision
		if s := w.describe("api"); *s.Status != "INACTIVE" || len(s.Deployments) != 0 {
			t.Errorf("is %s with %d deployments", *s.Status, len(s.Deployments))
		}
		if out := must(w.client.ListServices(w.ctx, &sdk.ListServicesInput{Cluster: new("main")}))(t); len(out.ServiceArns) != 0 {
			t.Error("is still listed")
		}
		w.create("api", def, 0) // the name is free again
		if s := w.describe("api"); *s.Status != "ACTIVE" {
			t.Errorf("the new one is %s", *s.Status)
		}
	})
}

func TestLimitsOfCalls(t *testing.T) {
	inWorld(t, func(w *world) {
		def := w.register("api", "one")
		var names, works []string
		for i := range 23 {
			name := fmt.Sprintf("s%02d", i)
			names = append(names, name)
			works = append(works, *w.create(name, def, 0).CurrentServiceDeployment)
		}
		if _, err := w.client.DescribeServices(w.ctx, &sdk.DescribeServicesInput{Cluster: new("main"), Services: names[:11]}); w.code(err) != "InvalidParameterException" {
			t.Errorf("11 services: %v", err)
		}
		if _, err := w.client.DescribeServiceDeployments(w.ctx, &sdk.DescribeServiceDeploymentsInput{ServiceDeploymentArns: works[:21]}); w.code(err) != "InvalidParameterException" {
			t.Errorf("21 service deployments: %v", err)
		}
		out := must(w.client.DescribeServiceDeployments(w.ctx, &sdk.DescribeServiceDeploymentsInput{ServiceDeploymentArns: append(works[:19:19], "arn:no")}))(t)
		if len(out.ServiceDeployments) != 19 || len(out.Failures) != 1 {
			t.Errorf("%d found, %d failures", len(out.ServiceDeployments), len(out.Failures))
		}
		pages, n := sdk.NewListServicesPaginator(w.client, &sdk.ListServicesInput{Cluster: new("main")}), 0
		for pages.HasMorePages() {
			page := must(pages.NextPage(w.ctx))(t)
			if len(page.ServiceArns) > 10 {
				t.Errorf("a page of %d", len(page.ServiceArns))
			}
			n += len(page.ServiceArns)
		}
		if n != 23 {
			t.Errorf("%d services listed", n)
		}
		if _, err := w.client.ListServices(w.ctx, &sdk.ListServicesInput{Cluster: new("main"), NextToken: new("x")}); w.code(err) != "InvalidParameterException" {
			t.Errorf("bad token: %v", err)
		}
		got := must(w.client.DescribeServices(w.ctx, &sdk.DescribeServicesInput{Cluster: new("main"), Services: []string{"s00", "gone"}}))(t)
		if len(got.Failures) != 1 || *got.Failures[0].Reason != "MISSING" {
			t.Errorf("failures: %+v", got.Failures)
		}
	})
}

func TestListServiceDeployments(t *testing.T) {
	inWorld(t, func(w *world) {
		w.create("api", w.register("api", "one"), 1, plainService)
		w.settle("api")
		second := time.Now().Add(30 * time.Second)
		w.sleep(time.Minute)
		w.script.On("two", ecstest.Behaviour{NotStarted: "x"})
		w.update("api", w.register("api", "two"))
		w.sleep(10 * time.Minute)
		w.update("api", w.register("api", "three"))
		list := func(in sdk.ListServiceDeploymentsInput) (out []string) {
			in.Cluster, in.Service = new("main"), new("api")
			for _, b := range must(w.client.ListServiceDeployments(w.ctx, &in))(t).ServiceDeployments {
				out = append(out, string(b.Status))
			}
			return out
		}
		same(t, "all", list(sdk.ListServiceDeploymentsInput{}), "PENDING", "ROLLBACK_SUCCESSFUL", "SUCCESSFUL")
		same(t, "by status", list(sdk.ListServiceDeploymentsInput{Status: []types.ServiceDeploymentStatus{types.ServiceDeploymentStatusSuccessful}}), "SUCCESSFUL")
		same(t, "after", list(sdk.ListServiceDeploymentsInput{CreatedAt: &types.CreatedAt{After: &second}}), "PENDING", "ROLLBACK_SUCCESSFUL")
		same(t, "before", list(sdk.ListServiceDeploymentsInput{CreatedAt: &types.CreatedAt{Before: &second}}), "SUCCESSFUL")
	})
}

func TestTags(t *testing.T) {
	inWorld(t, func(w *world) {
		arn := *w.create("api", w.register("api", "one"), 0).ServiceArn
		must(w.client.TagResource(w.ctx, &sdk.TagResourceInput{ResourceArn: &arn, Tags: []types.Tag{{Key: new("a"), Value: new("1")}, {Key: new("b"), Value: new("2")}}}))(t)
		must(w.client.TagResource(w.ctx, &sdk.TagResourceInput{ResourceArn: &arn, Tags: []types.Tag{{Key: new("a"), Value: new("3")}}}))(t)
		must(w.client.UntagResource(w.ctx, &sdk.UntagResourceInput{ResourceArn: &arn, TagKeys: []string{"b"}}))(t)
		var got []string
		for _, tag := range must(w.client.ListTagsForResource(w.ctx, &sdk.ListTagsForResourceInput{ResourceArn: &arn}))(t).Tags {
			got = append(got, *tag.Key+"="+*tag.Value)
		}
		same(t, "tags", got, "a=3")
		for _, gone := range []string{"arn:aws:ecs:us-west-2:123456789012:service/main/no", "nonsense"} {
			if _, err := w.client.ListTagsForResource(w.ctx, &sdk.ListTagsForResourceInput{ResourceArn: &gone}); w.code(err) != "InvalidParameterException" {
				t.Errorf("tags of %s: %v", gone, err)
			}
		}
	})
}

func TestClusters(t *testing.T) {
	inWorld(t, func(w *world) {
		must(w.client.CreateCluster(w.ctx, &sdk.CreateClusterInput{
			ClusterName: new("other"), Settings: []types.ClusterSetting{{Name: types.ClusterSettingNameContainerInsights, Value: new("enabled")}},
			ServiceConnectDefaults: &types.ClusterServiceConnectDefaultsRequest{Namespace: new("arn:ns")},
		}))(t)
		strategy := []types.CapacityProviderStrategyItem{{CapacityProvider: new("FARGATE"), Weight: 1}}
		must(w.client.PutClusterCapacityProviders(w.ctx, &sdk.PutClusterCapacityProvidersInput{
			Cluster: new("other"), CapacityProviders: []string{"FARGATE"}, DefaultCapacityProviderStrategy: strategy}))(t)
		all := []types.ClusterField{types.ClusterFieldSettings, types.ClusterFieldTags, types.ClusterFieldConfigurations}
		c := must(w.client.DescribeClusters(w.ctx, &sdk.DescribeClustersInput{Clusters: []string{"other"}, Include: all}))(t).Clusters[0]
		if *c.Settings[0].Value != "enabled" || *c.ServiceConnectDefaults.Namespace != "arn:ns" || c.CapacityProviders[0] != "FARGATE" || c.DefaultCapacityProviderStrategy[0].Weight != 1 {
			t.Errorf("%+v", c)
		}
		if out := must(w.client.ListClusters(w.ctx, nil))(t); len(out.ClusterArns) != 2 {
			t.Errorf("clusters %v", out.ClusterArns)
		}
		must(w.client.DeleteCluster(w.ctx, &sdk.DeleteClusterInput{Cluster: new("other")}))(t)
		c = must(w.client.DescribeClusters(w.ctx, &sdk.DescribeClustersInput{Clusters: []string{"other"}}))(t).Clusters[0]
		if *c.Status != "INACTIVE" {
			t.Errorf("deleted cluster is %s", *c.Status)
		}
	})
}
