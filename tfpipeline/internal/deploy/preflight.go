package deploy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/specboard/platform/migrations"
)

// preflight refuses what would fail later, all of it at once, and reads what
// runs before anything is changed.
func (a *attempt) preflight(ctx context.Context) error {
	err := all(ctx, a.checkCheckout, a.checkImages, a.checkSecrets, a.checkTemplates, a.checkRejected, a.checkProof, a.checkMigrations, a.checkAccess)
	if err != nil {
		return err
	}
	if _, err := a.settle(ctx, "before the promotion", 0); err != nil {
		return err
	}
	return a.readBefore(ctx)
}

// preflightRollback refuses only what makes a rollback impossible or unsafe: it
// has to work in a bad hour.
func (a *attempt) preflightRollback(ctx context.Context) error {
	if err := all(ctx, a.checkImages, a.checkContracts, a.checkTemplates, a.checkAccess); err != nil {
		return err
	}
	return a.readBefore(ctx)
}

// all makes every check, and returns what all of them refuse.
func all(ctx context.Context, checks ...func(context.Context) error) error {
	var problems []error
	for _, check := range checks {
		err := check(ctx)
		access, refused := errors.AsType[*AccessError](err)
		if err != nil && ctx.Err() != nil || refused && access.Permission == "" {
			return err // as all others would
		}
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}

// checkCheckout refuses any checkout but the release's: its configuration is
// what is applied, and its migrations are what is judged.
func (a *attempt) checkCheckout(ctx context.Context) error {
	type head struct {
		commit  string
		changed []string
	}
	h, err := retry(ctx, a.operation, func(ctx context.Context) (head, error) {
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
	missing, err := retry(ctx, a.operation, func(ctx context.Context) ([]string, error) {
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
	empty, err := retry(ctx, a.operation, func(ctx context.Context) ([]string, error) {
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
	outputs, err := retry(ctx, a.operation, a.Infrastructure.Outputs)
	if err != nil {
		return fmt.Errorf("read the outputs of %s: %w", a.Environment, err)
	}
	a.outputs = outputs
	return nil
}

// checkRejected refuses a release that was rolled back from.
func (a *attempt) checkRejected(context.Context) error {
	release := a.record().Release
	by := a.history.rejected(release)
	if by == nil {
		return nil
	}
	why := fmt.Sprintf("%s was rolled back from at %s by %s", release, by.Started.UTC().Format(time.RFC3339), by.Actor)
	if a.request.Force {
		a.override("rejected release", why)
		return nil
	}
	return forcible{fmt.Errorf("%s: promote a release that fixes it", why)}
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
	deployments, err := retry(ctx, a.operation, func(ctx context.Context) (map[string][]FormerDeployment, error) {
		return a.Origin.FormerDeployments(ctx, a.services)
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

// checkAccess makes the calls that only the steps after the first change make:
// what may not be asked then could not be told from a failure. A rollback has to
// work in a bad hour, and is only warned. A dry run has the rights of plans, and
// gets no further.
func (a *attempt) checkAccess(ctx context.Context) error {
	if a.request.DryRun {
		return nil
	}
	ask := func(what string, call func(context.Context) error) error {
		err := a.retryCall(ctx, call)
		if err == nil {
			return nil
		}
		err = fmt.Errorf("look at %s: %w", what, err)
		if a.record().Kind == KindRollback {
			a.warn("%v", err)
			return nil
		}
		return err
	}
	problems := []error{
		ask("tasks that stopped", func(ctx context.Context) error {
			_, err := a.Services.StoppedTasks(ctx, a.services, time.Now())
			return err
		}),
		ask("the running images", func(ctx context.Context) error {
			_, err := a.Services.RunningDigests(ctx, a.services)
			return err
		}),
		ask("the targets", func(ctx context.Context) error {
			_, err := a.Health.TargetHealth(ctx, a.public())
			return err
		}),
	}
	if _, ok := a.Platform.Task(taskMigrate); ok {
		problems = append(problems, ask("the log of task "+taskMigrate, func(ctx context.Context) error {
			_, _, err := a.Tasks.TaskLog(ctx, Task{Name: taskMigrate, ARN: "task/none"}, "")
			return err
		}))
	}
	return errors.Join(problems...)
}

// settle waits until no deployment is in flight but this attempt's own: another
// tool's, an apply's, or one that a person began. It returns the services then.
// For atLeast, ECS may not show them yet.
func (a *attempt) settle(ctx context.Context, when string, atLeast time.Duration) (map[string]Service, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, a.limits.Settle, timeUp{a.limits.Settle})
	defer cancel()
	said, so := "", steady{}
	for {
		services, err := a.describeServices(ctx)
		if err != nil {
			return nil, err
		}
		var foreign []string
		for _, name := range a.services {
			d := services[name].Deployment
			own := a.record().Services[name]
			if d != nil && !d.State.Ended() && (own == nil || own.After == "" || d.TaskDefinition != own.After) {
				foreign = append(foreign, fmt.Sprintf("%s (%s, of %s, since %s)", d.ARN, d.State, short(d.TaskDefinition), d.Created.UTC().Format("15:04:05")))
			}
		}
		switch calm := so.since("calm", len(foreign) == 0); {
		case len(foreign) == 0 && calm >= atLeast:
			return services, nil
		case len(foreign) == 0 && a.pause(ctx, a.limits.Tick):
			continue
		}
		list := strings.Join(foreign, "; ")
		if a.request.DryRun && so.since("in flight", true) >= a.limits.lag() {
			return nil, fmt.Errorf("deployments of somebody else are in flight: %s", list)
		}
		if list != said {
			said = list
			a.emit(Event{Kind: EventWait, Message: "waiting for deployments in flight " + when + ": " + list})
		}
		if !a.pause(ctx, a.limits.Tick) {
			return nil, fmt.Errorf("deployments of somebody else are in flight: %s: %w", list, context.Cause(ctx))
		}
	}
}

func (a *attempt) describeServices(ctx context.Context) (map[string]Service, error) {
	services, err := retry(ctx, a.operation, func(ctx context.Context) (map[string]Service, error) {
		return a.Services.DescribeServices(ctx, a.services)
	})
	if err != nil {
		return nil, fmt.Errorf("look at the services: %w", err)
	}
	return services, nil
}

// readBefore notes what every service runs before it is changed; for those that
// an attempt which this one continues has noted, what it noted. A service that
// the apply creates is noted after that.
func (a *attempt) readBefore(ctx context.Context) error {
	services, err := a.describeSettled(ctx)
	if err != nil {
		return err
	}
	minimums, err := retry(ctx, a.operation, func(ctx context.Context) (map[string]int, error) {
		return a.Scaling.Minimums(ctx, a.services)
	})
	if err != nil {
		return fmt.Errorf("look at the autoscaling: %w", err)
	}
	r := a.record()
	if r.Services == nil {
		r.Services = map[string]*ServiceRecord{}
	}
	idle := true
	for _, name := range a.services {
		s, known := services[name]
		if !known {
			continue
		}
		idle = idle && s.Desired == 0
		if s.Deployment != nil && a.step == StepPreflight {
			a.seen[name] = s.Deployment.ARN
		}
		own := r.Services[name]
		if own == nil {
			own = &ServiceRecord{Digest: r.Release.Digests[name]}
			r.Services[name] = own
		}
		// The apply may have begun to scale a service that ran before.
		if m, ok := minimums[name]; ok && own.MinimumBefore == nil {
			own.MinimumBefore = &m
		}
		if own.Before != "" {
			continue
		}
		own.Before, own.DesiredBefore = s.TaskDefinition, s.Desired
	}
	resumed := a.from.how == howResume
	if !resumed {
		a.journal.Mixed = a.mixedNow(services)
	}
	if !resumed && r.Kind == KindPromote && a.step == StepPreflight {
		r.First = a.history.current() == nil && idle
	}
	a.compareWithHistory(services)
	return nil
}

// describeSettled looks at the services until ECS shows all that are expected:
// those that the last release ran on, as it left them, and after the apply all
// of them. What ECS goes on showing for a while is how it is.
func (a *attempt) describeSettled(ctx context.Context) (map[string]Service, error) {
	began, so := time.Now(), steady{}
	current := a.history.current()
	last := ""
	for {
		services, err := a.describeServices(ctx)
		if err != nil {
			return nil, err
		}
		absent, surprising, shows := false, false, ""
		for _, name := range a.services {
			s, shown := services[name]
			if s.Gone {
				delete(services, name)
				shown = false
			}
			var was *ServiceRecord
			if current != nil {
				was = current.Services[name]
			}
			absent = absent || !shown && (was != nil || a.step != StepPreflight)
			surprising = surprising || shown && was != nil && was.After != "" && s.TaskDefinition != was.After
			shows += fmt.Sprint(name, shown, s.TaskDefinition)
		}
		so.since("shows", shows == last)
		last = shows
		stays := so.since("shows", true)
		if !absent && (!surprising || stays >= a.limits.lag()) || absent && time.Since(began) >= a.limits.Confirm {
			return services, nil
		}
		if !a.pause(ctx, a.limits.Tick) {
			return nil, context.Cause(ctx)
		}
	}
}

// mixedNow reports whether an attempt that did not finish left services with
// different releases.
func (a *attempt) mixedNow(services map[string]Service) bool {
	left := a.history.unfinished()
	if left == nil {
		return false
	}
	all := func(set func(*ServiceRecord) string) bool {
		return !slices.ContainsFunc(a.services, func(name string) bool {
			own := left.Services[name]
			return own != nil && services[name].TaskDefinition != set(own)
		})
	}
	return !all(func(s *ServiceRecord) string { return s.Before }) && !all(func(s *ServiceRecord) string { return s.After })
}

// compareWithHistory warns of services that somebody changed by hand.
func (a *attempt) compareWithHistory(services map[string]Service) {
	current := a.history.current()
	if current == nil || a.history.unfinished() != nil || a.from.attempt() != nil || a.step != StepPreflight {
		return
	}
	for _, name := range a.services {
		was := current.Services[name]
		s, known := services[name]
		if known && was != nil && was.After != "" && s.TaskDefinition != was.After {
			a.warn("service %s runs %s, and %s was %s: it was changed by something else", name, short(s.TaskDefinition), current.Release, short(was.After))
		}
	}
}

// short is the last part of an ARN: "family:revision", or an id. ECS may not
// show yet what it is, and no name in a message is empty.
func short(arn string) string {
	if arn == "" {
		return "(unknown)"
	}
	return arn[strings.LastIndex(arn, "/")+1:]
}

// checkMigrations refuses contract migrations that would take something away
// from a release that runs, or from the one that a rollback would go to.
func (a *attempt) checkMigrations(ctx context.Context) error {
	schema, err := retry(ctx, a.operation, a.Checkout.Schema)
	if err != nil {
		return fmt.Errorf("read the migrations of the checkout: %w", err)
	}
	pending := a.history.pending(schema)
	release := a.record().Release
	a.contracts = nil
	for _, m := range pending {
		a.contracts = append(a.contracts, migrations.AppliedContract{Migration: m.ID(), UnusedSince: m.UnusedSince, Release: release.name()})
	}
	if len(pending) == 0 {
		return nil
	}
	order := a.history.order()
	if !slices.ContainsFunc(order, release.Same) {
		order = append(order, release)
	}
	for _, m := range pending {
		order = a.place(ctx, order, m.UnusedSince)
	}
	situation := migrations.Situation{Order: gateReleases(order)}
	var running []Release
	if current := a.history.current(); current != nil {
		running = append(running, current.Release)
		target := current.Release
		if target.Same(release) {
			target = a.history.before(release)
		}
		if !target.IsZero() {
			situation.Targets = gateReleases([]Release{target})
		}
	}
	if left := a.history.unfinished(); left != nil {
		running = append(running, left.Release)
	}
	running = slices.DeleteFunc(running, release.Same)
	situation.Running = gateReleases(running)
	return refused(migrations.Gate(pending, situation))
}

// checkContracts refuses a rollback behind a contract migration, unless forced.
func (a *attempt) checkContracts(ctx context.Context) error {
	applied := a.history.contracts()
	if len(applied) == 0 {
		return nil
	}
	order := a.history.order()
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
	return forcible{fmt.Errorf("%w: roll back to a later release, unless it can do without", err)}
}

func refused(refusals []migrations.Refusal) error {
	var problems []error
	for _, r := range refusals {
		problems = append(problems, errors.New(r.String()))
	}
	return errors.Join(problems...)
}

// place puts a release that this environment passed over where its commit
// belongs. One that cannot be placed is left out, and the gate says so.
func (a *attempt) place(ctx context.Context, order []Release, name string) []Release {
	if slices.ContainsFunc(order, func(r Release) bool { return r.Named(name) }) {
		return order
	}
	commit, err := retry(ctx, a.operation, func(ctx context.Context) (string, error) { return a.Checkout.Peel(ctx, name) })
	if err != nil {
		a.warn("find the commit of release %s: %v", name, err)
		return order
	}
	for i, r := range order {
		in, err := retry(ctx, a.operation, func(ctx context.Context) (bool, error) { return a.Checkout.Contains(ctx, r.Commit, commit) })
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
