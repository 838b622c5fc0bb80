package account

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	smtypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/specboard/platform/gen/config"
)

// MissingSecrets lists the secrets that a person still has to provide, each
// with the command that stores it.
func (a *Account) MissingSecrets(ctx context.Context, env string) ([]string, error) {
	client := secretsmanager.NewFromConfig(a.cfg)
	var missing []string
	for _, s := range a.platform.Secrets {
		if s.Kind != config.Provided {
			continue
		}
		name := a.platform.SecretName(env, s.Name)
		out, err := client.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &name})
		if err != nil {
			return nil, fmt.Errorf("look at secret %s: %w", name, err)
		}
		if len(out.VersionIdsToStages) > 0 {
			continue
		}
		missing = append(missing, fmt.Sprintf("store %s (%s), from a file, so that no shell remembers it:\ntfpipeline secrets set -env %s -secret %s -file FILE", name, s.Hint, env, s.Name))
	}
	return missing, nil
}

// DeleteSecrets deletes the environment's secrets that are in a recovery window. Their
// names would stay in use, so that the environment could not be created again. AWS's
// list may be some minutes behind, so secrets of the configuration are looked up one by
// one. The list adds secrets that an earlier configuration had.
func (a *Account) DeleteSecrets(ctx context.Context, env string) error {
	client := secretsmanager.NewFromConfig(a.cfg)
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
	for _, s := range a.platform.Secrets {
		name := a.platform.SecretName(env, s.Name)
		out, err := client.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &name})
		if _, none := errors.AsType[*smtypes.ResourceNotFoundException](err); none {
			continue
		}
		if err != nil {
			return fmt.Errorf("look at secret %s: %w", name, err)
		}
		if out.DeletedDate != nil {
			waiting = append(waiting, name)
		}
	}
	slices.Sort(waiting)
	for _, name := range slices.Compact(waiting) {
		a.console.Progress("%s: deleting secret %s for good", env, name)
		if _, err := client.DeleteSecret(ctx, &secretsmanager.DeleteSecretInput{SecretId: &name, ForceDeleteWithoutRecovery: aws.Bool(true)}); err != nil {
			return fmt.Errorf("delete secret %s: %w", name, err)
		}
	}
	return nil
}
