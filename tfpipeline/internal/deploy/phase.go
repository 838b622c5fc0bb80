package deploy

import (
	"fmt"
	"slices"
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
// services are watched and verified from the beginning, and services that are
// being rolled back are rolled back.
func (p Phase) inherited() Phase {
	if p > PhaseUpdating && p != PhaseRollingBack {
		return PhaseUpdating
	}
	return p
}

// earlierPhase is the phase of a journal of format 1, which had flags instead.
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

// idle reports whether an attempt that was to continue or end another one has
// changed nothing itself, so that it can leave everything as it was. A roll back
// is gone on with before anything else.
func idle(p, own Phase) bool {
	return own == PhaseChecking && p.changed() && p != PhaseRollingBack
}
