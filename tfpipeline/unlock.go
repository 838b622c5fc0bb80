package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

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
		env:     roots, checkout: true,
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

func (a *app) unlock(ctx context.Context, env, id string, yes bool) (err error) {
	command := "unlock -env " + env
	if id != "" {
		command += " -state " + id
	}
	if err := a.console.RequireAnswer("unlock", "tfpipeline "+command+" -yes, after reading tfpipeline status", yes); err != nil {
		return err
	}
	t, cfg, err := a.findCloud(ctx, "unlock")
	if err != nil {
		return err
	}
	if id != "" {
		held, err := state.New(cfg, a.platform).StateLock(ctx, env)
		if err != nil || held == nil || held.ID != id {
			held = &deploy.StateLock{ID: id} // Terraform says what is wrong
		}
		if err := a.console.Confirm(ctx, fmt.Sprintf("Is the run that holds lock %s gone for good?", id), yes); err != nil {
			return err
		}
		return a.unlockState(ctx, env, *held, t, cfg)
	}
	found := false
	if env != config.SharedRoot {
		if found, err = a.unlockEnvironment(ctx, env, cfg, yes); err != nil {
			return err
		}
	}
	held, err := state.New(cfg, a.platform).StateLock(ctx, env)
	foreign, isForeign := errors.AsType[*state.ForeignError](err)
	switch {
	case isForeign:
		return console.WithNext(err, "aws s3 cp s3://%s/%s -", a.platform.StateBucket(), foreign.Key)
	case err != nil:
		return explain(env, err)
	case held == nil && !found:
		fmt.Fprintf(a.console.Out, "%s: nothing is locked\n", env)
		return nil
	case held == nil:
		return nil
	}
	fmt.Fprintf(a.console.Err, "%s: the lock of the Terraform state %s:\n  %s, by %s since %s\n", env, held.ID, held.Operation, held.Who, held.Created)
	if err := a.console.Confirm(ctx, "Is that run gone for good, and may its lock be removed?", yes); err != nil {
		return err
	}
	return a.unlockState(ctx, env, *held, t, cfg)
}

// unlockState removes the lock of a root's Terraform state. What a dead apply
// made in its last seconds may not be in the state, and the machine that would
// know of it is gone.
func (a *app) unlockState(ctx context.Context, env string, held deploy.StateLock, t target, cfg aws.Config) (err error) {
	r, err := a.openRoot(ctx, a.console, env, t, cfg)
	if err != nil {
		return err
	}
	defer closeRoot(r, &err)
	if err := r.Unlock(ctx, held.ID); err != nil {
		return fmt.Errorf("%s: %w", env, err)
	}
	fmt.Fprintf(a.console.Out, "%s: lock %s is removed\n", env, held.ID)
	if held.Operation == "OperationTypeApply" {
		a.console.Progress("%s: that apply may have made what the state does not know", env)
		a.console.Suggest("tfpipeline apply -env %s -adopt", env)
	}
	return nil
}

// unlockEnvironment shows the environment's own lock, asks and removes it. It
// reports whether there was one.
func (a *app) unlockEnvironment(ctx context.Context, env string, cfg aws.Config, yes bool) (found bool, err error) {
	bucket := state.New(cfg, a.platform)
	lock := bucket.Lock(env)
	holder, err := lock.Holder(ctx)
	var version, question string
	foreign, isForeign := errors.AsType[*state.ForeignError](err)
	switch {
	case isForeign:
		fmt.Fprintf(a.console.Err, "%s: what stands in the place of the lock is none: %s: %s\n", env, foreign.Key, foreign.Reason)
		version, question = foreign.Version, "May it be removed?"
	case err != nil:
		return false, explain(env, err)
	case holder == nil:
		return false, nil
	default:
		version = holder.Version
		if question, err = a.showLock(env, *holder, yes); err != nil {
			return true, err
		}
	}
	if err := a.console.Confirm(ctx, question, yes); err != nil {
		return true, err
	}
	remove := func() error { return lock.Remove(ctx, version) }
	if holder != nil {
		// An attempt that died gets its record first, so that a rollback knows
		// what it touched.
		p := &deploy.Pipeline{History: bucket.History(env), Lock: lock}
		remove = func() error { return p.Unlock(ctx, *holder) }
	}
	if err := remove(); err != nil {
		return true, console.WithNext(fmt.Errorf("%s: the lock was not removed: %w", env, err), "tfpipeline unlock -env %s", env)
	}
	fmt.Fprintf(a.console.Out, "%s: the lock is removed\n", env)
	return true, nil
}

// showLock tells of a lock, and returns what to ask before it is removed.
func (a *app) showLock(env string, l deploy.Lease, yes bool) (question string, err error) {
	now := time.Now()
	fmt.Fprintf(a.console.Err, "%s: the lock:\n  %s\n", env, view.Lease(l, now))
	switch {
	case l.Left != "":
		a.console.Progress("Its services may be mixed, and deployments in flight. %s.", view.Next(env, l.Next()))
		return "May the lock be removed, and its attempt be left as it is?", nil
	case l.Expired(now):
		return "Its holder is gone. May the lock be removed?", nil
	case yes:
		return "", console.WithNext(fmt.Errorf("%s: its holder is at work, and -yes does not remove such a lock", env), "end that run; its lock ends by itself within a minute")
	default:
		return "ITS HOLDER IS AT WORK. May the lock be taken from it all the same?", nil
	}
}
