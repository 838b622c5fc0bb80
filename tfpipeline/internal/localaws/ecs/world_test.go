package ecs_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/specboard/platform/tfpipeline/internal/localaws/ecs"
	"github.com/specboard/platform/tfpipeline/internal/localaws/ecs/ecstest"
)

// world is one cluster with a scripted runtime behind the real SDK client, in
// virtual time.
type world struct {
	t      *testing.T
	ctx    context.Context
	begin  time.Time
	script *ecstest.Script
	called *ecstest.Calls
	*ecs.Runtime
	client *sdk.Client
}

const groupARN = "arn:aws:elasticloadbalancing:us-west-2:123456789012:targetgroup/api/0123456789abcdef"

// inWorld runs a test in a bubble with virtual time.
func inWorld(t *testing.T, test func(w *world), change ...func(*ecs.Options)) {
	synctest.Test(t, func(t *testing.T) {
		script := ecstest.NewScript()
		called := &ecstest.Calls{}
		o := ecs.Options{Launcher: script, Called: called.Add}
		for _, f := range change {
			f(&o)
		}
		r := ecs.New(o)
		w := &world{t: t, ctx: t.Context(), begin: time.Now(), script: script, called: called, Runtime: r, client: clientOf(r)}
		must(w.client.CreateCluster(w.ctx, &sdk.CreateClusterInput{ClusterName: new("main")}))(t)
		test(w)
		r.Close()
	})
}

func clientOf(r *ecs.Runtime, change ...func(*sdk.Options)) *sdk.Client {
	return sdk.New(sdk.Options{
		Region:      "us-west-2",
		Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
		HTTPClient:  r.HTTPClient(),
		Retryer:     aws.NopRetryer{},
	}, change...)
}

// must fails the test on an error: must(f())(t).
func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// register registers a revision of a family whose image has this tag.
func (w *world) register(family, tag string, change ...func(*sdk.RegisterTaskDefinitionInput)) string {
	w.t.Helper()
	in := &sdk.RegisterTaskDefinitionInput{
		Family: &family, Cpu: new("256"), Memory: new("512"),
		NetworkMode:             types.NetworkModeAwsvpc,
		RequiresCompatibilities: []types.Compatibility{types.CompatibilityFargate},
		ExecutionRoleArn:        new("arn:aws:iam::123456789012:role/execution"),
		ContainerDefinitions: []types.ContainerDefinition{{
			Name: new("api"), Image: new("123456789012.dkr.ecr.us-west-2.amazonaws.com/api:" + tag),
			PortMappings: []types.PortMapping{{ContainerPort: new(int32(3001)), Name: new("api")}},
		}},
	}
	for _, f := range change {
		f(in)
	}
	out := must(w.client.RegisterTaskDefinition(w.ctx, in))(w.t)
	return *out.TaskDefinition.TaskDefinitionArn
}

var network = &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{Subnets: []string{"subnet-1"}}}

// create creates a service behind the target group, with circuit breaker and
// rollback.
func (w *world) create(name, def string, desired int32, change ...func(*sdk.CreateServiceInput)) *types.Service {
	w.t.Helper()
	in := &sdk.CreateServiceInput{
		Cluster: new("main"), ServiceName: &name, TaskDefinition: &def, DesiredCount: &desired,
		LaunchType: types.LaunchTypeFargate, NetworkConfiguration: network,
		LoadBalancers: []types.LoadBalancer{{TargetGroupArn: new(groupARN), ContainerName: new("api"), ContainerPort: new(int32(3001))}},
		DeploymentConfiguration: &types.DeploymentConfiguration{
			DeploymentCircuitBreaker: &types.DeploymentCircuitBreaker{Enable: true, Rollback: true},
		},
	}
	for _, f := range change {
		f(in)
	}
	return must(w.client.CreateService(w.ctx, in))(w.t).Service
}

// plainService takes a service off the load balancer.
func plainService(in *sdk.CreateServiceInput) { in.LoadBalancers = nil }

func (w *world) update(name, def string, change ...func(*sdk.UpdateServiceInput)) *types.Service {
	w.t.Helper()
	in := &sdk.UpdateServiceInput{Cluster: new("main"), Service: &name}
	if def != "" {
		in.TaskDefinition = &def
	}
	for _, f := range change {
		f(in)
	}
	return must(w.client.UpdateService(w.ctx, in))(w.t).Service
}

