package main

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/root"
	"github.com/specboard/platform/tfpipeline/internal/state"
	"github.com/specboard/platform/tfpipeline/internal/view"
)

// lease is the environments' for changes of their roots: no promotion begins
// while one is changed, and none is changed while a promotion is at work or has
// left what is to be continued. shared has no lease.
func (a *app) lease(cfg aws.Config) *root.Lease {
	return &root.Lease{
		Free: func(ctx context.Context, name string, op root.Operation) error {
			if name == config.SharedRoot {
				return nil
			}
			err := a.leases(name, cfg).Free(ctx, deploy.Kind(op))
			if errors.Is(err, state.ErrNoBucket) {
				return nil // and no promotion
			}
			return leaseNext(name, err)
		},
		Hold: func(ctx context.Context, name string, op root.Operation, work func(context.Context) error) error {
			if name == config.SharedRoot {
				return work(ctx)
			}
			return leaseNext(name, a.leases(name, cfg).Change(ctx, deploy.ChangeRequest{Kind: deploy.Kind(op), Actor: a.actor(), Why: a.why(), RunURL: a.runURL()}, work))
		},
	}
}

func (a *app) leases(environment string, cfg aws.Config) *deploy.Pipeline {
	bucket := state.New(cfg, a.platform)
	return &deploy.Pipeline{
		Platform: a.platform, Environment: environment, History: bucket.History(environment), Lock: bucket.Lock(environment),
		Redactor: a.redactor(), Limits: a.limits,
		Observe: func(e deploy.Event) { a.console.Progress("%s: %s", environment, e.Message) },
	}
}

// leaseNext adds to a lease that is not free what to do about it.
func leaseNext(environment string, err error) error {
	held, ok := errors.AsType[deploy.LockError](err)
	switch {
	case !ok:
		return explain(environment, err)
	case held.Dead || held.Lease.Left != "":
		return console.WithNext(err, "%s", view.Next(environment, append(held.Lease.Next(), deploy.Move{Advice: deploy.AdviceGiveUp, Verb: deploy.VerbUnlock})))
	default:
		return console.WithNext(err, "wait for it, and see tfpipeline status -env %s", environment)
	}
}
