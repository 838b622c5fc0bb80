package localaws

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/specboard/platform/tfpipeline/internal/endpoint"
)

// listing is a kind of resource, with the request that lists it.
type listing struct {
	kind, service string
	// request turns an empty POST / into the request for a page of the list.
	request func(r *http.Request, from pageMark)
	// names reads the names in an answer, and the mark of the next page.
	names func(rep *endpoint.Reply) ([]string, pageMark, error)
	// children lists what each resource contains; nil if nothing.
	children func(name string) listing
}

// pageMark is the parameter that asks for a page; the zero value means the
// first page, or that there is no next one.
type pageMark struct{ name, value string }

// Inventory lists the resources that exist, by kind ("ec2 vpc", "rds
// instance"), each kind's names sorted. It leaves out what every account has,
// such as the default VPC and AWS's managed policies: an empty map means that
// nothing was created. It asks through the endpoint as a client would, so it
// includes what the endpoint itself answers. It lists only ACTIVE task
// definitions.
func (e *Endpoint) Inventory(ctx context.Context) (map[string][]string, error) {
	found := map[string][]string{}
	for open := listings(); len(open) > 0; open = open[1:] {
		l := open[0]
		names, err := e.list(ctx, l)
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", l.kind, err)
		}
		if len(names) == 0 {
			continue
		}
		found[l.kind] = append(found[l.kind], names...)
		slices.Sort(found[l.kind])
		if l.children != nil {
			for _, name := range names {
				open = append(open, l.children(name))
			}
		}
	}
	return found, nil
}

func (e *Endpoint) list(ctx context.Context, l listing) ([]string, error) {
	var all []string
	var from pageMark
	for {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, e.URL()+"/", http.NoBody)
		if err != nil {
			return nil, err
		}
		r.Header.Set("Authorization", signature(l.service, e.region))
		l.request(r, from)
		rep := e.self(r)
		if rep.Status >= 300 {
			return nil, fmt.Errorf("status %d: %s", rep.Status, rep.Body)
		}
		names, next, err := l.names(rep)
		if err != nil {
			return nil, err
		}
		all = append(all, names...)
		if next == (pageMark{}) || next == from {
			return all, nil
		}
		from = next
	}
}

// listings are all kinds that this platform's configuration can create, and
// related ones.
func listings() []listing {
	const (
		ec2, elb, rds   = ec2Version, elbVersion, "2014-10-31"
		cache, iam, sns = "2015-02-02", "2010-05-08", "2010-03-31"
		cloudwatch      = "2010-08-01"
	)
	return []listing{
		listQuery("ec2 vpc", "ec2", ec2, "DescribeVpcs", "vpcSet/vpcId", isDefault("isDefault")),
		listQuery("ec2 subnet", "ec2", ec2, "DescribeSubnets", "subnetSet/subnetId", isDefault("defaultForAz")),
		listQuery("ec2 security group", "ec2", ec2, "DescribeSecurityGroups", "securityGroupInfo/groupId", named("groupName", "default")),
		listQuery("ec2 internet gateway", "ec2", ec2, "DescribeInternetGateways", "internetGatewaySet/internetGatewayId", nil),
		listQuery("ec2 NAT gateway", "ec2", ec2, "DescribeNatGateways", "natGatewaySet/natGatewayId", named("state", "deleted")),
		listQuery("ec2 address", "ec2", ec2, "DescribeAddresses", "addressesSet/allocationId", nil),
		listQuery("ec2 route table", "ec2", ec2, "DescribeRouteTables", "routeTableSet/routeTableId", isMain),
		listQuery("ec2 VPC endpoint", "ec2", ec2, "DescribeVpcEndpoints", "vpcEndpointSet/vpcEndpointId", named("state", "deleted")),
		listQuery("ec2 network interface", "ec2", ec2, "DescribeNetworkInterfaces", "networkInterfaceSet/networkInterfaceId", nil),
		listQuery("load balancer", "elasticloadbalancing", elb, "DescribeLoadBalancers", "LoadBalancers/LoadBalancerName", nil),
		listQuery("target group", "elasticloadbalancing", elb, "DescribeTargetGroups", "TargetGroups/TargetGroupName", nil),
		listQuery("rds instance", "rds", rds, "DescribeDBInstances", "DBInstances/DBInstanceIdentifier", nil),
		listQuery("rds snapshot", "rds", rds, "DescribeDBSnapshots", "DBSnapshots/DBSnapshotIdentifier", nil),
		listQuery("rds subnet group", "rds", rds, "DescribeDBSubnetGroups", "DBSubnetGroups/DBSubnetGroupName", named("DBSubnetGroupName", "default")),
		listQuery("rds parameter group", "rds", rds, "DescribeDBParameterGroups", "DBParameterGroups/DBParameterGroupName", prefixed("DBParameterGroupName", "default.")),
		listQuery("elasticache replication group", "elasticache", cache, "DescribeReplicationGroups", "ReplicationGroups/ReplicationGroupId", nil),
		listQuery("elasticache subnet group", "elasticache", cache, "DescribeCacheSubnetGroups", "CacheSubnetGroups/CacheSubnetGroupName", nil),
		listQuery("elasticache parameter group", "elasticache", cache, "DescribeCacheParameterGroups", "CacheParameterGroups/CacheParameterGroupName", nil),
		listQuery("iam role", "iam", iam, "ListRoles", "Roles/RoleName", prefixed("Path", "/aws-service-role/")),
		listQuery("iam policy", "iam", iam, "ListPolicies&Scope=Local", "Policies/PolicyName", nil),
		listQuery("iam OIDC provider", "iam", iam, "ListOpenIDConnectProviders", "OpenIDConnectProviderList/Arn", nil),
		listQuery("sns topic", "sns", sns, "ListTopics", "Topics/TopicArn", nil),
		listQuery("cloudwatch alarm", "monitoring", cloudwatch, "DescribeAlarms", "MetricAlarms/AlarmName", nil),
		listQuery("cloudwatch dashboard", "monitoring", cloudwatch, "ListDashboards", "DashboardEntries/DashboardName", nil),
		listJSON("log group", "logs", "Logs_20140328.DescribeLogGroups", `{}`, "logGroups/logGroupName"),
		listJSON("secret", "secretsmanager", "secretsmanager.ListSecrets", `{"IncludePlannedDeletion":true}`, "SecretList/Name"),
		listJSON("certificate", "acm", "CertificateManager.ListCertificates", `{}`, "CertificateSummaryList/CertificateArn"),
		listJSON("repository", "ecr", ecrTarget+"DescribeRepositories", `{}`, "repositories/repositoryName"),
		listJSON("namespace", "servicediscovery", "Route53AutoNaming_v20170314.ListNamespaces", `{}`, "Namespaces/Name"),
		listJSON("scalable target", "application-autoscaling", "AnyScaleFrontendService.DescribeScalableTargets", `{"ServiceNamespace":"ecs"}`, "ScalableTargets/ResourceId"),
		listJSON("ecs cluster", "ecs", "AmazonEC2ContainerServiceV20141113.ListClusters", `{}`, "clusterArns"),
		listJSON("ecs task definition", "ecs", "AmazonEC2ContainerServiceV20141113.ListTaskDefinitions", `{"status":"ACTIVE"}`, "taskDefinitionArns"),
		listJSON("dynamodb table", "dynamodb", "DynamoDB_20120810.ListTables", `{}`, "TableNames"),
		listREST("bucket", "s3", "/", "Bucket", "Name", nil),
		hostedZones(),
	}
}
