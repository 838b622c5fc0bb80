package ecs

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

// TargetHealth returns the health of the targets of each service that has a
// target group: one call for 10 services, to learn which groups ECS registers
// their tasks with, and one for each group.
func (e *Environment) TargetHealth(ctx context.Context, services []string) (map[string]deploy.Targets, error) {
	all, err := e.describeServices(ctx, services)
	if err != nil {
		return nil, err
	}
	type target struct{ service, group string }
	var groups []target
	for _, s := range all {
		if !active(s) {
			continue
		}
		for _, b := range s.LoadBalancers {
			if group := value(b.TargetGroupArn); group != "" {
				groups = append(groups, target{*s.ServiceName, group})
			}
		}
	}
	var mu sync.Mutex
	health := map[string]deploy.Targets{}
	err = each(ctx, slices.Values(groups), func(ctx context.Context, t target) error {
		out, err := e.targets.DescribeTargetHealth(ctx, &elasticloadbalancingv2.DescribeTargetHealthInput{TargetGroupArn: &t.group})
		if err != nil {
			return failed(ctx, err, "read target health of %s", t.service)
		}
		mu.Lock()
		defer mu.Unlock()
		health[t.service] = counted(health[t.service], out.TargetHealthDescriptions)
		return nil
	})
	return health, err
}

// counted adds targets to those of a service.
func counted(sum deploy.Targets, targets []types.TargetHealthDescription) deploy.Targets {
	for _, t := range targets {
		health := value(t.TargetHealth)
		switch health.State {
		case types.TargetHealthStateEnumHealthy:
			sum.Healthy++
		case types.TargetHealthStateEnumDraining, types.TargetHealthStateEnumUnhealthyDraining:
			sum.Draining++
		case types.TargetHealthStateEnumInitial:
			sum.Initial++
			sum.Reasons = append(sum.Reasons, whyUnhealthy(value(t.Target), health))
		default:
			sum.Unhealthy++
			sum.Reasons = append(sum.Reasons, whyUnhealthy(value(t.Target), health))
		}
	}
	slices.Sort(sum.Reasons)
	return sum
}

// whyUnhealthy is such as "10.0.0.7:3001 is unhealthy: Health checks failed
// with these codes: [502] (Target.ResponseCodeMismatch)".
func whyUnhealthy(t types.TargetDescription, health types.TargetHealth) string {
	text := fmt.Sprintf("%s:%d is %s", value(t.Id), value(t.Port), health.State)
	if d := value(health.Description); d != "" {
		text += ": " + d
	}
	if health.Reason != "" {
		text += fmt.Sprintf(" (%s)", health.Reason)
	}
	return text
}

// getWithin bounds one request for a URL.
const getWithin = 10 * time.Second

// Get requests a URL once, and returns the status. An error is transient if nobody
// answers.
func (e *Environment) Get(ctx context.Context, url string) (int, error) {
	bound, cancel := context.WithTimeout(ctx, getWithin)
	defer cancel()
	req, err := http.NewRequestWithContext(bound, http.MethodGet, url, nil)
	if err != nil {
		return 0, fmt.Errorf("get %s: %w", url, err)
	}
	resp, err := e.web.Do(req)
	if ctx.Err() != nil {
		return 0, fmt.Errorf("get %s: %w", url, ctx.Err())
	}
	if err != nil {
		return 0, deploy.Transient(err) // says the method and the URL itself
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20)) // only so that the connection can be used again
	return resp.StatusCode, nil
}

// noRedirects is a client that follows no redirect: what a URL answers is what its
// users get.
func noRedirects(web *http.Client) *http.Client {
	c := *web
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &c
}
