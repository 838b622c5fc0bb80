package ecs

import (
	"context"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/smithy-go/middleware"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

// UpdateService changes a service in one call, and returns the deployment that
// this caused.
//
// The answer to an update names the service's current deployment, which may be
// an earlier one: because nothing changed, or because ECS is not yet that far.
// To follow that one would be to believe an old success. So the deployment is
// looked at: it is the update's if it brings this task definition and began
// after the call did, in the time of AWS's clock.
func (e *Environment) UpdateService(ctx context.Context, u deploy.Update) (string, error) {
	in := &sdk.UpdateServiceInput{Cluster: &e.cluster, Service: &u.Service}
	if u.TaskDefinition != "" {
		in.TaskDefinition = &u.TaskDefinition
	}
	if u.Desired != nil {
		in.DesiredCount = new(int32(*u.Desired))
	}
	began := time.Now()
	out, err := e.ecs.UpdateService(ctx, in)
	if err != nil {
		return "", failed(ctx, err, "update service %s of %s", u.Service, e.cluster)
	}
	arn := value(out.Service.CurrentServiceDeployment)
	if u.TaskDefinition == "" || arn == "" {
		return "", nil // another number of tasks is no deployment
	}
	// If it cannot be looked at, the update was made all the same, and whoever
	// waits will find its deployment.
	deployments, err := e.DescribeDeployments(ctx, []string{arn})
	d, shown := deployments[arn]
	if err == nil && shown && d.TaskDefinition == u.TaskDefinition && !d.Created.Before(serverTime(out.ResultMetadata, began)) {
		return arn, nil
	}
	return "", nil
}

// serverTime is what AWS's clock said at a moment of ours during a call, or a
// little less: the clock here may be wrong by minutes.
func serverTime(answer middleware.Metadata, then time.Time) time.Time {
	// AWS's own clocks differ too, but not by much.
	const slack = time.Second
	server, ok := awsmiddleware.GetServerTime(answer)
	answered, okAnswered := awsmiddleware.GetResponseAt(answer)
	if !ok || !okAnswered {
		return then.Add(-slack)
	}
	return server.Add(-answered.Sub(then)).Add(-slack)
}
