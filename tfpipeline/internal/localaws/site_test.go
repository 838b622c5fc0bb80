package localaws_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// siteService is one service of the site that tests deploy to.
type siteService struct {
	name, path string
	port       int32
	patterns   []string // nil for the default
}

func siteServices() []siteService {
	return []siteService{
		{"api", "/api/users", 3001, []string{"/api/*"}},
		{"mcp", "/mcp", 3002, []string{"/mcp", "/mcp/*"}},
		{"frontend", "/", 3000, nil},
	}
}

// site is three services behind one load balancer, of two tasks each.
type site struct {
	t   *testing.T
	ecs *sdk.Client
	// url is where the load balancer answers, host what it is asked for.
	url, host string
	groups    map[string]string // service → target group
	// push makes an image of the sample application, and gives a reference to
	// it.
	push func(service string, args ...string) string
	// secrets and options are those of every container.
	secrets []types.Secret
	log     *types.LogConfiguration

	// namespace is that of Service Connect, "" for none; timeouts are by service.
	namespace string
	timeouts  map[string]*types.TimeoutConfiguration

	// subnets are where tasks run.
	subnets []string

	running map[string]string // service → task definition
}

func (s *site) container(service siteService, image string) types.ContainerDefinition {
	return types.ContainerDefinition{
		Name: &service.name, Image: &image, Essential: new(true), StopTimeout: new(int32(30)),
		PortMappings:     []types.PortMapping{{ContainerPort: &service.port, Name: &service.name, AppProtocol: types.ApplicationProtocolHttp}},
		Environment:      []types.KeyValuePair{{Name: new("PORT"), Value: new(fmt.Sprint(service.port))}},
		Secrets:          s.secrets,
		LogConfiguration: s.log,
	}
}

// register registers a revision of each service that runs a release; args are
// more arguments, by service.
func (s *site) register(release string, args map[string][]string) map[string]string {
	s.t.Helper()
	revisions := map[string]string{}
	for _, service := range siteServices() {
		image := s.push(service.name, append([]string{"-service", service.name, "-release", release}, args[service.name]...)...)
		out, err := s.ecs.RegisterTaskDefinition(s.t.Context(), &sdk.RegisterTaskDefinitionInput{
			Family: new("site-" + service.name), Cpu: new("256"), Memory: new("512"),
			NetworkMode: types.NetworkModeAwsvpc, RequiresCompatibilities: []types.Compatibility{types.CompatibilityFargate},
			ExecutionRoleArn:     new("arn:aws:iam::123456789012:role/execution"),
			ContainerDefinitions: []types.ContainerDefinition{s.container(service, image)},
		})
		if err != nil {
			s.t.Fatal(err)
		}
		revisions[service.name] = *out.TaskDefinition.TaskDefinitionArn
	}
	return revisions
}

func (s *site) connect(service siteService) *types.ServiceConnectConfiguration {
	if s.namespace == "" {
		return nil
	}
	return &types.ServiceConnectConfiguration{Enabled: true, Namespace: &s.namespace, Services: []types.ServiceConnectService{{
		PortName: &service.name, ClientAliases: []types.ServiceConnectClientAlias{{DnsName: &service.name, Port: &service.port}}, Timeout: s.timeouts[service.name]}}}
}

func (s *site) network() *types.NetworkConfiguration {
	return &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{Subnets: s.subnets}}
}

// create creates cluster and services, and waits until they run.
func (s *site) create(release string) {
	s.t.Helper()
	if _, err := s.ecs.CreateCluster(s.t.Context(), &sdk.CreateClusterInput{ClusterName: new("site")}); err != nil {
		s.t.Fatal(err)
	}
	s.running = s.register(release, nil)
	for _, service := range siteServices() {
		if _, err := s.ecs.CreateService(s.t.Context(), &sdk.CreateServiceInput{
			Cluster: new("site"), ServiceName: &service.name, TaskDefinition: new(s.running[service.name]),
			DesiredCount: new(int32(2)), LaunchType: types.LaunchTypeFargate, NetworkConfiguration: s.network(),
			HealthCheckGracePeriodSeconds: new(int32(60)),
			ServiceConnectConfiguration:   s.connect(service),
			LoadBalancers:                 []types.LoadBalancer{{TargetGroupArn: new(s.groups[service.name]), ContainerName: &service.name, ContainerPort: &service.port}},
			DeploymentConfiguration: &types.DeploymentConfiguration{
				MinimumHealthyPercent: new(int32(100)), MaximumPercent: new(int32(200)),
				DeploymentCircuitBreaker: &types.DeploymentCircuitBreaker{Enable: true, Rollback: true},
			},
		}); err != nil {
			s.t.Fatal(err)
		}
	}
	s.settled()
}

// deploy updates all services at once, and waits until they are still.
func (s *site) deploy(revisions map[string]string) {
	s.t.Helper()
	for service, revision := range revisions {
		if _, err := s.ecs.UpdateService(s.t.Context(), &sdk.UpdateServiceInput{Cluster: new("site"), Service: &service, TaskDefinition: &revision}); err != nil {
			s.t.Fatal(err)
		}
	}
	s.settled()
}

