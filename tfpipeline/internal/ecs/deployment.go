package ecs

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

// DescribeDeployments returns service deployments by ARN: one call for each 20, and one
// more for each 20 whose task definitions are not known yet.
func (e *Environment) DescribeDeployments(ctx context.Context, arns []string) (map[string]deploy.Deployment, error) {
	began := time.Now()
	var mu sync.Mutex
	var all []types.ServiceDeployment
	err := each(ctx, slices.Chunk(slices.Collect(distinct(arns)), deploymentsPerCall), func(ctx context.Context, arns []string) error {
		out, err := e.ecs.DescribeServiceDeployments(ctx, &sdk.DescribeServiceDeploymentsInput{ServiceDeploymentArns: arns})
		if err != nil {
			return failed(ctx, err, "describe service deployments of %s", e.cluster)
		}
		if err := unexpected(out.Failures, "describe service deployments of "+e.cluster); err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		all = append(all, out.ServiceDeployments...)
		return nil
	})
	if err != nil {
		return nil, err
	}
	var targets []string
	for _, d := range all {
		targets = append(targets, targetOf(d))
	}
	revisions, err := e.describeRevisions(ctx, targets, revision.known)
	if err != nil {
		return nil, err
	}
	found := map[string]deploy.Deployment{}
	for _, d := range all {
		found[*d.ServiceDeploymentArn] = deploymentOf(d, revisions[targetOf(d)])
	}
	e.see(observation{began, maps.Clone(found)})
	return found, nil
}

// StopDeployment asks for the rollback of a service deployment.
func (e *Environment) StopDeployment(ctx context.Context, arn string) error {
	defer e.see(observation{})
	_, err := e.ecs.StopServiceDeployment(ctx, &sdk.StopServiceDeploymentInput{
		ServiceDeploymentArn: &arn,
		StopType:             types.StopServiceDeploymentStopTypeRollback,
	})
	if is(err, "ConflictException") {
		// It may have ended, or may be rolling back already. Otherwise AWS's refusal
		// stands.
		now, lookErr := e.DescribeDeployments(ctx, []string{arn})
		if lookErr != nil {
			return lookErr
		}
		if s := now[arn].State; s.Ended() || s == deploy.DeploymentRollingBack {
			return nil
		}
	}
	return failed(ctx, err, "stop service deployment %s", afterColon(arn))
}

func targetOf(d types.ServiceDeployment) string { return value(value(d.TargetServiceRevision).Arn) }

func deploymentOf(d types.ServiceDeployment, target revision) deploy.Deployment {
	tasks, breaker := value(d.TargetServiceRevision), value(d.DeploymentCircuitBreaker)
	return deploy.Deployment{
		ARN:            *d.ServiceDeploymentArn,
		Service:        short(value(d.ServiceArn)),
		TaskDefinition: target.taskDefinition,
		Revision:       targetOf(d),
		State:          stateOf(d.Status),
		Reason:         reasonOf(d),
		Failures:       int(breaker.FailureCount),
		Threshold:      int(breaker.Threshold),
		Desired:        int(tasks.RequestedTaskCount),
		Running:        int(tasks.RunningTaskCount),
		Pending:        int(tasks.PendingTaskCount),
		Created:        value(d.CreatedAt),
		Finished:       value(d.FinishedAt),
	}
}

// stateOf takes a requested state for the state that it leads to. ECS has no state for
// failed: a deployment that fails without a rollback is stopped. A state that this
// program does not know counts as in progress, which a time limit ends.
func stateOf(status types.ServiceDeploymentStatus) deploy.DeploymentState {
	switch status {
	case types.ServiceDeploymentStatusPending:
		return deploy.DeploymentPending
	case types.ServiceDeploymentStatusSuccessful:
		return deploy.DeploymentSuccessful
	case types.ServiceDeploymentStatusStopRequested, types.ServiceDeploymentStatusStopped:
		return deploy.DeploymentStopped
	case types.ServiceDeploymentStatusRollbackRequested, types.ServiceDeploymentStatusRollbackInProgress:
		return deploy.DeploymentRollingBack
	case types.ServiceDeploymentStatusRollbackSuccessful:
		return deploy.DeploymentRolledBack
	case types.ServiceDeploymentStatusRollbackFailed:
		return deploy.DeploymentRollbackFailed
	default:
		return deploy.DeploymentInProgress
	}
}

