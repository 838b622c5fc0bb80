package deploy

import "context"

// StepName is the name of a step, in records, errors and events.
type StepName string

const (
	StepLock      StepName = "lock"
	StepResolve   StepName = "resolve"
	StepPreflight StepName = "preflight"
	StepPlan      StepName = "plan"
	StepMigrate   StepName = "migrate"
	StepApply     StepName = "apply"
	StepRegister  StepName = "register"
	StepUpdate    StepName = "update"
	StepWatch     StepName = "watch"
	StepVerify    StepName = "verify"
	StepRecord    StepName = "record"
	StepNotify    StepName = "notify"
	StepUnlock    StepName = "unlock"

	// PuttingBack is no step of its own: it follows a failure of update, watch
	// or verify.
	PuttingBack StepName = "put back"
)

// step is one part of an attempt. It finds in the journal what an attempt that
// it continues has done of it, and does the rest.
type step struct {
	name StepName
	run  func(*attempt, context.Context) error
}

// promoteSteps are a promotion, in order. No service changes its release
// before update; a dry run ends with plan.
func promoteSteps() []step {
	return []step{
		{StepLock, (*attempt).lock},
		{StepResolve, (*attempt).resolve},
		{StepPreflight, (*attempt).preflight},
		{StepPlan, (*attempt).plan},
		{StepMigrate, (*attempt).migrate},
		{StepApply, (*attempt).apply},
		{StepRegister, (*attempt).register},
		{StepUpdate, (*attempt).update},
		{StepWatch, (*attempt).watch},
		{StepVerify, (*attempt).verify},
		{StepRecord, (*attempt).store},
		{StepNotify, (*attempt).notify},
		{StepUnlock, (*attempt).unlock},
	}
}

// rollbackSteps are a rollback: no Terraform, no build. Its first two are the
// promotion's, since that of an older release becomes a rollback in resolve;
// a dry run ends with preflight.
func rollbackSteps() []step {
	return []step{
		{StepLock, (*attempt).lock},
		{StepResolve, (*attempt).resolve},
		{StepPreflight, (*attempt).preflightRollback},
		{StepMigrate, (*attempt).migrate},
		{StepRegister, (*attempt).reregister},
		{StepUpdate, (*attempt).update},
		{StepWatch, (*attempt).watch},
		{StepVerify, (*attempt).verify},
		{StepRecord, (*attempt).store},
		{StepNotify, (*attempt).notify},
		{StepUnlock, (*attempt).unlock},
	}
}

func stepsOf(k Kind) []step {
	if k == KindRollback {
		return rollbackSteps()
	}
	return promoteSteps()
}

// changes reports whether a dry run stops before this step.
func (s StepName) changes() bool {
	switch s {
	case StepLock, StepResolve, StepPreflight, StepPlan:
		return false
	default:
		return true
	}
}
