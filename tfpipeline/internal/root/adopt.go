package root

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/plan"
	"github.com/specboard/platform/tfpipeline/internal/terraform"
)

// Terraform saves its state every twenty seconds. Resources that it created in
// the seconds before it was killed exist, but are not in the state: the next
// apply would create them a second time, or fail because a name is taken. So
// after a killed run, each creation in the plan is looked up first, and import
// blocks in that same plan adopt whatever exists. Resources of which an
// account has only one are looked up by every apply, since others may have
// created them.

// adoption is the search for existing resources of one root.
type adoption struct {
	root   *Root
	finder *Finder
	// everything says that all resources are looked up, not only those of
	// which an account has only one.
	everything bool
	// found maps addresses to import ids; untried holds further ids where
	// there was more than one; absent are addresses that do not exist.
	found   map[string]string
	untried map[string][]string
	absent  map[string]bool
}

// adopt replaces a plan by one that adopts what exists already.
func (r *Root) adopt(ctx context.Context, p *plan.Plan, everything bool) (*plan.Plan, error) {
	if everything && p.Counts()[plan.Create] > 0 {
		r.Progress("looking for what a run that was killed made and could not note")
	}
	s := &adoption{
		root: r, everything: everything, finder: &Finder{Platform: r.roots.Platform, Config: r.roots.Cloud.Config},
		found: map[string]string{}, untried: map[string][]string{}, absent: map[string]bool{},
	}
	p, err := s.search(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.Name, err)
	}
	if len(s.found) == 0 {
		if everything {
			r.Progress("there is nothing outside of the state")
		}
		return p, nil
	}
	if err := s.harmless(p); err != nil {
		return nil, err
	}
	for _, i := range s.imports() {
		r.Progress("adopting %s (%s)", i.Address, i.ID)
	}
	return p, nil
}

// search works in rounds: each adopted resource makes more values known, so
// that more resources can be found.
func (s *adoption) search(ctx context.Context, p *plan.Plan) (*plan.Plan, error) {
	for {
		more, err := s.look(ctx, p)
		if err != nil {
			return nil, err
		}
		if !more {
			return p, nil
		}
		if p, err = s.replan(ctx, p); err != nil {
			return nil, err
		}
	}
}

// look searches for the planned creations about which nothing is known yet.
func (s *adoption) look(ctx context.Context, p *plan.Plan) (more bool, err error) {
	for _, c := range p.Changes {
		if _, found := s.found[c.Address]; found || c.Action != plan.Create || s.absent[c.Address] || !s.everything && !accountWide(c.Type) {
			continue
		}
		ids, known, err := s.finder.find(ctx, c.Type, plannedValues(c))
		switch {
		case err != nil:
			return false, err
		case !known:
		case len(ids) == 0:
			s.absent[c.Address] = true
		default:
			s.found[c.Address], s.untried[c.Address] = ids[0], ids[1:]
			more = true
		}
	}
	return more, nil
}

// accountWide reports whether an account can have only one resource of a type,
// whoever created it.
func accountWide(kind string) bool { return kind == "aws_iam_openid_connect_provider" }

// replan plans with the imports, and leaves out those that turn out not to
// exist.
func (s *adoption) replan(ctx context.Context, p *plan.Plan) (*plan.Plan, error) {
	for {
		absent, err := s.root.driver.PlanImports(ctx, s.imports())
		if err != nil {
			return nil, err
		}
		if len(absent) == 0 {
			document, err := s.root.driver.Show(ctx)
			if err != nil {
				return nil, err
			}
			return plan.Parse(p.Root, document)
		}
		for _, address := range absent {
			if rest := s.untried[address]; len(rest) > 0 {
				s.found[address], s.untried[address] = rest[0], rest[1:]
				continue
			}
			delete(s.found, address)
			s.absent[address] = true
		}
	}
}

func (s *adoption) imports() []terraform.Import {
	var out []terraform.Import
	for address, id := range s.found {
		out = append(out, terraform.Import{Address: address, ID: id})
	}
	slices.SortFunc(out, func(a, b terraform.Import) int { return strings.Compare(a.Address, b.Address) })
	return out
}

// harmless refuses an adoption that would destroy what it adopts.
func (s *adoption) harmless(p *plan.Plan) error {
	var errs []error
	for _, c := range p.Changes {
		if id, adopted := s.found[c.Address]; adopted && c.Action.Destructive() {
			errs = append(errs, fmt.Errorf("%s exists as %s, and differs so much that Terraform would destroy it", c.Address, id))
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return console.WithNext(fmt.Errorf("%s: nothing was changed: %w", s.root.Name, errors.Join(errs...)),
		"look at each; delete it by hand if it is worth nothing, then %s", "tfpipeline apply -env "+s.root.Name)
}
