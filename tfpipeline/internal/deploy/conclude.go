package deploy

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// refuse ends an attempt that cannot begin.
func (a *attempt) refuse(_ context.Context, err error) (Record, error) {
	r := a.record()
	a.enter(StepLock)
	r.Step, r.Outcome, r.Ended = StepLock, Untouched, time.Now()
	r.Error, a.refusal = a.Redactor.Hide(err.Error()), err
	r.Next = a.next(Untouched)
	a.ended()
	told := hideRecord(a.Redactor, *r)
	return told, &Error{Step: StepLock, Outcome: Untouched, Next: r.Next, Record: told, Err: a.Redactor.Error(err)}
}

// fail ends an attempt that failed: it rolls the services back where that is needed,
// says how they were left, and keeps the lock or gives it back accordingly. ctx is the
// caller's, which an interrupt ends.
func (a *attempt) fail(ctx context.Context, step StepName, err error) (Record, error) {
	a.lease.inTime()
	if ctx.Err() != nil {
		a.flight.land(ctx)
	}
	r := a.record()
	r.Step = step
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = interruptedError{err}
	}
	_, lost := errors.AsType[lostError](err)
	outcome, follow := conclude(a.journal.Phase, a.own, cause{
		interrupted: ctx.Err() != nil, lost: lost, unlocked: !a.lease.held(), blind: blind(step, err),
	})
	switch follow {
	case followLeave:
		outcome = a.leaveAsItWas(ctx)
	case followRollBack:
		var backErr error
		if outcome, backErr = a.rollBack(ctx, step, err); backErr != nil {
			err = fmt.Errorf("%w; %w", err, backErr)
		}
	case followCollect:
		a.collect(ctx)
	}
	_, unknown := errors.AsType[unknownReleaseError](err)
	a.unrecorded = unknown && outcome == Untouched && a.from.attempt() == nil
	a.flight.land(ctx)
	r.Outcome, r.Error, r.Ended = outcome, a.Redactor.Hide(err.Error()), a.history.clock()
	a.refusal = err
	evidence := hideEvidence(a.Redactor, a.evidence)
	r.Evidence = evidence.kept()
	r.Left = a.leftBehind(outcome)
	r.Next = a.next(outcome)
	a.tellInFlight()
	if a.lease.held() {
		r.Left = append(r.Left, a.closeUp(ctx)...)
	}
	a.ended()
	told := hideRecord(a.Redactor, *r)
	return told, &Error{
		Step: step, Outcome: outcome, Left: told.Left, Next: told.Next, Record: told,
		Evidence: evidence, Err: a.Redactor.Error(err),
	}
}

// blind reports whether a failure says nothing about the release, since AWS
// refused who asked. An update that was refused is undone all the same, as long
// as the credentials are valid.
func blind(step StepName, err error) bool {
	access, ok := errors.AsType[*AccessError](err)
	return ok && (access.Permission == "" || step != StepUpdate)
}

// unknownReleaseError is a request for a release that never ran here. It is no
// attempt on the environment, so it leaves no record and nobody is notified.
type unknownReleaseError struct{ why string }

func (e unknownReleaseError) Error() string { return e.why }

// interruptedError says in a person's words that the caller's context ended.
type interruptedError struct{ err error }

func (e interruptedError) Error() string {
	return strings.ReplaceAll(e.err.Error(), context.Canceled.Error(), "interrupted")
}
func (e interruptedError) Unwrap() error { return e.err }

// leaveAsItWas hands back the lock of an earlier attempt. This run was to continue or
// end that attempt, but failed before it changed anything. A later run can still do so.
func (a *attempt) leaveAsItWas(ctx context.Context) Outcome {
	outcome := Untouched
	touched := a.from.attempt().touched()
	switch {
	case touched && a.from.lease.Left == Broken:
		outcome = Broken
	case ctx.Err() != nil, touched:
		// The earlier attempt may have left mixed services, although this one has
		// changed nothing.
		outcome = Interrupted
	}
	ctx, cancel := a.finishing(ctx)
	defer cancel()
	if err := a.lease.handBack(ctx, a.from.lease); err != nil {
		a.warn("the lock: %v", err)
		// If this fails, the next run finds this attempt's journal, which says the
		// same.
		return Interrupted
	}
	return outcome
}

