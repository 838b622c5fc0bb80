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
func (a *attempt) plan(ctx context.Context) error {
	r := a.record()
	if a.journal.Phase.applied() {
		a.note("the plan was applied by %s", r.Resumes)
		return nil
	}
	plan, err := retry(ctx, a.operation, a.Infrastructure.Plan)
	if err != nil {
		return fmt.Errorf("plan %s: %w", a.Environment, err)
	}
	reviewed := a.request.Reviewed
	switch {
	case reviewed == "" || plan.Fingerprint == reviewed:
	case r.Applied && plan.Empty:
		// All of it was applied before the attempt that this one continues died.
	case r.Applied:
		return fmt.Errorf("the reviewed plan %s was applied in part by %s, and the rest (%s) is plan %s: review that", reviewed, r.Resumes, plan.Summary, plan.Fingerprint)
	case plan.Unreviewed != nil:
		return plan.Unreviewed
	default:
		return fmt.Errorf("the plan is no longer the reviewed one: reviewed was %s, now it is %s (%s)", reviewed, plan.Fingerprint, plan.Summary)
	}
	if !r.Applied {
		r.Plan = &plan
	}
	a.planned = plan
	if plan.Empty {
		a.note("the infrastructure is as configured")
	} else {
		a.note("plan %s: %s", plan.Fingerprint, plan.Summary)
	}
	return nil
}

// apply applies that very plan, and waits for the deployments that it causes.
func (a *attempt) apply(ctx context.Context) error {
	if a.journal.Phase.applied() {
		return nil
	}
	if !a.planned.Empty {
		err := a.changing(ctx, PhaseApplying, func(j *Journal) { j.Record.Applied = true })
		if err != nil {
			return err
		}
		// Not tried again here: what a transient error left is for a new plan.
		if err := a.Infrastructure.Apply(ctx, a.record().ID); err != nil {
			return fmt.Errorf("apply %s: %w", a.Environment, err)
		}
		a.enterPhase(PhaseApplied)
		a.changed(ctx)
	} else if a.record().Applied {
		// The attempt that this one continues has applied all of it.
		a.journal.Phase = max(a.journal.Phase, PhaseApplied)
	}
	atLeast := time.Duration(0)
	if !a.planned.Empty {
		atLeast = a.limits.lag()
	}
	services, err := a.settle(ctx, "after the apply", atLeast)
	if err != nil || a.planned.Empty {
		return err
	}
	return a.checkApplied(services)
}

// checkApplied makes sure that what an apply changed about the services came to be: ECS
// goes back to the shape that ran before if tasks of the new one fail, and the
// release would be deployed on that.
func (a *attempt) checkApplied(services map[string]Service) error {
	var failures []error
	for _, name := range a.services {
		d, own := services[name].Deployment, a.record().Services[name]
		if d == nil || !d.State.Failed() || d.ARN == a.seen[name] || own != nil && own.After != "" && d.TaskDefinition == own.After {
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
// expiring.
func (a *attempt) register(ctx context.Context) error {
	// The apply may have changed templates, and created services.
	if err := a.readOutputs(ctx); err != nil {
		return err
	}
	if err := a.readBefore(ctx); err != nil {
		return err
	}
	r := a.record()
	for _, s := range a.services {
		own, template := r.Services[s], a.outputs.Templates[s]
		switch {
		case own == nil:
			return fmt.Errorf("ECS has no service %s in %s: was the environment applied?", s, a.Environment)
		case template == "":
			return fmt.Errorf("the state of %s has no task definition for %s: was the environment applied?", a.Environment, s)
		case own.After != "":
			continue
		}
		arn, err := a.registerRevision(ctx, Revision{Name: s, Template: template, Image: a.imageOf(s), Tags: a.tags(template)})
		if err != nil {
			return err
		}
		own.After = arn
	}
	if r.Release.Tag == "" {
		return nil
	}
	if err := a.changing(ctx, PhaseRegistering, nil); err != nil {
		return err
	}
	err := a.retryCall(ctx, func(ctx context.Context) error {
		return a.Images.Tag(ctx, r.Release.Digests, "release-"+r.Release.Tag)
	})
	if err != nil {
		return fmt.Errorf("keep the images of %s from expiring: %w", r.Release, err)
	}
	return nil
}

// registerRevision registers a task definition. A second one of the same
// content does no harm.
func (a *attempt) registerRevision(ctx context.Context, revision Revision) (string, error) {
	arn, err := retry(ctx, a.operation, func(ctx context.Context) (string, error) {
		if err := a.lease.valid(); err != nil {
			return "", err
		}
		return a.TaskDefinitions.Register(ctx, revision)
	})
	if err != nil {
		return "", fmt.Errorf("register the task definition of %s: %w", revision.Name, err)
	}
	a.note("registered %s", short(arn))
	return arn, nil
}

// reregister makes sure that services can be set to what a rollback goes to: a
// task definition that somebody deregistered is registered once more.
func (a *attempt) reregister(ctx context.Context) error {
	wanted := map[string]string{}
	for _, name := range a.services {
		wanted[name] = a.record().Services[name].After
	}
	active, err := a.revive(ctx, wanted, a.record().Release)
	if err != nil {
		return err
	}
	for name, arn := range active {
		a.record().Services[name].After = arn
	}
	return nil
}

// revive returns task definitions that services can be set to, given those of a
// release by service: the same where they are ACTIVE, or else copies that run
// the same image.
func (a *attempt) revive(ctx context.Context, wanted map[string]string, release Release) (map[string]string, error) {
	arns := slices.Sorted(maps.Values(wanted))
	found, err := retry(ctx, a.operation, func(ctx context.Context) (map[string]TaskDefinition, error) {
		return a.TaskDefinitions.DescribeTaskDefinitions(ctx, arns)
	})
	if err != nil {
		return nil, fmt.Errorf("look at the task definitions of %s: %w", release, err)
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
		if !known {
			template = a.outputs.Templates[name]
			image = a.Platform.RepositoryURL(name) + "@" + release.Digests[name]
			if template == "" || release.Digests[name] == "" {
				return nil, fmt.Errorf("task definition %s of %s is gone, and there is no template to make it from", short(arn), name)
			}
		}
		a.warn("task definition %s of %s is no longer active: registering it once more from %s", short(arn), name, short(template))
		active[name], err = a.registerRevision(ctx, Revision{Name: name, Template: template, Image: image, Tags: map[string]string{
			"release": release.name(), "commit": release.Commit, "template": short(template),
		}})
		if err != nil {
			return nil, err
		}
	}
	return active, nil
}

// copyOf registers the same task definition under another revision.
func (a *attempt) copyOf(ctx context.Context, name, arn string) (string, error) {
	return a.registerRevision(ctx, Revision{Name: name, Template: arn, Image: a.imageOf(name), Tags: a.tags(arn)})
}
