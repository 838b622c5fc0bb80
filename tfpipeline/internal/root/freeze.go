package root

import (
	"context"
	"fmt"
	"time"

	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

// Frozen is what Freeze and Unfreeze did.
type Frozen struct {
	Environment string `json:"environment"`
	// Frozen is how the environment is frozen now, Before how it was; nil: not at
	// all.
	Frozen *deploy.Freeze `json:"frozen"`
	Before *deploy.Freeze `json:"before"`
}

// Print prints the answer, for a person or as JSON.
func (f Frozen) Print(c *console.Console, asJSON bool) error {
	switch {
	case asJSON:
		if err := console.NewEncoder(c.Out).Encode(f); err != nil {
			return fmt.Errorf("print the freeze: %w", err)
		}
		return nil
	case f.Frozen == nil && f.Before == nil:
		c.Answer("%s: it is not frozen", f.Environment)
		return nil
	case f.Frozen == nil:
		c.Answer("%s: no longer %s", f.Environment, f.Before)
		return nil
	case f.Before != nil:
		c.Progress("%s: before, it was %s", f.Environment, f.Before)
	}
	c.Answer("%s: frozen: %s", f.Environment, f.Frozen.Why)
	c.Suggest("tfpipeline unfreeze -env %s, when it may be changed again", f.Environment)
	return nil
}

// Freeze keeps changes away from an environment until Unfreeze, and says why to
// whoever tries. A freeze that is there is replaced.
func (l *Leases) Freeze(ctx context.Context, env, why string) (Frozen, error) {
	if why == "" {
		return Frozen{}, console.Usage("why? Whoever is refused is told", "tfpipeline freeze -env "+env+" -why 'no releases over the holidays'")
	}
	actor, caller := l.Identify(ctx)
	f := &deploy.Freeze{Why: why, Actor: actor, Caller: caller, RunURL: l.RunURL, Since: time.Now().UTC().Truncate(time.Second)}
	before, err := l.setFreeze(ctx, env, deploy.KindFreeze, f)
	return Frozen{env, f, before}, err
}

// Unfreeze lets changes go on.
func (l *Leases) Unfreeze(ctx context.Context, env string) (Frozen, error) {
	frozen, err := l.Bucket.History(env).Frozen(ctx)
	if err != nil || frozen == nil {
		return Frozen{Environment: env}, Explain(env, err)
	}
	before, err := l.setFreeze(ctx, env, deploy.KindUnfreeze, nil)
	return Frozen{Environment: env, Before: before}, err
}

func (l *Leases) setFreeze(ctx context.Context, env string, kind deploy.Kind, f *deploy.Freeze) (before *deploy.Freeze, err error) {
	err = l.during(ctx, env, Choices{Operation: Operation(kind)}, func(ctx context.Context, attempt string) (err error) {
		before, err = l.Bucket.History(env).SetFreeze(ctx, f, attempt)
		return err
	})
	return before, err
}

// AskFrozen asks before a command changes a frozen environment but not its
// infrastructure, such as a rollback. If nobody can be asked, it says so and goes on:
// these commands have to work in a bad hour.
func (l *Leases) AskFrozen(ctx context.Context, env string, kind deploy.Kind) error {
	frozen, err := l.Bucket.History(env).Frozen(ctx)
	if err != nil || frozen == nil {
		if err != nil {
			l.Console.Progress("warning: nobody knows whether %s is frozen: %v", env, err)
		}
		return nil
	}
	if !l.Console.CanAsk() {
		l.Console.Progress("warning: %s is %s; a %s goes on all the same", env, frozen, kind)
		return nil
	}
	if err := l.Console.Confirm(ctx, fmt.Sprintf("%s is %s.\nGo on with the %s all the same?", env, frozen, kind), false); err != nil {
		return console.WithNext(err, "tfpipeline status -env %s", env)
	}
	return nil
}
