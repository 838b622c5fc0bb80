package deploy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// resolve finds out what exactly is to be deployed: the commit, the digest of
// each image, and what runs before. From here on nothing looks at a tag. It
// returns the digests by service.
func (a *attempt) resolve(ctx context.Context) (digests map[string]string, err error) {
	current := a.history.current()
	if a.record().Kind == KindPromote && a.from.how != howResume {
		older, err := a.history.older(ctx, a.record().Release)
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
	} else if r := a.record(); r.Release.Digests == nil { // an attempt that is continued has them
		if current != nil {
			r.Previous = current.Release
		}
		r.Release.Digests, err = a.digests(ctx, r.Release, a.services)
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

// digests finds those of a release's images, by service.
func (o *operation) digests(ctx context.Context, release Release, services []string) (map[string]string, error) {
	digests, err := retry(ctx, o, func(ctx context.Context) (map[string]string, error) {
		return o.Images.Digests(ctx, release.Commit, services)
	})
	if err != nil {
		return nil, fmt.Errorf("find the images of %s: %w", release, err)
	}
	var missing []string
	for _, s := range services {
		if digests[s] == "" {
			missing = append(missing, s)
		}
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("there is no image with tag %s of %s: was it built, and is its build done?", release.Commit, strings.Join(missing, ", "))
	}
	return digests, nil
}

// resolveTarget finds the record of the release that a rollback goes to.
func (a *attempt) resolveTarget(ctx context.Context, current *Record) error {
	r := a.record()
	if a.from.how == howResume && r.Services != nil {
		a.services = recorded(a.services, r)
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
		if of = a.history.named(ctx, name); of == nil {
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
		if target, err = a.history.recordOf(ctx, *of); err != nil {
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
	r.Schedules = map[string]*ScheduleRecord{}
	for name, was := range target.Schedules {
		r.Schedules[name] = &ScheduleRecord{Digest: was.Digest, After: was.After}
	}
	if len(r.Services) == 0 {
		return fmt.Errorf("the record of %s names no task definition", target.Release)
	}
	a.services = recorded(a.services, r)
	return nil
}

// recorded leaves out the services that a record does not know: the target of a
// rollback had none of them, or the attempt that is continued.
func recorded(names []string, r *Record) []string {
	return slices.DeleteFunc(slices.Clone(names), func(s string) bool { return r.Services[s] == nil })
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
