package deploy

import (
	"context"
	"fmt"
	"maps"
	"slices"
)

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
	if err := a.changing(ctx, nil); err != nil {
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
	arn, err := retry(ctx, a, func(ctx context.Context) (string, error) {
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
	found, err := retry(ctx, a, func(ctx context.Context) (map[string]TaskDefinition, error) {
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
