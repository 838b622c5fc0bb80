package deploy

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Next is what can be done after an attempt, the best first. The package that prints it
// knows the commands.
type Next []Move

// Move is one thing that somebody can ask for.
type Move struct {
	// Advice says what asking for it does, or when to ask.
	Advice Advice `json:"advice"`
	// Verb is empty if nothing is to be asked for yet.
	Verb Verb `json:"verb,omitempty"`
	// Release is the one to ask for, without its digests; zero for none, or
	// for another one that is to be chosen.
	Release Release `json:"release,omitzero"`

	// Secret is the name, in the struct, of the secret to store.
	Secret string `json:"secret,omitempty"`
	// Service is the one that is to get this number of Tasks.
	Service        string `json:"service,omitempty"`
	Tasks          int    `json:"tasks,omitempty"`
	Reviewed       string `json:"reviewed,omitempty"`
	OverrideProof  string `json:"override_proof,omitempty"`
	Force          bool   `json:"force,omitempty"`
	ForceReason    string `json:"force_reason,omitempty"`
	WithMigrations bool   `json:"with_migrations,omitempty"`
}

// Verb is what can be asked for.
type Verb string

const (
	VerbPromote  Verb = "promote"
	VerbRollback Verb = "rollback"
	VerbStatus   Verb = "status"
	VerbUnlock   Verb = "unlock"
	VerbUnfreeze Verb = "unfreeze"
	// VerbSetSecret stores the value of Move.Secret.
	VerbSetSecret Verb = "secrets set"
	// VerbScale gives Move.Service a number of tasks.
	VerbScale Verb = "scale"
	// VerbListSecrets shows when the values of secrets were stored.
	VerbListSecrets Verb = "secrets list"
)

// Advice is what a move is good for.
type Advice string

const (
	// AdviceRepeat: ask for the same again. AdviceFix: after what is wrong has
	// been fixed. AdviceWait: after the holder of the lock is done.
	// AdviceRetry: to try this release again, though a better one is due.
	// AdviceStore: stores what is missing. AdviceLower: lowers what autoscaling keeps.
	// AdviceOverride: overrides the check that refused.
	AdviceRepeat   Advice = "repeat"
	AdviceFix      Advice = "fix"
	AdviceStore    Advice = "store"
	AdviceLower    Advice = "lower"
	AdviceWait     Advice = "wait"
	AdviceRetry    Advice = "retry"
	AdviceOverride Advice = "override"
	// AdviceGrant: ask for the same once a permission has been granted;
	// AdviceRenew: with credentials that are valid.
	AdviceGrant Advice = "grant"
	AdviceRenew Advice = "renew"
	// AdviceContinue goes on with the attempt; AdviceReturn goes on rolling it
	// back; AdviceRecord records what it deployed.
	AdviceContinue Advice = "continue"
	AdviceReturn   Advice = "return"
	AdviceRecord   Advice = "record"
	// AdviceBack goes back to what ran before, AdviceElsewhere to another
	// release; AdviceEnd ends somebody else's attempt that way.
	AdviceBack      Advice = "back"
	AdviceElsewhere Advice = "elsewhere"
	AdviceEnd       Advice = "end"
	// AdviceGiveUp leaves an attempt as it is. AdviceReplace: promote a release
	// that does better. AdviceInspect shows what runs. AdviceCheck shows whether a
	// secret has its new value.
	AdviceGiveUp  Advice = "give up"
	AdviceReplace Advice = "replace"
	AdviceInspect Advice = "inspect"
	AdviceCheck   Advice = "check"
	// AdviceLift lifts what keeps promotions away.
	AdviceLift Advice = "lift"
)

