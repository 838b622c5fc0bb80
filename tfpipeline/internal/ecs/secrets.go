package ecs

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// Empty returns which of the named secrets have no value, in the order given;
// one that does not exist has none. It reads what AWS says about a secret and
// never the secret.
func (e *Environment) Empty(ctx context.Context, names []string) ([]string, error) {
	var mu sync.Mutex
	empty := map[string]bool{}
	err := each(ctx, distinct(names), func(ctx context.Context, name string) error {
		full := e.platform.SecretName(e.name, name)
		out, err := e.secrets.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &full})
		missing := is(err, "ResourceNotFoundException")
		switch {
		case err != nil && !missing:
			return failed(ctx, err, "look at secret %s", full)
		case !missing && out.DeletedDate != nil:
			return fmt.Errorf("look at secret %s: it will be deleted on %s, and no task can read it until it is restored",
				full, out.DeletedDate.Format("2006-01-02"))
		}
		current := false
		if !missing {
			for _, stages := range out.VersionIdsToStages {
				current = current || slices.Contains(stages, "AWSCURRENT")
			}
		}
		mu.Lock()
		defer mu.Unlock()
		empty[name] = !current
		return nil
	})
	if err != nil {
		return nil, err
	}
	var found []string
	for name := range distinct(names) {
		if empty[name] {
			found = append(found, name)
		}
	}
	return found, nil
}
