package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/specboard/platform/gen/config"
)

// The kinds of attempts that do not change the release of any service. They have a
// record and no journal, since nothing of them has to be continued.
const (
	KindRestart Kind = "restart"
	KindScale   Kind = "scale"
)

// AdjustRequest asks for new tasks of services, or for another number of them.
type AdjustRequest struct {
	// ID is the attempt's, made by NewID; "" has one made.
	ID string
	// Services are names; none means all of the platform's.
	Services []string
	// Tasks is the number of tasks that Scale gives each service; for an autoscaled
	// service, the minimum.
	Tasks int
	// Actor is who asks, Caller the ARN of the credentials, RunURL where the log is,
	// Why is told to whoever finds the lock held.
	Actor, Caller, RunURL, Why string
	// LockWait is how long to wait for a lease that somebody holds; 0 means not at all.
	// Timeout bounds the work under it, besides the health window; 0 means
	// Limits.Total.
	LockWait, Timeout time.Duration
}

// Restart has ECS replace the tasks of services by new ones of the revisions that
// they run, and follows that until the new ones stay healthy. If they do not, ECS
// is asked to go back to what ran before.
//
// An error after the first change is an *Error, and the attempt has a record.
func (p *Pipeline) Restart(ctx context.Context, q AdjustRequest) (Record, error) {
	return p.adjust(ctx, KindRestart, q)
}

// Scale gives services another number of tasks, within the bounds of their Size,
// and waits until they run. If they do not, the number is set back. The next
// promotion sets what the platform says.
//
// An error after the first change is an *Error, and the attempt has a record.
func (p *Pipeline) Scale(ctx context.Context, q AdjustRequest) (Record, error) {
	return p.adjust(ctx, KindScale, q)
}

// ScaleBounds returns an error for each service that may not have so many tasks.
func ScaleBounds(e config.Environment, services []string, tasks int) error {
	var problems []error
	for _, name := range services {
		if size := e.SizeOf(name); tasks < size.MinTasks || tasks > size.MaxTasks {
			problems = append(problems, fmt.Errorf("service %s: %d tasks: its Size in %s allows %d to %d (MinTasks, MaxTasks in gen/config/default.go)",
				name, tasks, e.Name, size.MinTasks, size.MaxTasks))
		}
	}
	return errors.Join(problems...)
}

// adjustment is a restart or a change of the number of tasks at work.
type adjustment struct {
	*rollout
	request AdjustRequest
	// digests are those of the images that the services run.
	digests map[string]string
	named   bool // somebody named the services
	changed bool // ECS was asked to change something, or may have been
}

func (p *Pipeline) adjust(ctx context.Context, kind Kind, q AdjustRequest) (Record, error) {
	o := p.begin(StepLock)
	env, ok := p.Platform.Environment(p.Environment)
	if !ok {
		return Record{}, fmt.Errorf("environment %q is none of the platform's", p.Environment)
	}
	named := len(q.Services) > 0
	if !named {
		q.Services = p.Platform.ServiceNames()
	}
	if kind == KindScale {
		if err := ScaleBounds(env, q.Services, q.Tasks); err != nil {
			return Record{}, err
		}
	}
	r := &Record{
		Version: RecordVersion, ID: o.newID(q.ID), Kind: kind, Environment: p.Environment,
		Actor: q.Actor, Caller: q.Caller, RunURL: q.RunURL, Started: o.begun,
	}
	h := &history{operation: o}
	var failure *Error
	err := p.change(ctx, ChangeRequest{
		Kind: kind, ID: r.ID, Actor: q.Actor, Caller: q.Caller, Why: q.Why, RunURL: q.RunURL, LockWait: q.LockWait,
	}, func(ctx context.Context, lease *heldLease) error {
		a := &adjustment{request: q, named: named, rollout: &rollout{
			registrar: registrar{operation: o, lease: lease}, env: env, names: q.Services, record: r, restart: kind == KindRestart,
			save: func(context.Context) {}, tell: func() {}, written: map[string]time.Time{}, told: map[string]bool{},
		}}
		if err := a.look(ctx, h); err != nil {
			return err
		}
		failure = a.run(ctx)
		r.Ended = h.clock()
		finish, cancel := o.finishing(ctx)
		defer cancel()
		stored := hideRecord(o.Redactor, *r)
		if err := o.retryCall(finish, func(ctx context.Context) error { return o.History.Record(ctx, stored) }); err != nil {
			return fmt.Errorf("record the %s: %w", kind, err)
		}
		h.stored = append(h.stored, stored)
		return nil
	})
	h.updateIndex(ctx)
	*r = hideRecord(o.Redactor, *r)
	o.emit(Event{Kind: EventEnd, Message: string(r.Outcome), Elapsed: time.Since(o.begun), Record: r})
	if failure == nil {
		return *r, err
	}
	failure.Record, failure.Err = *r, errors.Join(failure.Err, err)
	return *r, failure
}

