package root

import (
	"context"
	"errors"
	"fmt"

	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/state"
	"github.com/specboard/platform/tfpipeline/internal/view"
)

// Exchange is one resource of a root that another one takes the place of, by its
// name.
type Exchange struct {
	// Kind is what the lease is held for.
	Kind deploy.Kind
	// Address is the resource's in the root.
	Address string
	// Begun says that an earlier run began, so that the root differs from its state.
	Begun bool
	// Do gives the other one the name, and returns the provider's id of it. It does
	// nothing if that is done.
	Do func(context.Context) (id string, err error)
}

// Run has the other resource take the name, while it holds the environment's lease,
// and the state adopt that one. Unless it has begun already, it refuses a root that
// has other changes: they would be made as well, and nobody has reviewed them.
func (e Exchange) Run(ctx context.Context, o Options, name string, c Choices) (err error) {
	defer o.Console.Begin(console.InFlight{Next: c.Retry, Environment: name}).End()
	c.Operation = Operation(e.Kind)
	if _, err := o.Leases.free(ctx, name, c); err != nil {
		return err
	}
	r, err := Open(ctx, o, name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return o.Leases.during(ctx, name, c, func(ctx context.Context, attempt string) error {
		c.attempt, c.Operation, c.Adopt = attempt, Apply, true
		return retryNext(e.exchange(ctx, r, c), c.Retry)
	})
}

func (e Exchange) exchange(ctx context.Context, r *Root, c Choices) error {
	if !e.Begun {
		p, err := r.Plan(ctx, c)
		if err != nil {
			return err
		}
		if !p.Empty() {
			return console.WithNext(fmt.Errorf("%s has other changes, and nothing was changed", r.Name), "tfpipeline apply -env %s, then %s", r.Name, c.Retry)
		}
	}
	id, err := e.Do(ctx)
	if err != nil {
		return err
	}
	if err := r.forget(ctx, c, e.Address, id); err != nil {
		return err
	}
	p, err := r.Plan(ctx, c)
	switch {
	case err != nil:
		return err
	case p.Empty():
		return r.settle(ctx)
	}
	if err := (view.Text{Colour: r.console().Colour(r.console().Err)}).Plan(r.console().Err, p); err != nil {
		return fmt.Errorf("print the plan: %w", err)
	}
	if err := r.Guard(p, nil); err != nil {
		return err
	}
	if err := r.Apply(ctx, p, c); err != nil {
		return err
	}
	return r.settle(ctx)
}

// retryNext adds to an error that does not say what to do next the command that goes
// on from where the run failed.
func retryNext(err error, retry string) error {
	if err == nil || console.NextOf(err) != "" {
		return err
	}
	return console.WithNext(err, "%s", retry)
}

// ChangeDatabase does work on an environment's database while it holds the lease;
// the command retry goes on with it.
func (l *Leases) ChangeDatabase(ctx context.Context, env, retry string, work func(context.Context) error) error {
	return l.during(ctx, env, Choices{Operation: Operation(deploy.KindRestore)}, func(ctx context.Context, _ string) error { return retryNext(work(ctx), retry) })
}

// forget takes a resource out of the state unless it has that id.
func (r *Root) forget(ctx context.Context, c Choices, address, id string) error {
	return r.locked(ctx, c.attempt, c.LockTimeout, func(ctx context.Context, _ state.StateLock) error {
		r.abandoned = nil
		known, err := r.driver.StateID(ctx, address)
		if err != nil || known == id || known == "" {
			return r.advise(err)
		}
		r.Progress("the state forgets %s (%s), and adopts what bears its name", address, known)
		return r.advise(r.driver.Forget(ctx, address))
	})
}
