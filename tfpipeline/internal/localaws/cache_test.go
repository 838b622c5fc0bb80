package localaws

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/specboard/platform/tfpipeline/internal/endpoint"
)

func startCaches(t *testing.T) *Endpoint {
	return start(t, newFakeControl(t, map[string]string{
		"ec2.DescribeSecurityGroups": `<R/>`,
		"ec2.DescribeSubnets": `<R><subnetSet>
			<item><subnetId>subnet-a</subnetId><availabilityZone>us-west-2a</availabilityZone><vpcId>vpc-1</vpcId></item>
			<item><subnetId>subnet-b</subnetId><availabilityZone>us-west-2b</availabilityZone><vpcId>vpc-1</vpcId></item>
		</subnetSet></R>`,
	}), Options{})
}

// wantRefusal asserts a refusal by status and code.
func wantRefusal(t *testing.T, e *Endpoint, status int, code, operation string, parameters ...string) {
	t.Helper()
	got, root := query(t, e, "elasticache", operation, parameters...)
	if c := endpoint.Text(root.SelectElement("Error"), "Code"); got != status || c != code {
		t.Errorf("%s: status %d code %s, want %d %s", operation, got, c, status, code)
	}
}

func TestReplicationGroup(t *testing.T) {
	e := startCaches(t)
	wantRefusal(t, e, 400, "InvalidSubnet", "CreateCacheSubnetGroup", "CacheSubnetGroupName=G", "SubnetIds.SubnetIdentifier.1=subnet-none")
	group := must(t, e, "elasticache", "CreateCacheSubnetGroup", "CacheSubnetGroupName=Redis", "CacheSubnetGroupDescription=d",
		"SubnetIds.SubnetIdentifier.1=subnet-a", "SubnetIds.SubnetIdentifier.2=subnet-b")
	if got := endpoint.Every(group, "CacheSubnetGroup")[0]; endpoint.Text(got, "CacheSubnetGroupName") != "redis" || endpoint.Text(got, "VpcId") != "vpc-1" {
		t.Errorf("%s", endpoint.Encode(got))
	}
	create := []string{
		"ReplicationGroupId=Cache", "ReplicationGroupDescription=Redis", "Engine=redis", "EngineVersion=7.1",
		"CacheNodeType=cache.t4g.micro", "NumCacheClusters=2", "AutomaticFailoverEnabled=true", "MultiAZEnabled=true",
		"CacheSubnetGroupName=redis", "CacheParameterGroupName=default.redis7", "SecurityGroupIds.SecurityGroupId.1=sg-1",
		"TransitEncryptionEnabled=true", "AtRestEncryptionEnabled=true", "SnapshotRetentionLimit=1",
		"Tags.Tag.1.Key=Name", "Tags.Tag.1.Value=cache",
	}
	wantRefusal(t, e, 404, "ReplicationGroupNotFoundFault", "DescribeReplicationGroups", "ReplicationGroupId=cache")
	wantRefusal(t, e, 400, "CacheSubnetGroupNotFoundFault", "CreateReplicationGroup", "ReplicationGroupId=x", "CacheSubnetGroupName=none")
	wantRefusal(t, e, 404, "CacheParameterGroupNotFound", "CreateReplicationGroup", "ReplicationGroupId=x", "CacheParameterGroupName=none")
	wantRefusal(t, e, 400, "InvalidParameterCombination", "CreateReplicationGroup", "ReplicationGroupId=x", "AutomaticFailoverEnabled=true", "NumCacheClusters=1")
	wantRefusal(t, e, 400, "InvalidParameterCombination", "CreateReplicationGroup", "ReplicationGroupId=x", "AuthToken=0123456789abcdef")
	created := must(t, e, "elasticache", "CreateReplicationGroup", create...)
	if got := endpoint.Text(endpoint.Every(created, "ReplicationGroup")[0], "Status"); got != "creating" {
		t.Errorf("status at creation %q", got)
	}
	wantRefusal(t, e, 400, "ReplicationGroupAlreadyExists", "CreateReplicationGroup", create...)

	described := endpoint.Every(must(t, e, "elasticache", "DescribeReplicationGroups", "ReplicationGroupId=cache"), "ReplicationGroup")[0]
	for element, want := range map[string]string{
		"Status": "available", "ReplicationGroupId": "cache", "Description": "Redis", "AutomaticFailover": "enabled", "MultiAZ": "enabled",
		"ClusterEnabled": "false", "ClusterMode": "disabled", "TransitEncryptionMode": "required", "AtRestEncryptionEnabled": "true",
		"SnapshotRetentionLimit": "1", "ARN": "arn:aws:elasticache:us-west-2:123456789012:replicationgroup:cache",
	} {
		if got := endpoint.Text(described, element); got != want {
			t.Errorf("%s %q, want %q", element, got, want)
		}
	}
	var members []string
	for _, m := range endpoint.Every(described, "ClusterId") {
		members = append(members, m.Text())
	}
	if !slices.Equal(members, []string{"cache-001", "cache-002"}) {
		t.Errorf("members %v", members)
	}
	if address := endpoint.Text(endpoint.Every(described, "PrimaryEndpoint")[0], "Address"); !strings.HasPrefix(address, "master.cache.") {
		t.Errorf("address %s", address)
	}

	node := endpoint.Every(must(t, e, "elasticache", "DescribeCacheClusters", "CacheClusterId=cache-002", "ShowCacheNodeInfo=true"), "CacheCluster")[0]
	if endpoint.Text(node, "EngineVersion") != "7.1.0" || endpoint.Text(node, "PreferredAvailabilityZone") != "us-west-2b" ||
		endpoint.Every(node, "SecurityGroupId")[0].Text() != "sg-1" || endpoint.Every(node, "Port")[0].Text() != "6379" ||
		endpoint.Text(node.SelectElement("CacheParameterGroup"), "CacheParameterGroupName") != "default.redis7" {
		t.Errorf("%s", endpoint.Encode(node))
	}
	wantRefusal(t, e, 404, "CacheClusterNotFound", "DescribeCacheClusters", "CacheClusterId=cache-003")

	must(t, e, "elasticache", "ModifyReplicationGroup", "ReplicationGroupId=cache", "ApplyImmediately=true", "CacheNodeType=cache.t4g.small", "SnapshotRetentionLimit=0")
	described = endpoint.Every(must(t, e, "elasticache", "DescribeReplicationGroups", "ReplicationGroupId=cache"), "ReplicationGroup")[0]
	if endpoint.Text(described, "CacheNodeType") != "cache.t4g.small" || endpoint.Text(described, "SnapshotRetentionLimit") != "0" || endpoint.Text(described, "MultiAZ") != "enabled" {
		t.Errorf("after the modification: %s", endpoint.Encode(described))
	}
	wantRefusal(t, e, 400, "CacheSubnetGroupNotFoundFault", "ModifyReplicationGroup", "ReplicationGroupId=cache", "CacheSubnetGroupName=none", "CacheNodeType=lost")
	described = endpoint.Every(must(t, e, "elasticache", "DescribeReplicationGroups"), "ReplicationGroup")[0]
	if endpoint.Text(described, "CacheNodeType") != "cache.t4g.small" {
		t.Error("a refused modification was half made")
	}
	must(t, e, "elasticache", "IncreaseReplicaCount", "ReplicationGroupId=cache", "NewReplicaCount=2", "ApplyImmediately=true")
	must(t, e, "elasticache", "DescribeCacheClusters", "CacheClusterId=cache-003")
	wantRefusal(t, e, 400, "InvalidParameterValue", "DecreaseReplicaCount", "ReplicationGroupId=cache", "NewReplicaCount=0")

	wantRefusal(t, e, 400, "CacheSubnetGroupInUse", "DeleteCacheSubnetGroup", "CacheSubnetGroupName=redis")
	must(t, e, "elasticache", "DeleteReplicationGroup", "ReplicationGroupId=cache")
	wantRefusal(t, e, 404, "ReplicationGroupNotFoundFault", "DescribeReplicationGroups", "ReplicationGroupId=cache")
	wantRefusal(t, e, 404, "CacheClusterNotFound", "DescribeCacheClusters", "CacheClusterId=cache-001")
	must(t, e, "elasticache", "DeleteCacheSubnetGroup", "CacheSubnetGroupName=redis")
	wantRefusal(t, e, 400, "CacheSubnetGroupNotFoundFault", "DescribeCacheSubnetGroups", "CacheSubnetGroupName=redis")
	wantRefusal(t, e, http.StatusNotImplemented, "NotModelledLocally", "CreateServerlessCache")
}

