package deploy

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// settle waits until no deployment is in flight but this attempt's own: another
// tool's, an apply's, or one that a person began. It returns the services then.
func (a *attempt) settle(ctx context.Context, when string) (map[string]Service, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, a.limits.Settle, timeUp{a.limits.Settle})
	defer cancel()
	said := ""
	for {
		services, err := a.describeServices(ctx)
		if err != nil {
			return nil, err
		}
		var foreign []string
		for _, name := range a.services {
			d := services[name].Deployment
			own := a.record().Services[name]
			if d != nil && !d.State.Ended() && (own == nil || own.After == "" || d.TaskDefinition != own.After) {
				foreign = append(foreign, fmt.Sprintf("%s (%s, of %s, since %s)", d.ARN, d.State, short(d.TaskDefinition), d.Created.UTC().Format("15:04:05")))
			}
		}
		if len(foreign) == 0 {
			return services, nil
		}
		list := strings.Join(foreign, "; ")
		if a.request.DryRun {
			return nil, fmt.Errorf("deployments of somebody else are in flight: %s", list)
		}
		if list != said {
			said = list
			a.emit(Event{Kind: EventWait, Message: "waiting for deployments in flight " + when + ": " + list})
		}
		if !a.pause(ctx, a.limits.Tick) {
			return nil, fmt.Errorf("deployments of somebody else are in flight: %s: %w", list, context.Cause(ctx))
		}
	}
}

func (a *attempt) describeServices(ctx context.Context) (map[string]Service, error) {
	services, err := retry(ctx, a, func(ctx context.Context) (map[string]Service, error) {
		return a.Services.DescribeServices(ctx, a.services)
	})
	if err != nil {
		return nil, fmt.Errorf("look at the services: %w", err)
	}
	return services, nil
}

// readBefore notes what every service runs before it is changed; for those that
// an attempt which this one continues has noted, what it noted. A service that
// the apply creates is noted after that.
func (a *attempt) readBefore(ctx context.Context) error {
	services, err := a.describeServices(ctx)
	if err != nil {
		return err
	}
	minimums, err := retry(ctx, a, func(ctx context.Context) (map[string]int, error) {
		return a.Scaling.Minimums(ctx, a.services)
	})
	if err != nil {
		return fmt.Errorf("look at the autoscaling: %w", err)
	}
	r := a.record()
	if r.Services == nil {
		r.Services = map[string]*ServiceRecord{}
	}
	idle := true
	for _, name := range a.services {
		s, known := services[name]
		if !known {
			continue
		}
		idle = idle && s.Desired == 0
		if s.Deployment != nil && a.step == StepPreflight {
			a.seen[name] = s.Deployment.ARN
		}
		own := r.Services[name]
		if own == nil {
			own = &ServiceRecord{Digest: r.Release.Digests[name]}
			r.Services[name] = own
		}
		// The apply may have begun to scale a service that ran before.
		if m, ok := minimums[name]; ok && own.MinimumBefore == nil {
			own.MinimumBefore = &m
		}
		if own.Before != "" {
			continue
		}
		own.Before, own.DesiredBefore = s.TaskDefinition, s.Desired
	}
	if !a.resumed {
		a.journal.Mixed = a.mixedNow(services)
	}
	if !a.resumed && r.Kind == KindPromote && a.step == StepPreflight {
		r.First = a.past.current() == nil && idle
	}
	a.compareWithHistory(services)
	return nil
}

// mixedNow reports whether an attempt that did not finish left services with
// different releases.
func (a *attempt) mixedNow(services map[string]Service) bool {
	left := a.past.unfinished()
	if left == nil {
		return false
	}
	all := func(set func(*ServiceRecord) string) bool {
		return !slices.ContainsFunc(a.services, func(name string) bool {
			own := left.Services[name]
			return own != nil && services[name].TaskDefinition != set(own)
		})
	}
	return !all(func(s *ServiceRecord) string { return s.Before }) && !all(func(s *ServiceRecord) string { return s.After })
}

// compareWithHistory warns of services that somebody changed by hand.
func (a *attempt) compareWithHistory(services map[string]Service) {
	current := a.past.current()
	if current == nil || a.past.unfinished() != nil || a.left != nil || a.step != StepPreflight {
		return
	}
	for _, name := range a.services {
		was := current.Services[name]
		s, known := services[name]
		if known && was != nil && was.After != "" && s.TaskDefinition != was.After {
			a.warn("service %s runs %s, and %s was %s: it was changed by something else", name, short(s.TaskDefinition), current.Release, short(was.After))
		}
	}
}

// short is the last part of an ARN: "family:revision", or an id.
func short(arn string) string { return arn[strings.LastIndex(arn, "/")+1:] }
