package localaws

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// members are the names of the clusters (nodes) of a replication group.
func (g *replicationGroup) members() []string {
	var names []string
	for shard := 1; shard <= g.shards; shard++ {
		for replica := 1; replica <= g.replicas+1; replica++ {
			names = append(names, g.member(shard, replica))
		}
	}
	return names
}

func (g *replicationGroup) member(shard, node int) string {
	if g.clusterMode {
		return fmt.Sprintf("%s-%04d-%03d", g.id, shard, node)
	}
	return fmt.Sprintf("%s-%03d", g.id, node)
}

// host is the name of an address of the group; it resolves nowhere.
func (g *replicationGroup) host(kind, region string) string {
	zone := strings.ReplaceAll(region, "-", "")
	if g.inTransit {
		return fmt.Sprintf("%s.%s.local00.%s.cache.amazonaws.com", kind, g.id, zone)
	}
	return fmt.Sprintf("%s-%s.local00.%s.cache.amazonaws.com", g.id, kind, zone)
}

func (g *replicationGroup) endpoint(name, kind, region string) *node {
	return branch(name, leaf("Address", g.host(kind, region)), leaf("Port", g.port))
}

// zone spreads nodes over the zones of the subnet group.
func (c *cacheCall) zone(g *replicationGroup, index int) string {
	subnets := c.subnetGroups[g.subnetGroup]
	if subnets == nil || len(subnets.subnets) == 0 {
		return c.call.region + "a"
	}
	return subnets.subnets[index%len(subnets.subnets)].zone
}

func enabled(b bool) string {
	if b {
		return "enabled"
	}
	return "disabled"
}

// group describes a replication group.
func (c *cacheCall) group(g *replicationGroup, status string) *node {
	members := branch("MemberClusters")
	for _, name := range g.members() {
		members.add(leaf("ClusterId", name))
	}
	shards := branch("NodeGroups")
	for shard := 1; shard <= g.shards; shard++ {
		nodes := branch("NodeGroupMembers")
		for i := 1; i <= g.replicas+1; i++ {
			role := "replica"
			if i == 1 {
				role = "primary"
			}
			member := branch("NodeGroupMember",
				leaf("CacheClusterId", g.member(shard, i)),
				leaf("CacheNodeId", "0001"),
				leaf("PreferredAvailabilityZone", c.zone(g, i-1)))
			if !g.clusterMode {
				member.add(leaf("CurrentRole", role), g.endpoint("ReadEndpoint", g.member(shard, i), c.call.region))
			}
			nodes.add(member)
		}
		group := branch("NodeGroup", leaf("NodeGroupId", fmt.Sprintf("%04d", shard)), leaf("Status", status), nodes)
		if !g.clusterMode {
			group.add(g.endpoint("PrimaryEndpoint", "master", c.call.region), g.endpoint("ReaderEndpoint", "replica", c.call.region))
		}
		shards.add(group)
	}
	logs := branch("LogDeliveryConfigurations")
	for _, l := range g.logDelivery {
		details := branch("DestinationDetails")
		if group := l.Get("DestinationDetails.CloudWatchLogsDetails.LogGroup"); group != "" {
			details.add(branch("CloudWatchLogsDetails", leaf("LogGroup", group)))
		}
		if stream := l.Get("DestinationDetails.KinesisFirehoseDetails.DeliveryStream"); stream != "" {
			details.add(branch("KinesisFirehoseDetails", leaf("DeliveryStream", stream)))
		}
		logs.add(branch("LogDeliveryConfiguration",
			leaf("LogType", l.Get("LogType")), leaf("DestinationType", l.Get("DestinationType")),
			details, leaf("LogFormat", l.Get("LogFormat")), leaf("Status", "active")))
	}
	out := branch("ReplicationGroup",
		leaf("ReplicationGroupId", g.id),
		leaf("Description", g.description),
		leaf("Status", status),
		branch("PendingModifiedValues"),
		members, shards,
		leaf("AutomaticFailover", enabled(g.failover)),
		leaf("MultiAZ", enabled(g.multiAZ)),
		leaf("SnapshotRetentionLimit", g.snapshotRetention),
		leaf("SnapshotWindow", g.snapshotWindow),
		leaf("ClusterEnabled", g.clusterMode),
		leaf("ClusterMode", enabled(g.clusterMode)),
		leaf("CacheNodeType", g.nodeType),
		leaf("Engine", g.engine),
		leaf("AuthTokenEnabled", g.authToken),
		leaf("TransitEncryptionEnabled", g.inTransit),
		optional("TransitEncryptionMode", g.transitMode),
		leaf("AtRestEncryptionEnabled", g.atRest),
		optional("KmsKeyId", g.kmsKey),
		leaf("AutoMinorVersionUpgrade", g.minorUpgrades),
		leaf("DataTiering", "disabled"),
		leaf("NetworkType", g.networkType),
		leaf("IpDiscovery", g.ipDiscovery),
		leaf("ReplicationGroupCreateTime", timestamp(g.created)),
		leaf("ARN", g.arn),
		logs)
	if g.clusterMode {
		out.add(g.endpoint("ConfigurationEndpoint", "clustercfg", c.call.region))
	}
	return out
}

