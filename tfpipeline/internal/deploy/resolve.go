package deploy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// resolve finds out what exactly is to be deployed: the commit, the digest of
// each image, and what runs before. From here on nothing looks at a tag. It
// returns the digests by service.
func (a *attempt) resolve(ctx context.Context) (digests map[string]string, err error) {
	current := a.history.current()
	if a.record().Kind == KindPromote && a.from.how != howResume {
		older, err := a.older(ctx, current)
		if err != nil {
			return nil, err
		}
		if older && a.request.Forward {
			a.note("superseded by %s, which runs and is newer", current.Release)
			r := a.record()
			r.Previous, r.SupersededBy = current.Release, new(current.Release.bare())
			r.Outcome, r.Ended = Untouched, a.history.clock()
			return nil, nil
		}
		if older {
			a.note("%s is older than %s, which runs: rolling back to it", a.record().Release, current.Release)
			a.record().Kind = KindRollback
		}
	}
	if a.record().Kind == KindRollback {
		err = a.resolveTarget(ctx, current)
	} else {
		err = a.resolveImages(ctx, current)
	}
	if err != nil {
		return nil, err
	}
	digests = map[string]string{}
	maps.Copy(digests, a.record().Release.Digests)
	for name, s := range a.record().Services {
		digests[name] = s.Digest
	}
	if a.request.DryRun {
		return digests, nil
	}
	// Whoever finds the lock held reads what for.
	err = a.retryCall(ctx, func(ctx context.Context) error {
		return a.lease.renew(ctx, func(l *Lease) { l.Release, l.Kind = a.record().Release, a.record().Kind })
	})
	if err != nil {
		return nil, fmt.Errorf("say in the lock what is deployed: %w", err)
	}
	return digests, nil
}

// older reports whether the release to be promoted is one that came before the
// current: in the past of its commit or, if neither is in the other's, earlier
// in the history.
func (a *attempt) older(ctx context.Context, current *Record) (bool, error) {
	release := a.record().Release
	if current == nil || release.Same(current.Release) {
		return false, nil
	}
	contains := func(descendant, ancestor string) (bool, error) {
		in, err := retry(ctx, a.operation, func(ctx context.Context) (bool, error) {
			return a.Checkout.Contains(ctx, descendant, ancestor)
		})
		if err != nil {
			return false, fmt.Errorf("find out which is older, %s or %s, which runs (the checkout needs the whole history): %w",
				release, current.Release, err)
		}
		return in, nil
	}
	if in, err := contains(current.Release.Commit, release.Commit); in || err != nil {
		return in, err
	}
	if in, err := contains(release.Commit, current.Release.Commit); in || err != nil {
		return false, err
	}
	order := a.history.order()
	at := slices.IndexFunc(order, release.Same)
	return at >= 0 && at < slices.IndexFunc(order, current.Release.Same), nil
}

