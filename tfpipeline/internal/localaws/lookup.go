package localaws

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/beevik/etree"

	"github.com/specboard/platform/tfpipeline/internal/endpoint"
	"github.com/specboard/platform/tfpipeline/internal/localaws/iam"
	"github.com/specboard/platform/tfpipeline/internal/localaws/task"
)

// lookups refuses calls that name a resource which does not exist or is not
// ready yet. AWS refuses them, while moto and the ECS runtime accept any name:
// an order of creation that works here only by luck has to fail here too.
type lookups struct {
	account string
	control *upstream
	access  *access
	// self sends a request through the endpoint itself.
	self func(*http.Request) *endpoint.Reply
}

// lookup checks the names in a call.
type lookup func(*lookups, *endpoint.Call, iam.Call) error

var lookupTable = map[string][]lookup{
	"ecs.CreateCluster": {linkedRole("ecs.amazonaws.com", "InvalidParameterException",
		"Unable to assume the service linked role. Please verify that the ECS service linked role exists.")},
	"ecs.CreateService":                   {placement, attachedGroups, serviceConnectNamespace},
	"ecs.UpdateService":                   {placement, attachedGroups, serviceConnectNamespace},
	"ecs.RunTask":                         {placement, assumableRoles},
	"elasticloadbalancing.CreateListener": {issuedCertificates, knownGroups},
	"elasticloadbalancing.ModifyListener": {issuedCertificates, knownGroups},
	"elasticloadbalancing.CreateRule":     {knownGroups},
	"elasticloadbalancing.ModifyRule":     {knownGroups},
	"elasticloadbalancing.CreateLoadBalancer": {
		securityGroups("SecurityGroups.member", func(id, _ string) error {
			return endpoint.Refuse("InvalidSecurityGroup", "Security group '%s' does not exist", id)
		}),
		internetFacing,
	},
	"rds.CreateDBInstance": {databaseGroups, linkedRole("rds.amazonaws.com", "InvalidParameterValue",
		"Unable to create the resource. Verify that you have permission to create service linked role. Otherwise wait and try again later")},
	"rds.ModifyDBInstance":               {databaseGroups},
	"elasticache.CreateReplicationGroup": {cacheGroups},
	"elasticache.ModifyReplicationGroup": {cacheGroups},
	"iam.CreatePolicy":                   {policyQuota("PolicyDocument", "PolicySize", 6144)},
	"iam.CreatePolicyVersion":            {policyQuota("PolicyDocument", "PolicySize", 6144)},
	"iam.CreateRole":                     {policyQuota("AssumeRolePolicyDocument", "ACLSizePerRole", 2048)},
	"iam.UpdateAssumeRolePolicy":         {policyQuota("PolicyDocument", "ACLSizePerRole", 2048)},
	"iam.PutRolePolicy":                  {inlineQuota},
}

var (
	databaseGroups = securityGroups("VpcSecurityGroupIds.VpcSecurityGroupId", func(id, _ string) error {
		return endpoint.Refuse("InvalidParameterValue", "Invalid security group , groupId= %s, groupName=.", id)
	})
	cacheGroups = securityGroups("SecurityGroupIds.SecurityGroupId", func(id, _ string) error {
		return endpoint.Refuse("InvalidParameterValue", "Some security group Ids do not exist, [%s]", id)
	})
)

// check returns the error with which AWS would refuse a call.
func (l *lookups) check(c *endpoint.Call) error {
	if err := checkPatterns(c, l.account); err != nil {
		return err
	}
	all := lookupTable[c.Service+"."+c.Operation]
	if len(all) == 0 {
		return nil
	}
	asked := iam.Read(c.Service, c.Operation, c.Request, c.Body)
	for _, look := range all {
		if err := look(l, c, asked); err != nil {
			return err
		}
	}
	return nil
}