// next is what to do after an attempt that ended with this outcome.
func (a *attempt) next(outcome Outcome) Next {
	r := a.record()
	again := repeat(*r, a.request)
	inspect := Move{Advice: AdviceInspect, Verb: VerbStatus}
	elsewhere := Move{Advice: AdviceElsewhere, Verb: VerbRollback}
	back := Move{Advice: AdviceBack, Verb: VerbRollback, Release: r.Previous.bare()}
	started := a.lease != nil && a.lease.held() && a.journal.Phase.changed()
	if access, ok := errors.AsType[*AccessError](a.refusal); ok {
		again.Advice = AdviceGrant
		if access.Permission == "" {
			again.Advice = AdviceRenew
		}
		if outcome == Broken && r.Kind == KindPromote && !r.Previous.IsZero() {
			return Next{again, back, inspect}
		}
		return Next{again, inspect}
	}
	switch {
	case outcome == Interrupted && !started:
		return Next{again}
	case outcome == Interrupted:
		again.Advice = AdviceContinue
		if a.journal.Phase == PhaseRollingBack {
			again.Advice = AdviceReturn
		}
		if r.Previous.IsZero() || r.Kind == KindRollback {
			return Next{again}
		}
		return Next{again, back}
	case outcome == RolledBack && r.Kind == KindRollback:
		again.Advice = AdviceRetry
		return Next{elsewhere, again}
	case outcome == RolledBack:
		again.Advice = AdviceRetry
		return Next{{Advice: AdviceReplace}, again}
	case outcome == Superseded:
		return Next{inspect}
	case outcome == Deployed:
		again.Advice = AdviceRecord
		return Next{again}
	case outcome == Broken && r.Kind == KindRollback:
		return Next{again, elsewhere}
	case outcome == Broken && r.Previous.IsZero():
		again.Advice = AdviceReturn
		return Next{again, inspect}
	case outcome == Broken:
		return Next{back, inspect}
	}
	if held, ok := errors.AsType[LockError](a.refusal); ok && held.Dead {
		return append(held.Lease.Next(), Move{Advice: AdviceGiveUp, Verb: VerbUnlock})
	} else if ok {
		again.Advice = AdviceWait
		return Next{again}
	}
	if _, frozen := errors.AsType[*FrozenError](a.refusal); frozen {
		return Next{{Advice: AdviceLift, Verb: VerbUnfreeze}, inspect}
	}
	var next Next
	if empty, ok := errors.AsType[*emptySecretsError](a.refusal); ok {
		for _, n := range empty.provided {
			next = append(next, Move{Advice: AdviceStore, Verb: VerbSetSecret, Secret: n})
		}
	}
	if high, ok := errors.AsType[*highMinimumsError](a.refusal); ok {
		// A scale needs the lock, which the attempt to be continued keeps.
		if idle(a.journal.Phase, a.own) && !r.Previous.IsZero() {
			next = append(next, Move{Advice: AdviceEnd, Verb: VerbRollback})
		}
		next = append(next, high.lower...)
	}
	again.Advice = AdviceFix
	next = append(next, again)
	if _, ok := errors.AsType[forcible](a.refusal); ok {
		again.Advice, again.Force = AdviceOverride, true
		next = append(next, again)
	}
	return append(next, inspect)
}

// Next is what continues or ends an attempt that was left with its lock.
func (l Lease) Next() Next {
	if l.Kind != KindPromote && l.Kind != KindRollback {
		return nil // a change that left no attempt
	}
	if l.Kind == KindRollback {
		return Next{{Advice: AdviceContinue, Verb: VerbRollback, Release: l.Release.bare()}}
	}
	return Next{
		{Advice: AdviceContinue, Verb: VerbPromote, Release: l.Release.bare()},
		{Advice: AdviceEnd, Verb: VerbRollback},
	}
}

// repeat is the move that asks for the same again.
func repeat(r Record, q Request) Move {
	m := Move{Advice: AdviceRepeat, Verb: VerbPromote, Release: r.Release.bare(), Reviewed: q.Reviewed, OverrideProof: q.OverrideProof, Force: q.Force, ForceReason: q.ForceReason}
	if r.Kind == KindRollback {
		m = Move{Advice: AdviceRepeat, Verb: VerbRollback, Release: r.Release.bare(), Force: q.Force, ForceReason: q.ForceReason, WithMigrations: q.WithMigrations}
	}
	return m
}

// bare is a release by its names alone.
func (r Release) bare() Release { return Release{Tag: r.Tag, Commit: r.Commit} }

// forcible is a refusal that Request.Force overrides.
type forcible struct{ error }

func (f forcible) Unwrap() error { return f.error }

// markTime is how long an interrupted apply goes on, at most, until the bucket
// says that it was interrupted: GitHub kills a cancelled job after ten seconds,
// and Terraform may need longer to stop.
const markTime = 5 * time.Second

// InFlight is what an interrupt would leave, and how one would go on from there.
type InFlight struct {
	Step StepName
	// Left are sentences, as in Error.
	Left []string
	Next Next
}