func (c *cacheCall) describeClusters() ([]*node, error) {
	asked := strings.ToLower(c.form.Get("CacheClusterId"))
	list := branch("CacheClusters")
	for _, id := range slices.Sorted(maps.Keys(c.groups)) {
		for i, name := range c.groups[id].members() {
			if asked == "" || asked == name {
				list.add(c.cluster(c.groups[id], name, i))
			}
		}
	}
	if asked != "" && len(list.children) == 0 {
		f := refuse("CacheClusterNotFound", "CacheCluster not found: %s", asked)
		f.status = http.StatusNotFound
		return nil, f
	}
	return []*node{list}, nil
}

// cluster describes one node of a replication group.
func (c *cacheCall) cluster(g *replicationGroup, name string, index int) *node {
	groups := branch("SecurityGroups")
	for _, id := range g.securityGroups {
		groups.add(branch("member", leaf("SecurityGroupId", id), leaf("Status", "active")))
	}
	zone := c.zone(g, index)
	out := branch("CacheCluster",
		leaf("CacheClusterId", name),
		leaf("ReplicationGroupId", g.id),
		leaf("CacheClusterStatus", "available"),
		leaf("CacheNodeType", g.nodeType),
		leaf("Engine", g.engine),
		leaf("EngineVersion", g.version),
		leaf("NumCacheNodes", 1),
		leaf("PreferredAvailabilityZone", zone),
		leaf("CacheClusterCreateTime", timestamp(g.created)),
		leaf("PreferredMaintenanceWindow", g.maintenanceWindow),
		branch("PendingModifiedValues"),
		branch("CacheParameterGroup",
			leaf("CacheParameterGroupName", g.parameterGroup),
			leaf("ParameterApplyStatus", "in-sync")),
		optional("CacheSubnetGroupName", g.subnetGroup),
		leaf("AutoMinorVersionUpgrade", g.minorUpgrades),
		groups,
		leaf("SnapshotRetentionLimit", g.snapshotRetention),
		leaf("SnapshotWindow", g.snapshotWindow),
		leaf("AuthTokenEnabled", g.authToken),
		leaf("TransitEncryptionEnabled", g.inTransit),
		optional("TransitEncryptionMode", g.transitMode),
		leaf("AtRestEncryptionEnabled", g.atRest),
		leaf("NetworkType", g.networkType),
		leaf("IpDiscovery", g.ipDiscovery),
		leaf("ARN", c.arn("cluster", name)))
	if g.notificationTopic != "" {
		out.add(branch("NotificationConfiguration", leaf("TopicArn", g.notificationTopic), leaf("TopicStatus", "active")))
	}
	if isTrue(c.form, "ShowCacheNodeInfo") {
		out.add(branch("CacheNodes", branch("CacheNode",
			leaf("CacheNodeId", "0001"),
			leaf("CacheNodeStatus", "available"),
			g.endpoint("Endpoint", name, c.call.region),
			leaf("ParameterGroupStatus", "in-sync"),
			leaf("CustomerAvailabilityZone", zone))))
	}
	return out
}
