package deploy

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
