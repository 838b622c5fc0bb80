package root

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/state"
	"github.com/specboard/platform/tfpipeline/internal/view"
)

// Unlock shows the locks of a root, its environment's and that of its
// Terraform state, and asks before it removes each, unless yes is set. With an
// id it concerns only the state lock of that id.
func (l *Leases) Unlock(ctx context.Context, env, id string, yes bool) error {
	var locks []heldLock
	if id == "" {
		own, err := l.environmentLock(ctx, env, yes)
		if err != nil {
			return Explain(env, err)
		}
		locks = append(locks, own...)
	}
	held, err := l.Bucket.StateLock(ctx, env)
	foreign, isForeign := errors.AsType[*state.ForeignError](err)
	switch {
	case isForeign:
		return console.WithNext(err, "aws s3 cp s3://%s/%s -", l.Platform.StateBucket(), foreign.Key)
	case err != nil:
		return Explain(env, err)
	case id != "" && held == nil:
		return console.WithNext(fmt.Errorf("%s: the Terraform state is not locked", env), "tfpipeline plan -env %s", env)
	case id != "" && held.ID != id:
		return console.WithNext(fmt.Errorf("%s: the lock of the Terraform state is another one now: %s, by %s since %s", env, held.ID, holder(*held), held.Created),
			"tfpipeline unlock -env %s", env)
	case held != nil:
		locks = append(locks, l.stateLock(env, *held))
	}
	if len(locks) == 0 {
		l.Console.Answer("%s: nothing is locked", env)
		return nil
	}
	for _, lock := range locks {
		l.Console.Progress("%s", lock.shown)
	}
	retry := "tfpipeline unlock -env " + env
	if id != "" {
		retry += " -state " + id
	}
	for _, lock := range locks {
		if lock.refused != nil {
			return lock.refused
		}
		if err := l.Console.RequireAnswer("unlock", cmp.Or(lock.next, "if those runs are gone for good: "+retry+" -yes"), yes); err != nil {
			return err
		}
		if err := l.Console.Confirm(ctx, lock.question, yes); err != nil {
			return err
		}
		if err := lock.remove(ctx); err != nil {
			return console.WithNext(fmt.Errorf("%s: the lock was not removed: %w", env, err), "%s", retry)
		}
	}
	return nil
}

// heldLock is a lock as it is shown, with a function that removes exactly that
// lock.
type heldLock struct {
	shown, question string
	// refused is why it cannot be removed, if it cannot; next is what to do where
	// nobody can be asked, if it is not the command with -yes.
	refused error
	next    string
	remove  func(context.Context) error
}

// stateLock describes the lock of a root's Terraform state. Resources that a
// person's own Terraform created just before it died may be missing in the
// state, and nothing records them.
func (l *Leases) stateLock(env string, held state.StateLock) heldLock {
	return heldLock{
		shown:    fmt.Sprintf("%s: the lock of the Terraform state %s:\n  %s, by %s since %s", env, held.ID, held.Operation, holder(held), held.Created),
		question: fmt.Sprintf("Is the run that holds lock %s gone for good, and may its lock be removed?", held.ID),
		remove: func(ctx context.Context) error {
			if err := l.Bucket.RemoveStateLock(ctx, env, held); err != nil {
				return err
			}
			l.Console.Answer("%s: lock %s is removed", env, held.ID)
			if held.Operation == "OperationTypeApply" && held.Attempt() == "" {
				l.Console.Progress("%s: that apply may have made what the state does not know", env)
				l.Console.Suggest("tfpipeline apply -env %s -adopt", env)
			}
			return nil
		},
	}
}

// environmentLock is the lock of an environment; none if it is free.
func (l *Leases) environmentLock(ctx context.Context, env string, yes bool) ([]heldLock, error) {
	lock := l.Bucket.Lock(env)
	holder, err := lock.Holder(ctx)
	foreign, isForeign := errors.AsType[*state.ForeignError](err)
	var shown heldLock
	switch {
	case isForeign:
		shown.shown = fmt.Sprintf("%s: what stands in the place of the lock is none: %s: %s", env, foreign.Key, foreign.Reason)
		shown.question = "May it be removed?"
		shown.remove = func(ctx context.Context) error { return lock.Remove(ctx, foreign.Version) }
	case err != nil || holder == nil:
		return nil, err
	default:
		shown = showLease(env, *holder, yes)
		// An attempt that died gets its record first, so that a rollback knows
		// what it touched.
		p := &deploy.Pipeline{History: l.Bucket.History(env), Lock: lock}
		shown.remove = func(ctx context.Context) error { return p.Unlock(ctx, *holder) }
	}
	remove := shown.remove
	shown.remove = func(ctx context.Context) error {
		if err := remove(ctx); err != nil {
			return err
		}
		l.Console.Answer("%s: the lock is removed", env)
		return nil
	}
	return []heldLock{shown}, nil
}

// showLease says who holds a lease, and returns the question to ask before
// removing it.
func showLease(env string, l deploy.Lease, yes bool) heldLock {
	const wait = "end that run; its lock ends by itself within a minute"
	h := heldLock{shown: fmt.Sprintf("%s: the lock:\n  %s", env, view.Lease(l))}
	switch {
	case l.Left != "":
		h.shown += fmt.Sprintf("\nIts services may be mixed, and deployments in flight. %s.", view.Next(env, l.Next()))
		h.question = "May the lock be removed, and its attempt be left as it is?"
	case l.Expired():
		h.question = "Its holder is gone. May the lock be removed?"
	case yes:
		h.refused = console.WithNext(fmt.Errorf("%s: its holder is at work, and -yes does not remove such a lock", env), wait)
	default:
		h.question, h.next = "ITS HOLDER IS AT WORK. May the lock be taken from it all the same?", wait
	}
	return h
}