func TestShardedReplicationGroup(t *testing.T) {
	e := startCaches(t)
	created := must(t, e, "elasticache", "CreateReplicationGroup", "ReplicationGroupId=big", "NumNodeGroups=2", "ReplicasPerNodeGroup=1",
		"LogDeliveryConfigurations.LogDeliveryConfigurationRequest.1.LogType=slow-log",
		"LogDeliveryConfigurations.LogDeliveryConfigurationRequest.1.DestinationType=cloudwatch-logs",
		"LogDeliveryConfigurations.LogDeliveryConfigurationRequest.1.DestinationDetails.CloudWatchLogsDetails.LogGroup=/redis",
		"LogDeliveryConfigurations.LogDeliveryConfigurationRequest.1.LogFormat=json")
	group := endpoint.Every(created, "ReplicationGroup")[0]
	if len(endpoint.Every(group, "NodeGroup")) != 2 || len(endpoint.Every(group, "ClusterId")) != 4 || endpoint.Every(group, "ClusterId")[2].Text() != "big-0002-001" ||
		group.SelectElement("ConfigurationEndpoint") == nil || len(endpoint.Every(group, "PrimaryEndpoint")) != 0 {
		t.Errorf("%s", endpoint.Encode(group))
	}
	if logs := endpoint.Every(group, "CloudWatchLogsDetails"); len(logs) != 1 || endpoint.Text(logs[0], "LogGroup") != "/redis" {
		t.Errorf("%s", endpoint.Encode(group))
	}
	off := must(t, e, "elasticache", "ModifyReplicationGroup", "ReplicationGroupId=big",
		"LogDeliveryConfigurations.LogDeliveryConfigurationRequest.1.LogType=slow-log",
		"LogDeliveryConfigurations.LogDeliveryConfigurationRequest.1.Enabled=false")
	if logs := endpoint.Every(off, "LogDeliveryConfiguration"); len(logs) != 0 {
		t.Errorf("%s", endpoint.Encode(off))
	}
}