// reasonOf is ECS's reason for the state of a deployment, and that for its rollback if
// the two differ.
func reasonOf(d types.ServiceDeployment) string {
	reasons := []string{value(d.StatusReason), value(value(d.Rollback).Reason)}
	if reasons[0] == reasons[1] || reasons[1] == "" {
		return reasons[0]
	}
	if reasons[0] == "" {
		return reasons[1]
	}
	return strings.Join(reasons, " ")
}

// unexpected returns an error for the first failure in an answer that is not MISSING.
func unexpected(failures []types.Failure, doing string) error {
	for _, f := range failures {
		if value(f.Reason) == "MISSING" {
			continue
		}
		detail := value(f.Reason)
		if f.Detail != nil {
			detail += ": " + *f.Detail
		}
		return fmt.Errorf("%s: ECS says of %s: %s", doing, value(f.Arn), detail)
	}
	return nil
}

// afterColon is an ARN without partition, service, region and account:
// "service-deployment/cluster/service/id".
func afterColon(arn string) string { return arn[strings.LastIndex(arn, ":")+1:] }

// observation is what a look at deployments has shown.
type observation struct {
	at          time.Time
	deployments map[string]deploy.Deployment
}

// fresh is how long an observation may take the place of another look. A look at the
// deployments and then at their services is meant to show one moment; without this, it
// would ask for the deployments twice.
const fresh = 500 * time.Millisecond

// see remembers an observation; after an empty one DescribeServices looks again.
func (e *Environment) see(s observation) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.last = s
}

// latest returns deployments as last seen, if that is fresh, or else looks.
func (e *Environment) latest(ctx context.Context, arns []string) (map[string]deploy.Deployment, error) {
	e.mu.Lock()
	last := e.last
	e.mu.Unlock()
	if time.Since(last.at) > fresh {
		return e.DescribeDeployments(ctx, arns)
	}
	for _, arn := range arns {
		if _, seen := last.deployments[arn]; !seen && arn != "" {
			return e.DescribeDeployments(ctx, arns)
		}
	}
	return last.deployments, nil
}

// revision is what a service revision runs.
type revision struct {
	taskDefinition string // ARN
	// digest is ECS's own record of the service's image; "" until the first
	// task has pulled it.
	digest string
}

// complete reports whether ECS has nothing to add to a revision any more.
func (r revision) complete() bool { return r.digest != "" }

// known reports whether there is a revision at all: its task definition is
// there from the start, and stays.
func (r revision) known() bool { return r.taskDefinition != "" }

