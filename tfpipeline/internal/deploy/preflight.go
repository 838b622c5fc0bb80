package deploy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/migrations"
)

// preflight refuses what would fail later, all of it at once, and reads what
// runs before anything is changed. A rollback has to work in a bad hour: only
// what makes it impossible or unsafe is refused.
func (a *attempt) preflight(ctx context.Context) (*checks, error) {
	c := &checks{operation: a.operation, Journal: &a.journal, request: a.request, env: a.env, names: a.services, history: a.history.Index, from: a.from}
	list := []func(context.Context) error{
		c.checkFreeze, c.checkCheckout, c.checkImages, c.checkSecrets, c.checkTemplates, c.checkRejected, c.checkProof, c.checkMigrations, c.checkAccess,
	}
	rollback := a.record().Kind == KindRollback
	if rollback {
		list = []func(context.Context) error{c.checkImages, c.checkContracts, c.checkTemplates, c.checkAccess}
	}
	if err := all(ctx, list...); err != nil {
		return nil, err
	}
	if !rollback {
		if _, err := c.settle(ctx, "before the promotion", 0); err != nil {
			return nil, err
		}
	}
	var err error
	c.latest, err = c.readBefore(ctx, false)
	return c, err
}

// checks are what preflight asks of the world, and what it has found.
type checks struct {
	*operation
	// Journal is the attempt's. The checks note there what was overridden, what was
	// proven and what ran before.
	*Journal
	request Request
	env     config.Environment
	names   []string // of the services
	history Index
	from    continuation

	// outputs are the infrastructure's before the apply, contracts the contract
	// migrations that are pending, and latest the deployments of the services.
	outputs   Outputs
	contracts []migrations.AppliedContract
	latest    map[string]string
}

