package deploy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/specboard/platform/gen/config"
)

// move is the next thing to do about a service that is put back.
type move int

const (
	// moveWait: ECS is at work on it.
	moveWait move = iota
	// moveStop: the deployment in flight is to be stopped, and rolled back.
	moveStop
	// moveSet: it is to be set to what it ran before.
	moveSet
	// moveDone: it runs what it ran before.
	moveDone
	// moveLeave: somebody else has set it to something.
	moveLeave
	// moveStuck: ECS could not bring back what ran before.
	moveStuck
)

// nextMove decides about one service from what ECS shows: the service, and the
// deployments by ARN. asked tells what this run has asked for already.
func nextMove(own ServiceRecord, s Service, deployments map[string]Deployment, asked move) move {
	idle := own.DesiredBefore == 0
	latest := s.Deployment
	ours, known := deployments[own.Deployment]
	if !known && latest != nil && latest.TaskDefinition == own.After && own.After != own.Before {
		ours, known = *latest, true
	}
	later := latest != nil && (!known || latest.ARN != ours.ARN && latest.Created.After(ours.Created))
	back, returning := deployments[own.PutBack]
	if !returning && later && latest.TaskDefinition == own.Before {
		back, returning = *latest, true
	}
	switch {
	case s.TaskDefinition == own.Before && idle && s.Desired == 0:
		if s.Running > 0 || s.Pending > 0 {
			return moveWait
		}
		return moveDone
	case s.TaskDefinition == own.Before && idle:
		return once(moveSet, asked)
	case s.TaskDefinition == own.Before && returning:
		return endOf(back.State)
	case s.TaskDefinition == own.Before && known && ours.State == DeploymentRollbackFailed:
		return moveStuck
	case s.TaskDefinition == own.Before && known && !ours.State.Ended() && own.After != own.Before:
		return moveWait // ECS is bringing it back
	case s.TaskDefinition == own.Before && asked == moveSet && own.PutBack == "" && known:
		return moveWait // ECS does not show yet what the call caused
	case s.TaskDefinition == own.Before:
		return moveDone
	case s.TaskDefinition == own.After && own.After != own.Before && returning && back.State.Failed():
		return moveStuck // what ran before does not start, and ECS went back to the release
	case s.TaskDefinition != own.After && (later || !known || !ours.State.Failed()):
		return moveLeave
	case known && !ours.State.Ended() && !idle:
		if ours.State == DeploymentRollingBack {
			return moveWait
		}
		return once(moveStop, asked)
	default:
		return once(moveSet, asked)
	}
}

