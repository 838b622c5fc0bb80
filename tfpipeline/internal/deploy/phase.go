package deploy

import (
	"fmt"
	"slices"
	"time"
)

// Phase is how far an attempt has come, together with the attempts that it
// continues. What it may have changed, what can be undone and who may go on
// follow from it alone. A later phase includes the earlier ones.
type Phase int

const (
	// PhaseChecking: nothing was changed but the history and the lock.
	PhaseChecking Phase = iota
	// PhaseReplacing: nothing was changed, but this attempt is to end another one
	// that has changed something.
	PhaseReplacing
	// PhaseMigrating: a migration or the seed may have been started.
	PhaseMigrating
	// PhaseApplying: the plan may be applied in part.
	PhaseApplying
	// PhaseApplied: the infrastructure is as planned.
	PhaseApplied
	// PhaseRegistering: the release's images may have got their tag.
	PhaseRegistering
	// PhaseUpdating: services may have changed their release.
	PhaseUpdating
	// PhaseWatching and PhaseVerifying: ECS was asked to update every service.
	PhaseWatching
	PhaseVerifying
	// PhaseRollingBack: the attempt has failed, and services go back to what they
	// ran before.
	PhaseRollingBack
	// PhaseDeployed: every service runs the release, which is to be recorded.
	PhaseDeployed
)

// phaseNames are the phases in journals, in their order.
var phaseNames = []string{
	"checking", "replacing", "migrating", "applying", "applied", "registering",
	"updating", "watching", "verifying", "rolling back", "deployed",
}

func (p Phase) String() string { return phaseNames[p] }

// MarshalText is the name of the phase.
func (p Phase) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText fails for a phase that this program does not know.
func (p *Phase) UnmarshalText(text []byte) error {
	i := slices.Index(phaseNames, string(text))
	if i < 0 {
		return fmt.Errorf("read the phase of an attempt: %q is none of %q", text, phaseNames)
	}
	*p = Phase(i)
	return nil
}

// changed reports whether there is something that has to be continued or ended.
func (p Phase) changed() bool { return p > PhaseChecking }

// applied reports whether the plan was applied whole.
func (p Phase) applied() bool { return p >= PhaseApplied }

// updated reports whether services may have changed their release.
func (p Phase) updated() bool { return p >= PhaseUpdating }

// inherited is the phase in which an attempt begins that continues another one:
// services are watched and verified from the beginning, and a rollback that has begun
// goes on.
func (p Phase) inherited() Phase {
	if p > PhaseUpdating && p != PhaseRollingBack {
		return PhaseUpdating
	}
	return p
}

// earlierPhase is the phase of a journal from before format 3, which had flags instead.
func earlierPhase(changed, updated, applied, rollingBack bool, r Record) Phase {
	switch {
	case rollingBack:
		return PhaseRollingBack
	case updated:
		return PhaseUpdating
	case !changed:
		return PhaseChecking
	case applied:
		return PhaseApplied
	case r.Applied:
		return PhaseApplying
	case r.Migration == nil && r.Resumes != "":
		return PhaseReplacing
	default:
		return PhaseMigrating
	}
}

// cause is why an attempt ends that did not come to its last step.
type cause struct {
	// interrupted: the caller's context has ended. lost: the lock was, and
	// unlocked: it was never held. blind is what the function of that name says.
	interrupted, lost, unlocked, blind bool
}

// follow is what an attempt does before it ends, and what its outcome then
// depends on.
type follow int

const (
	followNothing follow = iota
	// followLeave hands back the lease that was taken over.
	followLeave
	// followRollBack rolls the services back.
	followRollBack
	// followCollect gathers evidence.
	followCollect
)

