package deploy

import (
	"cmp"
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
	// since is the time since its last change, or since this run began to look.
	since time.Duration
	// same is for how long ECS has shown the present state: the service's task
	// definition and number of tasks, or that there is no such service.
	same time.Duration
	// size is the configured one.
	size config.Size
	// confirm is Limits.Confirm.
	confirm time.Duration
}

// nextMove decides about one service from what ECS shows: the service, the zero value
// if it shows none, and the deployments by ARN. A read that may be older than the last
// change of the service says nothing. A deployment proves that the service is back, or
// ECS has to show it so for long enough.
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
	case s.Desired < own.DesiredBefore || scaled: // autoscaling may have started more, which stays
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
		return moveWait // this read may be older than the last change
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

// rollBack brings every service back to what it ran before, after the attempt has
// failed in a step, and returns how that ended. It goes on after the time of the
// attempt is up, and ends with ctx, which an interrupt ends.
func (a *attempt) rollBack(ctx context.Context, step StepName, cause error) (Outcome, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, a.limits.RollBack, timeUp{after: a.limits.RollBack})
	defer cancel()
	began := time.Now()
	a.enter(StepRollBack)
	a.emit(Event{Kind: EventStep, Message: "rolling every service back to what it ran before"})
	if a.journal.Phase != PhaseRollingBack {
		a.enterPhase(PhaseRollingBack)
		a.journal.Failure, a.journal.FailedStep = a.Redactor.Hide(cause.Error()), step
		a.changed(ctx)
	}
	if a.rolling == nil {
		a.rolling = a.rollout()
	}
	b := &rollBack{
		rollout: a.rolling, previous: a.record().Previous, mixed: a.journal.Mixed, began: began,
		asked: map[string]move{}, moves: map[string]move{}, why: map[string]error{}, so: steady{}, showed: map[string]string{}, stopped: map[string]bool{},
	}
	outcome, ended, err := b.run(ctx, a.collect)
	a.timed(StepRollBack, began)
	if ended {
		kind := EventDone
		if err != nil {
			kind = EventFailed
		}
		a.emit(Event{Kind: kind, Message: string(outcome), Elapsed: time.Since(began)})
	}
	return outcome, err
}

// rollBack is the way of all services back to what they ran before.
type rollBack struct {
	*rollout
	previous Release
	mixed    bool // they ran different releases before
	began    time.Time

	// By service: what this run has asked for last, what is to be done next, and
	// why it is stuck.
	asked, moves map[string]move
	why          map[string]error
	// stopped: this run has stopped the service's deployment.
	stopped map[string]bool
	// so is since when ECS has shown what it shows, which is in showed.
	so     steady
	showed map[string]string
	// trouble is why the last round made no progress with the schedules. refusals is
	// how many rounds in a row could not read them, for a reason that is not transient.
	trouble  error
	refusals int
}

// run goes on until no service needs another move; ended reports whether it got there.
// It calls collect after the first look, before ECS forgets why the release failed.
func (b *rollBack) run(ctx context.Context, collect func(context.Context)) (outcome Outcome, ended bool, err error) {
	w := newWatch(b.rollout)
	for first := true; ; first = false {
		if err := b.lease.valid(); err != nil {
			return Interrupted, false, err
		}
		found, err := w.look(ctx, b.deployments())
		if err != nil {
			outcome, err = b.unfinished(ctx, err)
			return outcome, false, err
		}
		waiting := 0
		for _, name := range b.names {
			waits, err := b.next(ctx, w, name, found)
			if err != nil {
				outcome, err = b.unfinished(ctx, err)
				return outcome, false, err
			}
			if waits {
				waiting++
			}
		}
		waiting += b.restoreSchedules(ctx, waiting == 0)
		if first {
			b.save(ctx)
			collect(ctx)
		}
		if waiting == 0 {
			break
		}
		if !b.pause(ctx, w.pace(b.deployments())) {
			err := fmt.Errorf("%d services are not back yet (%s)", waiting, b.standing())
			if b.trouble != nil {
				err = fmt.Errorf("%d services and schedules are not back yet (%s; %w)", waiting, b.standing(), b.trouble)
			}
			outcome, err = b.unfinished(ctx, err)
			return outcome, false, err
		}
	}
	b.restoreFloors(ctx)
	outcome, err = b.judge()
	return outcome, true, err
}

