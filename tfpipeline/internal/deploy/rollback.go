package deploy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/specboard/platform/gen/config"
)

// move is the next thing to do about a service that is rolled back.
type move int

const (
	// moveWait: ECS is at work on it, or may not show yet what it has done.
	moveWait move = iota
	// moveStop: the deployment in flight is to be stopped, and rolled back.
	moveStop
	// moveSet: it is to be set to what it ran before.
	moveSet
	// moveScale: it is to get as many tasks as it had.
	moveScale
	// moveDone: it runs what it ran before.
	moveDone
	// moveLeave: somebody else has set it to something.
	moveLeave
	// moveStuck: ECS could not bring back what ran before.
	moveStuck
	// moveUnseen: ECS does not show it any more.
	moveUnseen
)

// known is what a run knows of a service beside what ECS shows.
type known struct {
	// asked is what this run has asked for last.
	asked move
	// written: the attempt may have changed the service.
	written bool
	// since is how long ago its last change was, or this run began to look.
	since time.Duration
	// same is for how long ECS has shown what it shows: the service's task
	// definition and number of tasks, or that there is no such service.
	same time.Duration
	// size is the configured one.
	size config.Size
	// confirm is Limits.Confirm.
	confirm time.Duration
}

// nextMove decides about one service from what ECS shows: the service, the zero
// value if it shows none, and the deployments by ARN. A read that may be older
// than the last change of the service says nothing: that it is back is proven by
// a deployment, or by its standing so for long enough.
func nextMove(own ServiceRecord, s Service, deployments map[string]Deployment, k known) move {
	if s.Name == "" || s.Gone {
		if k.same >= k.confirm {
			return moveUnseen
		}
		return moveWait
	}
	m := wayBack(own, s, deployments, k)
	if m != moveDone || own.DesiredBefore == 0 {
		return m
	}
	set := tasksWanted(k.size, own.DesiredBefore)
	scaled := s.Desired == set && set != own.DesiredBefore && k.written
	switch {
	case s.Desired < own.DesiredBefore || scaled: // autoscaling may have found more, and knows better
		if k.asked == moveScale && k.since < k.confirm {
			return moveWait
		}
		return moveScale
	case s.Running < s.Desired && k.same >= runWithin:
		return moveStuck
	case s.Running < s.Desired:
		return moveWait
	}
	return moveDone
}

// runWithin is how long the tasks of a service that is back may take to run.
const runWithin = 5 * time.Minute

// wayBack is nextMove without the number of tasks.
func wayBack(own ServiceRecord, s Service, deployments map[string]Deployment, k known) move {
	idle, lasting := own.DesiredBefore == 0, k.since >= k.confirm && k.same >= k.confirm
	latest := s.Deployment
	ours, known := deployments[own.Deployment]
	if !known && latest != nil && latest.TaskDefinition == own.After && own.After != own.Before {
		ours, known = *latest, true
	}
	later := latest != nil && (!known || latest.ARN != ours.ARN && latest.Created.After(ours.Created))
	back, returning := deployments[own.RollBack]
	if !returning && known && later && latest.TaskDefinition == own.Before {
		back, returning = *latest, true
	}
	proven := returning || !k.written || lasting || known && ours.State.Failed() && ours.State.Ended() && k.asked != moveSet
	switch {
	case s.TaskDefinition == own.Before && idle && s.Desired == 0:
		if s.Running > 0 || s.Pending > 0 || !proven {
			return moveWait
		}
		return moveDone
	case s.TaskDefinition == own.Before && idle:
		return unlessAsked(moveSet, k)
	case s.TaskDefinition == own.Before && returning:
		return endOf(back.State)
	case s.TaskDefinition == own.Before && known && ours.State == DeploymentRollbackFailed:
		return moveStuck
	case s.TaskDefinition == own.Before && known && !ours.State.Ended() && own.After != own.Before:
		return moveWait // ECS is bringing it back, or that is an old read
	case s.TaskDefinition == own.Before && proven:
		if latest != nil && latest.TaskDefinition == own.Before && !latest.State.Ended() {
			return moveWait
		}
		return moveDone
	case s.TaskDefinition == own.Before:
		return moveWait // that may be how it was before the last change
	case s.TaskDefinition == own.After && returning && back.State.Failed():
		return moveStuck // what ran before does not start, and ECS went back to the release
	case s.TaskDefinition != own.After && later && known:
		return moveLeave
	case s.TaskDefinition != own.After && k.same < k.confirm && (!known || !ours.State.Failed()):
		return moveWait
	case s.TaskDefinition != own.After && (!known || !ours.State.Failed()):
		return moveLeave
	case known && !ours.State.Ended() && !idle:
		if ours.State == DeploymentRollingBack {
			return moveWait
		}
		return unlessAsked(moveStop, k)
	default:
		return unlessAsked(moveSet, k)
	}
}

// unlessAsked is a move that waits if it was asked for already, for as long as ECS
// may take to show it.
func unlessAsked(m move, k known) move {
	if m == k.asked && (m == moveStop || k.since < k.confirm) {
		return moveWait
	}
	return m
}

