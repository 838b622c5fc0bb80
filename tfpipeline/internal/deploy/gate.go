package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/specboard/platform/migrations"
)

// checkMigrations refuses contract migrations that would take something away
// from a release that runs, or from the one that a rollback would go to.
func (a *attempt) checkMigrations(ctx context.Context) error {
	schema, err := retry(ctx, a, a.Checkout.Schema)
	if err != nil {
		return fmt.Errorf("read the migrations of the checkout: %w", err)
	}
	pending := a.past.pending(schema)
	release := a.record().Release
	a.contracts = nil
	for _, m := range pending {
		a.contracts = append(a.contracts, migrations.AppliedContract{Migration: m.ID(), UnusedSince: m.UnusedSince, Release: release.name()})
	}
	if len(pending) == 0 {
		return nil
	}
	order := a.past.order()
	if !slices.ContainsFunc(order, release.Same) {
		order = append(order, release)
	}
	for _, m := range pending {
		order = a.place(ctx, order, m.UnusedSince)
	}
	situation := migrations.Situation{Order: gateReleases(order)}
	var running []Release
	if current := a.past.current(); current != nil {
		running = append(running, current.Release)
		target := current
		if current.Release.Same(release) {
			target = a.past.before(release)
		}
		if target != nil {
			situation.Targets = gateReleases([]Release{target.Release})
		}
	}
	if left := a.past.unfinished(); left != nil {
		running = append(running, left.Release)
	}
	running = slices.DeleteFunc(running, release.Same)
	situation.Running = gateReleases(running)
	return refused(migrations.Gate(pending, situation))
}

// checkContracts refuses a rollback behind a contract migration, unless forced.
func (a *attempt) checkContracts(ctx context.Context) error {
	applied := a.past.contracts()
	if len(applied) == 0 {
		return nil
	}
	order := a.past.order()
	for _, c := range applied {
		order = a.place(ctx, order, c.Release)
		order = a.place(ctx, order, c.UnusedSince)
	}
	target := a.record().Release
	err := refused(migrations.GateRollback(gateReleases([]Release{target})[0], applied, gateReleases(order)))
	if err == nil {
		return nil
	}
	if a.request.Force {
		a.override("contract migration", err.Error())
		return nil
	}
	return fmt.Errorf("%w: roll back to a later release, or use -force if it can do without", err)
}

func refused(refusals []migrations.Refusal) error {
	var problems []error
	for _, r := range refusals {
		problems = append(problems, errors.New(r.String()))
	}
	return errors.Join(problems...)
}

// pending are the contract migrations that no attempt has applied for sure.
func (p past) pending(schema Schema) []migrations.Migration {
	applied := map[string]bool{}
	for _, r := range p {
		if r.Migration == nil || !r.Migration.Succeeded() {
			continue
		}
		for _, c := range r.Migration.Contracts {
			applied[c.Migration] = true
		}
	}
	var pending []migrations.Migration
	for _, m := range schema {
		if m.Phase == migrations.Contract && !applied[m.ID()] {
			pending = append(pending, m)
		}
	}
	return pending
}

// place puts a release that this environment passed over where its commit
// belongs. One that cannot be placed is left out, and the gate says so.
func (a *attempt) place(ctx context.Context, order []Release, name string) []Release {
	if slices.ContainsFunc(order, func(r Release) bool { return r.Named(name) }) {
		return order
	}
	commit, err := retry(ctx, a, func(ctx context.Context) (string, error) { return a.Checkout.Peel(ctx, name) })
	if err != nil {
		a.warn("find the commit of release %s: %v", name, err)
		return order
	}
	for i, r := range order {
		in, err := retry(ctx, a, func(ctx context.Context) (bool, error) { return a.Checkout.Contains(ctx, r.Commit, commit) })
		if err != nil {
			a.warn("find out which is older, %s or %s: %v", name, r, err)
			return order
		}
		if in {
			return slices.Insert(slices.Clone(order), i, Release{Tag: name, Commit: commit})
		}
	}
	return append(slices.Clone(order), Release{Tag: name, Commit: commit})
}

func gateReleases(releases []Release) []migrations.Release {
	list := make([]migrations.Release, 0, len(releases))
	for _, r := range releases {
		list = append(list, migrations.Release{Tag: r.Tag, Commit: r.Commit})
	}
	return list
}

// name is the tag, or the whole commit: what migrations are recorded under.
func (r Release) name() string {
	if r.Tag != "" {
		return r.Tag
	}
	return r.Commit
}
