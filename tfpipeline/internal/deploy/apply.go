package deploy

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// plan plans the infrastructure, and refuses any plan but the reviewed one.
func (a *attempt) plan(ctx context.Context) error {
	r := a.record()
	if a.done(StepApply) {
		a.note("the plan was applied by %s", r.Resumes)
		return nil
	}
	plan, err := retry(ctx, a, a.Infrastructure.Plan)
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
	if a.done(StepApply) {
		return nil
	}
	if !a.planned.Empty {
		err := a.changing(ctx, func(j *Journal) { j.Record.Applied = true })
		if err != nil {
			return err
		}
		// Not tried again here: what a transient error left is for a new plan.
		if err := a.Infrastructure.Apply(ctx, a.record().ID); err != nil {
			return fmt.Errorf("apply %s: %w", a.Environment, err)
		}
		a.journal.Done = append(a.journal.Done, StepApply)
		a.changed(ctx)
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
