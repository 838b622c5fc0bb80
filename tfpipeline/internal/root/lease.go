package root

import (
	"context"
	"errors"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/redact"
	"github.com/specboard/platform/tfpipeline/internal/state"
	"github.com/specboard/platform/tfpipeline/internal/view"
)

// Leases are those of the environments, as changes of their roots need them: no
// promotion begins while a root is changed, and none is changed while a
// promotion is at work or has left what is to be continued.
type Leases struct {
	Platform config.Platform
	Bucket   *state.Bucket
	Console  *console.Console
	Redactor redact.Redactor
	Limits   deploy.Limits
	// Cache is the folder for what is kept between runs.
	Cache string
	// Notifier is told of attempts that could not tell of their own end; nil tells
	// nobody.
	Notifier deploy.Notifier
	// Actor is who asks, Why what for, RunURL where the log is; it may be "".
	Actor, Why, RunURL string
}

// free refuses while somebody else holds the lease of a root's environment. It
// reports whether a run that died has left its own.
func (l *Leases) free(ctx context.Context, root string, c Choices) (abandoned bool, err error) {
	if l == nil {
		return false, nil
	}
	abandoned, err = l.pipeline(root).Free(ctx, l.request(c))
	if errors.Is(err, state.ErrNoBucket) {
		return false, nil // and no promotion
	}
	return abandoned, leaseNext(root, err)
}

// during does work under the lease of a root's environment, which has the
// attempt's id.
func (l *Leases) during(ctx context.Context, root string, c Choices, work func(ctx context.Context, attempt string) error) (err error) {
	if l == nil {
		return work(ctx, newAttempt())
	}
	attempt, end, err := Note(l.Cache, root)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	q := l.request(c)
	q.ID = attempt
	return leaseNext(root, l.pipeline(root).Change(ctx, q, func(ctx context.Context) error {
		if err := forgetDead(l.Cache, root); err != nil {
			return err
		}
		return work(ctx, attempt)
	}))
}

func (l *Leases) request(c Choices) deploy.ChangeRequest {
	return deploy.ChangeRequest{Kind: deploy.Kind(c.Operation), Actor: l.Actor, Why: l.Why, RunURL: l.RunURL, LockWait: c.LockTimeout}
}

// pipeline is the part of one that leases need.
func (l *Leases) pipeline(environment string) *deploy.Pipeline {
	return &deploy.Pipeline{
		Platform: l.Platform, Environment: environment, History: l.Bucket.History(environment), Lock: l.Bucket.Lock(environment),
		Redactor: l.Redactor, Limits: l.Limits,
		Observe: func(e deploy.Event) { l.Console.Progress("%s: %s", environment, e.Message) },
	}
}

// leaseNext adds to a lease that is not free what to do about it.
func leaseNext(environment string, err error) error {
	held, ok := errors.AsType[deploy.LockError](err)
	switch {
	case !ok:
		return Explain(environment, err)
	case held.Dead || held.Lease.Left != "":
		return console.WithNext(err, "%s", view.Next(environment, append(held.Lease.Next(), deploy.Move{Advice: deploy.AdviceGiveUp, Verb: deploy.VerbUnlock})))
	default:
		return console.WithNext(err, "wait for it, and see tfpipeline status -env %s", environment)
	}
}

// Explain adds the next command to errors of an environment that was never
// bootstrapped, or whose records are newer than this program.
func Explain(environment string, err error) error {
	if errors.Is(err, state.ErrNoBucket) {
		return console.WithNext(err, "tfpipeline bootstrap -env %s", environment)
	}
	if _, ok := errors.AsType[*state.NewerFormatError](err); ok {
		return console.WithNext(err, "in a workflow start prod-rollback, whose program is main's; by hand: git pull, and run the newer tfpipeline")
	}
	return err
}
