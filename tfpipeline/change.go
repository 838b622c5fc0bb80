package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/plan"
	"github.com/specboard/platform/tfpipeline/internal/terraform"
	"github.com/specboard/platform/tfpipeline/internal/view"
)

// changeOptions are the choices of every command that applies.
type changeOptions struct {
	yes   bool
	allow []string
	// reviewed is the plan that was approved; any other is refused.
	reviewed    *review
	lockTimeout time.Duration
	// adopt looks for resources that the state does not know.
	adopt bool
	// destroy plans the end of everything.
	destroy bool
	// refreshed says that the plan itself writes into the state what is there.
	refreshed bool
	// again is the command that goes on after a failure.
	again string
	// question replaces the usual one, if -yes has not answered it.
	question func(context.Context) error
	// before runs between the answer and the apply.
	before func(context.Context) error
}

func (o *changeOptions) declare(set *flag.FlagSet) {
	set.BoolVar(&o.yes, "yes", false, "do not ask; needed where there is no terminal")
	if !o.destroy {
		set.BoolVar(&o.adopt, "adopt", false, "look first for what exists and is not in the state, and adopt it; done by itself after a killed run on this machine")
	}
	set.DurationVar(&o.lockTimeout, "lock-timeout", 5*time.Minute, "how long to wait for a state lock that somebody holds")
}

// operation is the word for what is done, as people and notes use it.
func (o changeOptions) operation() string {
	if o.destroy {
		return "destroy"
	}
	return "apply"
}

// change plans a root, guards, shows and confirms the plan, and applies it. It
// reports whether there was anything to apply. finish, if any, runs on the
// root after that, changed or not.
func (a *app) change(ctx context.Context, name string, t target, cfg aws.Config, o changeOptions, finish func(context.Context, *root) error) (changed bool, err error) {
	r, err := a.openRoot(ctx, a.console, name, t, cfg)
	if err != nil {
		return false, err
	}
	defer closeRoot(r, &err)
	if err := a.begin(r, o.operation()); err != nil {
		return false, err
	}

	if o.destroy && r.unfinished() {
		return false, console.WithNext(fmt.Errorf("%s: an apply was killed here, and what it made may not be in the state: it would be left behind", name),
			"tfpipeline apply -env %s, which adopts it; then destroy", name)
	}
	a.console.Progress("%s: terraform plan", name)
	p, err := a.planRoot(ctx, r, planChoices{lockTimeout: o.lockTimeout, destroy: o.destroy, yes: o.yes})
	if err == nil && (o.adopt || r.unfinished()) {
		p, err = a.adopt(ctx, r, cfg, p, o)
	}
	if err != nil {
		if p != nil { // an errored plan says what was blocked
			_ = view.Text{Colour: a.console.Colour(a.console.Err)}.Plan(a.console.Err, p)
		}
		return false, err
	}
	if p.Empty() {
		err := errors.Join(a.settled(r), finished(ctx, r, finish))
		return false, err
	}
	if err := (view.Text{Colour: a.console.Colour(a.console.Out)}).Plan(a.console.Out, p); err != nil {
		return false, fmt.Errorf("print the plan: %w", err)
	}
	if err := a.guard(p, o.allow, "tfpipeline apply -env "+name); err != nil {
		return false, err
	}
	if o.reviewed != nil {
		if err := o.reviewed.compare(p, o.again); err != nil {
			return false, err
		}
	}
	if o.question == nil || o.yes {
		err = a.console.Confirm(ctx, fmt.Sprintf("Apply this to %s?", name), o.yes)
	} else {
		err = o.question(ctx)
	}
	if err == nil && o.before != nil {
		err = o.before(ctx)
	}
	if err != nil {
		return false, err
	}
	if err := a.applyRoot(ctx, r, p, o); err != nil {
		return false, err
	}
	return true, errors.Join(a.settled(r), finished(ctx, r, finish))
}

func finished(ctx context.Context, r *root, finish func(context.Context, *root) error) error {
	if finish == nil {
		return nil
	}
	return finish(ctx, r)
}