// look finds out what runs, and refuses what cannot be adjusted.
func (a *adjustment) look(ctx context.Context, h *history) error {
	if err := h.read(ctx); err != nil {
		return err
	}
	current := h.current()
	if current == nil {
		return ErrNotDeployed
	}
	a.record.Release, a.record.Previous = current.Release, current.Release
	if err := a.choose(current); err != nil {
		return err
	}
	var err error
	if a.before, err = a.steadyServices(ctx); err != nil {
		return err
	}
	minimums, err := retry(ctx, a.operation, func(ctx context.Context) (map[string]int, error) {
		return a.Scaling.Minimums(ctx, a.names)
	})
	if err != nil {
		return fmt.Errorf("look at the autoscaling: %w", err)
	}
	var definitions []string
	a.record.Services = map[string]*ServiceRecord{}
	for _, name := range a.names {
		s := a.before[name]
		own := &ServiceRecord{Before: s.TaskDefinition, After: s.TaskDefinition, DesiredBefore: s.Desired}
		if m, ok := minimums[name]; ok {
			own.MinimumBefore = &m
		}
		a.record.Services[name] = own
		definitions = append(definitions, s.TaskDefinition)
	}
	found, err := retry(ctx, a.operation, func(ctx context.Context) (map[string]TaskDefinition, error) {
		return a.TaskDefinitions.DescribeTaskDefinitions(ctx, definitions)
	})
	if err != nil {
		return fmt.Errorf("look at the task definitions: %w", err)
	}
	a.digests = map[string]string{}
	for _, name := range a.names {
		own := a.of(name)
		_, own.Digest, _ = strings.Cut(found[own.Before].Image, "@")
		a.digests[name] = own.Digest
	}
	return nil
}

// choose keeps those services that the deployed release has. Any other may never have
// been promoted, and would start the placeholder's image.
func (a *adjustment) choose(current *Record) error {
	names := recorded(a.names, current)
	if len(names) == len(a.names) {
		return nil
	}
	lacks := strings.Join(slices.DeleteFunc(slices.Clone(a.names), func(name string) bool { return slices.Contains(names, name) }), ", ")
	if a.named || len(names) == 0 {
		return fmt.Errorf("%s is no part of %s, the current release, and may only have a placeholder image: promote first", lacks, current.Release)
	}
	a.warn("%s is no part of %s, the current release, and is left as it is: promote first", lacks, current.Release)
	a.names = names
	return nil
}

// steadyServices are the services, none of which is being deployed. It waits until ECS
// has shown the same for a while: an earlier deployment that appears only later would
// be taken for the restart's.
func (a *adjustment) steadyServices(ctx context.Context) (map[string]Service, error) {
	last, so := "", steady{}
	for began := time.Now(); ; {
		services, err := a.describeServices(ctx, a.names)
		if err != nil {
			return nil, err
		}
		var problems []error
		shows := ""
		for _, name := range a.names {
			s, shown := services[name]
			if s.Deployment != nil {
				shows += s.Deployment.ARN
			}
			switch d := s.Deployment; {
			case !shown || s.Gone:
				problems = append(problems, fmt.Errorf("ECS shows no service %s", name))
			case d != nil && !d.State.Ended():
				problems = append(problems, fmt.Errorf("service %s is being deployed: deployment %s is %s", name, short(d.ARN), d.State))
			}
		}
		so.since("shows", shows == last)
		last = shows
		switch stays := so.since("shows", true); {
		case len(problems) == 0 && stays >= a.limits.lag():
			return services, nil
		case len(problems) > 0 && time.Since(began) >= a.limits.Confirm:
			return nil, errors.Join(problems...)
		case !a.pause(ctx, a.limits.Tick):
			return nil, errors.Join(append(problems, context.Cause(ctx))...)
		}
	}
}

