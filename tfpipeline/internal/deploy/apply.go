package deploy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// plan plans the infrastructure, and refuses any plan but the reviewed one.
func (a *attempt) plan(ctx context.Context) (Plan, error) {
	r := a.record()
	if a.journal.Phase.applied() {
		a.note("the plan was applied by %s", r.Resumes)
		return Plan{}, nil
	}
	plan, err := retry(ctx, a.operation, a.Infrastructure.Plan)
	if err != nil {
		return Plan{}, fmt.Errorf("plan %s: %w", a.Environment, err)
	}
	reviewed := a.request.Reviewed
	switch {
	case reviewed == "" || plan.Fingerprint == reviewed:
	case r.Applied && plan.Empty:
		// The attempt that this one continues applied the whole plan before it died.
	case r.Applied:
		return Plan{}, fmt.Errorf("the reviewed plan %s was applied in part by %s, and the rest (%s) is plan %s: review that", reviewed, r.Resumes, plan.Summary, plan.Fingerprint)
	case plan.Unreviewed != nil:
		return Plan{}, plan.Unreviewed
	default:
		return Plan{}, fmt.Errorf("the plan is no longer the reviewed one: reviewed was %s, now it is %s (%s)", reviewed, plan.Fingerprint, plan.Summary)
	}
	if !r.Applied {
		r.Plan = &plan
	}
	if plan.Empty {
		a.note("the infrastructure is as configured")
	} else {
		a.note("plan %s: %s", plan.Fingerprint, plan.Summary)
	}
	return plan, nil
}

// apply applies the plan that the step plan made, and waits for the deployments that it
// causes.
func (a *attempt) apply(ctx context.Context, plan Plan, found *checks) error {
	if a.journal.Phase.applied() {
		return nil
	}
	if !plan.Empty {
		err := a.changing(ctx, PhaseApplying, func(j *Journal) { j.Record.Applied = true })
		if err != nil {
			return err
		}
		// A failed apply is not repeated here: what it left needs a new plan.
		apply, end := a.flight.afterMark(ctx)
		err = a.Infrastructure.Apply(apply, a.record().ID)
		end()
		if err != nil {
			return fmt.Errorf("apply %s: %w", a.Environment, err)
		}
		a.enterPhase(PhaseApplied)
		a.changed(ctx)
	} else if a.record().Applied {
		// The attempt that this one continues has applied the whole plan.
		a.journal.Phase = max(a.journal.Phase, PhaseApplied)
	}
	atLeast := time.Duration(0)
	if !plan.Empty {
		atLeast = a.limits.lag()
	}
	services, err := found.settle(ctx, "after the apply", atLeast)
	if err != nil || plan.Empty {
		return err
	}
	return checkApplied(a.services, services, found.latest, a.record().Services)
}

// checkApplied makes sure that the services have the settings that were applied: ECS
// goes back to the earlier ones if tasks with the new ones fail, and the release would
// be deployed on those.
func checkApplied(names []string, services map[string]Service, latest map[string]string, records map[string]*ServiceRecord) error {
	var failures []error
	for _, name := range names {
		d, own := services[name].Deployment, records[name]
		if d == nil || !d.State.Failed() || d.ARN == latest[name] || own != nil && own.After != "" && d.TaskDefinition == own.After {
			continue
		}
		reason := ""
		if d.Reason != "" {
			reason = ": " + d.Reason
		}
		failures = append(failures, fmt.Errorf("service %s does not run with what the apply changed: deployment %s is %s%s", name, d.ARN, d.State, reason))
	}
	return errors.Join(failures...)
}

