package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"time"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/state"
	"github.com/specboard/platform/tfpipeline/internal/view"
)

func unlockCommand() command {
	return command{
		name:    "unlock",
		summary: "remove a lock that a run left behind",
		usage:   "-env ENV [-state ID] [-yes]",
		env:     roots,
		long: `
An environment has two locks: its own, which promotions and rollbacks hold, and
that of its Terraform state. Unlock shows who holds them, since when and what
for, and asks for each before it removes it. With -state it removes only the
state's lock of that id; the error that names it gives the exact command.

Use it only if the run that holds the lock is gone for good: two runs at once
destroy a state, or leave services mixed. The environment's lock ends by itself a
minute after its holder is gone. One that was left to be continued is better
continued: by the same promote, or by rollback. The lock of a run at work is not
removed by -yes.

Examples:
  tfpipeline unlock -env production
  tfpipeline unlock -env staging -state f216bbea-1111-2222-3333-444455556666`,
		flags: func(set *flag.FlagSet) func(context.Context, *app, []string) error {
			env := set.String("env", "", "root whose locks are shown and removed: an environment, or shared")
			id := set.String("state", "", "`ID` of the state lock, to remove that one only")
			yes := set.Bool("yes", false, "do not ask")
			return func(ctx context.Context, a *app, _ []string) error { return a.unlock(ctx, *env, *id, *yes) }
		},
	}
}

func (a *app) unlock(ctx context.Context, env, id string, yes bool) error {
	cloud, err := a.requireCloud(ctx, "unlock")
	if err != nil {
		return err
	}
	bucket := state.New(cloud.Config, a.platform)
	var locks []heldLock
	if env != config.SharedRoot && id == "" {
		l, err := a.environmentLock(ctx, bucket, env, yes)
		if err != nil {
			return explain(env, err)
		}
		locks = append(locks, l...)
	}
	held, err := bucket.StateLock(ctx, env)
	foreign, isForeign := errors.AsType[*state.ForeignError](err)
	switch {
	case isForeign:
		return console.WithNext(err, "aws s3 cp s3://%s/%s -", a.platform.StateBucket(), foreign.Key)
	case err != nil:
		return explain(env, err)
	case id != "" && held == nil:
		return console.WithNext(fmt.Errorf("%s: the Terraform state is not locked", env), "tfpipeline plan -env %s", env)
	case id != "" && held.ID != id:
		return console.WithNext(fmt.Errorf("%s: the lock of the Terraform state is another one now: %s, by %s since %s", env, held.ID, held.Who, held.Created),
			"tfpipeline unlock -env %s", env)
	case held != nil:
		locks = append(locks, a.stateLock(bucket, env, *held))
	}
	if len(locks) == 0 {
		fmt.Fprintf(a.console.Out, "%s: nothing is locked\n", env)
		return nil
	}
	for _, l := range locks {
		a.console.Progress("%s", l.shown)
	}
	again := "tfpipeline unlock -env " + env
	if id != "" {
		again += " -state " + id
	}
	for _, l := range locks {
		if l.refused != nil {
			return l.refused
		}
		if err := a.console.RequireAnswer("unlock", "if those runs are gone for good: "+again+" -yes", yes); err != nil {
			return err
		}
		if err := a.console.Confirm(ctx, l.question, yes); err != nil {
			return err
		}
		if err := l.remove(ctx); err != nil {
			return console.WithNext(fmt.Errorf("%s: the lock was not removed: %w", env, err), "%s", again)
		}
	}
	return nil
}

// heldLock is a lock as it is shown, and what removes that one and no other.
type heldLock struct {
	shown, question string
	// refused is why it cannot be removed, if it cannot.
	refused error
	remove  func(context.Context) error
}

// stateLock is the lock of a root's Terraform state. What a dead apply made in
// its last seconds may not be in the state, and the machine that would know of
// it is gone.
func (a *app) stateLock(bucket *state.Bucket, env string, held deploy.StateLock) heldLock {
	return heldLock{
		shown:    fmt.Sprintf("%s: the lock of the Terraform state %s:\n  %s, by %s since %s", env, held.ID, held.Operation, held.Who, held.Created),
		question: fmt.Sprintf("Is the run that holds lock %s gone for good, and may its lock be removed?", held.ID),
		remove: func(ctx context.Context) error {
			if err := bucket.RemoveStateLock(ctx, env, held); err != nil {
				return err
			}
			fmt.Fprintf(a.console.Out, "%s: lock %s is removed\n", env, held.ID)
			if held.Operation == "OperationTypeApply" {
				a.console.Progress("%s: that apply may have made what the state does not know", env)
				a.console.Suggest("tfpipeline apply -env %s -adopt", env)
			}
			return nil
		},
	}
}

// environmentLock is the lock of an environment; none if it is free.
func (a *app) environmentLock(ctx context.Context, bucket *state.Bucket, env string, yes bool) ([]heldLock, error) {
	lock := bucket.Lock(env)
	holder, err := lock.Holder(ctx)
	foreign, isForeign := errors.AsType[*state.ForeignError](err)
	var l heldLock
	switch {
	case isForeign:
		l.shown = fmt.Sprintf("%s: what stands in the place of the lock is none: %s: %s", env, foreign.Key, foreign.Reason)
		l.question = "May it be removed?"
		l.remove = func(ctx context.Context) error { return lock.Remove(ctx, foreign.Version) }
	case err != nil || holder == nil:
		return nil, err
	default:
		l = a.showLease(env, *holder, yes)
		// An attempt that died gets its record first, so that a rollback knows
		// what it touched.
		p := &deploy.Pipeline{History: bucket.History(env), Lock: lock}
		l.remove = func(ctx context.Context) error { return p.Unlock(ctx, *holder) }
	}
	remove := l.remove
	l.remove = func(ctx context.Context) error {
		if err := remove(ctx); err != nil {
			return err
		}
		fmt.Fprintf(a.console.Out, "%s: the lock is removed\n", env)
		return nil
	}
	return []heldLock{l}, nil
}

// showLease says who holds a lock, and what is asked before it is removed.
func (a *app) showLease(env string, l deploy.Lease, yes bool) heldLock {
	now := time.Now()
	h := heldLock{shown: fmt.Sprintf("%s: the lock:\n  %s", env, view.Lease(l, now))}
	switch {
	case l.Left != "":
		h.shown += fmt.Sprintf("\nIts services may be mixed, and deployments in flight. %s.", view.Next(env, l.Next()))
		h.question = "May the lock be removed, and its attempt be left as it is?"
	case l.Expired(now):
		h.question = "Its holder is gone. May the lock be removed?"
	case yes:
		h.refused = console.WithNext(fmt.Errorf("%s: its holder is at work, and -yes does not remove such a lock", env), "end that run; its lock ends by itself within a minute")
	default:
		h.question = "ITS HOLDER IS AT WORK. May the lock be taken from it all the same?"
	}
	return h
}
