package view

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

// Promotion is what is known of a promotion or rollback before it begins.
type Promotion struct {
	Environment string
	Kind        deploy.Kind
	// From is the release that runs, To the one that was asked for; "" if that
	// is not known.
	From, To string
	// Services are in the platform's order.
	Services []string
	// Before are the task definitions that they run, as far as known.
	Before map[string]string
}

// title is a promotion in one line.
func (p Promotion) title() string {
	to, from := p.To, p.From
	if to == "" {
		to = "the last good release"
	}
	if from == "" {
		return fmt.Sprintf("%s: %s %s", p.Environment, p.Kind, to)
	}
	return fmt.Sprintf("%s: %s %s → %s", p.Environment, p.Kind, from, to)
}

// stepsLine says which steps there will be; "" if that is not known.
func (p Promotion) stepsLine() string {
	var names []string
	for _, s := range deploy.Steps(p.Kind) {
		names = append(names, string(s))
	}
	return strings.Join(names, ", ")
}

// sentence is an event as a line, without its time; "" if it is not worth one.
func sentence(e deploy.Event) string {
	return oneLine(told(e))
}

// told is an event in the words of whoever tells of it.
func told(e deploy.Event) string {
	switch e.Kind {
	case deploy.EventStep:
		return string(e.Step)
	case deploy.EventDone:
		if e.Elapsed < time.Second {
			return ""
		}
		return fmt.Sprintf("%s: done (%s)", e.Step, brief(e.Elapsed))
	case deploy.EventFailed:
		return fmt.Sprintf("%s: failed after %s: %s", e.Step, brief(e.Elapsed), e.Message)
	case deploy.EventNote:
		return "  " + e.Message
	case deploy.EventWarning:
		return "  warning: " + e.Message
	case deploy.EventWait:
		return "  " + e.Message
	case deploy.EventDeployment:
		if e.Deployment == nil {
			return ""
		}
		return "  " + e.Service + ": " + deploymentLine(*e.Deployment)
	case deploy.EventService:
		// ECS begins each event with the service's name, which the margin shows
		// already.
		return "  " + e.Service + " | " + arns.ReplaceAllStringFunc(strings.TrimPrefix(e.Message, "(service "+e.Service+") "), named)
	case deploy.EventLog:
		return "  " + e.Service + " | " + e.Message
	default:
		return ""
	}
}

// arns finds the ARNs in ECS's events.
var arns = regexp.MustCompile(`arn:aws[a-z-]*:[^\s()\[\]",]+`)

// named is the part of an ARN that a person would use: a target group's name, the id of
// a task.
func named(arn string) string {
	if _, group, ok := strings.Cut(arn, ":targetgroup/"); ok {
		name, _, _ := strings.Cut(group, "/")
		return name
	}
	return arn[strings.LastIndexAny(arn, "/:")+1:]
}

// deploymentLine says how far a deployment is.
func deploymentLine(d deploy.Deployment) string {
	parts := []string{string(d.State)}
	if !over(d) {
		parts = append(parts, fmt.Sprintf("%d/%d running", d.Running, d.Desired))
	}
	if d.Pending > 0 {
		parts = append(parts, fmt.Sprintf("%d pending", d.Pending))
	}
	if d.Failures > 0 {
		parts = append(parts, failures(d.Failures, d.Threshold))
	}
	if d.Reason != "" {
		parts = append(parts, d.Reason)
	}
	return strings.Join(parts, ", ")
}

// over reports whether a deployment has ended without tasks: the service's tasks belong
// to another one, and "0/0" would look like an outage.
func over(d deploy.Deployment) bool {
	return d.State.Ended() && d.State != deploy.DeploymentSuccessful && d.Desired == 0 && d.Running == 0
}

func failures(n, threshold int) string {
	return fmt.Sprintf("circuit breaker %d/%d", n, threshold)
}

// brief is a duration to the second, such as "58s", "2m13s" or "1h4m0s".
func brief(d time.Duration) string {
	if d < time.Second {
		return d.Round(10 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

// revision is the number at the end of a task definition's ARN.
func revision(arn string) string { return arn[strings.LastIndexByte(arn, ':')+1:] }

// stamp is a time as all views show it.
func stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}