// flight is what an interrupt finds. An interrupt is handled in its own goroutine.
type flight struct {
	*operation
	lease *heldLease
	// storing is full while a journal is being stored.
	storing chan struct{}

	mu  sync.Mutex // guards what follows
	now InFlight
	// journal is the attempt's, as it was then, latest the last end that the history has.
	journal Journal
	latest  time.Time
	// ends: the attempt has come to its outcome, which an interrupt leaves alone.
	ends bool

	// interrupted is closed when lease and journal say that the attempt was
	// interrupted, or cannot, ending when the attempt comes to its own last writes, and
	// idle when an interrupt stores nothing more.
	interrupted, ending, idle chan struct{}
	end                       func()
	// marked: lease and journal say that it was interrupted. recorded: the record is
	// stored too.
	marked, recorded bool
}

func newFlight(o *operation, lease *heldLease) *flight {
	f := &flight{operation: o, lease: lease, storing: make(chan struct{}, 1), interrupted: make(chan struct{}), ending: make(chan struct{}), idle: make(chan struct{})}
	f.end = sync.OnceFunc(func() { close(f.ending) })
	return f
}

// tellInFlight says what an interrupt would leave now.
func (a *attempt) tellInFlight() {
	outcome := a.record().Outcome
	if outcome == "" {
		outcome = Interrupted
	}
	now := InFlight{Step: a.step, Next: a.next(outcome), Left: a.leftBehind(outcome)}
	j := a.journal
	j.Record = j.Record.clone()
	a.flight.mu.Lock()
	a.flight.now, a.flight.journal, a.flight.latest = now, j, a.history.Latest
	a.flight.mu.Unlock()
	if a.InFlight != nil {
		now.Left = each(now.Left, func(l *string) { *l = a.Redactor.Hide(*l) })
		a.InFlight(now)
	}
}

// mark stores that the attempt was interrupted, if anything is left to be
// continued, since it may be killed before it has ended. A second interrupt has
// the record stored as well, whatever is still in flight.
func (f *flight) mark(ctx context.Context) {
	defer close(f.idle)
	f.mu.Lock()
	nothing := f.ends || !f.journal.Phase.changed() || !f.lease.held()
	f.mu.Unlock()
	if nothing {
		close(f.interrupted)
		return
	}
	finishing, cancel := f.finishing(ctx)
	defer cancel()
	var both sync.WaitGroup
	var errs [2]error
	both.Go(func() {
		errs[0] = f.retryCall(finishing, func(ctx context.Context) error { return f.lease.mark(ctx, Interrupted) })
	})
	both.Go(func() {
		f.storing <- struct{}{}
		defer func() { <-f.storing }()
		f.mu.Lock()
		j := f.journal
		f.mu.Unlock()
		errs[1] = f.storeJournal(finishing, j)
	})
	both.Wait()
	f.mu.Lock()
	f.marked = errors.Join(errs[:]...) == nil
	f.mu.Unlock()
	close(f.interrupted)
	if err := errors.Join(errs[:]...); err != nil {
		f.warn("mark what was interrupted: %v", err)
	}
	select {
	case <-f.Insisted:
		f.record(finishing)
	case <-f.ending:
	}
}

// record records an attempt that has not ended.
func (f *flight) record(ctx context.Context) {
	f.mu.Lock()
	r, now, ended := f.journal.Record.clone(), f.now, Index{Latest: f.latest}.clock()
	f.mu.Unlock()
	r.Outcome, r.Step, r.Ended, r.Left, r.Next = Interrupted, now.Step, ended, now.Left, now.Next
	r.Error = "interrupted, and recorded before everything had ended"
	r = hideRecord(f.Redactor, r)
	err := f.retryCall(ctx, func(ctx context.Context) error { return f.History.Record(ctx, r) })
	if err != nil {
		f.warn("record the attempt: %v", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.recorded = err == nil
}

// land waits until an interrupt, if there was one, stores nothing more: the
// attempt has come to its outcome, and stores its own end.
func (f *flight) land(ctx context.Context) {
	f.mu.Lock()
	f.ends = true
	f.mu.Unlock()
	if ctx.Err() != nil {
		f.end()
		<-f.idle
	}
}

// afterMark returns a context that ends when another one does. If an interrupt ends
// that one, it first waits until the interrupt is marked, up to markTime.
func (f *flight) afterMark(ctx context.Context) (context.Context, context.CancelFunc) {
	late, end := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		_, lost := errors.AsType[lostError](context.Cause(ctx))
		_, over := errors.AsType[timeUp](context.Cause(ctx))
		if !lost && !over {
			bound := time.NewTimer(markTime)
			defer bound.Stop()
			select {
			case <-f.interrupted:
			case <-bound.C:
			case <-late.Done():
			}
		}
		end(context.Cause(ctx))
	})
	return late, func() {
		stop()
		end(nil)
	}
}
