package deploy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Lock lets one attempt at a time work on an environment.
type Lock interface {
	// Holder returns the current lease, whoever holds it; nil if there is none.
	Holder(ctx context.Context) (*Lease, error)
	// Take stores a lease: where there is none, or in place of over, which is
	// what Holder returned. It returns ErrLockTaken if the stored lease has changed
	// since then, as its holder may have done more before giving it back.
	Take(ctx context.Context, l Lease, over *Lease) (Lease, error)
	// Renew stores the held lease with its changes, or returns ErrLockLost.
	Renew(ctx context.Context, l Lease) (Lease, error)
	// Release removes the lease that is held, or returns ErrLockLost.
	Release(ctx context.Context, l Lease) error
	// Remove removes somebody else's lease if it still has this version, as Holder
	// returned it, and otherwise returns ErrLockLost.
	Remove(ctx context.Context, version string) error
}

// Freeze is why nothing is promoted to an environment until somebody lifts it.
type Freeze struct {
	Why    string    `json:"why"`
	Actor  string    `json:"actor"`
	Caller string    `json:"caller,omitempty"`
	RunURL string    `json:"run_url,omitempty"`
	Since  time.Time `json:"since"`
}

// String says who froze since when, and why.
func (f Freeze) String() string {
	return fmt.Sprintf("frozen by %s since %s: %s", f.Actor, f.Since.UTC().Format(time.RFC3339), f.Why)
}

// Freezer tells whether an environment is frozen; nil if it is not.
type Freezer interface {
	Frozen(ctx context.Context) (*Freeze, error)
}

// FrozenError refuses a promotion to a frozen environment.
type FrozenError struct {
	Environment string
	Freeze      Freeze
}

func (e *FrozenError) Error() string { return e.Environment + " is " + e.Freeze.String() }

// checkFreeze returns a FrozenError if the environment is frozen. A freeze takes
// the lease, so it cannot come while something is at work under one.
func (o *operation) checkFreeze(ctx context.Context) error {
	if o.Freezer == nil {
		return nil
	}
	freeze, err := retry(ctx, o, o.Freezer.Frozen)
	switch {
	case err != nil:
		return fmt.Errorf("find out whether %s is frozen: %w", o.Environment, err)
	case freeze != nil:
		return &FrozenError{o.Environment, *freeze}
	}
	return nil
}

