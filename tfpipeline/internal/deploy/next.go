package deploy

import "errors"

// Next is what can be done after an attempt, the best first. Whoever prints it
// knows how a verb is spelled.
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
)

// Advice is what a move is good for.
type Advice string

const (
	// AdviceRepeat: ask for the same again. AdviceFix: after what is wrong has
	// been fixed. AdviceWait: after the holder of the lock is done.
	// AdviceRetry: to try this release again, though a better one is due.
	// AdviceOverride: overrides the check that refused.
	AdviceRepeat   Advice = "repeat"
	AdviceFix      Advice = "fix"
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
	// that does better. AdviceInspect shows what runs.
	AdviceGiveUp  Advice = "give up"
	AdviceReplace Advice = "replace"
	AdviceInspect Advice = "inspect"
	// AdviceLift lifts what keeps promotions away.
	AdviceLift Advice = "lift"
)

// next is what to do after the attempt, once it has ended so.
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
	again.Advice = AdviceFix
	next := Next{again}
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

// repeat asks for the same again.
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
