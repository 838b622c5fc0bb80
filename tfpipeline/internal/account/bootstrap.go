package account

import (
	"context"
	"errors"
	"fmt"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/console"
)

// Bootstrap makes all that an environment needs, from an empty account on: the
// bucket of the states, what Terraform cannot make, the shared root and the
// environment's own. env may be the shared root alone. It can be run again, and
// continues where it stopped; retry is the command that does so.
//
// change applies one root and reports whether that changed anything. Bootstrap
// reports whether any step did, and lists what only a person can do.
func (a *Account) Bootstrap(ctx context.Context, env, retry string, change func(ctx context.Context, root string) (bool, error)) (changed bool, todo []string, err error) {
	if err := a.Check(ctx); err != nil {
		return false, nil, err
	}
	if _, err := a.FindZone(ctx); err != nil {
		return false, nil, err
	}
	shared := func(ctx context.Context) (bool, error) { return change(ctx, config.SharedRoot) }
	for _, ensure := range []func(context.Context) (bool, error){a.EnsureBucket, a.EnsureServiceRoles, a.EnsureAudience, shared} {
		did, err := ensure(ctx)
		if err != nil {
			return changed, nil, err
		}
		changed = changed || did
	}

	if a.platform.HasLoadBalancer() {
		d, err := a.Delegation(ctx)
		if err != nil {
			return changed, nil, err
		}
		if !d.Complete() {
			if env != config.SharedRoot {
				return changed, nil, console.WithNext(d, "%s, which continues from here", retry)
			}
			todo = append(todo, d.Error())
		}
	}
	if env == config.SharedRoot {
		if r := a.platform.Repository; r.ID == 0 {
			todo = append(todo, fmt.Sprintf("if %s/%s was created, renamed or transferred since 15 July 2026, set OwnerID and ID of Repository in gen/config/default.go, then make gen and tfpipeline apply -env shared: none of its jobs can assume a role before; gh api repos/%s/%s --jq '.owner.id,.id' prints them. An older one must not have them", r.Owner, r.Name, r.Owner, r.Name))
		}
		return changed, todo, nil
	}

	did, err := change(ctx, env)
	if err != nil {
		return changed, nil, err
	}
	missing, missingErr := a.MissingSecrets(ctx, env)
	unconfirmed, unconfirmedErr := a.Unconfirmed(ctx, env)
	todo = append(todo, missing...)
	if unconfirmed != "" {
		todo = append(todo, unconfirmed)
	}
	return changed || did, todo, errors.Join(missingErr, unconfirmedErr)
}
