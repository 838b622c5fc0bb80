// Package ecs is one environment as AWS has it: what a promotion asks of Amazon
// ECS and of the services around it (images, logs, targets, secrets,
// autoscaling and schedules), through the AWS SDK.
//
// An Environment implements the ports of package deploy. It reads and changes AWS, and
// decides nothing: when to look again, and what follows, is for package deploy to
// decide. It makes as few calls as the API allows, so that looking at fifty services
// costs what the API's limits require and no more.
package ecs

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"golang.org/x/sync/errgroup"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/calls"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

// Environment is one environment of a platform. Its methods may be called from
// any goroutine.
type Environment struct {
	platform config.Platform
	name     string
	cluster  string

	ecs       *sdk.Client
	ecr       *ecr.Client
	logs      *cloudwatchlogs.Client
	targets   *elasticloadbalancingv2.Client
	secrets   *secretsmanager.Client
	scaling   *applicationautoscaling.Client
	scheduler *scheduler.Client
	sessions  *ssm.Client
	alarms    *cloudwatch.Client
	web       *http.Client

	mu        sync.Mutex
	revisions map[string]revision // by ARN; they never change
	last      observation         // of deployments
	ahead     time.Duration       // how far AWS's clock is ahead, by its last answer
}

var (
	_ deploy.Images          = (*Environment)(nil)
	_ deploy.TaskDefinitions = (*Environment)(nil)
	_ deploy.Services        = (*Environment)(nil)
	_ deploy.Scaling         = (*Environment)(nil)
	_ deploy.Deployments     = (*Environment)(nil)
	_ deploy.Schedules       = (*Environment)(nil)
	_ deploy.Tasks           = (*Environment)(nil)
	_ deploy.Secrets         = (*Environment)(nil)
	_ deploy.Health          = (*Environment)(nil)
	_ deploy.Collector       = (*Environment)(nil)
	_ deploy.Origin          = (*Environment)(nil)
)

// New returns an environment of a platform, as the configuration's credentials
// see it; the region is the platform's. web requests the platform's own URLs;
// nil means http.DefaultClient. It makes no call.
func New(cfg aws.Config, p config.Platform, environment string, web *http.Client) (*Environment, error) {
	if _, ok := p.Environment(environment); !ok {
		return nil, fmt.Errorf("open environment %q: %s has none of that name", environment, p.Name)
	}
	if web == nil {
		web = http.DefaultClient
	}
	cfg = cfg.Copy()
	cfg.Region = p.Region
	cfg.Retryer = newRetryer
	cfg.HTTPClient = calls.Bound(cfg.HTTPClient, answerWithin)
	return &Environment{
		platform:  p,
		name:      environment,
		cluster:   p.Cluster(environment),
		ecs:       sdk.NewFromConfig(cfg),
		ecr:       ecr.NewFromConfig(cfg),
		logs:      cloudwatchlogs.NewFromConfig(cfg),
		targets:   elasticloadbalancingv2.NewFromConfig(cfg),
		secrets:   secretsmanager.NewFromConfig(cfg),
		scaling:   applicationautoscaling.NewFromConfig(cfg),
		alarms:    cloudwatch.NewFromConfig(cfg),
		scheduler: scheduler.NewFromConfig(cfg),
		sessions:  ssm.NewFromConfig(cfg),
		web:       noRedirects(web),
		revisions: map[string]revision{},
	}, nil
}

// What the API takes at most in one call.
const (
	servicesPerCall    = 10
	deploymentsPerCall = 20
	revisionsPerCall   = 20
	tasksPerCall       = 100
	targetsPerCall     = 50 // scalable targets
)

// parallelCalls is how many calls are under way at a time.
const parallelCalls = 8

// each does something for every item, a few at a time, and gives up at the
// first error.
func each[T any](ctx context.Context, items iter.Seq[T], do func(ctx context.Context, item T) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallelCalls)
	for item := range items {
		group.Go(func() error { return do(ctx, item) })
	}
	return group.Wait()
}