// register copies the template of each service, as Terraform applied it last,
// into a revision that runs the release's image, and keeps these images from
// expiring. It returns the task definitions by service.
func (a *attempt) register(ctx context.Context, found *checks) (revisions map[string]string, err error) {
	// The apply may have changed templates, and created services.
	outputs, err := a.outputs(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := found.readBefore(ctx, true); err != nil {
		return nil, err
	}
	r, registrar := a.record(), registrar{a.operation, a.lease, outputs.Templates}
	revisions = map[string]string{}
	for _, s := range a.services {
		own, template := r.Services[s], outputs.Templates[s]
		switch {
		case own == nil:
			return nil, fmt.Errorf("ECS has no service %s in %s: was the environment applied?", s, a.Environment)
		case template == "":
			return nil, fmt.Errorf("the state of %s has no task definition for %s: was the environment applied?", a.Environment, s)
		case own.After == "":
			own.After, err = registrar.register(ctx, r.Release, Revision{Name: s, Template: template, Image: a.image(r.Release, s)})
			if err != nil {
				return nil, err
			}
		}
		revisions[s] = own.After
	}
	for _, name := range r.schedules() {
		own := r.Schedules[name]
		if own.After == "" {
			own.After, err = registrar.register(ctx, r.Release, Revision{Name: name, Template: outputs.Templates[name], Image: a.image(r.Release, name)})
			if err != nil {
				return nil, err
			}
		}
		revisions[name] = own.After
	}
	if r.Release.Tag == "" {
		return revisions, nil
	}
	if err := a.changing(ctx, PhaseRegistering, nil); err != nil {
		return nil, err
	}
	err = a.retryCall(ctx, func(ctx context.Context) error {
		return a.Images.Tag(ctx, r.Release.Digests, "release-"+r.Release.Tag)
	})
	if err != nil {
		return nil, fmt.Errorf("keep the images of %s from expiring: %w", r.Release, err)
	}
	return revisions, nil
}

// reregister makes sure that services can be set to what a rollback goes to: a
// task definition that somebody deregistered is registered once more. It returns
// the task definitions by service.
func (a *attempt) reregister(ctx context.Context, outputs Outputs) (revisions map[string]string, err error) {
	wanted := map[string]string{}
	for _, name := range a.services {
		wanted[name] = a.record().Services[name].After
	}
	for name, s := range a.record().Schedules {
		if !s.Off {
			wanted[name] = s.After
		}
	}
	revisions, err = registrar{a.operation, a.lease, outputs.Templates}.revive(ctx, wanted, a.record().Release)
	for name, arn := range revisions {
		if s := a.record().Services[name]; s != nil {
			s.After = arn
		} else {
			a.record().Schedules[name].After = arn
		}
	}
	return revisions, err
}

// registrar registers task definitions.
type registrar struct {
	*operation
	lease *heldLease // nil: a task by hand needs none
	// templates are those that Terraform applied last, by service and one-off task;
	// nil: unknown.
	templates map[string]string
}

// outputs reads those of the infrastructure.
func (o *operation) outputs(ctx context.Context) (Outputs, error) {
	outputs, err := retry(ctx, o, o.Infrastructure.Outputs)
	if err != nil {
		return Outputs{}, fmt.Errorf("read the outputs of %s: %w", o.Environment, err)
	}
	return outputs, nil
}

// image is the full reference of the image that a service or task runs in a
// release.
func (p *Pipeline) image(release Release, name string) string {
	service := imageName(p.Platform, name)
	return p.Platform.RepositoryURL(service) + "@" + release.Digests[service]
}

// register registers a task definition of a release. A second one of the same
// content does no harm.
func (g registrar) register(ctx context.Context, release Release, revision Revision) (string, error) {
	revision.Tags = map[string]string{"release": release.name(), "commit": release.Commit, "template": short(revision.Template)}
	arn, err := retry(ctx, g.operation, func(ctx context.Context) (string, error) {
		if err := g.lease.valid(); err != nil {
			return "", err
		}
		return g.TaskDefinitions.Register(ctx, revision)
	})
	if err != nil {
		return "", fmt.Errorf("register the task definition of %s: %w", revision.Name, err)
	}
	g.note("registered %s", short(arn))
	return arn, nil
}

func (o *operation) describeTaskDefinitions(ctx context.Context, arns []string, release Release) (map[string]TaskDefinition, error) {
	found, err := retry(ctx, o, func(ctx context.Context) (map[string]TaskDefinition, error) {
		return o.TaskDefinitions.DescribeTaskDefinitions(ctx, arns)
	})
	if err != nil {
		return nil, fmt.Errorf("look at the task definitions of %s: %w", release, err)
	}
	return found, nil
}

// revive returns a task definition that each service can be set to: the release's own,
// which wanted gives by service, if it is ACTIVE, or else a copy with the same image.
func (g registrar) revive(ctx context.Context, wanted map[string]string, release Release) (map[string]string, error) {
	found, err := g.describeTaskDefinitions(ctx, slices.Sorted(maps.Values(wanted)), release)
	if err != nil {
		return nil, err
	}
	active := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		arn := wanted[name]
		definition, known := found[arn]
		if known && definition.Active {
			active[name] = arn
			continue
		}
		template, image := arn, definition.Image
		_, service := g.Platform.Service(name)
		_, task := g.Platform.Task(name)
		if !known && !service && !task {
			return nil, fmt.Errorf("task definition %s is gone and cannot be made again, since this program's gen/config lacks %s: roll back with the program of %s", short(arn), name, release)
		}
		if !known {
			if g.templates == nil {
				outputs, err := g.outputs(ctx)
				if err != nil {
					return nil, err
				}
				g.templates = outputs.Templates
			}
			template, image = g.templates[name], g.image(release, name)
			if template == "" || release.Digests[imageName(g.Platform, name)] == "" {
				return nil, fmt.Errorf("task definition %s of %s is gone, and there is no template to make it from", short(arn), name)
			}
		}
		g.warn("task definition %s of %s is no longer active: registering it again from %s", short(arn), name, short(template))
		if active[name], err = g.register(ctx, release, Revision{Name: name, Template: template, Image: image}); err != nil {
			return nil, err
		}
	}
	return active, nil
}
