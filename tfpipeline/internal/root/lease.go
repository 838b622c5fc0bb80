package root

import (
	"context"
	"errors"
	"fmt"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/redact"
	"github.com/specboard/platform/tfpipeline/internal/state"
	"github.com/specboard/platform/tfpipeline/internal/view"
)

// Leases are the leases of the environments, under which their roots are
// changed: no promotion begins while a root is being changed, and no root is
// changed while a promotion is running or waits to be continued.
type Leases struct {
	Platform config.Platform
	Bucket   *state.Bucket
	Console  *console.Console
	Redactor redact.Redactor
	Limits   deploy.Limits
	// Cache is the folder for files that are kept between runs.
	Cache string
	// Notifier reports the end of attempts that died before they could; nil
	// reports nothing.
	Notifier deploy.Notifier
	// Identify returns who runs the command, and the ARN of the credentials if AWS
	// tells it. Why is for what reason, and RunURL where the log is; RunURL may be
	// "".
	Identify    func(context.Context) (actor, caller string)
	Why, RunURL string
}

// free returns an error while somebody else holds the lease of a root's
// environment. It reports whether a dead run has left its lease.
func (l *Leases) free(ctx context.Context, root string, c Choices) (abandoned bool, err error) {
	if l == nil {
		return false, nil
	}
	abandoned, err = l.pipeline(root).Free(ctx, deploy.ChangeRequest{Kind: deploy.Kind(c.Operation), LockWait: c.LockTimeout})
	if errors.Is(err, state.ErrNoBucket) {
		return false, nil // and no promotion
	}
	return abandoned, leaseNext(root, err)
}

// ChangeSecret stores a secret's value while it holds the environment's lease, and
// records that.
func (l *Leases) ChangeSecret(ctx context.Context, env, secret string, work func(context.Context) error) error {
	return l.under(ctx, env, Choices{}, func(ctx context.Context, p *deploy.Pipeline, q deploy.ChangeRequest, work func(context.Context) error) error {
		return p.ChangeSecret(ctx, q, secret, work)
	}, func(ctx context.Context, _ string) error { return work(ctx) })
}

// during does work while it holds the lease of a root's environment, under the
// attempt's id.
func (l *Leases) during(ctx context.Context, root string, c Choices, work func(ctx context.Context, attempt string) error) (err error) {
	if l == nil {
		return work(ctx, newAttempt())
	}
	return l.under(ctx, root, c, func(ctx context.Context, p *deploy.Pipeline, q deploy.ChangeRequest, work func(context.Context) error) error {
		return p.Change(ctx, q, work)
	}, work)
}

// under is during for a change that the domain makes.
func (l *Leases) under(ctx context.Context, root string, c Choices, change func(context.Context, *deploy.Pipeline, deploy.ChangeRequest, func(context.Context) error) error, work func(ctx context.Context, attempt string) error) (err error) {
	attempt, end, err := Note(l.Cache, root)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	actor, caller := l.Identify(ctx)
	q := deploy.ChangeRequest{
		Kind: deploy.Kind(c.Operation), ID: attempt, Actor: actor, Caller: caller, Why: l.Why, RunURL: l.RunURL, LockWait: c.LockTimeout,
	}
	return leaseNext(root, change(ctx, l.pipeline(root), q, func(ctx context.Context) error {
		if err := forgetDead(l.Cache, root); err != nil {
			return deploy.Unchanged(err)
		}
		return work(ctx, attempt)
	}))
}

// pipeline returns a pipeline with only the fields that leases need.
func (l *Leases) pipeline(environment string) *deploy.Pipeline {
	return &deploy.Pipeline{
		Platform: l.Platform, Environment: environment, History: l.Bucket.History(environment), Lock: l.Bucket.Lock(environment),
		Freezer:  l.Bucket.History(environment),
		Redactor: l.Redactor, Limits: l.Limits,
		Observe: func(e deploy.Event) { l.Console.Progress("%s: %s", environment, e.Message) },
	}
}

// AtWork returns a LockError while somebody works on an environment or has left work
// there, and a FrozenError while it is frozen, each with what to do next.
func (l *Leases) AtWork(ctx context.Context, env string) error {
	holder, err := l.Bucket.Lock(env).Holder(ctx)
	if err == nil && holder != nil {
		return leaseNext(env, deploy.LockError{Lease: *holder})
	}
	var freeze *deploy.Freeze
	if err == nil {
		freeze, err = l.Bucket.History(env).Frozen(ctx)
	}
	switch {
	case freeze != nil:
		return leaseNext(env, &deploy.FrozenError{Environment: env, Freeze: *freeze})
	case err != nil && !errors.Is(err, state.ErrNoBucket):
		return fmt.Errorf("look whether somebody works on %s: %w", env, err)
	}
	return nil
}

// leaseNext adds the next command to the error of a lease that is not free, or of
// an environment that is frozen.
func leaseNext(environment string, err error) error {
	held, ok := errors.AsType[deploy.LockError](err)
	_, frozen := errors.AsType[*deploy.FrozenError](err)
	switch {
	case frozen:
		return console.WithNext(err, "%s", view.Next(environment, deploy.Next{{Advice: deploy.AdviceLift, Verb: deploy.VerbUnfreeze}}))
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

// AdjustNext adds what to do next to the error of a restart or scale, unless the error
// says it.
func AdjustNext(env string, err error) error {
	if console.NextOf(err) != "" {
		return err
	}
	if errors.Is(err, deploy.ErrNotDeployed) {
		return console.WithNext(fmt.Errorf("%s: no release is deployed", env), "tfpipeline promote -env %s -release TAG", env)
	}
	if next := leaseNext(env, err); console.NextOf(next) != "" {
		return next
	}
	return console.WithNext(err, "tfpipeline status -env %s", env)
}

// TaskNext adds to the error of a one-off task what to do about it.
func TaskNext(env, name, cluster string, err error) error {
	failed := fmt.Errorf("%s: %w", env, err)
	_, held := errors.AsType[deploy.LockError](err)
	_, frozen := errors.AsType[*deploy.FrozenError](err)
	task, _ := errors.AsType[*deploy.TaskError](err)
	switch {
	case frozen:
		return console.WithNext(err, "%s; if it must be now: -force", console.NextOf(leaseNext(env, err)))
	case held:
		return console.WithNext(failed, "tfpipeline status -env %s; if it must be now: -force", env)
	case errors.Is(err, deploy.ErrNotDeployed):
		return console.WithNext(failed, "tfpipeline promote -env %s -release TAG", env)
	case errors.Is(err, deploy.ErrNoTemplate):
		return console.WithNext(failed, "tfpipeline apply -env %s", env)
	case errors.Is(err, deploy.ErrGoesOn):
		return console.WithNext(failed, "tfpipeline logs -env %s -task %s -follow; to stop it: aws ecs stop-task --cluster %s --task %s",
			env, name, cluster, task.ARN)
	case task != nil && task.ARN == "":
		return Explain(env, failed)
	default:
		return console.WithNext(failed, "tfpipeline logs -env %s -task %s", env, name)
	}
}
