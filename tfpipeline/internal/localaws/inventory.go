package localaws

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// listing is one kind of resource and how to list it.
type listing struct {
	kind, service string
	request       func(*http.Request)                // makes an empty POST / ask for the list
	names         func(rep *reply) ([]string, error) // reads the answer
	children      func(name string) (listing, bool)  // what each of them holds; may be nil
}

// Inventory lists the resources that exist, by kind ("ec2 vpc", "rds
// instance"), each kind's names sorted. What an empty account has, such as the
// default VPC and the policies that AWS manages, is left out: an empty map
// means that nothing is there. It asks as a client would, so what the endpoint
// answers itself is in it, and ECS's task definitions only while they are
// ACTIVE.
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
		for _, name := range names {
			if l.children == nil {
				break
			}
			if inner, ok := l.children(name); ok {
				open = append(open, inner)
			}
		}
	}
	return found, nil
}

func (e *Endpoint) list(ctx context.Context, l listing) ([]string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, e.URL()+"/", http.NoBody)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", signature(l.service, e.region))
	l.request(r)
	rep := e.self(r)
	if rep.status >= 300 {
		return nil, fmt.Errorf("status %d: %s", rep.status, rep.body)
	}
	return l.names(rep)
}

// listings is every kind that this platform's configuration can create, and
// those near it.
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
		listQuery("iam policy", "iam", iam, "ListPolicies", "Policies/PolicyName", prefixed("Arn", "arn:aws:iam::aws:")),
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
		listREST("bucket", "s3", "/", "Bucket", "Name"),
		hostedZones(),
	}
}

// hostedZones lists zones, and the records that somebody put into them.
func hostedZones() listing {
	l := listREST("hosted zone", "route53", "/2013-04-01/hostedzone", "HostedZone", "Id")
	l.children = func(id string) (listing, bool) {
		records := listREST("record", "route53", "/2013-04-01/hostedzone/"+strings.TrimPrefix(id, "/hostedzone/")+"/rrset", "ResourceRecordSet", "Name")
		records.names = func(rep *reply) ([]string, error) {
			root, err := parseXML(rep.body)
			var names []string
			for _, record := range root.every("ResourceRecordSet") {
				if kind := record.value("Type"); kind != "NS" && kind != "SOA" {
					names = append(names, record.value("Name")+" "+kind)
				}
			}
			return names, err
		}
		return records, true
	}
	return l
}

// listQuery lists by the Query protocol. where is the list and the name in each
// of its elements: "vpcSet/vpcId".
func listQuery(kind, service, version, operation, where string, skip func(*node) bool) listing {
	list, name, _ := strings.Cut(where, "/")
	return listing{kind: kind, service: service,
		request: func(r *http.Request) {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			form := url.Values{"Action": {operation}, "Version": {version}}
			setBody(r, []byte(form.Encode()))
		},
		names: func(rep *reply) ([]string, error) {
			root, err := parseXML(rep.body)
			var names []string
			for _, l := range root.every(list)[:min(1, len(root.every(list)))] {
				for _, element := range l.children {
					if skip == nil || !skip(element) {
						names = append(names, element.value(name))
					}
				}
			}
			return names, err
		},
	}
}

// listREST lists by GET.
func listREST(kind, service, path, element, name string) listing {
	return listing{kind: kind, service: service,
		request: func(r *http.Request) { r.Method, r.URL.Path = http.MethodGet, path },
		names: func(rep *reply) ([]string, error) {
			root, err := parseXML(rep.body)
			var names []string
			for _, n := range root.every(element) {
				names = append(names, n.value(name))
			}
			return names, err
		},
	}
}

// listJSON lists by the JSON protocol. where is the key of a list of objects
// and the key of the name in each, or the key of a list of names.
func listJSON(kind, service, target, body, where string) listing {
	list, name, objects := strings.Cut(where, "/")
	return listing{kind: kind, service: service,
		request: func(r *http.Request) {
			r.Header.Set("Content-Type", "application/x-amz-json-1.1")
			r.Header.Set("X-Amz-Target", target)
			setBody(r, []byte(body))
		},
		names: func(rep *reply) ([]string, error) {
			var out map[string]json.RawMessage
			if err := json.Unmarshal(rep.body, &out); err != nil {
				return nil, err
			}
			names := []string{}
			if !objects {
				return names, decodeJSON(out[list], &names)
			}
			var elements []map[string]any
			err := decodeJSON(out[list], &elements)
			for _, element := range elements {
				names = append(names, fmt.Sprint(element[name]))
			}
			return names, err
		},
	}
}

func isDefault(child string) func(*node) bool { return named(child, "true") }

func named(child, text string) func(*node) bool {
	return func(n *node) bool { return n.value(child) == text }
}

func prefixed(child, prefix string) func(*node) bool {
	return func(n *node) bool { return strings.HasPrefix(n.value(child), prefix) }
}

// isMain reports whether a route table is the one that came with its VPC.
func isMain(n *node) bool {
	return slices.ContainsFunc(n.child("associationSet").every("main"), func(m *node) bool { return m.text == "true" })
}