func (w *world) describe(name string) types.Service {
	w.t.Helper()
	out := must(w.client.DescribeServices(w.ctx, &sdk.DescribeServicesInput{Cluster: new("main"), Services: []string{name}}))(w.t)
	if len(out.Services) != 1 {
		w.t.Fatalf("describe %s: %d services", name, len(out.Services))
	}
	return out.Services[0]
}

// work is the service's current service deployment.
func (w *world) work(name string) types.ServiceDeployment {
	w.t.Helper()
	return w.workOf(*w.describe(name).CurrentServiceDeployment)
}

func (w *world) workOf(arn string) types.ServiceDeployment {
	w.t.Helper()
	out := must(w.client.DescribeServiceDeployments(w.ctx, &sdk.DescribeServiceDeploymentsInput{ServiceDeploymentArns: []string{arn}}))(w.t)
	if len(out.ServiceDeployments) != 1 {
		w.t.Fatalf("service deployment %s not found", arn)
	}
	return out.ServiceDeployments[0]
}

// sleep lets virtual time pass.
func (w *world) sleep(d time.Duration) { time.Sleep(d) }

// settle waits until the service has been steady, for at most an hour.
func (w *world) settle(name string) {
	w.t.Helper()
	for range 3600 {
		s := w.describe(name)
		if len(s.Deployments) == 1 && s.Deployments[0].RolloutState == types.DeploymentRolloutStateCompleted && s.RunningCount == s.DesiredCount {
			return
		}
		w.sleep(time.Second)
	}
	w.t.Fatalf("%s did not settle: %s", name, w.line(name))
}

func (w *world) elapsed() time.Duration { return time.Since(w.begin) }

// line is the state of a service in a line: its deployments as
// status revision running/desired+pending rollout.
func (w *world) line(name string) string {
	s := w.describe(name)
	var parts []string
	for _, d := range s.Deployments {
		_, revision, _ := strings.Cut(*d.TaskDefinition, "task-definition/")
		part := fmt.Sprintf("%s %s %d/%d", *d.Status, revision, d.RunningCount, d.DesiredCount)
		if d.PendingCount > 0 {
			part += fmt.Sprintf("+%d", d.PendingCount)
		}
		if d.FailedTasks > 0 {
			part += fmt.Sprintf(" failed %d", d.FailedTasks)
		}
		parts = append(parts, part+" "+string(d.RolloutState))
	}
	return string(w.work(name).Status) + ": " + strings.Join(parts, ", ")
}

// timeline looks every second until d has passed and gives each change of the
// line, with its time since from.
func (w *world) timeline(name string, d time.Duration) []string {
	from := time.Now()
	var lines []string
	last := ""
	for {
		if line := w.line(name); line != last {
			lines = append(lines, fmt.Sprintf("%3.0fs %s", time.Since(from).Seconds(), line))
			last = line
		}
		if time.Since(from) >= d {
			return lines
		}
		w.sleep(time.Second)
	}
}

// events are the messages of a service after a time, oldest first, without
// the ids that differ each time.
func (w *world) events(name string, since time.Time) []string {
	var out []string
	for _, e := range w.describe(name).Events {
		if !e.CreatedAt.After(since) {
			break
		}
		out = append([]string{fmt.Sprintf("%3.0fs %s", e.CreatedAt.Sub(since).Seconds(), shorten(*e.Message))}, out...)
	}
	return out
}

// shorten takes random ids out of a message.
func shorten(message string) string {
	words := strings.Fields(message)
	for i, word := range words {
		if i > 0 && words[i-1] == "(task" {
			words[i] = "#" + strings.TrimLeft(word, "0123456789abcdef")
		}
		if id, ok := strings.CutPrefix(word, "ecs-svc/"); ok {
			words[i] = "ecs-svc/#" + strings.TrimLeft(id, "0123456789")
		}
		words[i] = strings.ReplaceAll(words[i], groupARN, "api-group")
	}
	return strings.Join(words, " ")
}

func staticCredentials(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: "key", SecretAccessKey: "secret"}, nil
}
