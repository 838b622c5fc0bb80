package ecs_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/ecs"
	model "github.com/specboard/platform/tfpipeline/internal/localaws/ecs"
	"github.com/specboard/platform/tfpipeline/internal/localaws/ecs/ecstest"
)

// world is staging on a model of ECS with scripted tasks, seen through the
// real SDK clients, in virtual time. Every service runs release "one".
type world struct {
	// ahead is how far the clock here is, compared with what AWS answers.
	ahead time.Duration

	t        *testing.T
	ctx      context.Context
	platform config.Platform
	script   *ecstest.Script
	runtime  *model.Runtime
	called   *ecstest.Calls // calls of ECS
	wire     *wire          // all that is not ECS
	env      *ecs.Environment
	raw      *sdk.Client // what other people and tools do
	services []string
	// templates are what Terraform registered, by service and one-off task.
	templates map[string]string
}

// options of a world.
type options struct {
	services   int // 3 if 0
	tasks      int // a service; 2 if 0
	noRollback bool
	// internal adds the service "storage", which has no routes; unchecked
	// leaves out the health check of its container.
	internal, unchecked bool
	model               model.Options
}

func inWorld(t *testing.T, o options, test func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := platform(o.services)
		if o.internal {
			p.Services = append(slices.Clone(p.Services), config.Service{Name: "storage", Port: 3003, HealthCommand: []string{"CMD-SHELL", "wget -q -O- localhost:3003/health"}})
		}
		script := ecstest.NewScript()
		called := &ecstest.Calls{}
		o.model.Launcher, o.model.Called = script, called.Add
		w := &world{
			t: t, ctx: t.Context(), platform: p, script: script, runtime: model.New(o.model), called: called,
			wire: newWire(t), templates: map[string]string{},
		}
		defer w.runtime.Close()
		w.env = w.with(&http.Client{Transport: w})
		cfg := w.config()
		cfg.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
		w.raw = sdk.NewFromConfig(cfg)
		w.build(o)
		w.called.Forget()
		test(w)
	})
}

func (w *world) config() aws.Config {
	return aws.Config{
		Credentials: credentials.NewStaticCredentialsProvider("key", "canary-of-the-secret-key", "canary-of-the-session"),
		Region:      w.platform.Region,
		HTTPClient:  &http.Client{Transport: w},
	}
}

// with is the environment, its web requested by another client.
func (w *world) with(web *http.Client) *ecs.Environment {
	w.t.Helper()
	return ok(ecs.New(w.config(), w.platform, "staging", web))(w.t)
}

// platform is the one of this repository, with this many services.
func platform(services int) config.Platform {
	p := configtest.Docs()
	if services == 0 {
		return p
	}
	p.Services = nil
	p.Tasks = slices.Clone(p.Tasks)
	for i := range p.Tasks {
		p.Tasks[i].Service = "s01"
	}
	for i := range services {
		p.Services = append(p.Services, config.Service{
			Name: fmt.Sprintf("s%02d", i+1), Port: 3000 + i, Priority: i + 1, HealthPath: "/health",
			Routes: []string{fmt.Sprintf("/s%02d", i+1)}, Default: i == 0,
		})
	}
	return p
}

// RoundTrip sends a request to whoever it is for.
func (w *world) RoundTrip(req *http.Request) (*http.Response, error) {
	service, _, _ := strings.Cut(req.URL.Host, ".")
	if service == "ecs" || service == "elasticloadbalancing" {
		resp, err := w.runtime.HTTPClient().Transport.RoundTrip(req)
		if err == nil && w.ahead != 0 {
			resp.Header.Set("Date", time.Now().Add(-w.ahead).UTC().Format(http.TimeFormat))
		}
		return resp, err
	}
	return w.wire.RoundTrip(req)
}

// build does what Terraform does, and the first promotion.
func (w *world) build(o options) {
	w.t.Helper()
	cluster := w.platform.Cluster("staging")
	ok(w.raw.CreateCluster(w.ctx, &sdk.CreateClusterInput{ClusterName: &cluster}))(w.t)
	tasks := int32(o.tasks)
	if tasks == 0 {
		tasks = 2
	}
	for _, s := range w.platform.Services {
		w.services = append(w.services, s.Name)
		w.template(s.Name, func(in *sdk.RegisterTaskDefinitionInput) {
			if s.HealthCommand != nil && !o.unchecked {
				in.ContainerDefinitions[0].HealthCheck = &types.HealthCheck{Command: s.HealthCommand, Interval: new(int32(10)), Retries: new(int32(3))}
			}
		})
		service := &sdk.CreateServiceInput{
			Cluster: &cluster, ServiceName: &s.Name, TaskDefinition: new(w.templates[s.Name]), DesiredCount: new(int32(0)),
			LaunchType: types.LaunchTypeFargate, NetworkConfiguration: network(),
			DeploymentConfiguration: &types.DeploymentConfiguration{
				MinimumHealthyPercent: new(int32(100)), MaximumPercent: new(int32(200)),
				DeploymentCircuitBreaker: &types.DeploymentCircuitBreaker{Enable: true, Rollback: !o.noRollback},
			},
		}
		if len(s.Routes) > 0 || s.Default {
			service.LoadBalancers = []types.LoadBalancer{{TargetGroupArn: new(groupARN(s.Name)), ContainerName: &s.Name, ContainerPort: new(int32(s.Port))}}
		}
		ok(w.raw.CreateService(w.ctx, service))(w.t)
	}
	for _, t := range w.platform.Tasks {
		w.template(t.Name)
	}
	for _, s := range w.services {
		ok(w.env.UpdateService(w.ctx, deploy.Update{Service: s, TaskDefinition: w.register(s, "one"), Desired: new(int(tasks))}))(w.t)
	}
	pause(w.ctx, 2*time.Minute)
	for name, s := range ok(w.env.DescribeServices(w.ctx, w.services))(w.t) {
		if d := s.Deployment; d.State != deploy.DeploymentSuccessful {
			w.t.Fatalf("first deployment of %s is %s: %s", name, d.State, d.Reason)
		}
	}
	pause(w.ctx, time.Second) // so that no observation of it is fresh
}

