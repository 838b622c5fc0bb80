package localaws

import (
	"net/http"
	"net/url"

	"github.com/beevik/etree"

	"github.com/specboard/platform/tfpipeline/internal/endpoint"
	"github.com/specboard/platform/tfpipeline/internal/localaws/iam"
)

// serviceRoles are AWS's names of the service-linked roles, by service; moto
// would choose others.
var serviceRoles = map[string]string{
	"ecs.amazonaws.com":                         "AWSServiceRoleForECS",
	"ecs.application-autoscaling.amazonaws.com": "AWSServiceRoleForApplicationAutoScaling_ECSService",
	"elasticache.amazonaws.com":                 "AWSServiceRoleForElastiCache",
	"elasticloadbalancing.amazonaws.com":        "AWSServiceRoleForElasticLoadBalancing",
	"rds.amazonaws.com":                         "AWSServiceRoleForRDS",
}

const iamVersion = "2010-05-08"

// serviceRole is the request to moto that creates a service's role.
func serviceRole(service string) url.Values {
	return url.Values{
		"Action": {"CreateRole"}, "Version": {iamVersion},
		"RoleName": {serviceRoles[service]}, "Path": {"/aws-service-role/" + service + "/"},
		"AssumeRolePolicyDocument": {`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"` + service + `"},"Action":"sts:AssumeRole"}]}`},
	}
}

// createServiceRole creates a service-linked role, and refuses a second one as
// AWS does.
func createServiceRole(c *endpoint.Call, next endpoint.Next) (*endpoint.Reply, error) {
	service := c.Form.Get("AWSServiceName")
	name, ok := serviceRoles[service]
	if !ok {
		return nil, notModelled(c.Service, c.Operation+" of "+service)
	}
	if c.Form.Get("CustomSuffix") != "" {
		return nil, endpoint.Refuse("InvalidInput", "Custom suffix is not allowed for %s", service)
	}
	create := c.WithForm(serviceRole(service))
	create.Operation = "CreateRole"
	rep, err := repair(create, next, func(root *etree.Element) {
		root.Tag = "CreateServiceLinkedRoleResponse"
		if result := root.SelectElement("CreateRoleResult"); result != nil {
			result.Tag = "CreateServiceLinkedRoleResult"
		}
	})
	if err == nil && rep.Status == http.StatusConflict {
		return nil, endpoint.Refuse("InvalidInput", "Service role name %s has been taken in this account, please try a different suffix.", name)
	}
	return rep, err
}

// linkedRole refuses the first creation by a service in an account that lacks
// its service-linked role. Like AWS it then creates the role, which could not
// be assumed yet.
func linkedRole(service, code, message string) lookup {
	return func(l *lookups, c *endpoint.Call, _ iam.Call) error {
		ctx := c.Request.Context()
		_, err := l.control.ask(ctx, "iam", c.Region, iamVersion, "GetRole", url.Values{"RoleName": {serviceRoles[service]}})
		if missing, _ := refused(err); missing == "" {
			return err
		}
		if _, err := l.control.ask(ctx, "iam", c.Region, iamVersion, "CreateRole", serviceRole(service)); err != nil {
			return err
		}
		return endpoint.Refuse(code, "%s", message)
	}
}
