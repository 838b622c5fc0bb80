package ecs

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

// Collect gathers what explains a failure: events, stopped tasks with their
// last lines, circuit breakers and targets. What could not be had is a gap,
// with AWS's reason, and keeps nothing else from being gathered.
func (e *Environment) Collect(ctx context.Context, s deploy.Scope) deploy.Evidence {
	c := &collection{environment: e, scope: s}
	c.evidence.Collected = time.Now().UTC()
	var parts sync.WaitGroup
	for _, part := range []func(context.Context){c.events, c.stopped, c.breakers, c.targets} {
		parts.Go(func() { part(ctx) })
	}
	parts.Wait()
	slices.Sort(c.evidence.Gaps)
	return c.evidence
}

// collection is evidence while it is gathered.
type collection struct {
	environment *Environment
	scope       deploy.Scope

	mu       sync.Mutex
	evidence deploy.Evidence
}

// put changes the evidence.
func (c *collection) put(change func(*deploy.Evidence)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(&c.evidence)
}

func (c *collection) gap(format string, args ...any) {
	c.put(func(e *deploy.Evidence) { e.Gaps = append(e.Gaps, fmt.Sprintf(format, args...)) })
}

func (c *collection) events(ctx context.Context) {
	services, err := c.environment.describeServices(ctx, c.scope.Services)
	if err != nil {
		c.gap("events: %v", err)
		return
	}
	events := map[string][]deploy.ServiceEvent{}
	for _, s := range services {
		events[*s.ServiceName] = eventsOf(s, c.scope.Since)
	}
	c.put(func(e *deploy.Evidence) { e.Events = events })
}

func (c *collection) breakers(ctx context.Context) {
	deployments, err := c.environment.DescribeDeployments(ctx, c.scope.Deployments)
	if err != nil {
		c.gap("circuit breakers: %v", err)
		return
	}
	var breakers []deploy.Breaker
	for arn := range distinct(c.scope.Deployments) {
		d, ok := deployments[arn]
		if !ok {
			c.gap("circuit breakers: ECS does not know %s", afterColon(arn))
			continue
		}
		breakers = append(breakers, deploy.Breaker{
			Service: d.Service, ARN: d.ARN, State: d.State, Reason: d.Reason, Failures: d.Failures, Threshold: d.Threshold,
		})
	}
	c.put(func(e *deploy.Evidence) { e.Deployments = breakers })
}

func (c *collection) targets(ctx context.Context) {
	targets, err := c.environment.TargetHealth(ctx, c.scope.Services)
	if err != nil {
		c.gap("targets: %v", err)
		return
	}
	c.put(func(e *deploy.Evidence) { e.Targets = targets })
}