// deployments are those that show how far each service is on its way back, by service.
func (b *rollBack) deployments() map[string]string {
	arns := map[string]string{}
	for _, name := range b.names {
		if own := b.of(name); own != nil {
			arns[name] = cmp.Or(own.RollBack, own.Deployment)
		}
	}
	return arns
}

// next makes the next move for one service, and reports whether the service has to be
// looked at again. An error ends the rollback of all services.
func (b *rollBack) next(ctx context.Context, w *watch, name string, found look) (waits bool, err error) {
	own := b.of(name)
	if own == nil || !own.Updated {
		b.moves[name] = moveDone
		return false, nil
	}
	if b.moves[name] == moveStuck {
		return false, nil
	}
	s := found.services[name]
	if s.Name != "" {
		own.see(s)
	}
	if d := s.Deployment; d != nil && own.After != own.Before {
		// UpdateService may not have returned the deployment that it caused.
		switch {
		case own.Deployment == "" && d.TaskDefinition == own.After:
			own.Deployment = d.ARN
		case own.RollBack == "" && b.asked[name] == moveSet && d.TaskDefinition == own.Before && d.ARN != own.Deployment && d.Created.After(own.since()):
			own.RollBack = d.ARN
		}
	}
	if d, ok := found.deployments[cmp.Or(own.RollBack, own.Deployment)]; ok {
		if b.stopped[name] {
			d.Reason = stoppedHere(d.Reason, b.record.Kind)
		}
		w.show(d)
		if own.RollBack == "" {
			own.note(d)
		}
	}
	m := nextMove(*own, s, found.deployments, b.known(name, s))
	if m == moveStop && b.asked[name] == moveSet {
		m = moveWait // it could not be stopped
	}
	if m == moveStop || m == moveSet || m == moveScale {
		b.asked[name] = m
		err := b.move(ctx, name, s, m)
		if _, lost := errors.AsType[lostError](err); err != nil && m == moveStop && !lost && ctx.Err() == nil {
			// A deployment that cannot be stopped ends when the next one begins.
			b.warn("%v", err)
			m, b.asked[name] = moveSet, moveSet
			err = b.move(ctx, name, s, m)
		}
		if err != nil {
			_, lost := errors.AsType[lostError](err)
			if lost || ctx.Err() != nil || blind(StepUpdate, err) {
				return false, err
			}
			// The others are rolled back all the same.
			b.warn("%v", err)
			m, b.why[name] = moveStuck, err
		}
	}
	b.moves[name] = m
	if m == moveUnseen {
		b.why[name] = unseenError(name, s, b.limits.Confirm)
	}
	return m == moveWait || m == moveStop || m == moveSet || m == moveScale, nil
}

// known is what this run knows of a service that ECS shows.
func (b *rollBack) known(name string, s Service) known {
	shows := fmt.Sprint(s.Gone, s.TaskDefinition, s.Desired, s.Running >= s.Desired)
	if b.showed[name] != shows {
		b.so.since(name, false)
	}
	b.showed[name] = shows
	written, changed := b.written[name]
	k := known{
		asked: b.asked[name], written: changed || b.continued, since: time.Since(b.began), same: b.so.since(name, true),
		size: b.sizeOf(name), confirm: b.limits.Confirm,
	}
	if changed {
		k.since = time.Since(written)
	}
	return k
}

// unfinished returns the error of a rollback that was cut short.
func (b *rollBack) unfinished(ctx context.Context, err error) (Outcome, error) {
	err = because(ctx, fmt.Errorf("roll the services back: %w", err))
	_, late := errors.AsType[timeUp](context.Cause(ctx))
	_, lost := errors.AsType[lostError](err)
	if lost || ctx.Err() != nil && !late || blind(StepRollBack, err) {
		return Interrupted, err
	}
	return Broken, err
}

