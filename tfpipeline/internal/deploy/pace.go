package deploy

import (
	"context"
	"time"
)

// pause waits; false if the context ended first. Up to a tenth of it is left
// out at random, so that runs that began together do not call together.
func (a *attempt) pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d - time.Duration(a.random()*float64(d)/10))
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// backoff is a pause that doubles with every transient error in a row.
type backoff struct {
	most, last time.Duration
}

func (b *backoff) next() time.Duration {
	b.last = min(max(2*b.last, time.Second/2), b.most)
	return b.last
}

// retry calls f until it succeeds, fails for good, or the context ends.
// Everything that is called so can be called twice.
func retry[T any](ctx context.Context, a *attempt, f func(context.Context) (T, error)) (T, error) {
	b := backoff{most: a.limits.Backoff}
	for {
		v, err := f(ctx)
		if err == nil || !IsTransient(err) {
			return v, err
		}
		if b.last == 0 {
			a.warn("trying again: %v", err)
		}
		if !a.pause(ctx, b.next()) {
			return v, because(ctx, err)
		}
	}
}

// again is retry for what returns no value.
func (a *attempt) again(ctx context.Context, f func(context.Context) error) error {
	_, err := retry(ctx, a, func(ctx context.Context) (struct{}, error) { return struct{}{}, f(ctx) })
	return err
}

// finishing is a context for what has to be done even if the attempt's own has
// ended.
func (a *attempt) finishing(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(context.WithoutCancel(ctx), a.limits.Finish, timeUp{a.limits.Finish})
}

// timeUp is why a context ended that had a bound.
type timeUp struct{ after time.Duration }

func (t timeUp) Error() string { return "not done within " + t.after.String() }

// orDefault fills in what is zero.
func (l Limits) orDefault() Limits {
	d := DefaultLimits()
	for _, f := range []struct{ limit, standard *time.Duration }{
		{&l.Total, &d.Total}, {&l.LockWait, &d.LockWait}, {&l.Lease, &d.Lease}, {&l.Tick, &d.Tick},
		{&l.Backoff, &d.Backoff}, {&l.Settle, &d.Settle}, {&l.Verify, &d.Verify}, {&l.PutBack, &d.PutBack},
		{&l.Finish, &d.Finish}, {&l.Collect, &d.Collect},
	} {
		if *f.limit == 0 {
			*f.limit = *f.standard
		}
	}
	return l
}
