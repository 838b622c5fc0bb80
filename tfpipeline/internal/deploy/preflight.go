package deploy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// preflight refuses what would fail later, all of it at once, and reads what
// runs before anything is changed.
func (a *attempt) preflight(ctx context.Context) error {
	var problems []error
	for _, check := range []func(context.Context) error{
		a.checkCheckout,
		a.checkImages,
		a.checkSecrets,
		a.checkTemplates,
		a.checkRejected,
		a.checkProof,
		a.checkMigrations,
	} {
		if err := check(ctx); err != nil {
			if ctx.Err() != nil {
				return err
			}
			problems = append(problems, err)
		}
	}
	if len(problems) > 0 {
		return errors.Join(problems...)
	}
	if _, err := a.settle(ctx, "before the promotion"); err != nil {
		return err
	}
	return a.readBefore(ctx)
}

// preflightRollback refuses only what makes a rollback impossible or unsafe: it
// has to work in a bad hour.
func (a *attempt) preflightRollback(ctx context.Context) error {
	var problems []error
	for _, check := range []func(context.Context) error{
		a.checkImages,
		a.checkContracts,
		a.checkTemplates,
	} {
		if err := check(ctx); err != nil {
			if ctx.Err() != nil {
				return err
			}
			problems = append(problems, err)
		}
	}
	if len(problems) > 0 {
		return errors.Join(problems...)
	}
	return a.readBefore(ctx)
}

// checkCheckout refuses any checkout but the release's: its configuration is
// what is applied, and its migrations are what is judged.
func (a *attempt) checkCheckout(ctx context.Context) error {
	type head struct {
		commit  string
		changed []string
	}
	h, err := retry(ctx, a, func(ctx context.Context) (head, error) {
		commit, changed, err := a.Checkout.Head(ctx)
		return head{commit, changed}, err
	})
	release := a.record().Release
	switch {
	case err != nil:
		return fmt.Errorf("look at the checkout: %w", err)
	case h.commit != release.Commit:
		return fmt.Errorf("the checkout is at %s and %s is commit %s: check that out, since its configuration is what is applied", h.commit, release, release.Commit)
	case len(h.changed) > 0:
		return fmt.Errorf("the checkout differs from its commit in %s: commit or restore that", strings.Join(firstFew(h.changed), ", "))
	}
	return nil
}

// firstFew shortens a list for a sentence.
func firstFew(list []string) []string {
	const few = 5
	if len(list) <= few {
		return list
	}
	return append(slices.Clone(list[:few]), fmt.Sprintf("%d more", len(list)-few))
}

func (a *attempt) checkImages(ctx context.Context) error {
	release := a.record().Release
	missing, err := retry(ctx, a, func(ctx context.Context) ([]string, error) {
		return a.Images.Missing(ctx, release.Digests)
	})
	switch {
	case err != nil:
		return fmt.Errorf("look for the images of %s: %w", release, err)
	case len(missing) > 0:
		slices.Sort(missing)
		return fmt.Errorf("the registry no longer holds the image of %s for %s: it has expired or was deleted", release, strings.Join(missing, ", "))
	}
	return nil
}

func (a *attempt) checkSecrets(ctx context.Context) error {
	names := map[string]bool{}
	database := false
	for _, s := range a.Platform.Services {
		database = database || s.Database
		for _, n := range s.Secrets {
			names[n] = true
		}
	}
	for _, t := range a.Platform.Tasks {
		database = database || t.Database
		for _, n := range t.Secrets {
			names[n] = true
		}
	}
	if s, ok := a.Platform.DatabaseSecret(); ok && database {
		names[s.Name] = true
	}
	empty, err := retry(ctx, a, func(ctx context.Context) ([]string, error) {
		return a.Secrets.Empty(ctx, slices.Sorted(maps.Keys(names)))
	})
	if err != nil {
		return fmt.Errorf("look at the secrets: %w", err)
	}
	var problems []error
	for _, n := range empty {
		hint := ""
		if s, ok := a.Platform.Secret(n); ok && s.Hint != "" {
			hint = ": store " + s.Hint
		}
		problems = append(problems, fmt.Errorf("secret %s has no value%s", a.Platform.SecretName(a.Environment, n), hint))
	}
	return errors.Join(problems...)
}

// checkTemplates needs what is applied already: migrate runs before apply.
func (a *attempt) checkTemplates(ctx context.Context) error {
	if err := a.readOutputs(ctx); err != nil {
		return err
	}
	if _, ok := a.Platform.Task(taskMigrate); !ok || a.record().Kind == KindRollback && !a.request.WithMigrations {
		return nil
	}
	if a.outputs.Templates[taskMigrate] == "" {
		return fmt.Errorf("the state of %s has no task definition for %s: was the environment applied?", a.Environment, taskMigrate)
	}
	return nil
}

func (a *attempt) readOutputs(ctx context.Context) error {
	outputs, err := retry(ctx, a, a.Infrastructure.Outputs)
	if err != nil {
		return fmt.Errorf("read the outputs of %s: %w", a.Environment, err)
	}
	a.outputs = outputs
	return nil
}

// checkRejected refuses a release that was rolled back from.
func (a *attempt) checkRejected(context.Context) error {
	release := a.record().Release
	by := a.past.rejected(release)
	if by == nil {
		return nil
	}
	why := fmt.Sprintf("%s was rolled back from at %s by %s", release, by.Started.UTC().Format(time.RFC3339), by.Actor)
	if a.request.Force {
		a.override("rejected release", why)
		return nil
	}
	return fmt.Errorf("%s: promote a release that fixes it, or use -force", why)
}

// checkProof asks the origin for evidence, if the environment wants any.
func (a *attempt) checkProof(ctx context.Context) error {
	r := a.record()
	want := a.env.Proof
	overridden := slices.ContainsFunc(r.Overrides, func(o Override) bool { return o.Check == overrideProof })
	if want == nil || r.Proof != nil || overridden {
		return nil // or an attempt that this one continues has done it
	}
	if why := a.request.OverrideProof; why != "" {
		a.override(overrideProof, why)
		return nil
	}
	deployments, err := retry(ctx, a, func(ctx context.Context) (map[string][]PastDeployment, error) {
		return a.Origin.Past(ctx, a.services)
	})
	if err != nil {
		return fmt.Errorf("look for a proof in %s: %w", want.From, err)
	}
	proof, err := Prove(want.From, r.Release.Digests, deployments, want.MinimumBake, time.Now())
	if err != nil {
		return err
	}
	r.Proof = &proof
	return nil
}

// overrideProof is how the check of the proof is named in records.
const overrideProof = "proof"

// override notes a check that was overridden.
func (a *attempt) override(check, reason string) {
	r := a.record()
	o := Override{check, reason}
	if !slices.Contains(r.Overrides, o) {
		r.Overrides = append(r.Overrides, o)
	}
	a.warn("%s overridden: %s", check, reason)
}
