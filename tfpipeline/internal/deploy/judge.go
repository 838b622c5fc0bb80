package deploy

import "fmt"

// verdict is what a look at a service says about the deployment that is waited
// for.
type verdict int

const (
	goesOn verdict = iota
	succeeded
	failed
	superseded
)

// judgement is a verdict, with the deployment that it is about.
type judgement struct {
	verdict    verdict
	deployment Deployment // zero: none is known yet
	why        string
}

// judge decides about a service that was set to a task definition: by the
// deployment that this caused, or by a later one of the same task definition.
// known is false while ECS does not show that deployment; old tells that it has
// had the time to.
func judge(s Service, d Deployment, known, old bool, wanted string) judgement {
	latest := s.Deployment
	if latest != nil && latest.TaskDefinition == wanted && (!known || latest.ARN != d.ARN && latest.Created.After(d.Created)) {
		// ECS shows only now what the update caused, or somebody had the same
		// deployed once more.
		d, known = *latest, true
	}
	if !known {
		if s.TaskDefinition != "" && s.TaskDefinition != wanted {
			return judgement{superseded, d, fmt.Sprintf("service %s was set to %s by somebody else", s.Name, short(s.TaskDefinition))}
		}
		// It may have been set to it before: ECS begins no deployment then, nor
		// does it when it brings a service back by itself.
		still := latest == nil || latest.State.Ended() && latest.State != DeploymentRollbackFailed
		if s.TaskDefinition == wanted && old && still {
			return judgement{verdict: succeeded}
		}
		if s.TaskDefinition == wanted && old && latest.State == DeploymentRollbackFailed {
			return judgement{failed, *latest, fmt.Sprintf("service %s: deployment %s is %s%s", s.Name, short(latest.ARN), latest.State, explain(*latest))}
		}
		return judgement{verdict: goesOn}
	}
	// What ECS itself brings back is no deployment of its own.
	foreign := latest != nil && latest.ARN != d.ARN && latest.TaskDefinition != wanted && latest.Created.After(d.Created)
	switch {
	case foreign:
		return judgement{superseded, d, fmt.Sprintf("service %s is being set to %s by somebody else (deployment %s)", s.Name, short(latest.TaskDefinition), short(latest.ARN))}
	case d.State == DeploymentSuccessful && s.TaskDefinition != wanted:
		return judgement{superseded, d, fmt.Sprintf("service %s was set to %s by somebody else", s.Name, short(s.TaskDefinition))}
	case d.State == DeploymentSuccessful:
		return judgement{verdict: succeeded, deployment: d}
	case d.State.Failed():
		return judgement{failed, d, fmt.Sprintf("service %s: deployment %s is %s%s", s.Name, short(d.ARN), d.State, explain(d))}
	default:
		return judgement{verdict: goesOn, deployment: d}
	}
}

// explain is ECS's reason and how far the circuit breaker came.
func explain(d Deployment) string {
	text := ""
	if d.Reason != "" {
		text += ": " + d.Reason
	}
	if d.Threshold > 0 {
		text += fmt.Sprintf(" (%d of %d failures trip the circuit breaker)", d.Failures, d.Threshold)
	}
	return text
}