// settled waits until every service has one deployment that is completed, and
// takes note of what runs.
func (s *site) settled() {
	s.t.Helper()
	names := slices.Sorted(maps.Keys(s.groups))
	begin := time.Now()
	eventually(s.t, "all services are stable", func() bool {
		out, err := s.ecs.DescribeServices(s.t.Context(), &sdk.DescribeServicesInput{Cluster: new("site"), Services: names})
		if err != nil {
			s.t.Fatal(err)
		}
		for _, service := range out.Services {
			if len(service.Deployments) != 1 || service.Deployments[0].RolloutState != types.DeploymentRolloutStateCompleted {
				if time.Since(begin) > 50*time.Second {
					s.t.Logf("%s: %d deployments, %s", *service.ServiceName, len(service.Deployments), service.Deployments[0].RolloutState)
					for _, e := range service.Events[:min(8, len(service.Events))] {
						s.t.Log(*e.Message)
					}
				}
				return false
			}
		}
		for _, service := range out.Services {
			s.running[*service.ServiceName] = *service.TaskDefinition
		}
		return true
	})
}

// result is the outcome of a service's latest deployment.
func (s *site) result(service string) string {
	s.t.Helper()
	list, err := s.ecs.ListServiceDeployments(s.t.Context(), &sdk.ListServiceDeploymentsInput{Cluster: new("site"), Service: &service, MaxResults: new(int32(1))})
	if err != nil {
		s.t.Fatal(err)
	}
	out, err := s.ecs.DescribeServiceDeployments(s.t.Context(), &sdk.DescribeServiceDeploymentsInput{
		ServiceDeploymentArns: []string{*list.ServiceDeployments[0].ServiceDeploymentArn}})
	if err != nil {
		s.t.Fatal(err)
	}
	return string(out.ServiceDeployments[0].Status)
}

// eventually waits up to a minute until something is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-deadline:
			t.Fatalf("not in a minute: %s", what)
		case <-tick.C:
		}
	}
}

// load is a constant stream of requests to every service of a site.
type load struct {
	cancel  context.CancelFunc
	workers sync.WaitGroup

	mu       sync.Mutex
	requests int
	failures []string
	releases map[string]int // "api v2" → answers
}

// users sends requests until stop is called. Each of the workers keeps its
// connection; some requests take a moment, so that some are always in flight.
func (s *site) users(workers int) *load {
	ctx, cancel := context.WithCancel(s.t.Context())
	l := &load{cancel: cancel, releases: map[string]int{}}
	s.t.Cleanup(func() { l.stop() })
	for w := range workers {
		l.workers.Go(func() {
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}, Timeout: 30 * time.Second}
			defer client.CloseIdleConnections()
			// Some breath for the tasks, which share the processors.
			pace := time.NewTicker(4 * time.Millisecond)
			defer pace.Stop()
			for n := w * 10; ctx.Err() == nil; n++ {
				service := siteServices()[n%3]
				path := service.path
				if n%61 == 0 {
					path += "?slow=300ms"
				}
				l.note(service.name, s.request(client, path))
				<-pace.C
			}
		})
	}
	return l
}

// answer is what came of one request.
type answer struct {
	Service, Release string
	err              error
}

// request sends one request. It is not cancelled: the last ones count, too.
func (s *site) request(client *http.Client, path string) answer {
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, s.url+path, nil)
	if err != nil {
		return answer{err: err}
	}
	r.Host = s.host
	res, err := client.Do(r)
	if err != nil {
		return answer{err: err}
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return answer{err: err}
	}
	if res.StatusCode != http.StatusOK {
		return answer{err: fmt.Errorf("status %d: %s", res.StatusCode, body)}
	}
	var a answer
	a.err = json.Unmarshal(body, &a)
	return a
}

func (l *load) note(service string, a answer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.requests++
	if a.err == nil && a.Service != service {
		a.err = fmt.Errorf("%s answered", a.Service)
	}
	if a.err != nil {
		l.failures = append(l.failures, fmt.Sprintf("%s %s: %v", time.Now().Format("05.000"), service, a.err))
		return
	}
	l.releases[a.Service+" "+a.Release]++
}

// stop ends the load, when the last request has been answered.
func (l *load) stop() {
	l.cancel()
	l.workers.Wait()
}

// check stops the load, and fails the test unless no request failed and the
// releases answered that should.
func (l *load) check(t *testing.T, releases ...string) {
	t.Helper()
	l.stop()
	t.Logf("%d requests, %d failed: %v", l.requests, len(l.failures), l.releases)
	if len(l.failures) > 0 {
		t.Errorf("%d of %d requests failed:\n%s", len(l.failures), l.requests, strings.Join(l.failures[:min(10, len(l.failures))], "\n"))
	}
	if got := slices.Sorted(maps.Keys(l.releases)); !slices.Equal(got, slices.Sorted(slices.Values(releases))) {
		t.Errorf("answered by %v, want %v", got, releases)
	}
}

// everywhere is a release of all services, as load.check wants it.
func everywhere(releases ...string) []string {
	var all []string
	for _, r := range releases {
		for _, s := range siteServices() {
			all = append(all, s.name+" "+r)
		}
	}
	return all
}

// buildProgram builds a program of this module.
func buildProgram(t testing.TB, dir, pkg string) string {
	t.Helper()
	path := filepath.Join(dir, filepath.Base(pkg))
	if out, err := exec.Command("go", "build", "-o", path, "github.com/specboard/platform/"+pkg).CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", pkg, err, out)
	}
	return path
}

const samplePackage = "tfpipeline/internal/localaws/sample"
