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

// DescribeDeployments returns service deployments by ARN: one call for 20, and
// one more for 20 of whose task definitions nothing is known yet.
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
	e.see(sighting{began, maps.Clone(found)})
	return found, nil
}

// StopDeployment asks for the rollback of a service deployment.
func (e *Environment) StopDeployment(ctx context.Context, arn string) error {
	defer e.see(sighting{})
	_, err := e.ecs.StopServiceDeployment(ctx, &sdk.StopServiceDeploymentInput{
		ServiceDeploymentArn: &arn,
		StopType:             types.StopServiceDeploymentStopTypeRollback,
	})
	if is(err, "ConflictException") {
		// It has ended, or goes back already. If neither, AWS's refusal holds.
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

// stateOf counts what is requested to what it leads to. ECS has no state for
// failed: what fails without a rollback is stopped. A state that this program
// does not know counts as work in progress, which ends with the time for it.
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

// reasonOf is why a deployment is where it is, as far as ECS says: its own
// reason, and that of its rollback if that is another one.
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

// unexpected is an error for what a call could not look at for another reason
// than that there is no such thing.
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