// all makes every check, and returns what all of them refuse.
func all(ctx context.Context, checks ...func(context.Context) error) error {
	var problems []error
	for _, check := range checks {
		err := check(ctx)
		access, refused := errors.AsType[*AccessError](err)
		if err != nil && ctx.Err() != nil || refused && access.Permission == "" {
			return err // the other checks would fail in the same way
		}
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}

// checkCheckout refuses any checkout but the release's: its configuration is
// what is applied, and its migrations are what is judged.
func (c *checks) checkCheckout(ctx context.Context) error {
	type head struct {
		commit  string
		changed []string
	}
	h, err := retry(ctx, c.operation, func(ctx context.Context) (head, error) {
		commit, changed, err := c.Checkout.Head(ctx)
		return head{commit, changed}, err
	})
	release := c.Record.Release
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

// checkImages refuses a release whose images the registry has no more. The image of a
// service that the platform lacks may be another one's: its task definition names it.
// If that is gone too, register refuses.
func (c *checks) checkImages(ctx context.Context) error {
	release := c.Record.Release
	images := map[string]string{}
	for name := range release.Digests {
		if _, known := c.Platform.Service(name); known {
			images[name] = c.image(release, name)
		}
	}
	others := map[string]string{} // services, by task definition
	for _, name := range c.names {
		if _, known := c.Platform.Service(name); !known {
			others[c.Record.Services[name].After] = name
		}
	}
	if len(others) > 0 {
		found, err := c.describeTaskDefinitions(ctx, slices.Sorted(maps.Keys(others)), release)
		if err != nil {
			return err
		}
		for arn, d := range found {
			images[others[arn]] = d.Image
		}
	}
	missing, err := retry(ctx, c.operation, func(ctx context.Context) ([]string, error) {
		return c.Images.Missing(ctx, images)
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

func (c *checks) checkSecrets(ctx context.Context) error {
	names := map[string]bool{}
	database := false
	for _, s := range c.Platform.Services {
		database = database || s.Database
		for _, n := range s.AllSecrets() {
			names[n] = true
		}
	}
	for _, t := range c.Platform.Tasks {
		database = database || t.Database
		for _, n := range t.Secrets {
			names[n] = true
		}
	}
	if s, ok := c.Platform.DatabaseSecret(); ok && database {
		names[s.Name] = true
	}
	empty, err := retry(ctx, c.operation, func(ctx context.Context) ([]string, error) {
		return c.Secrets.Empty(ctx, slices.Sorted(maps.Keys(names)))
	})
	if err != nil {
		return fmt.Errorf("look at the secrets: %w", err)
	}
	if len(empty) == 0 {
		return nil
	}
	e := &emptySecretsError{}
	for _, n := range empty {
		line := fmt.Sprintf("secret %s has no value", c.Platform.SecretName(c.Environment, n))
		s, _ := c.Platform.Secret(n)
		if s.Hint != "" {
			line += ": store " + s.Hint
		}
		if s.Kind == config.Provided {
			e.provided = append(e.provided, n)
		}
		e.lines = append(e.lines, line)
	}
	return e
}

// emptySecretsError has a line for each secret without a value, and the struct's names
// of those that people provide.
type emptySecretsError struct{ lines, provided []string }

func (e *emptySecretsError) Error() string { return strings.Join(e.lines, "\n") }

// checkTemplates looks at what is already applied, since migrate runs before apply.
func (c *checks) checkTemplates(ctx context.Context) (err error) {
	if c.outputs, err = c.operation.outputs(ctx); err != nil {
		return err
	}
	if _, ok := c.Platform.Task(taskMigrate); !ok || c.Record.Kind == KindRollback && !c.request.WithMigrations {
		return nil
	}
	if c.outputs.Templates[taskMigrate] == "" {
		return fmt.Errorf("the state of %s has no task definition for %s: was the environment applied?", c.Environment, taskMigrate)
	}
	return nil
}

// checkRejected refuses a release that was rolled back from.
func (c *checks) checkRejected(context.Context) error {
	release := c.Record.Release
	by := c.history.rejected(release)
	if by == nil {
		return nil
	}
	why := fmt.Sprintf("%s was rolled back from at %s by %s", release, by.Started.UTC().Format(time.RFC3339), by.Actor)
	if c.request.Force {
		c.override("rejected release", c.forced(why))
		return nil
	}
	return forcible{fmt.Errorf("%s: promote a release that fixes it", why)}
}

// checkProof asks the origin for evidence, if the environment wants any.
func (c *checks) checkProof(ctx context.Context) error {
	r := &c.Record
	want := c.env.Proof
	overridden := slices.ContainsFunc(r.Overrides, func(o Override) bool { return o.Check == overrideProof })
	if want == nil || r.Proof != nil || overridden {
		return nil // or an attempt that this one continues has done it
	}
	if why := c.request.OverrideProof; why != "" {
		c.override(overrideProof, why)
		return nil
	}
	deployments, err := retry(ctx, c.operation, func(ctx context.Context) (map[string][]FormerDeployment, error) {
		return c.Origin.FormerDeployments(ctx, c.names)
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

// forced is a refusal that Force overrides, as it is recorded.
func (c *checks) forced(refusal string) string {
	if why := c.request.ForceReason; why != "" {
		return why + " (" + refusal + ")"
	}
	return refusal
}

// override notes a check that was overridden.
func (c *checks) override(check, reason string) {
	r := &c.Record
	o := Override{check, reason}
	if !slices.Contains(r.Overrides, o) {
		r.Overrides = append(r.Overrides, o)
	}
	c.warn("%s overridden: %s", check, reason)
}

// checkAccess makes the calls that otherwise only the steps after the first change
// make: there, a missing permission would look like a failure of the release. A
// rollback has to work in a bad hour, so it is only warned. A dry run has only the
// permissions of plans, and makes none of these calls.
func (c *checks) checkAccess(ctx context.Context) error {
	if c.request.DryRun {
		return nil
	}
	ask := func(what string, call func(context.Context) error) error {
		err := c.retryCall(ctx, call)
		if err == nil {
			return nil
		}
		err = fmt.Errorf("look at %s: %w", what, err)
		if c.Record.Kind == KindRollback {
			c.warn("%v", err)
			return nil
		}
		return err
	}
	problems := []error{
		ask("tasks that stopped", func(ctx context.Context) error {
			_, err := c.Services.StoppedTasks(ctx, c.names, time.Now())
			return err
		}),
		ask("the running images", func(ctx context.Context) error {
			_, err := c.Services.RunningTasks(ctx, c.names)
			return err
		}),
		ask("the targets", func(ctx context.Context) error {
			_, err := c.Health.TargetHealth(ctx, publicServices(c.Platform, c.names))
			return err
		}),
	}
	if _, ok := c.Platform.Task(taskMigrate); ok {
		problems = append(problems, ask("the log of task "+taskMigrate, func(ctx context.Context) error {
			_, _, err := c.Tasks.TaskLog(ctx, Task{Name: taskMigrate, ARN: "task/none"}, "")
			return err
		}))
	}
	return errors.Join(problems...)
}

// checkMigrations refuses contract migrations that would take something away
// from a release that runs, or from the one that a rollback would go to.
func (c *checks) checkMigrations(ctx context.Context) error {
	if _, ok := c.Platform.Task(taskMigrate); !ok {
		return nil // nothing would apply them
	}
	schema, err := retry(ctx, c.operation, c.Checkout.Schema)
	if err != nil {
		return fmt.Errorf("read the migrations of the checkout: %w", err)
	}
	pending := c.history.pending(schema)
	release := c.Record.Release
	c.contracts = nil
	for _, m := range pending {
		c.contracts = append(c.contracts, migrations.AppliedContract{Migration: m.ID(), UnusedSince: m.UnusedSince, Release: release.name()})
	}
	if len(pending) == 0 {
		return nil
	}
	order := c.history.order()
	if !slices.ContainsFunc(order, release.Same) {
		order = append(order, release)
	}
	for _, m := range pending {
		order = c.place(ctx, order, m.UnusedSince)
	}
	situation := migrations.Situation{Order: gateReleases(order)}
	var running []Release
	if current := c.history.current(); current != nil {
		running = append(running, current.Release)
		target := current.Release
		if target.Same(release) {
			target = c.history.before(release)
		}
		if !target.IsZero() {
			situation.Targets = gateReleases([]Release{target})
		}
	}
	if left := c.history.unfinished(); left != nil {
		running = append(running, left.Release)
	}
	running = slices.DeleteFunc(running, release.Same)
	situation.Running = gateReleases(running)
	return refused(migrations.Gate(pending, situation))
}

// checkContracts refuses a rollback behind a contract migration, unless forced.
func (c *checks) checkContracts(ctx context.Context) error {
	applied := c.history.contracts()
	if len(applied) == 0 {
		return nil
	}
	order := c.history.order()
	for _, contract := range applied {
		order = c.place(ctx, order, contract.Release)
		order = c.place(ctx, order, contract.UnusedSince)
	}
	target := c.Record.Release
	err := refused(migrations.GateRollback(gateReleases([]Release{target})[0], applied, gateReleases(order)))
	if err == nil {
		return nil
	}
	if c.request.Force {
		c.override("contract migration", c.forced(err.Error()))
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

// place inserts a release that never ran in this environment into the order, where its
// commit belongs. It leaves out a release that it cannot place, and the gate says so.
func (c *checks) place(ctx context.Context, order []Release, name string) []Release {
	if slices.ContainsFunc(order, func(r Release) bool { return r.Named(name) }) {
		return order
	}
	commit, err := retry(ctx, c.operation, func(ctx context.Context) (string, error) { return c.Checkout.Peel(ctx, name) })
	if err != nil {
		c.warn("find the commit of release %s: %v", name, err)
		return order
	}
	for i, r := range order {
		in, err := retry(ctx, c.operation, func(ctx context.Context) (bool, error) { return c.Checkout.Contains(ctx, r.Commit, commit) })
		if err != nil {
			c.warn("find out which is older, %s or %s: %v", name, r, err)
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

// settle waits while a deployment is in flight that is not this attempt's own, such as
// one of another tool, of an apply or of a person. It then returns the services. It
// waits at least atLeast, in which ECS may not show a deployment yet.
func (c *checks) settle(ctx context.Context, when string, atLeast time.Duration) (map[string]Service, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.limits.Settle, timeUp{after: c.limits.Settle})
	defer cancel()
	said, so := "", steady{}
	for {
		services, err := c.describeServices(ctx, c.names)
		if err != nil {
			return nil, err
		}
		var foreign []string
		for _, name := range c.names {
			d := services[name].Deployment
			own := c.Record.Services[name]
			if d != nil && !d.State.Ended() && (own == nil || own.After == "" || d.TaskDefinition != own.After) {
				foreign = append(foreign, fmt.Sprintf("%s (%s, of %s, since %s)", d.ARN, d.State, short(d.TaskDefinition), d.Created.UTC().Format("15:04:05")))
			}
		}
		switch calm := so.since("calm", len(foreign) == 0); {
		case len(foreign) == 0 && calm >= atLeast:
			return services, nil
		case len(foreign) == 0 && c.pause(ctx, c.limits.Tick):
			continue
		}
		list := strings.Join(foreign, "; ")
		if c.request.DryRun && so.since("in flight", true) >= c.limits.lag() {
			return nil, fmt.Errorf("deployments of somebody else are in flight: %s", list)
		}
		if list != said {
			said = list
			c.emit(Event{Kind: EventWait, Message: "waiting for deployments in flight " + when + ": " + list})
		}
		if !c.pause(ctx, c.limits.Tick) {
			return nil, fmt.Errorf("deployments of somebody else are in flight: %s: %w", list, context.Cause(ctx))
		}
	}
}

func (o *operation) describeServices(ctx context.Context, names []string) (map[string]Service, error) {
	services, err := retry(ctx, o, func(ctx context.Context) (map[string]Service, error) {
		return o.Services.DescribeServices(ctx, names)
	})
	if err != nil {
		return nil, fmt.Errorf("look at the services: %w", err)
	}
	return services, nil
}

// readBefore notes what every service runs before it is changed. If an earlier attempt,
// which this one continues, has noted it for a service, that stays. A service that the
// apply creates is noted after the apply. It returns the latest deployments, by
// service.
func (c *checks) readBefore(ctx context.Context, applied bool) (latest map[string]string, err error) {
	services, err := c.describeSettled(ctx, applied)
	if err != nil {
		return nil, err
	}
	minimums, err := retry(ctx, c.operation, func(ctx context.Context) (map[string]int, error) {
		return c.Scaling.Minimums(ctx, c.names)
	})
	if err != nil {
		return nil, fmt.Errorf("look at the autoscaling: %w", err)
	}
	r := &c.Record
	if r.Kind == KindPromote && !applied {
		if err := checkMaximums(c.env, c.names, minimums, c.history.current()); err != nil {
			return nil, err
		}
	}
	if r.Services == nil {
		r.Services = map[string]*ServiceRecord{}
	}
	idle := true
	latest = map[string]string{}
	for _, name := range c.names {
		s, known := services[name]
		if !known {
			continue
		}
		idle = idle && s.Desired == 0
		if s.Deployment != nil {
			latest[name] = s.Deployment.ARN
		}
		own := r.Services[name]
		if own == nil {
			own = &ServiceRecord{Digest: r.Release.Digests[name]}
			r.Services[name] = own
		}
		// The apply may have switched autoscaling on or off for a service that ran
		// before.
		switch m, ok := minimums[name]; {
		case ok && own.MinimumBefore == nil:
			own.MinimumBefore = &m
		case !ok && !c.env.SizeOf(name).Autoscaled():
			own.MinimumBefore = nil
		}
		if own.Before != "" {
			continue
		}
		own.Before, own.DesiredBefore = s.TaskDefinition, s.Desired
	}
	current, left := c.history.current(), c.history.unfinished()
	resumed := c.from.how == howResume
	if !resumed {
		c.Mixed = left != nil && left.mixed(c.names, services)
	}
	if !resumed && r.Kind == KindPromote && !applied {
		r.First = current == nil && idle
	}
	if err := c.readSchedules(ctx, applied); err != nil {
		return nil, err
	}
	if current != nil && left == nil && c.from.attempt() == nil && !applied {
		for _, name := range current.changedSince(c.names, services) {
			c.warn("service %s runs %s, and %s was %s: it was changed by something else", name, short(services[name].TaskDefinition), current.Release, short(current.Services[name].After))
		}
	}
	return latest, nil
}

// checkMaximums refuses sizes that allow fewer tasks than autoscaling keeps at the
// moment, since somebody scaled the service or one of the Minimums has set that: AWS
// would refuse the maximum during the apply, which leaves the minimum as it is. A scale
// lowers it, which takes only services that are part of the current release.
func checkMaximums(e config.Environment, names []string, minimums map[string]int, current *Record) error {
	refused := &highMinimumsError{}
	for _, name := range names {
		least, size := minimums[name], e.SizeOf(name)
		if !size.Autoscaled() || least <= size.MaxTasks { // the apply may end the autoscaling
			continue
		}
		line := fmt.Sprintf("service %s: autoscaling keeps at least %d tasks at the moment, and its Size in %s allows %d at most (MaxTasks in gen/config/default.go)",
			name, least, e.Name, size.MaxTasks)
		if current == nil || current.Services[name] == nil {
			refused.lines = append(refused.lines, fmt.Sprintf("%s; it is no part of the current release and cannot be scaled: promote it with a MaxTasks of %d first", line, least))
			continue
		}
		refused.lines = append(refused.lines, line)
		refused.lower = append(refused.lower, Move{Advice: AdviceLower, Verb: VerbScale, Service: name, Tasks: size.MaxTasks})
	}
	if len(refused.lines) == 0 {
		return nil
	}
	return refused
}

// highMinimumsError has a line for each minimum that a maximum does not allow, and
// the scales that lower it.
type highMinimumsError struct {
	lines []string
	lower Next
}

func (e *highMinimumsError) Error() string { return strings.Join(e.lines, "\n") }

// describeSettled looks at the services until ECS shows all that are expected:
// those that the last release ran on, as it left them, and after the apply all
// of them. It accepts what ECS keeps showing for a while.
func (c *checks) describeSettled(ctx context.Context, applied bool) (map[string]Service, error) {
	began, so := time.Now(), steady{}
	current := c.history.current()
	last := ""
	for {
		services, err := c.describeServices(ctx, c.names)
		if err != nil {
			return nil, err
		}
		absent, shows := false, ""
		for _, name := range c.names {
			s, shown := services[name]
			if s.Gone {
				delete(services, name)
				shown = false
			}
			absent = absent || !shown && (applied || current != nil && current.Services[name] != nil)
			shows += fmt.Sprint(name, shown, s.TaskDefinition)
		}
		surprising := current != nil && len(current.changedSince(c.names, services)) > 0
		so.since("shows", shows == last)
		last = shows
		stays := so.since("shows", true)
		if !absent && (!surprising || stays >= c.limits.lag()) || absent && time.Since(began) >= c.limits.Confirm {
			return services, nil
		}
		if !c.pause(ctx, c.limits.Tick) {
			return nil, context.Cause(ctx)
		}
	}
}

// changedSince are the services that do not run what an attempt set them to.
func (r *Record) changedSince(names []string, services map[string]Service) []string {
	var changed []string
	for _, name := range names {
		was := r.Services[name]
		s, shown := services[name]
		if shown && was != nil && was.After != "" && s.TaskDefinition != was.After {
			changed = append(changed, name)
		}
	}
	return changed
}

// mixed reports whether an attempt that did not finish has left services with
// different releases.
func (r *Record) mixed(names []string, services map[string]Service) bool {
	all := func(set func(*ServiceRecord) string) bool {
		return !slices.ContainsFunc(names, func(name string) bool {
			own := r.Services[name]
			return own != nil && services[name].TaskDefinition != set(own)
		})
	}
	return !all(func(s *ServiceRecord) string { return s.Before }) && !all(func(s *ServiceRecord) string { return s.After })
}

// short is the last part of an ARN: "family:revision", or an id. For an empty ARN,
// which ECS may not show yet, it is a word, so that no message has an empty name.
func short(arn string) string {
	if arn == "" {
		return "(unknown)"
	}
	return arn[strings.LastIndex(arn, "/")+1:]
}
