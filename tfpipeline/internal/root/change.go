package root

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/plan"
	"github.com/specboard/platform/tfpipeline/internal/state"
	"github.com/specboard/platform/tfpipeline/internal/terraform"
	"github.com/specboard/platform/tfpipeline/internal/view"
)

// Change plans a root, guards, reviews, shows and confirms the plan, and
// applies it. It reports whether there was anything to apply. finish, if not
// nil, then runs on the root, whether or not anything changed.
func Change(ctx context.Context, o Options, name string, c Choices, finish func(context.Context, *Root) error) (changed bool, err error) {
	defer o.Console.Begin(console.InFlight{Next: c.Retry, Environment: name}).End()
	abandoned, err := o.Leases.free(ctx, name, c)
	if err != nil {
		return false, err
	}
	r, err := Open(ctx, o, name)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	p, err := r.Plan(ctx, c)
	if err != nil {
		if p != nil { // an errored plan says what was blocked
			_ = view.Text{Colour: o.Console.Colour(o.Console.Err)}.Plan(o.Console.Err, p)
		}
		return false, err
	}
	token := false
	if p.Empty() && c.Operation == Apply {
		if token, err = r.pendingToken(ctx); err != nil {
			return false, err
		}
	}
	end := func(ctx context.Context) error {
		err := r.settle(ctx)
		if token {
			err = errors.Join(err, r.continueToken(ctx, c))
		}
		if finish != nil {
			err = errors.Join(err, finish(ctx, r))
		}
		return err
	}
	switch {
	case p.Empty() && c.Operation == Destroy:
		// What Terraform leaves is removed under the lease as well, and only if nobody
		// has made the environment anew meanwhile.
		return false, o.Leases.during(ctx, name, c, func(ctx context.Context, _ string) error {
			p, err := r.Plan(ctx, c)
			if err == nil && !p.Empty() {
				err = console.WithNext(fmt.Errorf("%s: somebody applied while this was planned, and nothing was removed", name), "%s", c.Retry)
			}
			if err != nil {
				return err
			}
			return end(ctx)
		})
	case p.Empty() && (token || abandoned || r.unfinished != nil || r.abandoned != nil):
		// Cleaning up after a dead run needs the lease, which is released
		// afterwards.
		return false, o.Leases.during(ctx, name, c, func(ctx context.Context, attempt string) error {
			c.attempt = attempt
			return end(ctx)
		})
	case p.Empty():
		return false, end(ctx)
	}
	if err := r.review(ctx, p, c); err != nil {
		return false, err
	}
	err = o.Leases.during(ctx, name, c, func(ctx context.Context, attempt string) error {
		c.attempt = attempt
		if c.Before != nil {
			if err := c.Before(ctx); err != nil {
				return err
			}
		}
		if err := r.Apply(ctx, p, c); err != nil {
			return err
		}
		changed = true
		return end(ctx)
	})
	return changed, err
}

// review guards and shows a plan that is not empty, and asks for confirmation.
func (r *Root) review(ctx context.Context, p *plan.Plan, c Choices) error {
	out := r.console().Out
	if err := (view.Text{Colour: r.console().Colour(out)}).Plan(out, p); err != nil {
		return fmt.Errorf("print the plan: %w", err)
	}
	err := r.Guard(p, c.Allow)
	if err == nil && c.Reviewed != nil {
		err = c.Reviewed.compare(p, c.Retry)
	}
	switch {
	case err != nil:
	case c.Question == nil || c.Yes:
		err = r.console().Confirm(ctx, fmt.Sprintf("Apply this to %s?", r.Name), c.Yes)
	default:
		err = c.Question(ctx)
	}
	return err
}

