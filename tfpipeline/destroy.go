package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	smtypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/console"
)

func destroyCommand() command {
	return command{
		name:    "destroy",
		summary: "remove an environment that is not protected",
		usage:   "-env ENV [-yes -name ENV]",
		env:     unprotected, refusal: "is protected (to remove it, first change that in gen/config and apply); what is not:", checkout: true,
		long: `
Removes an environment and everything in it: the database without a final
snapshot, the secrets without a recovery window, the task definition revisions
that releases left. What happened there, the history, stays in the state
bucket. Protected environments and shared are refused.

It is a person's work, with an administrator's credentials: the deploy roles of
workflows may not deregister task definitions, since AWS cannot confine that to
one environment.

A person types the environment's name; a machine passes -yes -name ENV.

Example:
  tfpipeline destroy -env staging`,
		flags: func(set *flag.FlagSet) func(context.Context, *app, []string) error {
			env := set.String("env", "", "environment to remove")
			name := set.String("name", "", "the environment's name once more, with -yes")
			o := changeOptions{destroy: true}
			o.declare(set)
			return func(ctx context.Context, a *app, _ []string) error { return a.destroy(ctx, *env, *name, o) }
		},
	}
}

func (a *app) destroy(ctx context.Context, env, name string, o changeOptions) error {
	if o.yes && name != env {
		return console.Usage("destroy -yes also needs the name of what is destroyed", "tfpipeline destroy -env "+env+" -yes -name "+env)
	}
	if err := a.console.RequireAnswer("destroy", "tfpipeline destroy -env "+env+" -yes -name "+env, o.yes); err != nil {
		return err
	}
	t, cfg, err := a.findCloud(ctx, "destroy")
	if err != nil {
		return err
	}
	if err := a.checkAccount(ctx, cfg); err != nil {
		return err
	}
	o.again = "tfpipeline destroy -env " + env
	o.question = func(ctx context.Context) error { return a.typeName(ctx, env) }
	// A cluster with a one-off task in it cannot be deleted.
	o.before = func(ctx context.Context) error { return a.stopTasks(ctx, cfg, env) }
	changed, err := a.change(ctx, env, t, cfg, o, func(ctx context.Context, _ *root) error {
		return errors.Join(a.deregister(ctx, cfg, env), a.deleteSecrets(ctx, cfg, env))
	})
	switch {
	case err != nil:
		return err
	case changed:
		fmt.Fprintf(a.console.Out, "%s: destroyed; its history stays in %s/%s\n", env, a.platform.StateBucket(), a.platform.HistoryPrefix(env))
	default:
		fmt.Fprintf(a.console.Out, "%s: nothing to destroy\n", env)
	}
	return nil
}

// typeName asks for the environment's name, which nobody types by accident.
func (a *app) typeName(ctx context.Context, env string) error {
	answer, err := a.console.Ask(ctx, "This cannot be undone. Type the environment's name to destroy it:")
	if err != nil {
		return err
	}
	if answer != env {
		return console.ErrDeclined
	}
	return nil
}

// stopTasks stops the one-off tasks that still run in the cluster.
func (a *app) stopTasks(ctx context.Context, cfg aws.Config, env string) error {
	client := ecs.NewFromConfig(cfg)
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

// deregister removes the task definition revisions that Terraform leaves
// (skip_destroy) and those that releases registered.
func (a *app) deregister(ctx context.Context, cfg aws.Config, env string) error {
	client := ecs.NewFromConfig(cfg)
	count := 0
	for _, family := range families(a.platform, env) {
		pages := ecs.NewListTaskDefinitionsPaginator(client, &ecs.ListTaskDefinitionsInput{
			FamilyPrefix: &family, Status: ecstypes.TaskDefinitionStatusActive,
		})
		var revisions []string
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return fmt.Errorf("list the revisions of %s: %w", family, err)
			}
			revisions = append(revisions, page.TaskDefinitionArns...)
		}
		for _, arn := range revisions {
			if _, err := client.DeregisterTaskDefinition(ctx, &ecs.DeregisterTaskDefinitionInput{TaskDefinition: &arn}); err != nil {
				return fmt.Errorf("deregister %s: %w", arn, err)
			}
			count++
		}
	}
	if count > 0 {
		a.console.Progress("%s: deregistered %d task definition revisions", env, count)
	}
	return nil
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

// deleteSecrets deletes at once what still waits out a recovery window: its
// name would be taken, and the environment could not be created again.
func (a *app) deleteSecrets(ctx context.Context, cfg aws.Config, env string) error {
	client := secretsmanager.NewFromConfig(cfg)
	prefix := a.platform.SecretPrefix(env) + "/"
	pages := secretsmanager.NewListSecretsPaginator(client, &secretsmanager.ListSecretsInput{
		IncludePlannedDeletion: aws.Bool(true),
		Filters:                []smtypes.Filter{{Key: smtypes.FilterNameStringTypeName, Values: []string{prefix}}},
	})
	var waiting []string
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("list the secrets of %s: %w", env, err)
		}
		for _, s := range page.SecretList {
			if s.DeletedDate != nil && strings.HasPrefix(aws.ToString(s.Name), prefix) {
				waiting = append(waiting, aws.ToString(s.Name))
			}
		}
	}
	slices.Sort(waiting)
	for _, name := range waiting {
		a.console.Progress("%s: deleting secret %s for good", env, name)
		if _, err := client.DeleteSecret(ctx, &secretsmanager.DeleteSecretInput{SecretId: &name, ForceDeleteWithoutRecovery: aws.Bool(true)}); err != nil {
			return fmt.Errorf("delete secret %s: %w", name, err)
		}
	}
	return nil
}