// closeUp stores the record, settles the lock and tells people, in an order in
// which a kill that follows an interrupt loses the least. It returns what could
// not be done.
func (a *attempt) closeUp(ctx context.Context) []string {
	var undone []string
	if a.unrecorded {
		return a.settleLock(ctx, "")
	}
	outcome := a.record().Outcome
	kept := Outcome("")
	switch {
	case outcome == Broken, outcome == Deployed:
		kept = Broken
	case outcome == Interrupted && a.journal.Phase.changed():
		kept = Interrupted
	}
	if !a.flight.marked {
		a.changed(ctx)
	}
	idle := idle(a.journal.Phase, a.own)
	switch {
	case idle:
	case kept != "":
		undone = append(undone, a.settleLock(ctx, kept)...)
	}
	if outcome != Deployed && !a.flight.recorded {
		if err := a.store(ctx); err != nil {
			a.warn("%v", err)
			undone = append(undone, fmt.Sprintf("the record could not be stored: %v", err))
		}
	}
	if a.flight.marked {
		a.changed(ctx) // records that were stored since
	}
	if kept == "" && !idle {
		undone = append(undone, a.settleLock(ctx, "")...)
	}
	if err := a.notify(ctx); err != nil { // last: a slow webhook does not keep others waiting for the lock
		a.warn("%v", err)
	}
	return undone
}

// settleLock gives the lock back, or marks it with what was left.
func (a *attempt) settleLock(ctx context.Context, left Outcome) []string {
	ctx, cancel := a.finishing(ctx)
	defer cancel()
	var err error
	if left == "" {
		err = a.lease.release(ctx)
	} else {
		err = a.lease.leave(ctx, left)
	}
	if err == nil {
		return nil
	}
	a.warn("the lock: %v", err)
	if errors.Is(err, ErrLockLost) {
		return []string{fmt.Sprintf("the lock belongs to somebody else by now: %v", err)}
	}
	return []string{fmt.Sprintf("the lock could not be stored, and ends by itself within %v: %v", a.limits.Lease, err)}
}

// store is the step record. Its time is its own: an attempt that came so far is
// recorded even if it is interrupted.
func (a *attempt) store(ctx context.Context) error {
	ctx, cancel := a.finishing(ctx)
	defer cancel()
	r := hideRecord(a.Redactor, *a.record())
	if err := a.retryCall(ctx, func(ctx context.Context) error { return a.History.Record(ctx, r) }); err != nil {
		return fmt.Errorf("record the attempt: %w", err)
	}
	a.history.stored = append(a.history.stored, r)
	return nil
}

// forgetDead removes the state lock of a dead attempt, if there was one: a
// rollback applies nothing, and would leave it there.
func (o *operation) forgetDead(ctx context.Context, dead string) {
	if dead == "" {
		return
	}
	ctx, cancel := o.finishing(ctx)
	defer cancel()
	for range 3 { // a lock that goes on being renewed is left alone
		after, err := retry(ctx, o, func(ctx context.Context) (time.Duration, error) { return o.Infrastructure.ForgetDead(ctx, dead) })
		if err != nil {
			o.warn("remove the state lock of %s, which died: %v", dead, err)
			return
		}
		if after <= 0 || !o.pause(ctx, after) {
			return
		}
	}
}

// notify tells people. Nothing depends on it.
func (a *attempt) notify(ctx context.Context) error {
	if !idle(a.journal.Phase, a.own) {
		defer a.forgetDead(ctx, a.from.lease.RecordID)
	}
	defer a.history.updateIndex(ctx)
	if a.Notifier == nil {
		return nil
	}
	if ctx.Err() != nil { // an interrupted process may soon be killed
		defer a.notifyDied(ctx)
	} else {
		a.notifyDied(ctx)
	}
	if !a.adopted {
		a.tell(ctx, a.Notifier.Notify, *a.record())
	}
	return nil
}

// notifyDied tells people of attempts that could not.
func (a *attempt) notifyDied(ctx context.Context) {
	own := a.record().ID
	if a.adopted {
		own = ""
	}
	died, err := a.history.died(ctx, own)
	if err != nil {
		a.warn("look for attempts whose end nobody was told of: %v", err)
	}
	for _, r := range died {
		a.tell(ctx, a.Notifier.NotifyDied, r)
	}
}

func (a *attempt) tell(ctx context.Context, notify func(context.Context, Record) error, r Record) {
	ctx, cancel := a.finishing(ctx)
	defer cancel()
	r = hideRecord(a.Redactor, r)
	if err := a.retryCall(ctx, func(ctx context.Context) error { return notify(ctx, r) }); err != nil {
		a.warn("notify: %v", err)
	}
}