// move carries out a move.
func (b *rollBack) move(ctx context.Context, name string, s Service, m move) error {
	own := b.of(name)
	size := b.sizeOf(name)
	if least, ok := leastBefore(own, size); ok {
		if err := b.setMinimum(ctx, name, least); err != nil {
			return err
		}
	}
	if m == moveStop {
		if own.Deployment == "" && s.Deployment != nil {
			own.Deployment = s.Deployment.ARN
		}
		b.note("stopping deployment %s of service %s", short(own.Deployment), name)
		return b.retryCall(ctx, func(ctx context.Context) error {
			if err := b.lease.valid(); err != nil {
				return err
			}
			b.written[name], b.stopped[name] = time.Now(), true
			return b.Deployments.StopDeployment(ctx, own.Deployment)
		})
	}
	if m == moveScale {
		_, err := b.requestUpdate(ctx, Update{Service: name, Desired: &own.DesiredBefore})
		return err
	}
	u := Update{Service: name, TaskDefinition: own.Before}
	if own.DesiredBefore == 0 || s.Desired == tasksWanted(size, own.DesiredBefore) && s.Desired != own.DesiredBefore {
		u.Desired = &own.DesiredBefore
	}
	var err error
	if own.RollBack, err = b.requestUpdate(ctx, u); err != nil {
		// Somebody may have deregistered the task definition meanwhile.
		active, reviveErr := b.revive(ctx, map[string]string{name: own.Before}, b.previous)
		if reviveErr != nil || active[name] == own.Before {
			return errors.Join(err, reviveErr)
		}
		own.Before, u.TaskDefinition = active[name], active[name]
		own.RollBack, err = b.requestUpdate(ctx, u)
	}
	b.save(ctx)
	return err
}

// leastBefore is the least number of tasks for autoscaling that a service had before;
// false if it needs no change. A service that had no autoscaling before has no such
// number, and gets none.
func leastBefore(own *ServiceRecord, size config.Size) (least int, ok bool) {
	if own.MinimumBefore == nil {
		return 0, false
	}
	least = *own.MinimumBefore
	if least == 0 && own.DesiredBefore > 0 {
		return min(size.MinTasks, own.DesiredBefore), true
	}
	return least, least != size.Floor(least)
}

// restoreFloors sets the least number of tasks that autoscaling keeps, for each service
// that is back, to what it was before.
func (b *rollBack) restoreFloors(ctx context.Context) {
	for _, name := range b.names {
		own := b.of(name)
		if own == nil || b.moves[name] != moveDone || b.written[name].IsZero() && !b.continued && own.Deployment == "" {
			continue
		}
		least, ok := leastBefore(own, b.sizeOf(name))
		if !ok {
			continue
		}
		if err := b.setMinimum(ctx, name, least); err != nil {
			b.warn("%v", err)
			b.moves[name], b.why[name] = moveStuck, err
		}
	}
}

// judge says how the services were left once nothing moves any more.
func (b *rollBack) judge() (Outcome, error) {
	var left []string
	var stuck stuckError
	var back, changed int
	for _, name := range b.names {
		own := b.of(name)
		if own == nil {
			continue
		}
		switch b.moves[name] {
		case moveLeave:
			left = append(left, name)
			own.Outcome = Superseded
		case moveStuck, moveUnseen:
			stuck.add(name, b.why[name])
			own.Outcome = Broken
		default:
			back++
			own.Outcome = RolledBack
			if own.Deployment == "" && own.RollBack == "" && b.written[name].IsZero() {
				own.Outcome = Untouched
			} else {
				changed++
			}
		}
	}
	schedules := b.record.schedules()
	leftSchedules, backSchedules, changedSchedules := b.judgeSchedules(&stuck)
	left, back, changed = append(left, leftSchedules...), back+backSchedules, changed+changedSchedules
	stuck.of, stuck.what = len(b.names)+len(schedules), "services"
	if len(schedules) > 0 {
		stuck.what = "services and schedules"
	}
	switch {
	case len(stuck.services) > 0:
		return Broken, stuck
	case len(left) > 0 && back > 0:
		return Broken, fmt.Errorf("%d of %d %s were set to something else by somebody else (%s), and the others are back", len(left), stuck.of, stuck.what, strings.Join(left, ", "))
	case len(left) > 0:
		return Superseded, nil
	case b.mixed:
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
	what     string // they are
}

func (e *stuckError) add(service string, cause error) {
	if cause != nil {
		service += ": " + cause.Error()
		e.causes = append(e.causes, cause)
	}
	e.services = append(e.services, service)
}

func (e stuckError) Error() string {
	return fmt.Sprintf("%d of %d %s could not be rolled back (%s)", len(e.services), e.of, e.what, strings.Join(e.services, "; "))
}

func (e stuckError) Unwrap() []error { return e.causes }