// describeRevisions returns service revisions by ARN, without those that ECS does not
// know. It does not ask again for those that it remembers, if enough accepts them.
func (e *Environment) describeRevisions(ctx context.Context, arns []string, enough func(revision) bool) (map[string]revision, error) {
	found := map[string]revision{}
	var ask []string
	e.mu.Lock()
	for arn := range distinct(arns) {
		if r := e.revisions[arn]; enough(r) {
			found[arn] = r
		} else {
			ask = append(ask, arn)
		}
	}
	e.mu.Unlock()

	var mu sync.Mutex
	err := each(ctx, slices.Chunk(ask, revisionsPerCall), func(ctx context.Context, arns []string) error {
		out, err := e.ecs.DescribeServiceRevisions(ctx, &sdk.DescribeServiceRevisionsInput{ServiceRevisionArns: arns})
		if err != nil {
			return failed(ctx, err, "describe service revisions of %s", e.cluster)
		}
		if err := unexpected(out.Failures, "describe service revisions of "+e.cluster); err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		for _, r := range out.ServiceRevisions {
			found[*r.ServiceRevisionArn] = revision{value(r.TaskDefinition), digestOf(r)}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}

	e.mu.Lock()
	defer e.mu.Unlock()
	for _, arn := range ask {
		if r, ok := found[arn]; ok {
			e.revisions[arn] = r
		}
	}
	return found, nil
}

// digestOf is the digest of the service's own container, which bears its name.
func digestOf(r types.ServiceRevision) string {
	for _, image := range r.ContainerImages {
		if value(image.ContainerName) != short(value(r.ServiceArn)) {
			continue
		}
		if digest := value(image.ImageDigest); digest != "" {
			return digest
		}
		// AWS documents the digest only for an image given by its tag.
		_, digest, _ := strings.Cut(value(image.Image), "@")
		return digest
	}
	return ""
}

// FormerDeployments returns the service deployments of each service, the oldest first, as
// far back as ECS remembers: 90 days.
func (e *Environment) FormerDeployments(ctx context.Context, services []string) (map[string][]deploy.FormerDeployment, error) {
	var mu sync.Mutex
	briefs := map[string][]types.ServiceDeploymentBrief{}
	err := each(ctx, distinct(services), func(ctx context.Context, service string) error {
		all, known, err := e.listDeployments(ctx, service)
		if err != nil || !known {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		briefs[service] = all
		return nil
	})
	if err != nil {
		return nil, err
	}
	var targets []string
	for _, service := range services {
		for _, b := range briefs[service] {
			targets = append(targets, value(b.TargetServiceRevisionArn))
		}
	}
	revisions, err := e.describeRevisions(ctx, targets, revision.complete)
	if err != nil {
		return nil, err
	}
	stopped, err := e.StoppedTasks(ctx, services, time.Time{})
	if err != nil {
		return nil, err
	}
	here := e.fromServer()
	past := map[string][]deploy.FormerDeployment{}
	for service, all := range briefs {
		past[service] = []deploy.FormerDeployment{}
		digests, crashed := map[string]string{}, map[string]time.Time{} // by task definition, by digest
		for _, b := range slices.Backward(all) {                        // ECS has the newest first
			target := value(b.TargetServiceRevisionArn)
			r := revisions[target]
			digests[r.taskDefinition] = r.digest
			past[service] = append(past[service], deploy.FormerDeployment{
				ARN:      value(b.ServiceDeploymentArn),
				Revision: target,
				Digest:   r.digest,
				State:    stateOf(b.Status),
				Created:  here(value(b.CreatedAt)),
				Finished: here(value(b.FinishedAt)),
			})
		}
		for _, t := range stopped {
			digest := digests[t.TaskDefinition]
			if at := here(t.Stopped); digest != "" && t.Crashed() && at.After(crashed[digest]) {
				crashed[digest] = at
			}
		}
		for i, d := range past[service] {
			past[service][i].Crashed = crashed[d.Digest]
		}
		slices.SortStableFunc(past[service], func(a, b deploy.FormerDeployment) int { return a.Created.Compare(b.Created) })
	}
	return past, nil
}

// listDeployments returns a service's deployments, and whether ECS knows the
// service.
func (e *Environment) listDeployments(ctx context.Context, service string) (all []types.ServiceDeploymentBrief, known bool, err error) {
	in := &sdk.ListServiceDeploymentsInput{Cluster: &e.cluster, Service: &service, MaxResults: new(int32(100))}
	for {
		out, err := e.ecs.ListServiceDeployments(ctx, in)
		if is(err, "ServiceNotFoundException") {
			return nil, false, nil
		}
		if err != nil {
			return nil, false, failed(ctx, err, "list service deployments of %s in %s", service, e.cluster)
		}
		e.compareClocks(out.ResultMetadata)
		all = append(all, out.ServiceDeployments...)
		if value(out.NextToken) == "" {
			return all, true, nil
		}
		in.NextToken = out.NextToken
	}
}