// once is a move that waits if it was asked for already.
func once(m, asked move) move {
	if m == asked {
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

// putBack brings every service back to what it ran before, after update, watch
// or verify has failed, and returns how that ended. It goes on after the time
// of the attempt is up, and ends with ctx, which an interrupt ends.
func (a *attempt) putBack(ctx context.Context, step StepName, cause error) (Outcome, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, a.limits.PutBack, timeUp{a.limits.PutBack})
	defer cancel()
	began := time.Now()
	a.enter(PuttingBack)
	a.emit(Event{Kind: EventStep, Message: "putting every service back to what it ran before"})
	if a.journal.PutBack == "" {
		a.journal.PutBack, a.journal.FailedStep = a.Redactor.Hide(cause.Error()), step
		a.changed(ctx)
	}
	asked := map[string]move{}
	moves := map[string]move{}
	w := newWatcher(a, func(s *ServiceRecord) *string {
		if s.PutBack != "" {
			return &s.PutBack
		}
		return &s.Deployment
	})
	var now map[string]Service
	for first := true; ; first = false {
		if err := a.hold.valid(); err != nil {
			return Interrupted, err
		}
		found, err := w.look(ctx)
		if err != nil {
			return a.notBack(ctx, err)
		}
		now = found.services
		waiting := 0
		for _, name := range a.services {
			own := a.record().Services[name]
			s, exists := found.services[name]
			if !exists || own == nil || !own.Updated {
				moves[name] = moveDone
				continue
			}
			if d, ok := found.deployments[*w.of(own)]; ok {
				w.show(d)
				if own.PutBack == "" {
					own.note(d)
				}
			}
			m := nextMove(*own, s, found.deployments, asked[name])
			if m == moveStop && asked[name] == moveSet {
				m = moveWait // it could not be stopped
			}
			moves[name] = m
			if m == moveStop || m == moveSet {
				asked[name] = m
				err := a.moveBack(ctx, name, s, m)
				if _, lost := errors.AsType[lostError](err); err != nil && m == moveStop && !lost && ctx.Err() == nil {
					// A deployment that does not stop ends with the next one.
					a.warn("%v", err)
					m, asked[name] = moveSet, moveSet
					err = a.moveBack(ctx, name, s, m)
				}
				if err != nil {
					if _, lost := errors.AsType[lostError](err); lost || ctx.Err() != nil {
						return a.notBack(ctx, err)
					}
					// The others are put back all the same.
					a.warn("%v", err)
					moves[name], asked[name] = moveStuck, moveStuck
				}
			}
			if asked[name] == moveStuck {
				moves[name] = moveStuck
			}
			if m := moves[name]; m == moveWait || m == moveStop || m == moveSet {
				waiting++
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
	a.restoreSizes(ctx, now, moves, asked)
	outcome, err := a.judgeReturn(moves)
	kind := EventDone
	if err != nil {
		kind = EventFailed
	}
	a.emit(Event{Kind: kind, Message: string(outcome), Elapsed: time.Since(began)})
	return outcome, err
}

// notBack says how a return that was not finished ended.
func (a *attempt) notBack(ctx context.Context, err error) (Outcome, error) {
	err = because(ctx, fmt.Errorf("put the services back: %w", err))
	_, late := errors.AsType[timeUp](context.Cause(ctx))
	_, lost := errors.AsType[lostError](err)
	if lost || ctx.Err() != nil && !late {
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
		return a.again(ctx, func(ctx context.Context) error {
			if err := a.hold.valid(); err != nil {
				return err
			}
			return a.Deployments.StopDeployment(ctx, arn)
		})
	}
	u := Update{Service: name, TaskDefinition: own.Before}
	if own.DesiredBefore == 0 || s.Desired == tasksWanted(size, own.DesiredBefore) && s.Desired != own.DesiredBefore {
		u.Desired = &own.DesiredBefore
	}
	var err error
	if own.PutBack, err = a.updateOnce(ctx, u); err != nil {
		// Somebody may have deregistered it meanwhile.
		active, reviveErr := a.revive(ctx, map[string]string{name: own.Before}, a.record().Previous)
		if reviveErr != nil || active[name] == own.Before {
			return errors.Join(err, reviveErr)
		}
		own.Before, u.TaskDefinition = active[name], active[name]
		own.PutBack, err = a.updateOnce(ctx, u)
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

// restoreSizes gives services that ECS brought back by itself as many tasks as
// they had, if the attempt had set another number.
func (a *attempt) restoreSizes(ctx context.Context, services map[string]Service, moves, asked map[string]move) {
	for _, name := range a.services {
		own, size := a.record().Services[name], a.env.SizeOf(name)
		if own == nil || moves[name] != moveDone || own.Deployment == "" || own.PutBack != "" || asked[name] == moveSet {
			continue
		}
		var err error
		if least, ok := leastBefore(own, size); ok {
			err = a.setMinimum(ctx, name, least)
		}
		// Autoscaling may have found another number since, and knows better.
		if set := tasksWanted(size, own.DesiredBefore); own.DesiredBefore != set && services[name].Desired == set {
			_, updateErr := a.updateOnce(ctx, Update{Service: name, Desired: &own.DesiredBefore})
			err = errors.Join(err, updateErr)
		}
		if err != nil {
			a.warn("service %s is back, with another number of tasks than before: %v", name, err)
		}
	}
}

// judgeReturn says how the services were left once nothing moves any more.
func (a *attempt) judgeReturn(moves map[string]move) (Outcome, error) {
	var left, stuck, back, changed int
	for _, name := range a.services {
		own := a.record().Services[name]
		if own == nil {
			continue
		}
		switch moves[name] {
		case moveLeave:
			left++
			own.Outcome = Superseded
		case moveStuck:
			stuck++
			own.Outcome = Broken
		default:
			back++
			own.Outcome = RolledBack
			if own.Deployment == "" && own.PutBack == "" {
				own.Outcome = Untouched
			} else {
				changed++
			}
		}
	}
	switch {
	case stuck > 0:
		return Broken, fmt.Errorf("%d of %d services could not be put back", stuck, len(a.services))
	case left > 0 && back > 0:
		return Broken, fmt.Errorf("%d of %d services were set to something else by somebody else, and the others are back", left, len(a.services))
	case left > 0:
		return Superseded, nil
	case a.journal.Mixed:
		return Broken, errors.New("every service runs what it ran before, which was not one release")
	case changed == 0:
		return Untouched, nil
	default:
		return RolledBack, nil
	}
}