// Lease is a lock with an end.
type Lease struct {
	Environment string `json:"environment"`
	// RecordID is the attempt's.
	RecordID string `json:"record_id"`
	Kind     Kind   `json:"kind"`
	// Release is what is being deployed; for a rollback to the last good one,
	// empty until that is known.
	Release Release `json:"release"`
	// Actor is who holds it, Caller the ARN of the credentials if it is known, RunURL
	// where its log is, Why what it is held for.
	Actor  string `json:"actor"`
	Caller string `json:"caller,omitempty"`
	RunURL string `json:"run_url,omitempty"`
	Why    string `json:"why"`
	// Secret is the name of the secret that gets a new value; leases of earlier
	// programs have none.
	Secret string `json:"secret,omitempty"`
	// Since is when it was taken, Until when it ends if it is not renewed, both
	// by the holder's clock, which nobody else relies on.
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`
	// Span is how long it lives without being renewed; 0 is the standard.
	Span time.Duration `json:"span_ns,omitempty"`
	// Left is the outcome of a run that ended and left something to be
	// continued: interrupted or broken. Such a lease does not end by itself.
	Left Outcome `json:"left,omitempty"`
	// Version is the stored object's, for the adapter. Age is how old the lease was
	// when it was read, by the store's clock, which is the only one that all machines
	// share.
	Version string        `json:"-"`
	Age     time.Duration `json:"-"`
}

// Remaining is how long it lives from when it was read, if nobody renews it; less
// than 0 once it has ended.
func (l Lease) Remaining() time.Duration {
	return cmp.Or(l.Span, DefaultLimits().Lease) - l.Age
}

// Expired reports whether the holder has not renewed it in time.
func (l Lease) Expired() bool { return l.Remaining() <= 0 }

// died is the record of a run that was killed and whose kind has no journal; false if
// runs of its kind have no record either. It ends with the last sign of life.
func (l Lease) died() (Record, bool) {
	r := Record{
		Version: RecordVersion, ID: l.RecordID, Kind: l.Kind, Environment: l.Environment, Actor: l.Actor, Caller: l.Caller, RunURL: l.RunURL,
		Secret: l.Secret, Started: l.Since, Ended: l.Until.Add(-cmp.Or(l.Span, DefaultLimits().Lease)),
		Outcome: Interrupted, Error: diedError, Next: Next{{Advice: AdviceInspect, Verb: VerbStatus}},
	}
	switch l.Kind {
	case KindRestart:
		r.Left = []string{"services may have been restarted: ECS continues the deployments that it has begun"}
	case KindScale:
		r.Left = []string{"services may have another number of tasks, until the next promotion"}
	case KindSecret:
		r.unknownValue()
	default:
		return Record{}, false
	}
	return r, true
}

// diedError is the error of a run that could not record its end.
const diedError = "ended without a word"

// AtWork reports whether somebody holds it and renews it.
func (l Lease) AtWork() bool { return l.Left == "" && !l.Expired() }

// heldLease is the lease while an attempt has it. A goroutine renews it; once that
// fails, every context of the attempt ends and no change begins any more.
type heldLease struct {
	*operation
	most timeUp // bounds the work under the lease
	end  context.CancelCauseFunc

	turn chan struct{} // full while the stored lease is being changed
	mu   sync.Mutex    // guards what follows
	// lease is what is stored; nil: never held.
	lease *Lease
	lost  error
	// trouble is why the last renewal failed; nil if it did not.
	trouble error

	timer *time.Timer // of the attempt's time
	quit  context.CancelFunc
	gone  chan struct{}
}

// lostError is why an attempt stopped that no longer holds the lock.
type lostError struct{ err error }

func (e lostError) Error() string { return "the lock was lost: " + e.err.Error() }
func (e lostError) Unwrap() error { return e.err }

// take stores the lease, and from then on keeps it.
func (h *heldLease) take(ctx context.Context, l Lease, over *Lease) error {
	taken, err := retry(ctx, h.operation, func(ctx context.Context) (Lease, error) {
		l.Since = time.Now()
		l.Until, l.Span = h.until(), h.limits.Lease
		taken, err := h.Lock.Take(ctx, l, over)
		if errors.Is(err, ErrLockTaken) {
			// A call that seemed to fail may have stored it.
			if now, lookErr := h.Lock.Holder(ctx); lookErr == nil && now != nil && now.RecordID == l.RecordID {
				return *now, nil
			}
		}
		return taken, err
	})
	if err != nil {
		return err
	}
	h.mu.Lock()
	h.turn, h.lease = make(chan struct{}, 1), &taken
	h.mu.Unlock()
	h.limit()
	renewals, quit := context.WithCancel(context.WithoutCancel(ctx))
	h.quit, h.gone = quit, make(chan struct{})
	go h.keep(renewals)
	return nil
}

// until is the end of a lease that is stored now, by the wall clock: the monotonic
// clock stands still while a laptop sleeps.
func (o *operation) until() time.Time { return time.Now().Round(0).Add(o.limits.Lease) }

// limit ends the attempt when its time is up.
func (h *heldLease) limit() {
	h.timer = time.AfterFunc(h.most.total(), func() { h.end(h.most) })
}

// keep renews the lease three times in its span, and more often once that has
// failed, until it has run out.
func (h *heldLease) keep(ctx context.Context) {
	defer close(h.gone)
	var watch sync.WaitGroup
	watch.Go(func() { h.watch(ctx) })
	defer watch.Wait()
	span := h.limits.Lease
	for wait := span / 3; h.untilDue(ctx, wait); {
		err := h.renew(ctx, func(*Lease) {})
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			wait = span / 3
		case h.valid() != nil:
			h.end(h.valid())
			return
		default:
			if wait != span/12 {
				h.warn("the lock could not be renewed, trying again: %v", err)
			}
			wait = span / 12
		}
	}
}

// glance is how often the wall clock is looked at. Timers stand still while a laptop
// sleeps, and a lease that ran out meanwhile may be somebody else's.
const glance = time.Second

// watch ends the attempt as soon as its lease is lost, also while a renewal hangs.
func (h *heldLease) watch(ctx context.Context) {
	tick := time.NewTicker(glance)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := h.valid(); err != nil {
			h.end(err)
			return
		}
	}
}

// untilDue waits before a renewal, by the wall clock too if the last one was stored;
// false if the context ended first. Up to a tenth of the wait is left out at random.
func (h *heldLease) untilDue(ctx context.Context, wait time.Duration) bool {
	wait -= time.Duration(h.random() * float64(wait) / 10)
	for began := time.Now(); ; {
		left := wait - time.Since(began)
		h.mu.Lock()
		if h.trouble == nil {
			left = min(left, time.Until(h.lease.Until)-h.limits.Lease+wait)
		}
		h.mu.Unlock()
		if left <= 0 {
			return ctx.Err() == nil
		}
		select {
		case <-time.After(min(left, glance)):
		case <-ctx.Done():
			return false
		}
	}
}

// renew stores the lease with a change. Only one goroutine at a time does.
func (h *heldLease) renew(ctx context.Context, change func(*Lease)) error {
	select {
	case h.turn <- struct{}{}:
		defer func() { <-h.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := h.valid(); err != nil {
		return err
	}
	held := h.stored()
	// No call may outlive the lease.
	ctx, cancel := context.WithDeadline(ctx, held.Until)
	defer cancel()
	l := held
	l.Until = h.until()
	change(&l)
	stored, err := h.Lock.Renew(ctx, l)
	if errors.Is(err, ErrLockLost) {
		// A call that seemed to fail may have stored the lease, and what is
		// there now is ours in another version.
		now, lookErr := h.Lock.Holder(ctx)
		if lookErr == nil && now != nil && now.RecordID == l.RecordID {
			l.Version = now.Version
			stored, err = h.Lock.Renew(ctx, l)
		} else if lookErr == nil {
			err = fmt.Errorf("%w: %s", err, heldBy(now))
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.trouble = err
	switch {
	case err == nil:
		h.lease = &stored
	case errors.Is(err, ErrLockLost):
		h.lost = lostError{err}
	}
	return err
}

// stored is the lease as it is stored.
func (h *heldLease) stored() Lease {
	h.mu.Lock()
	defer h.mu.Unlock()
	return *h.lease
}

// valid returns why nothing may be changed: the lease is lost or has run out.
func (h *heldLease) valid() error {
	if h == nil {
		return nil // a task by hand needs no lease
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.lost != nil:
		return h.lost
	case h.lease == nil:
		return lostError{errors.New("it is not held")}
	case !time.Now().Before(h.lease.Until) && h.trouble != nil:
		return lostError{fmt.Errorf("it ended at %s and could not be renewed: %w", h.lease.Until.UTC().Format(time.RFC3339), h.trouble)}
	case !time.Now().Before(h.lease.Until):
		return lostError{fmt.Errorf("it ended at %s without being renewed", h.lease.Until.UTC().Format(time.RFC3339))}
	default:
		return nil
	}
}

// held reports whether the lock was taken, even if it was lost since.
func (h *heldLease) held() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.lease != nil
}

// inTime ends the bound on the attempt: what follows has bounds of its own.
func (h *heldLease) inTime() {
	if h.timer != nil {
		h.timer.Stop()
	}
}

// stop ends the renewals.
func (h *heldLease) stop() {
	h.inTime()
	if h.quit != nil {
		h.quit()
		<-h.gone
	}
}

// release gives the lock back.
func (h *heldLease) release(ctx context.Context) error {
	h.stop()
	held := h.stored()
	return h.retryCall(ctx, func(ctx context.Context) error {
		err := h.Lock.Release(ctx, held)
		if !errors.Is(err, ErrLockLost) {
			return err
		}
		now, lookErr := h.Lock.Holder(ctx)
		switch {
		case lookErr != nil:
			return lookErr
		case now == nil:
			return nil // a call that seemed to fail has removed it
		case now.RecordID == held.RecordID:
			return h.Lock.Release(ctx, *now)
		default:
			return fmt.Errorf("%w: %s", err, heldBy(now))
		}
	})
}

// mark says in the lease that the attempt has to be continued, and keeps the lease.
func (h *heldLease) mark(ctx context.Context, left Outcome) error {
	return h.renew(ctx, func(l *Lease) { l.Left = left })
}

// leave stops the renewals, and says in the lease that the attempt has to be continued.
func (h *heldLease) leave(ctx context.Context, left Outcome) error {
	h.stop()
	if h.valid() == nil && h.stored().Left == left {
		return nil // mark has said so already
	}
	return h.retryCall(ctx, func(ctx context.Context) error {
		return h.renew(ctx, func(l *Lease) { l.Left, l.Until = left, time.Now() })
	})
}

// handBack leaves a lease that was taken over as it was, for another run to continue.
func (h *heldLease) handBack(ctx context.Context, over Lease) error {
	h.stop()
	return h.retryCall(ctx, func(ctx context.Context) error {
		return h.renew(ctx, func(l *Lease) {
			version := l.Version
			*l = over
			l.Version, l.Until = version, time.Now()
			if l.Left == "" {
				l.Left = Interrupted
			}
		})
	})
}

// heldBy says who has a lock.
func heldBy(l *Lease) string {
	if l == nil {
		return "nobody holds it"
	}
	what := string(l.Kind)
	if l.Kind == KindPromote || l.Kind == KindRollback {
		what += " " + l.Release.String()
	}
	s := fmt.Sprintf("%s has held it since %s for %s (%s)", l.Actor, l.Since.UTC().Format(time.RFC3339), what, l.Why)
	if l.RunURL != "" {
		s += ", see " + l.RunURL
	}
	return s
}

// The kinds of changes that are no attempts: they have no record, but for that of a
// secret.
const (
	KindApply   Kind = "apply"
	KindDestroy Kind = "destroy"
	// KindFreeze and KindUnfreeze change whether anything is promoted.
	KindFreeze   Kind = "freeze"
	KindUnfreeze Kind = "unfreeze"
	// KindSecret stores a secret's value.
	KindSecret Kind = "change of a secret"
	// KindRestore gives the database the data of another time.
	KindRestore Kind = "restore"
)

// frozen reports whether a change of this kind is refused while its environment is
// frozen. A refresh only writes down what is there.
func (k Kind) frozen() bool { return k == KindApply || k == KindDestroy }

// ChangeRequest says who changes an environment, and what for.
type ChangeRequest struct {
	Kind Kind
	// ID is the change's, made by NewID; "" has one made.
	ID                         string
	Actor, Caller, Why, RunURL string
	// LockWait is how long to wait for a lease that somebody holds; 0 means not at all.
	// The lease of a killed change is free once nobody has renewed it for its span.
	LockWait time.Duration

	secret string // that gets a new value
}

// changeTime bounds a change under a lease. An apply has no bound of its own,
// and an environment is made in half an hour.
const changeTime = 6 * time.Hour

// Free returns a LockError if somebody works on the environment, or has left
// work that is to be continued, and a FrozenError if the environment is frozen. It
// reports whether a run that died has left its lease, which Change takes over. It
// reads Lock, Freezer and History.
func (p *Pipeline) Free(ctx context.Context, q ChangeRequest) (abandoned bool, err error) {
	o := p.begin(StepLock)
	left, err := (&history{operation: o}).free(ctx, q.Kind, q.LockWait)
	if err == nil && q.Kind.frozen() {
		err = o.checkFreeze(ctx)
	}
	return left != nil, err
}

// Change does work under the environment's lease. Its context ends if the lease
// is lost. Where somebody else holds the lease, Change returns a LockError and
// does nothing; where the environment is frozen, a FrozenError. It needs Lock,
// Freezer, History and Limits.
func (p *Pipeline) Change(ctx context.Context, q ChangeRequest, work func(context.Context) error) error {
	return p.change(ctx, q, func(ctx context.Context, _ *heldLease) error { return work(ctx) })
}

// ChangeSecret is Change for the storing of a secret's value, and records that it was
// done, or tried, and by whom. The record has the secret's name and no value. Unless
// the work's error is marked by Unchanged, the secret may have its new value.
func (p *Pipeline) ChangeSecret(ctx context.Context, q ChangeRequest, secret string, work func(context.Context) error) error {
	o := p.begin(StepLock)
	h := &history{operation: o}
	q.Kind, q.ID, q.secret = KindSecret, o.newID(q.ID), secret
	err := p.change(ctx, q, func(ctx context.Context, _ *heldLease) error {
		if err := h.read(ctx); err != nil {
			return err
		}
		r := Record{
			Version: RecordVersion, ID: q.ID, Kind: q.Kind, Environment: p.Environment, Actor: q.Actor, Caller: q.Caller, RunURL: q.RunURL,
			Started: o.begun, Secret: secret, Outcome: Done,
		}
		if current := h.current(); current != nil {
			r.Release, r.Previous = current.Release, current.Release
		}
		failure := work(ctx)
		r.Ended = h.clock()
		switch {
		case IsUnchanged(failure):
			r.Outcome, r.Step, r.Error = Untouched, StepUpdate, failure.Error()
		case failure != nil:
			failure = fmt.Errorf("secret %s may have its new value all the same: %w", secret, failure)
			r.Outcome, r.Step, r.Error = Interrupted, StepUpdate, failure.Error()
			r.unknownValue()
		}
		ctx, cancel := o.finishing(ctx)
		defer cancel()
		r = hideRecord(o.Redactor, r)
		if err := o.retryCall(ctx, func(ctx context.Context) error { return o.History.Record(ctx, r) }); err != nil {
			if failure == nil {
				return fmt.Errorf("secret %s has its new value, and that could not be recorded: %w", secret, err)
			}
			return errors.Join(failure, fmt.Errorf("record the change of secret %s: %w", secret, err))
		}
		h.stored = append(h.stored, r)
		return failure
	})
	h.updateIndex(ctx)
	return err
}

// unknownValue says that a secret may have a new value, and how to find out.
func (r *Record) unknownValue() {
	which := "secret " + r.Secret
	if r.Secret == "" {
		which = "a secret"
	}
	r.Left = []string{fmt.Sprintf("if the current value of %s was stored after %s, it is the new one; otherwise it is the old one, and the new one has to be stored again",
		which, r.Started.UTC().Format(time.RFC3339))}
	r.Next = Next{{Advice: AdviceCheck, Verb: VerbListSecrets}}
}

func (p *Pipeline) change(ctx context.Context, q ChangeRequest, work func(context.Context, *heldLease) error) (err error) {
	o := p.begin(StepLock)
	h, id := &history{operation: o}, o.newID(q.ID)
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	lease := &heldLease{operation: o, most: timeUp{after: changeTime}, end: end}
	var left *leftover
	for taken := false; !taken; {
		if left, err = h.free(ctx, q.Kind, q.LockWait); err != nil {
			return err
		}
		var over *Lease
		if left != nil {
			over = &left.lease
		}
		err = lease.take(ctx, Lease{
			Environment: p.Environment, RecordID: id, Kind: q.Kind, Secret: q.secret,
			Actor: q.Actor, Caller: q.Caller, RunURL: q.RunURL, Why: q.Why,
		}, over)
		if err != nil && !errors.Is(err, ErrLockTaken) {
			return fmt.Errorf("take the lock of %s: %w", p.Environment, err)
		}
		taken = err == nil // else somebody was faster, and is waited for
	}
	if left != nil {
		o.note("took over the lock: %s", LockError{Lease: left.lease, Dead: true})
		err = h.recordDead(ctx, *left)
	}
	if err == nil && q.Kind.frozen() {
		err = o.checkFreeze(ctx)
	}
	if err == nil {
		err = work(ctx, lease)
	}
	// An interrupt may have ended the work; the lease is given back all the same.
	release, cancel := context.WithTimeout(context.WithoutCancel(ctx), o.limits.Finish)
	defer cancel()
	if releaseErr := lease.release(release); releaseErr != nil {
		return errors.Join(err, fmt.Errorf("give back the lock of %s: %w", p.Environment, releaseErr))
	}
	return err
}

// lock takes the environment's lock. It waits for a holder that is at work. It takes
// the lock from an attempt that did not finish only to continue or to end that attempt.
func (a *attempt) lock(ctx context.Context) error {
	began := time.Now()
	wait := a.request.LockWait
	if wait == 0 {
		wait = a.limits.LockWait
	}
	// The attempt's own time begins with the lock.
	most := max(wait, 0) + a.limits.Finish
	ctx, cancel := context.WithTimeoutCause(ctx, most, timeUp{after: most})
	defer cancel()
	// A rollback learns its release only from the history.
	if q := a.request; a.record().Kind == KindPromote && q.Tag != "" {
		commit, err := a.peel(ctx, q.Tag)
		switch {
		case err != nil:
			return err
		case q.Commit != "" && q.Commit != commit:
			return fmt.Errorf("release %s is commit %s, not %s", q.Tag, commit, q.Commit)
		}
		a.record().Release.Commit = commit
	}
	said := ""
	for {
		holder, err := retry(ctx, a.operation, a.Lock.Holder)
		if err != nil {
			return fmt.Errorf("look at the lock: %w", err)
		}
		if a.request.DryRun {
			if holder != nil {
				a.warn("the lock is not free: %s", heldBy(holder))
			}
			return a.history.read(ctx)
		}
		if holder == nil || !holder.AtWork() {
			err = a.takeOver(ctx, holder)
			if !errors.Is(err, ErrLockTaken) {
				return err
			}
			continue
		}
		if wait < 0 || time.Since(began) >= wait {
			return LockError{Lease: *holder, Waited: time.Since(began)}
		}
		if holder.RecordID != said {
			said = holder.RecordID
			a.emit(Event{Kind: EventWait, Message: "waiting for the lock: " + heldBy(holder)})
		}
		if !a.pause(ctx, a.limits.Tick) {
			return context.Cause(ctx)
		}
	}
}

// takeOver takes a lock that nobody is at work under.
func (a *attempt) takeOver(ctx context.Context, holder *Lease) error {
	if holder == nil {
		return a.takeLock(ctx, continuation{how: howFree}, nil)
	}
	left, err := a.history.leftover(ctx, *holder)
	if err != nil {
		return err
	}
	c := takeover(*holder, left.journal, left.record, a.record().Kind, a.record().Release)
	if c.how == howWait || c.how == howRefused {
		return LockError{Lease: *holder, Dead: c.how == howRefused}
	}
	return a.takeLock(ctx, c, holder)
}

// peel finds the commit of a release.
func (o *operation) peel(ctx context.Context, tag string) (string, error) {
	commit, err := retry(ctx, o, func(ctx context.Context) (string, error) { return o.Checkout.Peel(ctx, tag) })
	if err != nil {
		return "", fmt.Errorf("find the commit of release %s: %w", tag, err)
	}
	return commit, nil
}

// takeLock stores the lease. It stores the journal first: once the lease is ours, only
// our journal leads a later run to the attempt that left the lease.
func (a *attempt) takeLock(ctx context.Context, c continuation, over *Lease) error {
	fresh := a.journal
	a.journal, a.from = c.begin(fresh), c
	if a.journal.Phase == PhaseRollingBack {
		a.services = inOrder(a.services, a.record()) // no later step sets them
	}
	if c.attempt() != nil {
		if err := a.write(ctx, a.journal); err != nil {
			return fmt.Errorf("store the journal: %w", err)
		}
	}
	r := a.record()
	err := a.lease.take(ctx, Lease{
		Environment: a.Environment, RecordID: r.ID, Kind: r.Kind, Release: r.Release,
		Actor: r.Actor, Caller: r.Caller, RunURL: r.RunURL, Why: a.request.Why,
	}, over)
	if err != nil {
		a.journal, a.from = fresh, continuation{}
		a.services = a.Platform.ServiceNames()
		if c.attempt() != nil && errors.Is(err, ErrLockTaken) {
			// Another run has taken the lease over, and this run's journal must not
			// claim its attempt.
			if writeErr := a.write(ctx, fresh); writeErr != nil {
				return fmt.Errorf("store the journal: %w", writeErr)
			}
		}
		return err
	}
	if over != nil {
		a.warn("took over the lock: %s", LockError{Lease: *over, Dead: true})
	}
	// From now on, nobody else adds to the history.
	if err := a.history.read(ctx); err != nil {
		return err
	}
	return a.history.recordDead(ctx, c.leftover)
}

// LockError is a lock that another attempt holds or left.
type LockError struct {
	Lease Lease
	// Dead: its holder is gone.
	Dead bool
	// Waited is how long the lock was waited for.
	Waited time.Duration
}

func (e LockError) Error() string {
	text := fmt.Sprintf("the lock of %s: %s", e.Lease.Environment, heldBy(&e.Lease))
	switch {
	case e.Lease.Left != "":
		text += fmt.Sprintf("; that attempt was left %s", e.Lease.Left)
	case e.Dead:
		text += fmt.Sprintf("; that run died at about %s", e.Lease.Until.UTC().Format(time.RFC3339))
	}
	if e.Waited > 0 {
		text += fmt.Sprintf(" (waited %v)", e.Waited.Round(time.Second))
	}
	return text
}

// Settle does what a run that died could not do any more: it gives the lease of
// an attempt back or, if the attempt may have changed something, marks it as one
// that is to be continued, and records the attempt. It returns the lease as it
// is left; nil if there is none of that attempt. It needs Lock and History.
//
// The last request of a killed run may take effect late. If it changes the lease,
// Settle looks at the lease again.
func (p *Pipeline) Settle(ctx context.Context, attemptID string) (l *Lease, err error) {
	for range lateRequests {
		if l, err = p.settle(ctx, attemptID); !errors.Is(err, ErrLockLost) {
			break
		}
	}
	return l, err
}

// lateRequests is how often Settle looks at a lease that somebody else changes.
const lateRequests = 5

func (p *Pipeline) settle(ctx context.Context, attemptID string) (*Lease, error) {
	o := p.begin(StepUnlock)
	h := &history{operation: o}
	l, err := retry(ctx, o, o.Lock.Holder)
	if err != nil {
		return nil, fmt.Errorf("look at the lock: %w", err)
	}
	if l == nil || l.RecordID != attemptID {
		return nil, nil
	}
	left, err := h.leftover(ctx, *l)
	if err != nil {
		return nil, err
	}
	if err := h.recordDead(ctx, left); err != nil {
		return nil, err
	}
	settled := left.record != nil && left.record.Outcome.Settled()
	if left.journal == nil || !left.journal.Phase.changed() || settled {
		if err := o.retryCall(ctx, func(ctx context.Context) error { return o.Lock.Remove(ctx, l.Version) }); err != nil {
			return nil, fmt.Errorf("give back the lock: %w", err)
		}
		return nil, nil
	}
	if l.Left != "" {
		return l, nil
	}
	marked := *l
	marked.Left, marked.Until = Interrupted, time.Now()
	marked, err = retry(ctx, o, func(ctx context.Context) (Lease, error) { return o.Lock.Renew(ctx, marked) })
	if err != nil {
		return nil, fmt.Errorf("mark the lock: %w", err)
	}
	return &marked, nil
}

// Unlock removes a lock that exists, as Lock.Holder returned it, whatever its
// holder left behind: a person has decided that nothing is to be continued. An
// attempt that died without a record gets one first, so that the history tells
// of it and a rollback knows what it touched.
func (p *Pipeline) Unlock(ctx context.Context, l Lease) error {
	o := p.begin(StepUnlock)
	h := &history{operation: o}
	// A holder at work has renewed it, and is not recorded as dead.
	now, err := retry(ctx, o, o.Lock.Holder)
	switch {
	case err != nil:
		return fmt.Errorf("read the lock: %w", err)
	case now == nil:
		return nil
	case now.Version != l.Version:
		return fmt.Errorf("remove the lock: it was renewed since it was shown: %s", heldBy(now))
	}
	left, err := h.leftover(ctx, l)
	if err != nil {
		return err
	}
	if err := h.recordDead(ctx, left); err != nil {
		return err
	}
	err = o.retryCall(ctx, func(ctx context.Context) error {
		err := o.Lock.Remove(ctx, l.Version)
		if !errors.Is(err, ErrLockLost) {
			return err
		}
		// The lease was shown to a person, who decided that its holder is gone.
		now, err := o.Lock.Holder(ctx)
		if err != nil || now == nil {
			return err
		}
		return fmt.Errorf("it was renewed since it was shown: %s", heldBy(now))
	})
	if err != nil {
		return fmt.Errorf("remove the lock: %w", err)
	}
	return nil
}
