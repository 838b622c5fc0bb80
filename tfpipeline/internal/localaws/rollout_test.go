package localaws_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"

	"github.com/specboard/platform/tfpipeline/internal/localaws/balancer"
	"github.com/specboard/platform/tfpipeline/internal/localaws/ecs"
	"github.com/specboard/platform/tfpipeline/internal/localaws/task"
)

// TestRollout deploys three services of real processes under constant load on
// a real load balancer, well and badly: not one request may fail.
func TestRollout(t *testing.T) {
	t.Parallel()
	s := newSite(t, time.Second)
	s.create("v1")

	t.Run("new release", func(t *testing.T) {
		users := s.users(6)
		s.deploy(s.register("v2", nil))
		for service := range s.groups {
			if got := s.result(service); got != "SUCCESSFUL" {
				t.Errorf("%s: %s", service, got)
			}
		}
		users.check(t, everywhere("v1", "v2")...)
	})
	t.Run("release that crashes", func(t *testing.T) {
		before := fmt.Sprint(s.running)
		users := s.users(6)
		bad := s.register("v3", map[string][]string{"api": {"-crash-after", "1ns"}})
		s.deploy(bad)
		if got := s.result("api"); got != "ROLLBACK_SUCCESSFUL" {
			t.Errorf("api: %s", got)
		}
		users.check(t, append(everywhere("v2"), "mcp v3", "frontend v3")...)
		if s.running["api"] == bad["api"] || s.running["mcp"] != bad["mcp"] {
			t.Errorf("ran %s, runs %v", before, s.running)
		}
	})
}

// newSite is a site whose load balancer is configured by hand, without moto. A
// second of a time-out takes as long as it says.
func newSite(t *testing.T, second time.Duration) *site {
	t.Helper()
	sample := buildProgram(t, t.TempDir(), samplePackage)
	var mu sync.Mutex
	images := map[string]task.Image{}
	var runtime *ecs.Runtime
	launcher, err := task.New(task.Options{
		Second: second,
		Endpoints: func(task, host string, port int) ([]ecs.Endpoint, bool) {
			return runtime.Endpoints(task, host, port)
		},
		Image: func(_ context.Context, reference, _ string) (task.Image, error) {
			mu.Lock()
			defer mu.Unlock()
			return images[reference], nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	balancers := balancer.New(balancer.Options{Speed: 20, Second: second, Lag: 100 * time.Millisecond,
		Read: func(context.Context) (balancer.Configuration, error) { return siteConfiguration(), nil },
		Warn: func(err error) { t.Error(err) }})
	runtime = ecs.New(ecs.Options{Launcher: launcher, Targets: balancers, Pace: ecs.LocalPace()})
	t.Cleanup(func() {
		runtime.Close()
		launcher.Close()
		balancers.Close()
	})
	s := &site{t: t, groups: map[string]string{}, running: map[string]string{}, host: "specboard.io", namespace: "site", subnets: []string{"subnet-1"},
		ecs: sdk.New(sdk.Options{Region: "us-west-2", HTTPClient: runtime.HTTPClient(), Retryer: aws.NopRetryer{},
			Credentials: credentials.NewStaticCredentialsProvider("key", "secret", "")}),
		push: func(service string, args ...string) string {
			mu.Lock()
			defer mu.Unlock()
			reference := fmt.Sprintf("registry/%s:%d", service, len(images))
			images[reference] = task.Image{Entrypoint: []string{sample}, Command: args}
			return reference
		}}
	for _, service := range siteServices() {
		s.groups[service.name] = "arn:group/" + service.name
	}
	eventually(t, "the load balancer answers", func() bool {
		all := balancers.Addresses()
		if len(all) == 1 && len(all[0].Listeners) == 1 {
			s.url = all[0].Listeners[0].URL
		}
		return s.url != ""
	})
	return s
}

// siteConfiguration has the figures of modules/service.
func siteConfiguration() balancer.Configuration {
	l := balancer.Listener{ARN: "arn:listener", Port: 443, Protocol: "HTTPS", Idle: 4000}
	var c balancer.Configuration
	for _, service := range siteServices() {
		group := "arn:group/" + service.name
		l.Rules = append(l.Rules, balancer.Rule{Paths: service.patterns, Action: balancer.Action{Forward: []balancer.Weighted{{Group: group, Weight: 1}}}})
		c.Groups = append(c.Groups, balancer.TargetGroup{ARN: group, Delay: 30 * time.Second, Check: balancer.Check{
			Path: "/health", Interval: 10 * time.Second, Timeout: 5 * time.Second, Healthy: 2, Unhealthy: 3, Matcher: "200"}})
	}
	c.LoadBalancers = []balancer.LoadBalancer{{ARN: "arn:lb", Name: "site", Listeners: []balancer.Listener{l}}}
	return c
}