// ec2 looks up resources by their ids; missing is the first that does not
// exist, with moto's message.
func (l *lookups) ec2(c *endpoint.Call, operation, parameter string, ids []string) (found *etree.Element, missing, why string, err error) {
	for _, id := range slices.Compact(slices.Sorted(slices.Values(ids))) {
		answer, err := l.control.ask(c.Request.Context(), "ec2", c.Region, ec2Version, operation, url.Values{parameter: {id}})
		if code, message := refused(err); code != "" {
			message = strings.NewReplacer("'{'", "'", "'}'", "'").Replace(message) // moto prints a set
			return nil, id, message + " (ErrorCode: " + code + ")", nil
		}
		if err != nil {
			return nil, "", "", err
		}
		found = answer
	}
	return found, "", "", nil
}

// placement checks the subnets and security groups of tasks.
func placement(l *lookups, c *endpoint.Call, asked iam.Call) error {
	const path = "networkConfiguration.awsvpcConfiguration."
	for _, kind := range []struct{ parameter, operation, id, name string }{
		{"subnets", "DescribeSubnets", "SubnetId.1", "subnet"},
		{"securityGroups", "DescribeSecurityGroups", "GroupId.1", "security group"},
	} {
		_, missing, why, err := l.ec2(c, kind.operation, kind.id, asked.Parameters[path+kind.parameter])
		if err != nil {
			return err
		}
		if missing != "" {
			return endpoint.Refuse("InvalidParameterException", "Error retrieving %s information for [%s]: %s", kind.name, missing, why)
		}
	}
	return nil
}

// securityGroups checks the security groups that a parameter names.
func securityGroups(parameter string, refusal func(id, why string) error) lookup {
	return func(l *lookups, c *endpoint.Call, asked iam.Call) error {
		_, missing, why, err := l.ec2(c, "DescribeSecurityGroups", "GroupId.1", asked.Parameters[parameter])
		if err == nil && missing != "" {
			err = refusal(missing, why)
		}
		return err
	}
}

// targetGroup describes a target group; nil if there is none.
func (l *lookups) targetGroup(c *endpoint.Call, arn string) (*etree.Element, error) {
	answer, err := l.control.ask(c.Request.Context(), "elasticloadbalancing", c.Region, elbVersion, "DescribeTargetGroups", url.Values{"TargetGroupArns.member.1": {arn}})
	if code, _ := refused(err); code != "" {
		return nil, nil
	}
	return answer, err
}

// attachedGroups refuses a service whose target group gets requests from no
// load balancer: a listener or a rule has to be created first.
func attachedGroups(l *lookups, c *endpoint.Call, asked iam.Call) error {
	for _, arn := range asked.Parameters["loadBalancers.targetGroupArn"] {
		group, err := l.targetGroup(c, arn)
		switch {
		case err != nil:
			return err
		case group == nil:
			return endpoint.Refuse("InvalidParameterException", "Unable to find target group: %s", arn)
		case len(group.FindElements(".//LoadBalancerArns/member")) == 0:
			return endpoint.Refuse("InvalidParameterException", "The target group with targetGroupArn %s does not have an associated load balancer.", arn)
		}
	}
	return nil
}

// knownGroups refuses a listener or a rule that forwards to a target group
// that does not exist.
func knownGroups(l *lookups, c *endpoint.Call, asked iam.Call) error {
	for name, arns := range asked.Parameters {
		if !strings.HasSuffix(name, ".TargetGroupArn") {
			continue
		}
		for _, arn := range arns {
			if group, err := l.targetGroup(c, arn); err != nil {
				return err
			} else if group == nil {
				return endpoint.Refuse("TargetGroupNotFound", "Target groups '%s' not found", arn)
			}
		}
	}
	return nil
}

// serviceConnectNamespace checks the namespace of a service.
func serviceConnectNamespace(l *lookups, c *endpoint.Call, asked iam.Call) error {
	for _, name := range asked.Parameters["serviceConnectConfiguration.namespace"] {
		body, err := l.control.askJSON(c.Request.Context(), "servicediscovery", c.Region, "Route53AutoNaming_v20170314.ListNamespaces", "{}")
		if err != nil {
			return err
		}
		var listed struct {
			Namespaces []struct{ Name, Arn string }
		}
		if err := json.Unmarshal(body, &listed); err != nil {
			return err
		}
		if !slices.ContainsFunc(listed.Namespaces, func(n struct{ Name, Arn string }) bool { return n.Name == name || n.Arn == name }) {
			return endpoint.Refuse("InvalidParameterException", "Invalid namespace name or ARN: %s", name)
		}
	}
	return nil
}

