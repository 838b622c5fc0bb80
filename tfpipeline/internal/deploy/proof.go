package deploy

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// span is a time in which one deployment's image ran.
type span struct {
	from, to   time.Time
	open       bool // it still runs
	deployment FormerDeployment
}

// Prove decides whether a release ran in another environment: every digest,
// from a deployment that ECS calls successful, all of them together for at
// least bake, and none of them in a later deployment that failed. past lists
// the deployments of each service there, the oldest first.
//
// The error names everything that is missing.
func Prove(environment string, digests map[string]string, past map[string][]FormerDeployment, bake time.Duration, now time.Time) (Proof, error) {
	spans := map[string][]span{}
	var problems []error
	for _, service := range slices.Sorted(maps.Keys(digests)) {
		found, err := spansOf(digests[service], past[service], now)
		if err != nil {
			problems = append(problems, fmt.Errorf("no proof for %s from %s: %w", service, environment, err))
			continue
		}
		spans[service] = found
	}
	if len(problems) > 0 {
		return Proof{}, errors.Join(problems...)
	}
	best := together(spans, bake)
	if len(best) == 0 {
		return Proof{}, fmt.Errorf("no proof from %s: its services never ran this release at the same time", environment)
	}
	since, until, open := bounds(best)
	p := Proof{Environment: environment, MinimumBake: bake, Baked: until.Sub(since), Since: since, Until: until, Services: map[string]ServiceProof{}}
	for service, s := range best {
		p.Services[service] = ServiceProof{
			Digest: s.deployment.Digest, Deployment: s.deployment.ARN, Revision: s.deployment.Revision,
			Since: s.from, Until: s.to,
		}
	}
	if p.Baked < bake {
		crashes := ""
		for _, service := range slices.Sorted(maps.Keys(best)) {
			if at := best[service].deployment.Crashed; !at.IsZero() {
				crashes += fmt.Sprintf(" since a task of %s stopped by itself at %s,", service, at.UTC().Format(time.RFC3339))
			}
		}
		err := fmt.Errorf("no proof from %s: it has run this release for %v,%s and %v are required", environment, p.Baked.Round(time.Second), crashes, bake)
		if open {
			err = fmt.Errorf("%w, which it will reach at %s", err, since.Add(bake).UTC().Format(time.RFC3339))
		}
		return p, err
	}
	return p, nil
}

// spansOf returns the times in which a service ran a digest, the oldest first,
// since the last deployment of it that failed.
func spansOf(digest string, past []FormerDeployment, now time.Time) ([]span, error) {
	var spans []span
	var failed *FormerDeployment
	running := false
	for i, d := range past {
		switch {
		case d.Digest == digest && d.State.Failed():
			// Even if it ran well before, it has shown that it can fail.
			spans, failed, running = nil, &past[i], false
		case d.Digest == digest && d.State == DeploymentSuccessful && !running:
			// A task that stopped by itself ends what was proven until then.
			from := d.Finished
			if d.Crashed.After(from) {
				from = d.Crashed
			}
			spans, running = append(spans, span{from: from, to: now, open: true, deployment: d}), true
		case d.Digest != digest && running && !d.State.Failed():
			// From here on tasks of another image ran beside it.
			last := &spans[len(spans)-1]
			last.to, last.open, running = d.Created, false, false
		}
	}
	switch {
	case len(spans) > 0:
		return spans, nil
	case failed != nil:
		return nil, fmt.Errorf("deployment %s of %s ended %s at %s", failed.ARN, digest, failed.State, failed.Finished.UTC().Format(time.RFC3339))
	case slices.ContainsFunc(past, func(d FormerDeployment) bool { return d.Digest == digest }):
		return nil, fmt.Errorf("the deployment of %s has not ended yet", digest)
	default:
		return nil, fmt.Errorf("%s never ran there", digest)
	}
}

// together picks one span of each service so that they all overlap: the latest ones
// that overlap for at least bake, or else those that overlap the longest. It returns
// none if no spans overlap.
func together(spans map[string][]span, bake time.Duration) map[string]span {
	// A common time always begins where one of the spans begins, so it is enough to try
	// those times.
	var begins []time.Time
	for _, list := range spans {
		for _, s := range list {
			begins = append(begins, s.from)
		}
	}
	slices.SortFunc(begins, time.Time.Compare)
	var best map[string]span
	var longest time.Duration = -1
	for _, at := range slices.Backward(begins) {
		chosen := map[string]span{}
		for service, list := range spans {
			for _, s := range list {
				if !s.from.After(at) && at.Before(s.to) {
					chosen[service] = s
				}
			}
		}
		if len(chosen) < len(spans) {
			continue
		}
		since, until, _ := bounds(chosen)
		if long := until.Sub(since); long > longest {
			best, longest = chosen, long
		}
		if longest >= bake {
			break
		}
	}
	return best
}

// bounds returns the time in which all spans overlap, and whether that time goes on.
func bounds(spans map[string]span) (since, until time.Time, open bool) {
	open = true
	for _, s := range spans {
		if s.from.After(since) {
			since = s.from
		}
		if until.IsZero() || s.to.Before(until) {
			until = s.to
		}
		open = open && s.open
	}
	return since, until, open
}