func TestCacheParameterGroup(t *testing.T) {
	e := startCaches(t)
	created := must(t, e, "elasticache", "CreateCacheParameterGroup", "CacheParameterGroupName=p", "CacheParameterGroupFamily=redis7", "Description=d",
		"Tags.Tag.1.Key=a", "Tags.Tag.1.Value=1")
	arn := endpoint.Every(created, "ARN")[0].Text()
	wantRefusal(t, e, 400, "CacheParameterGroupAlreadyExists", "CreateCacheParameterGroup", "CacheParameterGroupName=p")
	wantRefusal(t, e, 400, "CacheParameterGroupAlreadyExists", "CreateCacheParameterGroup", "CacheParameterGroupName=default.redis7")
	must(t, e, "elasticache", "ModifyCacheParameterGroup", "CacheParameterGroupName=p",
		"ParameterNameValues.ParameterNameValue.1.ParameterName=maxmemory-policy", "ParameterNameValues.ParameterNameValue.1.ParameterValue=allkeys-lru",
		"ParameterNameValues.ParameterNameValue.2.ParameterName=timeout", "ParameterNameValues.ParameterNameValue.2.ParameterValue=5")
	parameters := endpoint.Every(must(t, e, "elasticache", "DescribeCacheParameters", "CacheParameterGroupName=p"), "Parameter")
	if len(parameters) != 2 || endpoint.Text(parameters[0], "ParameterValue") != "allkeys-lru" || endpoint.Text(parameters[0], "Source") != "user" {
		t.Errorf("%d parameters", len(parameters))
	}
	must(t, e, "elasticache", "ResetCacheParameterGroup", "CacheParameterGroupName=p", "ParameterNameValues.ParameterNameValue.1.ParameterName=timeout")
	if n := len(endpoint.Every(must(t, e, "elasticache", "DescribeCacheParameters", "CacheParameterGroupName=p"), "Parameter")); n != 1 {
		t.Errorf("%d parameters after one was reset", n)
	}
	must(t, e, "elasticache", "ResetCacheParameterGroup", "CacheParameterGroupName=p", "ResetAllParameters=true")
	if n := len(endpoint.Every(must(t, e, "elasticache", "DescribeCacheParameters", "CacheParameterGroupName=p"), "Parameter")); n != 0 {
		t.Errorf("%d parameters after all were reset", n)
	}

	must(t, e, "elasticache", "AddTagsToResource", "ResourceName="+arn, "Tags.Tag.1.Key=b", "Tags.Tag.1.Value=2")
	must(t, e, "elasticache", "RemoveTagsFromResource", "ResourceName="+arn, "TagKeys.member.1=a")
	tags := endpoint.Every(must(t, e, "elasticache", "ListTagsForResource", "ResourceName="+arn), "Tag")
	if len(tags) != 1 || endpoint.Text(tags[0], "Key") != "b" {
		t.Errorf("%d tags", len(tags))
	}

	must(t, e, "elasticache", "CreateReplicationGroup", "ReplicationGroupId=user", "CacheParameterGroupName=p")
	wantRefusal(t, e, 400, "InvalidCacheParameterGroupState", "DeleteCacheParameterGroup", "CacheParameterGroupName=p")
	must(t, e, "elasticache", "DeleteReplicationGroup", "ReplicationGroupId=user")
	must(t, e, "elasticache", "DeleteCacheParameterGroup", "CacheParameterGroupName=p")
	wantRefusal(t, e, 404, "CacheParameterGroupNotFound", "DescribeCacheParameterGroups", "CacheParameterGroupName=p")
	wantRefusal(t, e, 404, "CacheParameterGroupNotFound", "ListTagsForResource", "ResourceName="+arn)
	family := endpoint.Every(must(t, e, "elasticache", "DescribeCacheParameterGroups", "CacheParameterGroupName=default.redis7.cluster.on"), "CacheParameterGroupFamily")
	if len(family) != 1 || family[0].Text() != "redis7" {
		t.Errorf("the group that AWS provides: %v", family)
	}
}