// applyRoot applies an opened root's saved plan.
func (a *app) applyRoot(ctx context.Context, r *root, p *plan.Plan, o changeOptions) error {
	r.console.Progress("%s: terraform apply", r.name)
	r.watch(p)
	err := a.patience(r, o.lockTimeout, o.yes).Wait(ctx, func(timeout time.Duration) error {
		return r.Apply(ctx, timeout)
	})
	switch {
	case err == nil:
		if !o.destroy && !o.refreshed {
			a.refresh(ctx, r, o)
		}
		return nil
	case isType[*terraform.UnsavedStateError](err):
		unsaved, _ := errors.AsType[*terraform.UnsavedStateError](err)
		return console.WithNext(fmt.Errorf("%s: %w", r.name, err), "%s", pushCommand(r.name, unsaved.Path))
	case isType[*terraform.StalePlanError](err):
		return console.WithNext(fmt.Errorf("%s: %w: somebody applied in between, and nothing was changed here", r.name, err), "%s", o.again)
	case isType[*terraform.LockedError](err):
		return a.advise(r.name, err)
	case taken(err):
		return console.WithNext(fmt.Errorf("%s: %w: it exists, and the state does not know of it", r.name, a.hide(err)), "tfpipeline apply -env %s -adopt, which adopts it if it is the platform's own", r.name)
	default:
		// What is done is in the state, and the lock is released.
		return console.WithNext(fmt.Errorf("%s: %w", r.name, a.hide(err)), "%s, which continues from here", o.again)
	}
}

// taken reports whether an apply failed because something of that name exists.
func taken(err error) bool {
	for _, s := range []string{"AlreadyExists", "already exists", "ResourceExistsException", "DuplicateLoadBalancerName", "DuplicateTargetGroupName", "InvalidPermission.Duplicate", "InvalidGroup.Duplicate"} {
		if strings.Contains(err.Error(), s) {
			return true
		}
	}
	return false
}

func isType[T error](err error) bool {
	_, ok := errors.AsType[T](err)
	return ok
}

// watch prints what an apply does to a root, a line for each resource that is
// done and one every half minute for those that take long.
func (r *root) watch(p *plan.Plan) {
	total := 0
	for action, n := range p.Counts() {
		switch action {
		case plan.Revise, plan.Replace:
			total += 2 * n
		case plan.Create, plan.Update, plan.Delete:
			total += n
		}
	}
	done := 0
	r.tell = func(e terraform.Event) {
		switch {
		case e.Kind == terraform.Done:
			done++
			r.console.Progress("%s: [%*d/%d] %s %s (%s)", r.name, len(fmt.Sprint(total)), done, total, e.Action, e.Address, e.Elapsed)
		case e.Kind == terraform.Failed:
			r.console.Progress("%s: failed to %s %s (%s)", r.name, e.Action, e.Address, e.Elapsed)
		case e.Kind == terraform.Progress && e.Elapsed%(30*time.Second) == 0:
			r.console.Progress("%s: still at it: %s %s (%s)", r.name, e.Action, e.Address, e.Elapsed)
		}
	}
}

// outputs prints a root's outputs; of the sensitive ones, their names.
func (a *app) outputs(ctx context.Context, r *root) error {
	document, err := r.Outputs(context.WithoutCancel(ctx))
	if err != nil {
		return fmt.Errorf("%s: %w", r.name, err)
	}
	var outputs map[string]struct {
		Sensitive bool
		Value     json.RawMessage
	}
	if err := json.Unmarshal(document, &outputs); err != nil {
		return fmt.Errorf("%s: read outputs: %w", r.name, err)
	}
	for _, name := range slices.Sorted(maps.Keys(outputs)) {
		switch o := outputs[name]; {
		case o.Sensitive:
			fmt.Fprintf(r.console.Out, "  %s (sensitive)\n", name)
		default:
			fmt.Fprintf(r.console.Out, "  %s = %s\n", name, strings.Trim(string(o.Value), `"`))
		}
	}
	return nil
}
