package root

import (
	"context"
	"fmt"
	"time"

	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

// Freeze keeps promotions away from an environment until Unfreeze, and says why
// to whoever tries. A freeze that is there is replaced.
func (l *Leases) Freeze(ctx context.Context, env, why string) error {
	if why == "" {
		return console.Usage("why? Whoever promotes meanwhile is told", "tfpipeline freeze -env "+env+" -why 'no releases over the holidays'")
	}
	f := &deploy.Freeze{Why: why, Actor: l.Actor, RunURL: l.RunURL, Since: time.Now().UTC().Truncate(time.Second)}
	before, err := l.setFreeze(ctx, env, deploy.KindFreeze, f)
	if err != nil {
		return err
	}
	if before != nil {
		l.Console.Progress("%s: before, it was %s", env, before)
	}
	fmt.Fprintf(l.Console.Out, "%s: frozen: %s\n", env, why)
	l.Console.Suggest("tfpipeline unfreeze -env %s, when promotions may go on", env)
	return nil
}

// Unfreeze lets promotions go on.
func (l *Leases) Unfreeze(ctx context.Context, env string) error {
	frozen, err := l.Bucket.History(env).Frozen(ctx)
	if err != nil {
		return Explain(env, err)
	}
	if frozen == nil {
		fmt.Fprintf(l.Console.Out, "%s: it is not frozen\n", env)
		return nil
	}
	before, err := l.setFreeze(ctx, env, deploy.KindUnfreeze, nil)
	if err != nil {
		return err
	}
	if before != nil {
		frozen = before
	}
	fmt.Fprintf(l.Console.Out, "%s: no longer %s\n", env, frozen)
	return nil
}

func (l *Leases) setFreeze(ctx context.Context, env string, kind deploy.Kind, f *deploy.Freeze) (before *deploy.Freeze, err error) {
	err = l.during(ctx, env, Choices{Operation: Operation(kind)}, func(ctx context.Context, attempt string) (err error) {
		before, err = l.Bucket.History(env).SetFreeze(ctx, f, attempt)
		return err
	})
	return before, err
}

// AskFrozen asks before a frozen environment is rolled back. Where nobody can be
// asked it says so and goes on: a rollback has to work in a bad hour.
func (l *Leases) AskFrozen(ctx context.Context, env string) error {
	frozen, err := l.Bucket.History(env).Frozen(ctx)
	if err != nil || frozen == nil {
		if err != nil {
			l.Console.Progress("warning: whether %s is frozen: %v", env, err)
		}
		return nil
	}
	if !l.Console.CanAsk() {
		l.Console.Progress("warning: %s is %s; a rollback goes on all the same", env, frozen)
		return nil
	}
	if err := l.Console.Confirm(ctx, fmt.Sprintf("%s is %s.\nRoll it back all the same?", env, frozen), false); err != nil {
		return console.WithNext(err, "tfpipeline status -env %s", env)
	}
	return nil
}
