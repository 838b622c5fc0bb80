package main

import (
	"context"
	"flag"
	"fmt"
)

func unlockCommand() command {
	return command{
		name:    "unlock",
		summary: "remove a lock that a run left behind",
		usage:   "-env ENV -state ID [-yes]",
		long: `
Removes the lock of a root's Terraform state. Use it only if the run that holds
the lock is gone for good: two runs at once destroy a state. The error that
names the lock gives the exact command.

Example:
  tfpipeline unlock -env staging -state f216bbea-1111-2222-3333-444455556666`,
		flags: func(set *flag.FlagSet) func(context.Context, *app, []string) error {
			env := set.String("env", "", "root whose lock is removed: an environment, or shared")
			id := set.String("state", "", "`ID` of the state lock")
			yes := set.Bool("yes", false, "do not ask")
			return func(ctx context.Context, a *app, _ []string) error { return a.unlock(ctx, *env, *id, *yes) }
		},
	}
}

func (a *app) unlock(ctx context.Context, env, id string, yes bool) (err error) {
	if err := a.checkRoot(env); err != nil {
		return err
	}
	if id == "" {
		return usageError{"which lock? The error that reports it names its id", "tfpipeline unlock -env " + env + " -state ID"}
	}
	if err := a.mustBeAbleToAsk("unlock", yes); err != nil {
		return err
	}
	t, cfg, err := a.findCloud(ctx, "unlock")
	if err != nil {
		return err
	}
	if err := a.confirm(ctx, fmt.Sprintf("Is the run that holds lock %s gone for good?", id), yes); err != nil {
		return err
	}
	r, err := a.openRoot(ctx, env, t, cfg, nil)
	if err != nil {
		return err
	}
	defer closeRoot(r, &err)
	if err := r.Unlock(ctx, id); err != nil {
		return fmt.Errorf("%s: %w", env, err)
	}
	fmt.Fprintf(a.stdout, "%s: lock %s is removed\n", env, id)
	return nil
}