// assumableRoles refuses a task whose roles ECS cannot assume.
func assumableRoles(l *lookups, c *endpoint.Call, asked iam.Call) error {
	for _, name := range asked.Parameters["taskDefinition"] {
		for _, arn := range (resources{l.access, c}).Resolve("roles", name) {
			_, ok, err := l.access.trustedByTasks(c.Request.Context(), c.Region, arn)
			if err != nil {
				return err
			}
			if !ok {
				return endpoint.Refuse("ClientException", "%s", task.CannotAssume(arn))
			}
		}
	}
	return nil
}

// issuedCertificates refuses a listener whose certificate nobody has validated.
func issuedCertificates(l *lookups, c *endpoint.Call, asked iam.Call) error {
	for _, arn := range asked.Parameters["Certificates.member.CertificateArn"] {
		if !strings.Contains(arn, ":acm:") {
			continue
		}
		request, err := newJSONRequest(c.Request.Context(), "acm", c.Region, "CertificateManager.DescribeCertificate", map[string]string{"CertificateArn": arn})
		if err != nil {
			return err
		}
		var described struct{ Certificate struct{ Status string } }
		rep := l.self(request)
		if rep.Status != http.StatusOK {
			return endpoint.Refuse("CertificateNotFound", "Certificate '%s' not found", arn)
		}
		if err := json.Unmarshal(rep.Body, &described); err != nil {
			return err
		}
		if described.Certificate.Status != "ISSUED" {
			return endpoint.Refuse("UnsupportedCertificate", "The certificate '%s' must have a fully-qualified domain name, a supported signature, and a supported key size.", arn)
		}
	}
	return nil
}

// internetFacing refuses an internet-facing load balancer in a network without
// an internet gateway.
func internetFacing(l *lookups, c *endpoint.Call, asked iam.Call) error {
	if slices.Contains(asked.Parameters["Scheme"], "internal") {
		return nil
	}
	subnets := slices.Concat(asked.Parameters["Subnets.member"], asked.Parameters["SubnetMappings.member.SubnetId"])
	found, missing, _, err := l.ec2(c, "DescribeSubnets", "SubnetId.1", subnets)
	if err != nil || found == nil {
		return err
	}
	if missing != "" {
		return endpoint.Refuse("SubnetNotFound", "The subnet ID '%s' does not exist", missing)
	}
	vpc := endpoint.Every(found, "vpcId")[0].Text()
	attached, err := l.internetGateway(c, vpc)
	if err == nil && !attached {
		err = endpoint.Refuse("InvalidSubnet", "VPC %s has no internet gateway", vpc)
	}
	return err
}

// internetGateway reports whether a network has an internet gateway. AWS's
// default network has one, moto's has none.
func (l *lookups) internetGateway(c *endpoint.Call, vpc string) (bool, error) {
	ctx := c.Request.Context()
	gateways, err := l.control.ask(ctx, "ec2", c.Region, ec2Version, "DescribeInternetGateways",
		url.Values{"Filter.1.Name": {"attachment.vpc-id"}, "Filter.1.Value.1": {vpc}})
	if err != nil || len(endpoint.Every(gateways, "internetGatewayId")) > 0 {
		return err == nil, err
	}
	described, err := l.control.ask(ctx, "ec2", c.Region, ec2Version, "DescribeVpcs", url.Values{"VpcId.1": {vpc}})
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(endpoint.Every(described, "isDefault"), func(e *etree.Element) bool { return e.Text() == "true" }), nil
}

// refused returns the code and message of moto's error; the code is "" if err
// is none of moto's.
func refused(err error) (code, message string) {
	answer, ok := errors.AsType[*upstreamError](err)
	if !ok {
		return "", ""
	}
	root, err := endpoint.ParseXML([]byte(answer.body))
	if err != nil {
		return "", ""
	}
	for _, e := range append(endpoint.Every(root, "Error"), root) {
		if code := endpoint.Text(e, "Code"); code != "" {
			return code, endpoint.Text(e, "Message")
		}
	}
	return "", ""
}