// resolveImages finds the digests of a promotion's images, once: an attempt
// that is continued has them.
func (a *attempt) resolveImages(ctx context.Context, current *Record) error {
	r := a.record()
	if r.Release.Digests != nil {
		return nil
	}
	if current != nil {
		r.Previous = current.Release
	}
	digests, err := retry(ctx, a.operation, func(ctx context.Context) (map[string]string, error) {
		return a.Images.Digests(ctx, r.Release.Commit, a.services)
	})
	if err != nil {
		return fmt.Errorf("find the images of %s: %w", r.Release, err)
	}
	var missing []string
	for _, s := range a.services {
		if digests[s] == "" {
			missing = append(missing, s)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("there is no image with tag %s of %s: was it built, and is its build done?", r.Release.Commit, strings.Join(missing, ", "))
	}
	r.Release.Digests = digests
	return nil
}

// resolveTarget finds the record of the release that a rollback goes to.
func (a *attempt) resolveTarget(ctx context.Context, current *Record) error {
	r := a.record()
	if a.from.how == howResume && r.Services != nil {
		a.narrow()
		return nil
	}
	if current == nil {
		return errors.New("no release was ever deployed here, so there is none to roll back to")
	}
	left := a.from.attempt()
	if left == nil {
		left = a.history.unfinished()
	}
	name := a.request.Tag
	if name == "" {
		name = a.request.Commit
	}
	target := current
	var of *DeployedRelease
	switch {
	case name != "":
		if of = a.named(ctx, name); of == nil {
			return fmt.Errorf("%s never ran here; rollback goes to one of: %s", name, names(a.history.order()))
		}
		if c := a.request.Commit; a.request.Tag != "" && c != "" && of.release.Commit != c {
			return fmt.Errorf("%s was deployed here as commit %s, not %s", name, of.release.Commit, c)
		}
	case left != nil && left.Kind == KindRollback && left.Release.Commit != "":
		of = a.history.deployed(left.Release.Commit) // it is continued
	case left != nil:
		// To what ran before the attempt that did not finish.
	default:
		before := a.history.before(current.Release)
		if before.IsZero() {
			return fmt.Errorf("nothing good ran here before %s; releases that ran: %s", current.Release, names(a.history.order()))
		}
		of = a.history.deployed(before.Commit)
	}
	if of != nil {
		var err error
		if target, err = a.recordOf(ctx, *of); err != nil {
			return err
		}
	}
	r.Release, r.Previous = target.Release, current.Release
	r.Rejected = rejects(target.Release, current.Release, left)
	r.Services = map[string]*ServiceRecord{}
	for _, s := range a.services {
		was, ok := target.Services[s]
		if !ok || was.After == "" {
			a.warn("service %s was no part of %s and is left as it is", s, target.Release)
			continue
		}
		r.Services[s] = &ServiceRecord{Digest: was.Digest, After: was.After}
	}
	if len(r.Services) == 0 {
		return fmt.Errorf("the record of %s names no task definition", target.Release)
	}
	a.narrow()
	return nil
}

// recordOf is the record of the last attempt that deployed a release.
func (a *attempt) recordOf(ctx context.Context, d DeployedRelease) (*Record, error) {
	for _, r := range a.history.Deployed {
		if r.ID == d.Record {
			return &r, nil
		}
	}
	r, err := retry(ctx, a.operation, func(ctx context.Context) (*Record, error) { return a.History.Find(ctx, d.Record) })
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the record of %s: %w", d.release, err)
	case r == nil:
		return nil, fmt.Errorf("the record %s of %s, deployed at %s, is no longer in the history: copy it back if it was archived", d.Record, d.release, d.Last.UTC().Format(time.RFC3339))
	}
	return r, nil
}

// named is the last deployment of a release that ran here, by a name that a
// person gave. A tag is peeled: it may be younger than the deployment of its
// commit, or have been moved since. Without a checkout what is recorded counts.
func (a *attempt) named(ctx context.Context, name string) *DeployedRelease {
	of := a.history.deployed(name)
	if of != nil && of.release.Tag != name {
		return of // it is a commit
	}
	ctx, cancel := context.WithTimeout(ctx, a.limits.Collect)
	defer cancel()
	commit, err := a.Checkout.Peel(ctx, name)
	switch {
	case err != nil && of != nil:
		a.warn("find the commit of release %s: %v", name, err)
	case err == nil && of == nil:
		return a.history.deployed(commit)
	case err == nil && of.release.Commit != commit:
		a.warn("the tag %s means commit %s now: rolling back to what ran here under it, commit %s", name, commit, of.release.Commit)
	}
	return of
}

// narrow leaves out the services that the target of a rollback, or an attempt
// that is continued, does not know.
func (a *attempt) narrow() {
	a.services = slices.DeleteFunc(slices.Clone(a.services), func(s string) bool { return a.record().Services[s] == nil })
}

// names lists releases, the newest first.
func names(releases []Release) string {
	if len(releases) == 0 {
		return "none"
	}
	var list []string
	for _, r := range slices.Backward(releases) {
		list = append(list, r.String())
	}
	return strings.Join(list, ", ")
}

// rejects returns the release that a rollback marks: the one that an attempt
// which did not finish was bringing to the services, or the current one. A
// return to what runs marks nothing.
func rejects(target, current Release, left *Record) *Release {
	rejected := &current
	if left != nil && left.touched() {
		rejected = &left.Release
		if left.Kind == KindRollback {
			rejected = left.Rejected
		}
	}
	if rejected == nil || rejected.Same(target) {
		return nil
	}
	return rejected
}