// template registers a template, as Terraform does after a change of shape.
func (w *world) template(name string, change ...func(*sdk.RegisterTaskDefinitionInput)) {
	w.t.Helper()
	in := &sdk.RegisterTaskDefinitionInput{
		Family: new(w.platform.Family("staging", name)), Cpu: new("256"), Memory: new("512"),
		NetworkMode:             types.NetworkModeAwsvpc,
		RequiresCompatibilities: []types.Compatibility{types.CompatibilityFargate},
		ExecutionRoleArn:        new("arn:aws:iam::123456789012:role/execution"),
		ContainerDefinitions: []types.ContainerDefinition{{
			Name: &name, Image: new(w.platform.RepositoryURL(name) + ":template"),
			PortMappings: []types.PortMapping{{ContainerPort: new(int32(3000)), Name: &name}},
			Environment:  []types.KeyValuePair{{Name: new("APP_ENV"), Value: new("staging")}},
		}},
		Tags: []types.Tag{{Key: new("Environment"), Value: new("staging")}, {Key: new("release"), Value: new("none")}},
	}
	if s, ok := w.platform.Service(name); ok {
		in.ContainerDefinitions[0].PortMappings[0].ContainerPort = new(int32(s.Port))
	}
	for _, f := range change {
		f(in)
	}
	out := ok(w.raw.RegisterTaskDefinition(w.ctx, in))(w.t)
	w.templates[name] = *out.TaskDefinition.TaskDefinitionArn
}

// register registers the revision of a release.
func (w *world) register(name, release string) string {
	w.t.Helper()
	return ok(w.env.Register(w.ctx, deploy.Revision{
		Name: name, Template: w.templates[name], Image: w.image(name, release),
		Tags: map[string]string{"release": release},
	}))(w.t)
}

func (w *world) image(name, release string) string {
	return w.platform.RepositoryURL(name) + "@" + digest(name, release)
}

// digest is that of a release's image.
func digest(name, release string) string {
	return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(name+" "+release)))
}

// promote updates every service to a release, and returns the deployments that
// this caused by service.
func (w *world) promote(release string) map[string]string {
	w.t.Helper()
	caused := map[string]string{}
	for _, s := range w.services {
		definition := w.register(s, release)
		arn := ok(w.env.UpdateService(w.ctx, deploy.Update{Service: s, TaskDefinition: definition}))(w.t)
		for looks := 0; arn == ""; looks++ { // reads may be late
			if looks == 30 || !pause(w.ctx, tick/10) {
				w.t.Fatalf("the update of %s caused no deployment", s)
			}
			if d := ok(w.env.DescribeServices(w.ctx, []string{s}))(w.t)[s].Deployment; d != nil && d.TaskDefinition == definition {
				arn = d.ARN
			}
		}
		caused[s] = arn
	}
	return caused
}

// digests are those of the running tasks, by service.
func (w *world) digests() map[string][]string {
	w.t.Helper()
	all := map[string][]string{}
	for name, tasks := range ok(w.env.RunningTasks(w.ctx, w.services))(w.t) {
		all[name] = deploy.Digests(tasks)
	}
	return all
}

// current are the latest deployments by service.
func (w *world) current() map[string]string {
	w.t.Helper()
	current := map[string]string{}
	for name, s := range ok(w.env.DescribeServices(w.ctx, w.services))(w.t) {
		current[name] = s.Deployment.ARN
	}
	return current
}

const tick = 2 * time.Second

// watch looks every two seconds until all deployments have ended, and returns
// them by service. Transient errors are waited out.
func (w *world) watch(deployments map[string]string) map[string]deploy.Deployment {
	w.t.Helper()
	out, err := w.watchIn(w.ctx, deployments)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func (w *world) watchIn(ctx context.Context, deployments map[string]string) (map[string]deploy.Deployment, error) {
	var arns []string
	for _, arn := range deployments {
		arns = append(arns, arn)
	}
	last := map[string]deploy.Deployment{}
	for {
		now, err := w.env.DescribeDeployments(ctx, arns)
		if err != nil && !deploy.IsTransient(err) {
			return last, err
		}
		ended := 0
		for _, d := range now {
			last[d.Service] = d
			if d.State.Ended() {
				ended++
			}
		}
		if err == nil && ended == len(arns) {
			return last, nil
		}
		if !pause(ctx, tick) {
			return last, ctx.Err()
		}
	}
}

// pause reports whether the time passed before the context ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// calls are the calls to ECS so far, by operation and what they are about.
func (w *world) calls(operations ...string) []string {
	var all []string
	for _, c := range w.called.Of(operations...) {
		all = append(all, ecstest.Describe(c))
	}
	return all
}

func network() *types.NetworkConfiguration {
	return &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{Subnets: []string{"subnet-1"}}}
}

func groupARN(service string) string {
	return "arn:aws:elasticloadbalancing:us-west-2:123456789012:targetgroup/doc-platform-staging-" + service + "/0123456789abcdef"
}

// ok fails the test on an error: ok(f())(t).
func ok[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