// run does what is asked for, undoes it if that fails, and notes the outcome.
func (a *adjustment) run(ctx context.Context) *Error {
	r := a.record
	limit := a.most(a.request.Timeout, a.env)
	work, cancel := context.WithTimeoutCause(ctx, limit.total(), limit)
	defer cancel()
	do := a.restart
	if r.Kind == KindScale {
		do = a.scale
	}
	step, err := do(work)
	if err == nil {
		r.Outcome = Done
		for _, own := range r.Services {
			own.Outcome = Done
		}
		return nil
	}
	f := &Error{Step: step, Err: because(work, err)}
	switch {
	case !a.changed:
		r.Outcome = Untouched
	case ctx.Err() != nil:
		r.Outcome = Interrupted
	default:
		r.Outcome, err = a.undo(ctx)
		f.Err = errors.Join(f.Err, err)
	}
	r.Step, r.Error, r.Left, r.Next = step, f.Err.Error(), a.left(), Next{{Advice: AdviceInspect, Verb: VerbStatus}}
	if r.Outcome == Broken {
		r.Next = append(Next{{Advice: AdviceElsewhere, Verb: VerbRollback}}, r.Next...)
	}
	f.Outcome, f.Left, f.Next = r.Outcome, r.Left, r.Next
	f.Evidence = hideEvidence(a.Redactor, a.collect(ctx))
	r.Evidence = f.Evidence.kept()
	return f
}

// do runs one step, and tells the observer.
func (a *adjustment) do(ctx context.Context, s StepName, f func(context.Context) error) error {
	began := time.Now()
	a.enter(s)
	a.emit(Event{Kind: EventStep})
	err := f(ctx)
	if err != nil {
		a.emit(Event{Kind: EventFailed, Message: because(ctx, err).Error(), Elapsed: time.Since(began)})
		return err
	}
	a.emit(Event{Kind: EventDone, Elapsed: time.Since(began)})
	return nil
}

// restart has every service deploy what it runs.
func (a *adjustment) restart(ctx context.Context) (StepName, error) {
	deployments := map[string]string{}
	err := a.do(ctx, StepUpdate, func(ctx context.Context) error {
		a.changed = true
		for _, name := range a.names {
			own := a.of(name)
			own.Started = time.Now()
			// The deployment that the answer names may be the one before, which brings
			// the same task definition.
			if _, err := a.requestUpdate(ctx, Update{Service: name, TaskDefinition: own.Before, Restart: true}); err != nil {
				return err
			}
		}
		return a.findDeployments(ctx, a.names, deployments)
	})
	if err != nil {
		return StepUpdate, err
	}
	if err := a.do(ctx, StepWatch, func(ctx context.Context) error { return a.watch(ctx, deployments) }); err != nil {
		return StepWatch, err
	}
	return StepVerify, a.do(ctx, StepVerify, func(ctx context.Context) error { return a.verify(ctx, a.digests, a.window(a.env)) })
}

// findDeployments waits until ECS shows the deployments of a restart. The deployment
// that it showed before does not count: it has the same task definition, and has
// succeeded.
func (a *adjustment) findDeployments(ctx context.Context, names []string, deployments map[string]string) error {
	for began := time.Now(); ; {
		services, err := a.describeServices(ctx, names)
		if err != nil {
			return err
		}
		var unseen []string
		for _, name := range names {
			own, d := a.of(name), services[name].Deployment
			if own.Deployment == "" && a.begun(name, d) {
				own.Deployment = d.ARN
			}
			if deployments[name] = own.Deployment; own.Deployment == "" {
				unseen = append(unseen, name)
			}
		}
		switch {
		case len(unseen) == 0:
			return nil
		case time.Since(began) >= a.limits.Confirm:
			return fmt.Errorf("ECS shows no new deployment of %s after %v", strings.Join(unseen, ", "), a.limits.Confirm)
		case !a.pause(ctx, a.limits.Tick):
			return context.Cause(ctx)
		}
	}
}

