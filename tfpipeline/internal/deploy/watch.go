package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// patience is how many looks in a row may fail for another reason than a
// transient one.
const patience = 3

// supersededError is why an attempt ends that somebody else's deployment ended.
type supersededError struct{ why string }

func (e supersededError) Error() string { return e.why }

// watch follows the deployments of all services to their end; the first that
// fails ends it.
func (a *attempt) watch(ctx context.Context) error {
	w := newWatcher(a, func(s *ServiceRecord) *string { return &s.Deployment })
	for {
		look, err := w.look(ctx)
		if err != nil {
			return err
		}
		waiting := 0
		for _, name := range a.services {
			own := a.record().Services[name]
			d, known := look.deployments[own.Deployment]
			j := judge(look.services[name], d, known, time.Since(a.updated[name]) > unknownFor, own.After)
			if j.deployment.ARN != "" {
				own.Deployment = j.deployment.ARN
				own.note(j.deployment)
				w.show(j.deployment)
			}
			switch j.verdict {
			case superseded:
				own.Outcome = Superseded
				return supersededError{j.why}
			case failed:
				return errors.New(j.why)
			case goesOn:
				waiting++
			}
		}
		if waiting == 0 {
			return nil
		}
		if !a.pause(ctx, w.pace()) {
			return fmt.Errorf("%d of %d services are not there yet (%s): %w", waiting, len(a.services), a.standing(), context.Cause(ctx))
		}
	}
}

// note keeps what a deployment shows.
func (s *ServiceRecord) note(d Deployment) {
	s.Revision, s.State, s.Reason = d.Revision, d.State, d.Reason
	s.Failures, s.Threshold, s.Ended = d.Failures, d.Threshold, d.Finished
}

// standing says where every service is.
func (a *attempt) standing() string {
	text := ""
	for i, name := range a.services {
		if i > 0 {
			text += ", "
		}
		state := a.record().Services[name].State
		if state == "" {
			state = "not begun"
		}
		text += name + " " + string(state)
	}
	return text
}

// watcher looks at all services at once, and passes on what has changed.
type watcher struct {
	attempt *attempt
	of      func(*ServiceRecord) *string
	shown   map[string]Deployment
	events  map[string]bool
	since   time.Time
	errors  int
	moved   time.Time // when anything last changed
}

type look struct {
	services    map[string]Service
	deployments map[string]Deployment
}

func newWatcher(a *attempt, of func(*ServiceRecord) *string) *watcher {
	now := time.Now()
	since := now
	for _, s := range a.record().Services {
		if !s.Started.IsZero() && s.Started.Before(since) {
			since = s.Started
		}
	}
	if a.told == nil {
		a.told = map[string]bool{}
	}
	return &watcher{attempt: a, of: of, shown: map[string]Deployment{}, events: a.told, since: since, moved: now}
}

// look costs two calls of the ports, however many services there are.
func (w *watcher) look(ctx context.Context) (look, error) {
	a := w.attempt
	for {
		found, err := retry(ctx, a, w.once)
		if err == nil {
			w.errors = 0
			w.passOn(found.services)
			return found, nil
		}
		w.errors++
		if ctx.Err() != nil || w.errors >= patience || !a.pause(ctx, a.limits.Tick) {
			return look{}, because(ctx, fmt.Errorf("look at the deployments: %w", err))
		}
	}
}

func (w *watcher) once(ctx context.Context) (look, error) {
	a := w.attempt
	var arns []string
	for _, name := range a.services {
		if own := a.record().Services[name]; own != nil && *w.of(own) != "" {
			arns = append(arns, *w.of(own))
		}
	}
	var found look
	var err error
	if len(arns) > 0 {
		if found.deployments, err = a.Deployments.DescribeDeployments(ctx, arns); err != nil {
			return found, err
		}
	}
	found.services, err = a.Services.DescribeServices(ctx, a.services)
	return found, err
}

// passOn tells the observer of new lines in the services' event logs.
func (w *watcher) passOn(services map[string]Service) {
	for _, name := range w.attempt.services {
		for _, e := range services[name].Events {
			if w.events[e.ID] || e.Time.Before(w.since) {
				continue
			}
			w.events[e.ID] = true
			w.attempt.emit(Event{Kind: EventService, Service: name, Message: e.Message})
		}
	}
}

// show tells the observer of a deployment that has moved.
func (w *watcher) show(d Deployment) {
	if w.shown[d.ARN] == d {
		return
	}
	w.shown[d.ARN] = d
	w.moved = time.Now()
	d.Reason = w.attempt.Redactor.Hide(d.Reason)
	w.attempt.emit(Event{Kind: EventDeployment, Service: d.Service, Message: string(d.State), Deployment: &d})
}

// pace is the pause until the next look: short while something is about to
// happen, and the longer the longer nothing has.
func (w *watcher) pace() time.Duration {
	most := w.attempt.limits.Tick
	soon := slices.ContainsFunc(w.attempt.services, func(name string) bool {
		own := w.attempt.record().Services[name]
		if own == nil {
			return false
		}
		d := w.shown[*w.of(own)]
		return d.ARN != "" && !d.State.Ended() && d.Desired > 0 && d.Running >= d.Desired
	})
	switch quiet := time.Since(w.moved); {
	case soon || quiet < 10*time.Second:
		return most / 2
	default:
		return most
	}
}