// TestCacheToken walks a token's life: accepted beside none, required, rotated. Nothing
// shows it, and what ElastiCache refuses is refused.
func TestCacheToken(t *testing.T) {
	e := startCaches(t)
	const first, second = "first-token-0123456789", "second-token-0123456789"
	change := func(token, strategy string, more ...string) []string {
		return append([]string{"ReplicationGroupId=cache", "ApplyImmediately=true", "AuthToken=" + token, "AuthTokenUpdateStrategy=" + strategy}, more...)
	}
	const invalid, combination = "InvalidParameterValue", "InvalidParameterCombination"
	must(t, e, "elasticache", "CreateReplicationGroup", "ReplicationGroupId=plain")
	wantRefusal(t, e, 400, combination, "ModifyReplicationGroup", append(change(first, "ROTATE")[1:], "ReplicationGroupId=plain")...)
	must(t, e, "elasticache", "CreateReplicationGroup", "ReplicationGroupId=cache", "TransitEncryptionEnabled=true")
	group := func() string {
		return endpoint.Text(endpoint.Every(must(t, e, "elasticache", "DescribeReplicationGroups", "ReplicationGroupId=cache"), "ReplicationGroup")[0], "AuthTokenEnabled")
	}
	if got := group(); got != "false" {
		t.Errorf("AuthTokenEnabled %s of a group without a token", got)
	}
	wantRefusal(t, e, 400, combination, "ModifyReplicationGroup", change(first, "SET")...)
	wantRefusal(t, e, 400, combination, "ModifyReplicationGroup", "ReplicationGroupId=cache", "AuthTokenUpdateStrategy=ROTATE")
	wantRefusal(t, e, 400, combination, "ModifyReplicationGroup", "ReplicationGroupId=cache", "AuthToken="+first)
	wantRefusal(t, e, 400, invalid, "ModifyReplicationGroup", change("short", "ROTATE")...)
	wantRefusal(t, e, 400, invalid, "ModifyReplicationGroup", change("with@sign-0123456789", "ROTATE")...)
	for _, step := range []struct{ token, strategy string }{{first, "ROTATE"}, {first, "SET"}, {second, "ROTATE"}, {second, "SET"}} {
		must(t, e, "elasticache", "ModifyReplicationGroup", change(step.token, step.strategy)...)
		if got := group(); got != "true" {
			t.Errorf("AuthTokenEnabled %s after %s", got, step.strategy)
		}
		wantRefusal(t, e, 400, combination, "ModifyReplicationGroup", change("another-token-0123456789", "SET")...)
	}
	wantRefusal(t, e, 400, combination, "ModifyReplicationGroup", change(second, "SET")...)
	for _, operation := range []string{"DescribeReplicationGroups", "DescribeCacheClusters"} {
		if shown := endpoint.Encode(must(t, e, "elasticache", operation)); strings.Contains(string(shown), "-token-") {
			t.Errorf("%s shows the token", operation)
		}
	}
}