// conclude says how an attempt ends: from its phase, from own, which is how far
// this run itself has come, and from why it ends. The outcome is empty where what
// follows decides it.
func conclude(p, own Phase, c cause) (Outcome, follow) {
	switch {
	case p == PhaseDeployed:
		return Deployed, followNothing // and could not be recorded
	case idle(p, own):
		return "", followLeave
	case c.interrupted, c.lost && p.changed():
		return Interrupted, followNothing
	case c.lost, c.unlocked:
		return Untouched, followNothing
	case p.updated() && c.blind:
		return Interrupted, followNothing // what is in flight goes on, and nobody could look
	case p.updated():
		return "", followRollBack
	default:
		return Untouched, followCollect
	}
}

// idle reports whether an attempt that was to continue or end another one has changed
// nothing itself, so that it can leave everything as it was. A rollback that has begun
// is continued before anything else.
func idle(p, own Phase) bool {
	return own == PhaseChecking && p.changed() && p != PhaseRollingBack
}

// continuation is how a run goes on from a lock that it finds, and what is left there.
type continuation struct {
	how how
	leftover
}

// how is the way in which a run goes on from a lock that it finds.
type how int

const (
	// howWait: its holder is at work.
	howWait how = iota
	// howFree: its holder left nothing behind.
	howFree
	// howResume: it is left by an attempt that this one continues.
	howResume
	// howReplace: it is left by an attempt that a rollback ends.
	howReplace
	// howDone: its holder did what is asked for, and died before it could give the
	// lock back.
	howDone
	// howRefused: it is left by an attempt that has to be ended first.
	howRefused
)

// takeover decides from the lock that exists and from the journal and the record
// of its attempt, nil if it has none. kind and release are asked for; a rollback
// may ask for no release.
func takeover(l Lease, j *Journal, r *Record, kind Kind, release Release) continuation {
	c := continuation{leftover: leftover{l, j, r}}
	switch {
	case l.AtWork():
		c.how = howWait
	case r != nil && r.Outcome == Deployed && asked(r, kind, release):
		c.how = howDone
	case r != nil && r.Outcome.Settled(), j == nil, !j.Phase.changed():
		c.how = howFree
	case kind == KindRollback && l.Left != Broken && asked(&j.Record, kind, release):
		c.how = howResume
	case kind == KindRollback:
		c.how = howReplace
	case !j.Record.Release.Same(release):
		c.how = howRefused
	case j.Record.Kind == KindRollback:
		c.how = howReplace // the promotion of an older release
	default:
		c.how = howResume
	}
	return c
}

// asked reports whether an attempt was for what a request asks for.
func asked(r *Record, kind Kind, release Release) bool {
	if kind == KindPromote {
		return r.Release.Same(release)
	}
	return r.Kind == KindRollback && r.Release.Commit != "" && (release.IsZero() || r.Release.Named(release.name()))
}

// attempt is the one that is continued or ended; nil if there is none.
func (c continuation) attempt() *Record {
	if c.how != howResume && c.how != howReplace {
		return nil
	}
	return &c.journal.Record
}

// begin is the journal with which a run begins, given its own so far.
func (c continuation) begin(own Journal) Journal {
	switch c.how {
	case howResume:
		own.Phase, own.Mixed = c.journal.Phase.inherited(), c.journal.Mixed
		own.Failure, own.FailedStep = c.journal.Failure, c.journal.FailedStep
		own.Record = own.Record.resume(c.journal.Record)
	case howReplace:
		own.Phase, own.Record.Resumes = PhaseReplacing, c.journal.Record.ID
	}
	return own
}

// resume is the record of a run that takes over what an earlier one found out and
// did.
func (r Record) resume(earlier Record) Record {
	c := earlier.clone()
	c.Version, c.ID, c.Resumes, c.Started = r.Version, r.ID, earlier.ID, r.Started
	c.Actor, c.Caller, c.RunURL = r.Actor, r.Caller, r.RunURL
	if r.Release.Tag != "" {
		c.Release.Tag = r.Release.Tag
	}
	c.Outcome, c.Step, c.Error, c.Left, c.Next, c.Evidence, c.Ended = "", "", "", nil, nil, nil, time.Time{}
	return c
}