// leftBehind says what an attempt has changed, however it ended.
func (a *attempt) leftBehind(outcome Outcome) []string {
	r := a.record()
	var left []string
	if a.lease == nil || !a.lease.held() {
		return nil
	}
	if idle(a.journal.Phase, a.own) {
		return []string{fmt.Sprintf("this run has changed nothing, and what %s left is as it was", a.from.attempt().ID)}
	}
	if outcome == Interrupted && !a.journal.Phase.changed() {
		return []string{"nothing was changed"}
	}
	if r.Migration != nil {
		left = append(left, tellTask(taskMigrate, &r.Migration.TaskRecord)...)
	}
	left = append(left, tellTask(taskSeed, r.Seed)...)
	switch {
	case r.Applied && a.journal.Phase.applied():
		left = append(left, "the infrastructure was applied")
	case r.Applied:
		left = append(left, "the infrastructure may be applied in part")
	}
	if !a.journal.Phase.updated() {
		return append(left, "no service has changed its release")
	}
	for _, name := range a.services {
		own := r.Services[name]
		if own == nil || !own.Updated {
			continue
		}
		left = append(left, tellService(name, own, outcome))
	}
	for _, name := range r.schedules() {
		if s := r.Schedules[name]; s.Updated {
			left = append(left, tellSchedule(name, s))
		}
	}
	return left
}

func tellTask(name string, t *TaskRecord) []string {
	switch {
	case t == nil || t.Token == "":
		return nil
	case t.Succeeded():
		return []string{fmt.Sprintf("task %s has run", name)}
	case t.ExitCode != nil:
		return []string{fmt.Sprintf("task %s ended with exit code %d: %s", name, *t.ExitCode, t.ARN)}
	case !t.Ended.IsZero():
		return []string{fmt.Sprintf("task %s ended without an exit code: %s", name, t.ARN)}
	case t.ARN == "":
		return []string{fmt.Sprintf("task %s may have been started, with client token %s", name, t.Token)}
	default:
		return []string{fmt.Sprintf("task %s goes on: %s", name, t.ARN)}
	}
}

func tellService(name string, s *ServiceRecord, outcome Outcome) string {
	switch {
	case s.Outcome == Untouched:
		return fmt.Sprintf("service %s was not changed", name)
	case s.Outcome == RolledBack:
		return fmt.Sprintf("service %s is back on %s", name, short(s.Before))
	case s.Outcome == Superseded:
		return fmt.Sprintf("service %s was set to something else by somebody else", name)
	case s.Outcome == Deployed:
		return fmt.Sprintf("service %s runs %s", name, short(s.After))
	case outcome == Interrupted && s.RollBack != "" && !s.State.Ended():
		return fmt.Sprintf("service %s is on its way back to %s: deployment %s", name, short(s.Before), s.RollBack)
	case s.RollBack != "":
		return fmt.Sprintf("service %s was to go back to %s: deployment %s", name, short(s.Before), s.RollBack)
	case s.Deployment != "":
		state := s.State
		if state == "" {
			state = DeploymentInProgress
		}
		return fmt.Sprintf("service %s: deployment %s to %s is %s", name, s.Deployment, short(s.After), state)
	default:
		return fmt.Sprintf("service %s may have been set to %s", name, short(s.After))
	}
}

// Error is how every attempt fails.
type Error struct {
	// Step is the one that failed.
	Step StepName
	// Outcome is how the services were left.
	Outcome Outcome
	// Left are sentences on what the attempt left behind: migrations that ran,
	// infrastructure that was applied, deployments in flight.
	Left []string
	// Next is what somebody can do about it.
	Next Next
	// Record is the attempt's, complete even if it could not be stored.
	Record Record
	// Evidence is what was gathered on the failure.
	Evidence Evidence
	Err      error
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %v", e.Step, e.Err)
	// Why it failed comes before how it was left.
	for _, t := range e.Evidence.crashed() {
		if end := t.end(); !strings.Contains(e.Err.Error(), end) {
			fmt.Fprintf(&b, "\n  %s", end)
		}
		if len(t.Log) > 0 {
			fmt.Fprintf(&b, "\n  the last that task %s of service %s wrote:", short(t.ARN), t.Name)
		}
		for _, l := range t.Log[max(0, len(t.Log)-lastLines):] {
			fmt.Fprintf(&b, "\n    %s", strings.TrimSpace(l.Message))
		}
	}
	for _, l := range e.Left {
		fmt.Fprintf(&b, "\n  %s", l)
	}
	return b.String()
}

// lastLines is how many lines of a task an error shows; the dossier has more.
const lastLines = 5

func (e *Error) Unwrap() error { return e.Err }

// ExitCode is the program's. A release that is deployed and could not be
// recorded is broken too: the next rollback would go to the wrong place.
func (e *Error) ExitCode() int {
	if e.Outcome == Deployed {
		return Broken.ExitCode()
	}
	return e.Outcome.ExitCode()
}

