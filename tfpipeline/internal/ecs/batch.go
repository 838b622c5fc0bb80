package ecs

import (
	"context"
	"iter"

	"golang.org/x/sync/errgroup"
)

// What the API takes at most in one call.
const (
	servicesPerCall    = 10
	deploymentsPerCall = 20
	revisionsPerCall   = 20
	tasksPerCall       = 100
	targetsPerCall     = 50 // scalable targets
)

// callsAtOnce is how many calls are under way at a time.
const callsAtOnce = 8

// each does something for every item, a few at a time, and gives up at the
// first error.
func each[T any](ctx context.Context, items iter.Seq[T], do func(ctx context.Context, item T) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(callsAtOnce)
	for item := range items {
		group.Go(func() error { return do(ctx, item) })
	}
	return group.Wait()
}
