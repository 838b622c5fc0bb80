package deploy

import (
	"errors"
	"fmt"
	"strings"
)

// leftBehind says what an attempt that failed has changed all the same.
func (a *attempt) leftBehind() []string {
	r := a.record()
	var left []string
	if a.hold == nil || !a.hold.held() {
		return nil
	}
	if a.idle {
		return []string{fmt.Sprintf("this run has changed nothing, and what %s left is as it was", a.left.ID)}
	}
	if r.Outcome == Interrupted && !a.journal.Changed {
		return []string{"nothing was changed"}
	}
	if r.Migration != nil {
		left = append(left, tellTask(taskMigrate, &r.Migration.TaskRecord)...)
	}
	left = append(left, tellTask(taskSeed, r.Seed)...)
	switch {
	case r.Applied && a.done(StepApply):
		left = append(left, "the infrastructure was applied")
	case r.Applied:
		left = append(left, "the infrastructure may be applied in part")
	}
	if !a.journal.Updated {
		return append(left, "no service has changed its release")
	}
	for _, name := range a.services {
		own := r.Services[name]
		if own == nil || !own.Updated {
			continue
		}
		left = append(left, tellService(name, own, r.Outcome))
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
	case outcome == Interrupted && s.PutBack != "" && !s.State.Ended():
		return fmt.Sprintf("service %s is on its way back to %s: deployment %s", name, short(s.Before), s.PutBack)
	case s.PutBack != "":
		return fmt.Sprintf("service %s was to go back to %s: deployment %s", name, short(s.Before), s.PutBack)
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

// next is the command to run, or what to do before it.
func (a *attempt) next() string {
	r := a.record()
	repeat := command(r, a.request)
	status := "tfpipeline status -env " + a.Environment
	elsewhere := "tfpipeline rollback -env " + a.Environment + " -to RELEASE"
	unlock := "tfpipeline unlock -env " + a.Environment
	switch r.Outcome {
	case Interrupted:
		if a.hold == nil || !a.hold.held() || !a.journal.Changed {
			return repeat
		}
		text := repeat + " continues"
		if a.journal.PutBack != "" {
			text = repeat + " goes on putting the services back"
		}
		if back := a.wayBack(); back != "" && r.Kind == KindPromote {
			text += "; " + back + " goes back"
		}
		return text
	case RolledBack:
		if r.Kind == KindRollback {
			return "go to another release: " + elsewhere + "; to try this one again: " + repeat
		}
		return "fix the release and promote the next one; to try this one again: " + repeat
	case Superseded:
		return status + ", to see what the services run now"
	case Deployed:
		return repeat + ", which records what is deployed"
	case Broken:
		back := a.wayBack()
		switch {
		case r.Kind == KindRollback:
			return repeat + ", or go to another release: " + elsewhere
		case back == "":
			return repeat + " goes on putting the services back; what they run: " + status
		default:
			return back + " puts every service back; what they run: " + status
		}
	default:
		return a.nextAfterRefusal(repeat, status, unlock)
	}
}

// nextAfterRefusal is next for what changed no service.
func (a *attempt) nextAfterRefusal(repeat, status, unlock string) string {
	if held, ok := errors.AsType[lockError](a.refusal); ok {
		switch {
		case !held.dead:
			return "wait for it, and then: " + repeat
		case held.lease.Kind == KindPromote:
			return fmt.Sprintf("finish that first: tfpipeline promote -env %s %s continues it, tfpipeline rollback -env %s ends it, %s gives it up",
				a.Environment, releaseFlag(held.lease.Release), a.Environment, unlock)
		default:
			return fmt.Sprintf("finish that first: tfpipeline rollback -env %s continues it, %s gives it up", a.Environment, unlock)
		}
	}
	return "fix that, then: " + repeat + "; what runs: " + status
}

// wayBack is the command that returns to what ran before; empty if nothing did.
func (a *attempt) wayBack() string {
	if previous := a.record().Previous; !previous.IsZero() {
		return fmt.Sprintf("tfpipeline rollback -env %s -to %s", a.Environment, previous.name())
	}
	return ""
}

// command is the command that asks for the same again.
func command(r *Record, q Request) string {
	var b strings.Builder
	if r.Kind == KindRollback {
		fmt.Fprintf(&b, "tfpipeline rollback -env %s", r.Environment)
		if name := r.Release.name(); name != "" {
			b.WriteString(" -to " + name)
		}
		if q.WithMigrations {
			b.WriteString(" -with-migrations")
		}
	} else {
		fmt.Fprintf(&b, "tfpipeline promote -env %s %s", r.Environment, releaseFlag(r.Release))
		if q.Reviewed != "" {
			b.WriteString(" -reviewed " + q.Reviewed)
		}
	}
	if q.Force {
		b.WriteString(" -force")
	}
	return b.String()
}

func releaseFlag(r Release) string {
	if r.Tag != "" {
		return "-release " + r.Tag
	}
	return "-commit " + r.Commit
}