var (
	// ErrLockTaken is returned by Lock.Take if somebody was faster.
	ErrLockTaken = errors.New("the lock was taken by somebody else")
	// ErrLockLost is returned by Lock.Renew and Lock.Release if the lease is
	// no longer the one held.
	ErrLockLost = errors.New("the lock is no longer ours")
	// ErrNoJournal is returned by History.Journal if there is none.
	ErrNoJournal = errors.New("there is no journal")
	// ErrRecorded is returned by History.Record if the attempt has another
	// record already.
	ErrRecorded = errors.New("the attempt is recorded already")
)

// AccessError is a call that AWS refused because of the caller's permissions or
// credentials. It says nothing about a release.
type AccessError struct {
	// Permission is what the credentials lack, such as "ecs:ListTasks on
	// arn:…"; empty if they are not valid, or not for long enough.
	Permission string
	Err        error
}

func (e *AccessError) Error() string {
	if e.Permission == "" {
		return fmt.Sprintf("%v: the credentials are not valid, or not for long enough", e.Err)
	}
	return fmt.Sprintf("%v: the credentials lack %s", e.Err, e.Permission)
}

func (e *AccessError) Unwrap() error { return e.Err }

// lacking is how AWS says which permission the caller lacks. The older form
// names no resource; S3 quotes it, and SNS writes its own name in capitals.
var lacking = regexp.MustCompile(`not authorized to perform: ([A-Za-z0-9-]+)(:[A-Za-z0-9]+)(?: on resource: "?([^\s"]+))?`)

// Lacking are the permissions that a message of AWS's says the caller lacks, such
// as "ecs:ListTasks on arn:…", in its order.
func Lacking(message string) []string {
	var all []string
	for _, m := range lacking.FindAllStringSubmatch(message, -1) {
		permission := strings.ToLower(m[1]) + m[2]
		if m[3] != "" {
			permission += " on " + m[3]
		}
		all = append(all, permission)
	}
	return all
}

// invalid are the codes by which AWS says that credentials are not valid, or are no
// longer.
var invalid = []string{
	"AuthFailure", "ExpiredToken", "ExpiredTokenException", "InvalidAccessKeyId", "InvalidClientTokenId",
	"InvalidToken", "RequestExpired", "TokenRefreshRequired", "UnrecognizedClientException",
}

// Denies reports whether AWS says with a code that the caller lacks a permission. Each
// service has its own codes.
func Denies(code string) bool {
	switch code {
	case "AccessDenied", "AccessDeniedException", // nearly all
		"UnauthorizedOperation",                             // EC2
		"AuthorizationError", "AuthorizationErrorException", // SNS
		"Forbidden",                               // S3, where an answer has no body
		"NotAuthorized", "NotAuthorizedException", // among the errors common to all
		"UnauthorizedAccess", "UnauthorizedException":
		return true
	}
	return false
}

// Access makes an error an *AccessError if that is what AWS's code means; code
// is empty if no answer came. action is the permission that the call needs, such
// as "ecs:ListTasks". It is used if AWS's message does not name one.
func Access(err error, code, action string) error {
	switch {
	case slices.Contains(invalid, code):
		return &AccessError{Err: err}
	case Denies(code):
		if said := Lacking(err.Error()); said != nil {
			action = said[0]
		}
		return &AccessError{Permission: action, Err: err}
	case code == "" && strings.Contains(err.Error(), "get credentials: "):
		// The SDK has no type for this; a provider of credentials has given up.
		return &AccessError{Err: err}
	}
	return err
}

// transient is an error that may go away by itself.
type transient struct{ err error }

func (t transient) Error() string { return t.err.Error() }
func (t transient) Unwrap() error { return t.err }

// Transient marks an error that may go away by itself: throttling, a 5xx, a
// dropped connection. A call that failed so may have had its effect.
func Transient(err error) error {
	if err == nil {
		return nil
	}
	return transient{err}
}

// IsTransient reports whether an error was marked by Transient. The loss of the lock is
// never transient, even if a transient error led to it.
func IsTransient(err error) bool {
	_, ok := errors.AsType[transient](err)
	_, lost := errors.AsType[lostError](err)
	return ok && !lost
}

// unchanged is the error of a change that has changed nothing.
type unchanged struct{ error }

func (u unchanged) Unwrap() error { return u.error }

// Unchanged marks the error of a change that is certain to have changed nothing: it
// failed before anything was asked for, or was refused.
func Unchanged(err error) error { return unchanged{err} }

// IsUnchanged reports whether an error was marked by Unchanged.
func IsUnchanged(err error) bool {
	_, ok := errors.AsType[unchanged](err)
	return ok
}