// RefreshState shows how a root differs from its state, asks, and writes the
// difference into the state, so that it is no longer drift.
func RefreshState(ctx context.Context, o Options, name string, c Choices) (err error) {
	c.Operation = Refresh
	defer o.Console.Begin(console.InFlight{Next: c.Retry, Environment: name}).End()
	abandoned, err := o.Leases.free(ctx, name, c)
	if err != nil {
		return err
	}
	r, err := Open(ctx, o, name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	p, err := r.Plan(ctx, c)
	if err != nil {
		return err
	}
	d := plan.Classify(p, config.AcceptedDrifts())
	if len(d.Real)+len(d.Accepted) == 0 {
		o.Console.Answer("%s: the state knows all there is", name)
		if abandoned {
			return o.Leases.during(ctx, name, c, func(context.Context, string) error { return nil })
		}
		return nil
	}
	report := view.DriftReport{}
	report.Add(name, d)
	if err := report.Text(o.Console.Out); err != nil {
		return fmt.Errorf("print the drift: %w", err)
	}
	if err := o.Console.Confirm(ctx, fmt.Sprintf("Write this into the state of %s?", name), c.Yes); err != nil {
		return err
	}
	if err := o.Leases.during(ctx, name, c, func(ctx context.Context, attempt string) error {
		c.attempt = attempt
		return r.Apply(ctx, p, c)
	}); err != nil {
		return err
	}
	o.Console.Answer("%s: the state is refreshed", name)
	return nil
}

// Drift says how a root differs from its state and its configuration. It takes
// no lock and changes nothing. Terraform saves the state of an apply only now and then,
// so while one is under way, and after one that did not end, nobody knows what differs:
// that is an error.
func (r *Root) Drift(ctx context.Context) (plan.Drift, error) {
	retry := "tfpipeline drift -env " + r.Name
	before, err := r.settledState(ctx, time.Minute)
	if err != nil {
		return plan.Drift{}, err
	}
	p, err := r.Plan(ctx, Choices{Operation: Plan, NoLock: true, Retry: retry})
	switch {
	case err != nil:
		return plan.Drift{}, err
	case p.Errored:
		return plan.Drift{}, fmt.Errorf("%s: the plan failed, so nobody knows what differs", r.Name)
	}
	after, err := r.settledState(ctx, 0)
	if err == nil && after != before {
		err = console.WithNext(fmt.Errorf("%s: somebody applied while it was compared", r.Name), "%s", retry)
	}
	if err != nil {
		return plan.Drift{}, err
	}
	return plan.Classify(p, config.AcceptedDrifts()), nil
}

// settledState returns the version of a state that has everything that was made. It waits
// for an apply that is under way, but no longer than most.
func (r *Root) settledState(ctx context.Context, most time.Duration) (version string, err error) {
	if _, err := r.awaitLock(ctx, most); err != nil {
		return "", err
	}
	unfinished, err := r.bucket().Unfinished(ctx, r.Name)
	if err != nil {
		return "", r.advise(err)
	}
	if unfinished != nil {
		return "", console.WithNext(fmt.Errorf("%s: an apply by %s did not end (begun %s), so nobody knows what differs", r.Name, holder(*unfinished), unfinished.Created),
			"tfpipeline apply -env %s, which adopts what it made", r.Name)
	}
	version, err = r.bucket().StateVersion(ctx, r.Name)
	return version, r.advise(err)
}

// Apply applies the saved plan, which is the one that Plan made last.
func (r *Root) Apply(ctx context.Context, p *plan.Plan, c Choices) error {
	defer r.inFlight(c, "Terraform applies %s: it finishes the calls that it has begun, and saves its state").End()
	defer r.console().Group("terraform apply of " + r.Name)()
	r.Progress("terraform apply")
	r.watch(p)
	var unsettled error
	err := r.locked(ctx, c.attempt, c.LockTimeout, func(ctx context.Context, held state.StateLock) error {
		// This run has taken over the abandoned lock.
		r.abandoned = nil
		if err := r.applyLocked(ctx, c, held); err != nil || c.Operation != Apply {
			return err
		}
		unsettled = r.settleToken(ctx, c)
		r.refresh(ctx)
		return nil
	})
	switch {
	case err == nil:
		// The roles are made even if the token has to wait: the next plan would no
		// longer show that they have changed.
		return errors.Join(r.makeRoles(ctx, p, c), unsettled)
	case console.NextOf(err) != "":
		return err
	case isType[*terraform.StalePlanError](err):
		return console.WithNext(fmt.Errorf("%s: %w: somebody applied in between, and nothing was changed here", r.Name, err), "%s", c.Retry)
	case terraform.Taken(err):
		return console.WithNext(fmt.Errorf("%s: %w: it exists, and the state does not know of it", r.Name, r.hide(err)), "tfpipeline apply -env %s -adopt, which adopts it if it is the platform's own", r.Name)
	case denied(err) != nil:
		return r.refused(err, denied(err))
	default:
		// Everything that was done is in the state, and the lock is released.
		return console.WithNext(fmt.Errorf("%s: %w", r.Name, r.hide(err)), "%s, which continues from here", c.Retry)
	}
}

// applyLocked applies under the state's lock. Before Terraform creates
// anything, it notes the apply in the bucket. It removes the note once
// everything that was created is in the state; if an earlier apply did not
// finish, it removes the note only after an apply that did everything it had
// planned. It refuses a plan that is older than an unfinished apply: only a new plan
// adopts what that apply created.
func (r *Root) applyLocked(ctx context.Context, c Choices, held state.StateLock) error {
	var note *state.StateLock
	if c.Operation == Apply {
		var err error
		if note, err = r.bucket().Begun(ctx, r.Name, held); err != nil {
			return r.advise(err)
		}
		if note.ID != held.ID && (r.unfinished == nil || note.ID != r.unfinished.ID) {
			return console.WithNext(fmt.Errorf("%s: an apply by %s began since this was planned (%s) and did not end; what it made may not be in the state, and nothing was changed here", r.Name, holder(*note), note.Created),
				"%s, which plans anew and adopts it", c.Retry)
		}
	}
	known, err := r.rescue(ctx, r.driver.Apply(ctx))
	if c.Operation == Apply && known && (err == nil || r.unfinished == nil) {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.span())
		defer cancel()
		if endErr := r.bucket().Ended(end, r.Name, *note); endErr != nil {
			r.Progress("the end of this apply could not be recorded, so the next one will look for what it made: %v", endErr)
		}
		r.unfinished = nil
	}
	return err
}

