package account

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/specboard/platform/gen/config"
)

// StopTasks stops the one-off tasks that run in the environment's cluster.
func (a *Account) StopTasks(ctx context.Context, env string) error {
	client := ecs.NewFromConfig(a.cfg)
	cluster := a.platform.Cluster(env)
	for _, task := range a.platform.Tasks {
		pages := ecs.NewListTasksPaginator(client, &ecs.ListTasksInput{Cluster: &cluster, Family: aws.String(a.platform.Family(env, task.Name))})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if _, gone := errors.AsType[*ecstypes.ClusterNotFoundException](err); gone {
				return nil
			}
			if err != nil {
				return fmt.Errorf("list the tasks of %s: %w", cluster, err)
			}
			for _, arn := range page.TaskArns {
				a.console.Progress("%s: stopping task %s", env, arn)
				if _, err := client.StopTask(ctx, &ecs.StopTaskInput{Cluster: &cluster, Task: &arn, Reason: aws.String("the environment is destroyed")}); err != nil {
					return fmt.Errorf("stop task %s: %w", arn, err)
				}
			}
		}
	}
	return nil
}

// Deregister deregisters the task definition revisions of the environment:
// those that Terraform leaves registered (skip_destroy), and those that
// promotions registered.
func (a *Account) Deregister(ctx context.Context, env string) error {
	// Every promotion has registered some, and ECS lets about one a second through.
	client := ecs.NewFromConfig(a.cfg, func(o *ecs.Options) {
		o.Retryer = retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts, o.RateLimiter = deregisterAttempts, ratelimit.None
		})
	})
	count := 0
	var errs []error
	for _, family := range families(a.platform, env) {
		n, err := deregister(ctx, client, family)
		count += n
		errs = append(errs, err)
	}
	if count > 0 {
		a.console.Progress("%s: deregistered %d task definition revisions", env, count)
	}
	return errors.Join(errs...)
}

// deregisterAttempts bounds how often one call is made, with up to 20 seconds between
// two: minutes in all.
const deregisterAttempts = 15

// deregister deregisters the revisions of a family, and says how many.
func deregister(ctx context.Context, client *ecs.Client, family string) (count int, err error) {
	pages := ecs.NewListTaskDefinitionsPaginator(client, &ecs.ListTaskDefinitionsInput{
		FamilyPrefix: &family, Status: ecstypes.TaskDefinitionStatusActive,
	})
	var revisions []string
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return 0, fmt.Errorf("list the revisions of %s: %w", family, err)
		}
		revisions = append(revisions, page.TaskDefinitionArns...)
	}
	for _, arn := range revisions {
		if _, err := client.DeregisterTaskDefinition(ctx, &ecs.DeregisterTaskDefinitionInput{TaskDefinition: &arn}); err != nil {
			return count, fmt.Errorf("deregister %s: %w", arn, err)
		}
		count++
	}
	return count, nil
}

// families are the task definition families of an environment.
func families(p config.Platform, env string) []string {
	var out []string
	for _, s := range p.Services {
		out = append(out, p.Family(env, s.Name))
	}
	for _, t := range p.Tasks {
		out = append(out, p.Family(env, t.Name))
	}
	return out
}
