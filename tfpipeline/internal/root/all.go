package root

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/plan"
	"github.com/specboard/platform/tfpipeline/internal/view"
)

// Section plans and guards the root: what its plan shows, what an apply would be
// refused for, and, redacted, why it could not be planned.
func (r *Root) Section(ctx context.Context, c Choices) (s view.Section, err error) {
	s.Root = r.Name
	if s.Plan, err = r.Plan(ctx, c); s.Plan != nil {
		if refusal, ok := errors.AsType[*plan.GuardError](r.Guard(s.Plan, nil)); ok {
			s.Refused = refusal.Violations
		}
	}
	if err != nil {
		s.Error = r.roots.Redactor.Hide(err.Error())
	}
	return s, err
}

// PlanAll plans and guards every root, several at a time. Sections and errors
// are in the order of the roots.
func PlanAll(ctx context.Context, o Options, c Choices) (sections []view.Section, errs []error, err error) {
	roots := o.Platform.Roots()
	sections = make([]view.Section, len(roots))
	errs, err = Each(ctx, o, roots, func(ctx context.Context, r *Root) (err error) {
		s := &sections[slices.Index(roots, r.Name)]
		if *s, err = r.Section(ctx, c); s.Plan != nil {
			r.Progress("planned")
		}
		return err
	})
	for i, name := range roots {
		sections[i].Root = name
		if err == nil && errs[i] != nil {
			sections[i].Error = o.Redactor.Hide(errs[i].Error())
		}
	}
	return sections, errs, err
}

// Drifts compares roots with the account, several at a time. Drifts and errors
// are in the order of the names.
func Drifts(ctx context.Context, o Options, names []string) (drifts []plan.Drift, errs []error, err error) {
	drifts = make([]plan.Drift, len(names))
	errs, err = Each(ctx, o, names, func(ctx context.Context, r *Root) (err error) {
		drifts[slices.Index(names, r.Name)], err = r.Drift(ctx)
		return err
	})
	return drifts, errs, err
}

// Failed prints the failure of each root, with its next command, and returns an
// error that names them all; a single root's failure it returns as it is.
func Failed(c *console.Console, what string, roots []string, errs []error) error {
	var names []string
	for i, err := range errs {
		if err == nil {
			continue
		}
		if len(roots) == 1 {
			return err
		}
		c.Fail(err)
		names = append(names, roots[i])
	}
	if len(names) == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d roots could not be %s: %s", len(names), len(roots), what, strings.Join(names, ", "))
}
