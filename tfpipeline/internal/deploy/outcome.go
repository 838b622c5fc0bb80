package deploy

// Outcome is how an attempt left the services.
type Outcome string

const (
	// Deployed: every service runs the release.
	Deployed Outcome = "deployed"
	// Untouched: failed or refused, and no service has changed its release.
	Untouched Outcome = "untouched"
	// RolledBack: failed, and every service runs again what it ran before.
	RolledBack Outcome = "rolled back"
	// Broken: services are mixed, or nobody knows what they run.
	Broken Outcome = "broken"
	// Superseded: another deployment took over.
	Superseded Outcome = "superseded"
	// Interrupted: stopped by a signal or killed; what is in flight goes on,
	// and is recorded.
	Interrupted Outcome = "interrupted"
)

// Settled reports whether nothing of the attempt is left to be continued, so
// that anybody may deploy after it.
func (o Outcome) Settled() bool {
	switch o {
	case Deployed, Untouched, RolledBack, Superseded:
		return true
	default:
		return false
	}
}

// ExitCode is the program's.
func (o Outcome) ExitCode() int {
	switch o {
	case Deployed:
		return 0
	case Untouched:
		return 1
	case RolledBack:
		return 3
	case Superseded:
		return 5
	case Interrupted:
		return 130
	default:
		return 4
	}
}
