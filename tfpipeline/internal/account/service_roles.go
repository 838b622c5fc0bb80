package account

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// serviceRolePath begins the path of a service-linked role; the service's name
// follows.
const serviceRolePath = "/aws-service-role/"

// linkedServices are the AWS services that act in the account through a
// service-linked role. AWS creates such a role on first use, and the first use
// often fails, since a new role cannot be assumed for some seconds.
func linkedServices() []string {
	return []string{
		"ecs.amazonaws.com", "ecs.application-autoscaling.amazonaws.com", "elasticache.amazonaws.com",
		"elasticloadbalancing.amazonaws.com", "rds.amazonaws.com",
	}
}

// EnsureServiceRoles creates the service-linked roles that the account lacks.
// It tells the console which, and reports whether there were any.
func (a *Account) EnsureServiceRoles(ctx context.Context) (changed bool, err error) {
	a.console.Progress("service-linked roles")
	client := iam.NewFromConfig(a.cfg)
	there := map[string]bool{}
	pages := iam.NewListRolesPaginator(client, &iam.ListRolesInput{PathPrefix: aws.String(serviceRolePath)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return false, fmt.Errorf("list the service-linked roles: %w", err)
		}
		for _, r := range page.Roles {
			there[strings.Trim(strings.TrimPrefix(aws.ToString(r.Path), serviceRolePath), "/")] = true
		}
	}
	for _, service := range linkedServices() {
		if there[service] {
			continue
		}
		_, err := client.CreateServiceLinkedRole(ctx, &iam.CreateServiceLinkedRoleInput{AWSServiceName: &service})
		if e, ok := errors.AsType[*types.InvalidInputException](err); ok && strings.Contains(e.ErrorMessage(), "has been taken") {
			continue // somebody was faster
		}
		if err != nil {
			return changed, fmt.Errorf("create the service-linked role of %s: %w", service, err)
		}
		changed = true
		a.console.Progress("service-linked roles: created that of %s", service)
	}
	return changed, nil
}
