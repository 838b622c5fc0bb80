// Package deploy is the domain of the pipeline: a release goes to all services
// of an environment or to none, and every end of it is named.
//
// Promote and Rollback are lists of named steps. What they need of
// the world are the small interfaces beside the nouns they speak of; adapters
// implement them. The package calls no SDK, starts no process and prints
// nothing: it tells an observer what happens, and returns a Record and an
// *Error that says which step failed, how things were left and what to do next.
//
// What every adapter keeps to:
//
//   - An adapter belongs to one environment.
//   - It retries what AWS says may be retried. If that does not help, it
//     returns an error made by Transient; whoever waits here goes on waiting
//     after such an error until its time is up, and gives up on any other soon.
//   - It returns when the context ends, with the context's error.
//   - A map by service lacks the services that AWS does not know.
package deploy

import (
	"context"
	"time"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/migrations"
	"github.com/specboard/platform/tfpipeline/internal/redact"
)

// Pipeline is an environment with everything that a promotion needs of the
// world. All fields but Origin, Notifier and Observe are required; Origin is
// required if the environment asks for a proof.
type Pipeline struct {
	Platform    config.Platform
	Environment string

	Images          Images
	TaskDefinitions TaskDefinitions
	Services        Services
	Scaling         Scaling
	Deployments     Deployments
	Tasks           Tasks
	Infrastructure  Infrastructure
	Secrets         Secrets
	Health          Health
	Checkout        Checkout
	History         History
	Lock            Lock
	Collector       Collector
	// Origin is the environment that a proof comes from.
	Origin Origin
	// Notifier tells people how it ended; nil tells nobody.
	Notifier Notifier
	// Observe is told what happens, from one goroutine at a time; nil: nobody.
	Observe func(Event)
	// Random gives numbers in [0,1) for jitter and for ids; nil means
	// math/rand. It is called from one goroutine at a time.
	Random func() float64
	// Redactor hides secrets in what is observed and recorded. Its zero value
	// hides what looks like one.
	Redactor redact.Redactor
	// Limits bound every wait; zero fields mean DefaultLimits.
	Limits Limits
}

// Request is what a person or a workflow asks for.
type Request struct {
	// Tag names the release; Commit is the full commit. A promotion needs one
	// of them: a tag is peeled to its commit. A rollback takes either as the
	// release to go to; none means the last good one before the current.
	Tag, Commit string
	// ID is the attempt's, made by NewID; "" has one made.
	ID string
	// Actor is who asks, RunURL where its log is.
	Actor, RunURL string
	// Why is told to whoever finds the lock held.
	Why string

	// Reviewed is the fingerprint of the plan that was approved; any other
	// plan is refused. Empty: no plan was reviewed.
	Reviewed string
	// OverrideProof is the reason for promoting without a proof.
	OverrideProof string
	// Force promotes a rejected release, or rolls back behind a contract
	// migration. It needs no reason; what it overrode is recorded.
	Force bool
	// Forward leaves a promotion at nothing if a newer release runs, in place of
	// rolling back to the older one.
	Forward bool
	// WithMigrations makes a rollback run the target's migrations.
	WithMigrations bool
	// DryRun walks every check and stops before the first change.
	DryRun bool
	// Timeout bounds everything from the lock to the verification; 0 means
	// Limits.Total.
	Timeout time.Duration
	// CredentialsEnd is when the credentials are valid no longer; zero if they
	// are renewed, or if nobody knows. An attempt does not begin whose time is
	// longer.
	CredentialsEnd time.Time
	// LockWait is how long to wait for a lock that somebody holds; 0 means
	// Limits.LockWait, less than 0 not at all.
	LockWait time.Duration
}

// Limits are the bounds and paces of every wait.
type Limits struct {
	// Total bounds a promotion from lock to verification.
	Total time.Duration
	// LockWait is how long a held lock is waited for.
	LockWait time.Duration
	// Lease is how long a lock lives without being renewed; it is renewed
	// three times in that span.
	Lease time.Duration
	// Tick is the longest pause between two looks at what is waited for.
	Tick time.Duration
	// Backoff is the longest pause after transient errors.
	Backoff time.Duration
	// Settle bounds the wait for services that another run, an apply or an
	// earlier attempt set in motion.
	Settle time.Duration
	// Confirm is how long ECS has to show the same before something is concluded
	// that no deployment proves: longer than a read of ECS lags behind a write.
	Confirm time.Duration
	// Verify bounds how long digests, targets and the URL may take to be right
	// once ECS calls every deployment successful.
	Verify time.Duration
	// Window is how long a release has to stay healthy; 0 means the
	// environment's own.
	Window time.Duration
	// RollBack bounds the return to the previous task definitions.
	RollBack time.Duration
	// Finish bounds each of record, unlock and notify, and the stop of a
	// migration that took too long.
	Finish time.Duration
	// Collect bounds the gathering of evidence.
	Collect time.Duration
}

// lag is longer than one read of ECS lags behind a write, mostly.
func (l Limits) lag() time.Duration { return l.Confirm / 6 }

// DefaultLimits suit AWS.
func DefaultLimits() Limits {
	return Limits{
		Total:    time.Hour,
		LockWait: 15 * time.Minute,
		Lease:    time.Minute,
		Tick:     2 * time.Second,
		Backoff:  30 * time.Second,
		Settle:   15 * time.Minute,
		Confirm:  time.Minute,
		Verify:   5 * time.Minute,
		RollBack: 20 * time.Minute,
		Finish:   2 * time.Minute,
		Collect:  30 * time.Second,
	}
}

// Schema is a list of migrations, in the order of their numbers.
type Schema []migrations.Migration

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
	b.last = min(max(2*b.last, firstLook), b.most)
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

// retryCall is retry for what returns no value.
func (a *attempt) retryCall(ctx context.Context, f func(context.Context) error) error {
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
		{&l.Backoff, &d.Backoff}, {&l.Settle, &d.Settle}, {&l.Verify, &d.Verify}, {&l.RollBack, &d.RollBack},
		{&l.Finish, &d.Finish}, {&l.Collect, &d.Collect}, {&l.Confirm, &d.Confirm},
	} {
		if *f.limit == 0 {
			*f.limit = *f.standard
		}
	}
	return l
}