func endOf(s DeploymentState) move {
	switch {
	case s == DeploymentSuccessful:
		return moveDone
	case s.Failed():
		return moveStuck
	default:
		return moveWait
	}
}

// rollBack brings every service back to what it ran before, after update, watch
// or verify has failed, and returns how that ended. It goes on after the time
// of the attempt is up, and ends with ctx, which an interrupt ends.
func (a *attempt) rollBack(ctx context.Context, step StepName, cause error) (Outcome, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, a.limits.RollBack, timeUp{a.limits.RollBack})
	defer cancel()
	began := time.Now()
	a.enter(StepRollBack)
	a.emit(Event{Kind: EventStep, Message: "rolling every service back to what it ran before"})
	if a.journal.Phase != PhaseRollingBack {
		a.enterPhase(PhaseRollingBack)
		a.journal.Failure, a.journal.FailedStep = a.Redactor.Hide(cause.Error()), step
		a.changed(ctx)
	}
	asked, moves, why := map[string]move{}, map[string]move{}, map[string]error{}
	w := newWatcher(a, func(s *ServiceRecord) *string {
		if s.RollBack != "" {
			return &s.RollBack
		}
		return &s.Deployment
	})
	so, showed := steady{}, map[string]string{}
	for first := true; ; first = false {
		if err := a.lease.valid(); err != nil {
			return Interrupted, err
		}
		found, err := w.look(ctx)
		if err != nil {
			return a.notBack(ctx, err)
		}
		waiting := 0
		for _, name := range a.services {
			own := a.record().Services[name]
			if own == nil || !own.Updated {
				moves[name] = moveDone
				continue
			}
			if moves[name] == moveStuck {
				continue
			}
			s := found.services[name]
			if s.Name != "" {
				own.see(s)
			}
			if d := s.Deployment; d != nil && own.After != own.Before {
				// UpdateService need not have named what it caused.
				switch {
				case own.Deployment == "" && d.TaskDefinition == own.After:
					own.Deployment = d.ARN
				case own.RollBack == "" && asked[name] == moveSet && d.TaskDefinition == own.Before && d.ARN != own.Deployment && d.Created.After(own.since()):
					own.RollBack = d.ARN
				}
			}
			if d, ok := found.deployments[*w.of(own)]; ok {
				w.show(d)
				if own.RollBack == "" {
					own.note(d)
				}
			}
			shows := fmt.Sprint(s.Gone, s.TaskDefinition, s.Desired, s.Running >= s.Desired)
			if showed[name] != shows {
				so.since(name, false)
			}
			showed[name] = shows
			written, changed := a.written[name]
			k := known{asked: asked[name], written: changed || a.from.how == howResume, since: time.Since(began), same: so.since(name, true), size: a.env.SizeOf(name), confirm: a.limits.Confirm}
			if changed {
				k.since = time.Since(written)
			}
			m := nextMove(*own, s, found.deployments, k)
			if m == moveStop && asked[name] == moveSet {
				m = moveWait // it could not be stopped
			}
			if m == moveStop || m == moveSet || m == moveScale {
				asked[name] = m
				err := a.moveBack(ctx, name, s, m)
				if _, lost := errors.AsType[lostError](err); err != nil && m == moveStop && !lost && ctx.Err() == nil {
					// A deployment that does not stop ends with the next one.
					a.warn("%v", err)
					m, asked[name] = moveSet, moveSet
					err = a.moveBack(ctx, name, s, m)
				}
				if err != nil {
					_, lost := errors.AsType[lostError](err)
					if lost || ctx.Err() != nil || blind(StepUpdate, err) {
						return a.notBack(ctx, err)
					}
					// The others are rolled back all the same.
					a.warn("%v", err)
					m, why[name] = moveStuck, err
				}
			}
			moves[name] = m
			switch m {
			case moveWait, moveStop, moveSet, moveScale:
				waiting++
			case moveUnseen:
				why[name] = unseenError(name, s, a.limits.Confirm)
			}
		}
		if first {
			a.changed(ctx)
			a.collect(ctx)
		}
		if waiting == 0 {
			break
		}
		if !a.pause(ctx, w.pace()) {
			return a.notBack(ctx, fmt.Errorf("%d services are not back yet (%s)", waiting, a.standing()))
		}
	}
	a.restoreFloors(ctx, moves, why)
	outcome, err := a.judgeReturn(moves, why)
	kind := EventDone
	if err != nil {
		kind = EventFailed
	}
	a.emit(Event{Kind: kind, Message: string(outcome), Elapsed: time.Since(began)})
	return outcome, err
}

// notBack says how a return that was not finished ended.
func (a *attempt) notBack(ctx context.Context, err error) (Outcome, error) {
	err = because(ctx, fmt.Errorf("roll the services back: %w", err))
	_, late := errors.AsType[timeUp](context.Cause(ctx))
	_, lost := errors.AsType[lostError](err)
	if lost || ctx.Err() != nil && !late || blind(StepRollBack, err) {
		return Interrupted, err
	}
	return Broken, err
}