// scale gives every service its number of tasks.
func (a *adjustment) scale(ctx context.Context) (StepName, error) {
	wanted := map[string]int{}
	err := a.do(ctx, StepUpdate, func(ctx context.Context) error {
		for _, name := range a.names {
			own := a.of(name)
			wanted[name], own.Started = a.request.Tasks, time.Now()
			own.Tasks = &a.request.Tasks
			a.changed = true
			if own.MinimumBefore != nil {
				if err := a.setMinimum(ctx, name, a.request.Tasks); err != nil {
					return err
				}
				a.note("service %s: autoscaling keeps at least %d tasks (before: %d)", name, a.request.Tasks, *own.MinimumBefore)
				wanted[name] = max(wanted[name], own.DesiredBefore)
			}
			if wanted[name] == own.DesiredBefore {
				continue
			}
			if _, err := a.requestUpdate(ctx, Update{Service: name, Desired: new(wanted[name])}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return StepUpdate, err
	}
	if err := a.do(ctx, StepWatch, func(ctx context.Context) error { return a.await(ctx, wanted) }); err != nil {
		return StepWatch, err
	}
	return StepVerify, a.do(ctx, StepVerify, func(ctx context.Context) error { return a.verify(ctx, a.digests, 0) })
}

// await waits until services run as many tasks as they are to. Autoscaling may set
// another number meanwhile, which is accepted.
func (a *adjustment) await(ctx context.Context, wanted map[string]int) error {
	ctx, cancel := context.WithTimeoutCause(ctx, runWithin, timeUp{after: runWithin})
	defer cancel()
	for {
		services, err := a.describeServices(ctx, a.names)
		if err != nil {
			return because(ctx, err)
		}
		var waiting []string
		for _, name := range a.names {
			own, s := a.of(name), services[name]
			own.see(s)
			set := s.Desired == wanted[name] || own.MinimumBefore != nil && s.Desired >= a.request.Tasks
			if !set || s.Running != s.Desired || s.Pending > 0 {
				waiting = append(waiting, fmt.Sprintf("%s runs %d of %d tasks", name, s.Running, wanted[name]))
			}
		}
		if len(waiting) == 0 {
			return nil
		}
		if !a.pause(ctx, a.limits.Tick) {
			return fmt.Errorf("%s: %w", strings.Join(waiting, ", "), context.Cause(ctx))
		}
	}
}

// undo goes back to how the services were, after an attempt that failed in a step,
// and returns how that ended.
func (a *adjustment) undo(ctx context.Context) (outcome Outcome, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, a.limits.RollBack, timeUp{after: a.limits.RollBack})
	defer cancel()
	back := a.stopRestart
	if a.record.Kind == KindScale {
		back = a.scaleBack
	}
	_ = a.do(ctx, StepRollBack, func(ctx context.Context) error {
		outcome, err = back(ctx)
		return err
	})
	return outcome, err
}

// scaleBack sets the numbers of tasks to what they were; for an autoscaled service, the
// minimum. Autoscaling may have started more tasks meanwhile. By itself it stops those
// that are not needed.
func (a *adjustment) scaleBack(ctx context.Context) (Outcome, error) {
	var problems []error
	for _, name := range a.names {
		own := a.of(name)
		if own.Started.IsZero() {
			continue
		}
		var err error
		if own.MinimumBefore != nil {
			err = a.setMinimum(ctx, name, *own.MinimumBefore)
		} else {
			_, err = a.requestUpdate(ctx, Update{Service: name, Desired: &own.DesiredBefore})
		}
		own.Outcome = RolledBack
		if err != nil {
			own.Outcome = Broken
			problems = append(problems, err)
		}
	}
	if len(problems) > 0 {
		return Broken, errors.Join(problems...)
	}
	return RolledBack, nil
}

// stopRestart has ECS go back to the earlier tasks of each service whose new tasks have
// not replaced them yet, and waits for that. A service whose tasks are all new has
// nothing left to go back to.
func (a *adjustment) stopRestart(ctx context.Context) (Outcome, error) {
	a.findWritten(ctx)
	var arns []string
	for _, name := range a.names {
		if arn := a.of(name).Deployment; arn != "" {
			arns = append(arns, arn)
		}
	}
	w, stopped := newWatch(a.rollout), map[string]bool{}
	for len(arns) > 0 {
		found, err := retry(ctx, a.operation, func(ctx context.Context) (map[string]Deployment, error) {
			return a.Deployments.DescribeDeployments(ctx, arns)
		})
		if err != nil {
			return Broken, fmt.Errorf("look at the deployments: %w", because(ctx, err))
		}
		waiting := 0
		for _, name := range a.names {
			own := a.of(name)
			d, known := found[own.Deployment]
			switch {
			case own.Deployment == "":
				continue
			case !known:
				waiting++
				continue
			}
			if stopped[name] {
				d.Reason = stoppedHere(d.Reason, a.record.Kind)
			}
			own.note(d)
			w.show(d)
			if d.State.Ended() {
				continue
			}
			waiting++
			if d.State.Failed() || stopped[name] {
				continue
			}
			stopped[name] = true
			a.note("stopping deployment %s of service %s", short(d.ARN), name)
			if err := a.retryCall(ctx, func(ctx context.Context) error { return a.Deployments.StopDeployment(ctx, d.ARN) }); err != nil {
				return Broken, fmt.Errorf("stop deployment %s: %w", short(d.ARN), err)
			}
		}
		if waiting == 0 {
			break
		}
		if !a.pause(ctx, a.limits.Tick) {
			return Broken, fmt.Errorf("%d deployments have not ended (%s): %w", waiting, a.standing(), context.Cause(ctx))
		}
	}
	return a.judgeRestart()
}

// findWritten looks for the deployments of the services that ECS was asked to
// restart before the restart failed.
func (a *adjustment) findWritten(ctx context.Context) {
	names := slices.DeleteFunc(slices.Clone(a.names), func(name string) bool {
		return a.written[name].IsZero() || a.of(name).Deployment != ""
	})
	if len(names) == 0 {
		return
	}
	limit := a.limits.Confirm
	ctx, cancel := context.WithTimeoutCause(ctx, limit, timeUp{after: limit})
	defer cancel()
	if err := a.findDeployments(ctx, names, map[string]string{}); err != nil {
		a.warn("%v", because(ctx, err))
	}
}

// judgeRestart says how a restart that failed has left the services.
func (a *adjustment) judgeRestart() (Outcome, error) {
	outcome, stuck := Untouched, stuckError{of: len(a.names), what: "services"}
	for _, name := range a.names {
		own := a.of(name)
		crashed := slices.ContainsFunc(a.crashed, func(t StoppedTask) bool { return t.Name == name })
		switch {
		case own.Deployment == "" && a.written[name].IsZero():
			own.Outcome = Untouched
		case own.Deployment == "":
			own.Outcome = Broken
			stuck.add(name, errors.New("it was restarted, and ECS may be replacing its tasks"))
		case own.State == DeploymentRolledBack:
			own.Outcome = RolledBack
		case own.State == DeploymentSuccessful && !crashed:
			own.Outcome = Done
		default:
			own.Outcome = Broken
			stuck.add(name, fmt.Errorf("its deployment is %s, and there are no earlier tasks to go back to", own.State))
		}
		if own.Outcome == RolledBack {
			outcome = RolledBack
		}
	}
	switch {
	case len(stuck.services) > 0:
		return Broken, stuck
	case outcome == Untouched && slices.ContainsFunc(a.names, func(name string) bool { return a.of(name).Outcome == Done }):
		return Broken, errors.New("every task is new, and there are no earlier ones to go back to")
	}
	return outcome, nil
}

// left says how the attempt left each service.
func (a *adjustment) left() []string {
	var left []string
	for _, name := range a.names {
		switch own := a.of(name); {
		case own.Outcome == RolledBack && a.record.Kind == KindScale && own.MinimumBefore != nil:
			left = append(left, fmt.Sprintf("service %s: autoscaling keeps at least %d tasks again", name, *own.MinimumBefore))
		case own.Outcome == RolledBack && a.record.Kind == KindScale:
			left = append(left, fmt.Sprintf("service %s was set back to %d tasks", name, own.DesiredBefore))
		case own.Outcome == RolledBack:
			left = append(left, fmt.Sprintf("service %s: ECS brought the earlier tasks back", name))
		case own.Started.IsZero() || own.Outcome == Untouched:
			left = append(left, fmt.Sprintf("service %s was not changed", name))
		case own.Deployment != "":
			left = append(left, fmt.Sprintf("service %s: deployment %s of %s is %s", name, own.Deployment, short(own.After), own.State))
		default:
			left = append(left, fmt.Sprintf("service %s may have been changed", name))
		}
	}
	return left
}

// collect gathers what explains the failure.
func (a *adjustment) collect(ctx context.Context) Evidence {
	if a.Collector == nil || !a.changed || ctx.Err() != nil {
		return Evidence{}
	}
	ctx, cancel := context.WithTimeout(ctx, a.limits.Collect)
	defer cancel()
	scope := Scope{Services: a.names, Crashed: a.crashed, Since: a.record.Started}
	for _, name := range a.names {
		own := a.of(name)
		scope.TaskDefinitions = append(scope.TaskDefinitions, own.After)
		if own.Deployment != "" {
			scope.Deployments = append(scope.Deployments, own.Deployment)
		}
	}
	return a.Collector.Collect(ctx, scope)
}