func isType[T error](err error) bool {
	_, ok := errors.AsType[T](err)
	return ok
}

// watch prints the progress of an apply: a line for each finished resource,
// and one every half minute for those that take long.
func (r *Root) watch(p *plan.Plan) {
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
			r.Progress("[%*d/%d] %s %s (%s)", len(fmt.Sprint(total)), done, total, e.Action, e.Address, e.Elapsed)
		case e.Kind == terraform.Failed:
			r.Progress("failed to %s %s (%s)", e.Action, e.Address, e.Elapsed)
		case e.Kind == terraform.Progress && e.Elapsed%(30*time.Second) == 0:
			r.Progress("still at it: %s %s (%s)", e.Action, e.Address, e.Elapsed)
		}
	}
}

// refresh records in the state what the resources of an apply did to one
// another, such as the rules of a security group or the policies of a role,
// which the next plan would otherwise report as drift. The apply itself has
// succeeded, so a refresh that fails is only a warning.
func (r *Root) refresh(ctx context.Context) {
	r.Progress("terraform apply -refresh-only")
	if err := r.driver.Refresh(ctx); err != nil {
		r.Progress("applied, but the state was not refreshed, so drift will report what this apply did: %v", r.hide(err))
		r.console().Suggest("tfpipeline apply -env %s -refresh-only", r.Name)
	}
}

// PrintOutputs prints the root's outputs, but of sensitive outputs only the names.
func (r *Root) PrintOutputs(ctx context.Context) error {
	document, err := r.driver.Outputs(context.WithoutCancel(ctx))
	if err != nil {
		return fmt.Errorf("%s: %w", r.Name, err)
	}
	var outputs map[string]struct {
		Sensitive bool
		Value     json.RawMessage
	}
	if err := json.Unmarshal(document, &outputs); err != nil {
		return fmt.Errorf("%s: read outputs: %w", r.Name, err)
	}
	for _, name := range slices.Sorted(maps.Keys(outputs)) {
		switch o := outputs[name]; {
		case o.Sensitive:
			fmt.Fprintf(r.console().Out, "  %s (sensitive)\n", name)
		default:
			fmt.Fprintf(r.console().Out, "  %s = %s\n", name, strings.Trim(string(o.Value), `"`))
		}
	}
	return nil
}