// moveBack does what a move says.
func (a *attempt) moveBack(ctx context.Context, name string, s Service, m move) error {
	own := a.record().Services[name]
	size := a.env.SizeOf(name)
	if least, ok := leastBefore(own, size); ok {
		if err := a.setMinimum(ctx, name, least); err != nil {
			return err
		}
	}
	if m == moveStop {
		arn := own.Deployment
		if arn == "" && s.Deployment != nil {
			arn = s.Deployment.ARN
			own.Deployment = arn
		}
		a.note("stopping deployment %s of service %s", short(arn), name)
		return a.retryCall(ctx, func(ctx context.Context) error {
			if err := a.lease.valid(); err != nil {
				return err
			}
			a.written[name] = time.Now()
			return a.Deployments.StopDeployment(ctx, arn)
		})
	}
	if m == moveScale {
		_, err := a.requestUpdate(ctx, Update{Service: name, Desired: &own.DesiredBefore})
		return err
	}
	u := Update{Service: name, TaskDefinition: own.Before}
	if own.DesiredBefore == 0 || s.Desired == tasksWanted(size, own.DesiredBefore) && s.Desired != own.DesiredBefore {
		u.Desired = &own.DesiredBefore
	}
	var err error
	if own.RollBack, err = a.requestUpdate(ctx, u); err != nil {
		// Somebody may have deregistered it meanwhile.
		active, reviveErr := a.revive(ctx, map[string]string{name: own.Before}, a.record().Previous)
		if reviveErr != nil || active[name] == own.Before {
			return errors.Join(err, reviveErr)
		}
		own.Before, u.TaskDefinition = active[name], active[name]
		own.RollBack, err = a.requestUpdate(ctx, u)
	}
	a.changed(ctx)
	return err
}

// leastBefore is what autoscaling may go down to once a service is back; false
// if that is as it is. A service that ran before the apply began to scale it has
// a least number of none, and must not get it.
func leastBefore(own *ServiceRecord, size config.Size) (least int, ok bool) {
	if own.MinimumBefore == nil {
		return 0, false
	}
	least = *own.MinimumBefore
	if least == 0 && own.DesiredBefore > 0 {
		return min(size.MinTasks, own.DesiredBefore), true
	}
	return least, least != size.MinTasks
}

// restoreFloors makes sure that autoscaling goes no lower than before with the
// services that are back.
func (a *attempt) restoreFloors(ctx context.Context, moves map[string]move, why map[string]error) {
	for _, name := range a.services {
		own := a.record().Services[name]
		if own == nil || moves[name] != moveDone || a.written[name].IsZero() && a.from.how != howResume && own.Deployment == "" {
			continue
		}
		least, ok := leastBefore(own, a.env.SizeOf(name))
		if !ok {
			continue
		}
		if err := a.setMinimum(ctx, name, least); err != nil {
			a.warn("%v", err)
			moves[name], why[name] = moveStuck, err
		}
	}
}

// judgeReturn says how the services were left once nothing moves any more.
func (a *attempt) judgeReturn(moves map[string]move, why map[string]error) (Outcome, error) {
	var left []string
	var stuck stuckError
	var back, changed int
	for _, name := range a.services {
		own := a.record().Services[name]
		if own == nil {
			continue
		}
		switch moves[name] {
		case moveLeave:
			left = append(left, name)
			own.Outcome = Superseded
		case moveStuck, moveUnseen:
			stuck.add(name, why[name])
			own.Outcome = Broken
		default:
			back++
			own.Outcome = RolledBack
			if own.Deployment == "" && own.RollBack == "" && a.written[name].IsZero() {
				own.Outcome = Untouched
			} else {
				changed++
			}
		}
	}
	switch {
	case len(stuck.services) > 0:
		stuck.of = len(a.services)
		return Broken, stuck
	case len(left) > 0 && back > 0:
		return Broken, fmt.Errorf("%d of %d services were set to something else by somebody else (%s), and the others are back", len(left), len(a.services), strings.Join(left, ", "))
	case len(left) > 0:
		return Superseded, nil
	case a.journal.Mixed:
		return Broken, errors.New("every service runs what it ran before, which was not one release")
	case changed == 0:
		return Untouched, nil
	default:
		return RolledBack, nil
	}
}

// stuckError names the services that could not be rolled back, and why.
type stuckError struct {
	services []string
	causes   []error
	of       int
}

func (e *stuckError) add(service string, cause error) {
	if cause != nil {
		service += ": " + cause.Error()
		e.causes = append(e.causes, cause)
	}
	e.services = append(e.services, service)
}

func (e stuckError) Error() string {
	return fmt.Sprintf("%d of %d services could not be rolled back (%s)", len(e.services), e.of, strings.Join(e.services, "; "))
}

func (e stuckError) Unwrap() []error { return e.causes }
