package localaws

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/beevik/etree"

	"github.com/specboard/platform/tfpipeline/internal/endpoint"
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

func (g *replicationGroup) endpoint(name, kind, region string) *etree.Element {
	return endpoint.Branch(name, endpoint.Leaf("Address", g.host(kind, region)), endpoint.Leaf("Port", g.port))
}

// zone spreads nodes over the zones of the subnet group.
func (c *cacheCall) zone(g *replicationGroup, index int) string {
	subnets := c.subnetGroups[g.subnetGroup]
	if subnets == nil || len(subnets.subnets) == 0 {
		return c.Call.Region + "a"
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
func (c *cacheCall) group(g *replicationGroup, status string) *etree.Element {
	members := endpoint.Branch("MemberClusters")
	for _, name := range g.members() {
		endpoint.Add(members, endpoint.Leaf("ClusterId", name))
	}
	shards := endpoint.Branch("NodeGroups")
	for shard := 1; shard <= g.shards; shard++ {
		nodes := endpoint.Branch("NodeGroupMembers")
		for i := 1; i <= g.replicas+1; i++ {
			role := "replica"
			if i == 1 {
				role = "primary"
			}
			member := endpoint.Branch("NodeGroupMember",
				endpoint.Leaf("CacheClusterId", g.member(shard, i)),
				endpoint.Leaf("CacheNodeId", "0001"),
				endpoint.Leaf("PreferredAvailabilityZone", c.zone(g, i-1)))
			if !g.clusterMode {
				endpoint.Add(member, endpoint.Leaf("CurrentRole", role), g.endpoint("ReadEndpoint", g.member(shard, i), c.Call.Region))
			}
			endpoint.Add(nodes, member)
		}
		group := endpoint.Branch("NodeGroup", endpoint.Leaf("NodeGroupId", fmt.Sprintf("%04d", shard)), endpoint.Leaf("Status", status), nodes)
		if !g.clusterMode {
			endpoint.Add(group, g.endpoint("PrimaryEndpoint", "master", c.Call.Region), g.endpoint("ReaderEndpoint", "replica", c.Call.Region))
		}
		endpoint.Add(shards, group)
	}
	logs := endpoint.Branch("LogDeliveryConfigurations")
	for _, l := range g.logDelivery {
		details := endpoint.Branch("DestinationDetails")
		if group := l.Get("DestinationDetails.CloudWatchLogsDetails.LogGroup"); group != "" {
			endpoint.Add(details, endpoint.Branch("CloudWatchLogsDetails", endpoint.Leaf("LogGroup", group)))
		}
		if stream := l.Get("DestinationDetails.KinesisFirehoseDetails.DeliveryStream"); stream != "" {
			endpoint.Add(details, endpoint.Branch("KinesisFirehoseDetails", endpoint.Leaf("DeliveryStream", stream)))
		}
		endpoint.Add(logs, endpoint.Branch("LogDeliveryConfiguration",
			endpoint.Leaf("LogType", l.Get("LogType")), endpoint.Leaf("DestinationType", l.Get("DestinationType")),
			details, endpoint.Leaf("LogFormat", l.Get("LogFormat")), endpoint.Leaf("Status", "active")))
	}
	out := endpoint.Branch("ReplicationGroup",
		endpoint.Leaf("ReplicationGroupId", g.id),
		endpoint.Leaf("Description", g.description),
		endpoint.Leaf("Status", status),
		endpoint.Branch("PendingModifiedValues"),
		members, shards,
		endpoint.Leaf("AutomaticFailover", enabled(g.failover)),
		endpoint.Leaf("MultiAZ", enabled(g.multiAZ)),
		endpoint.Leaf("SnapshotRetentionLimit", g.snapshotRetention),
		endpoint.Leaf("SnapshotWindow", g.snapshotWindow),
		endpoint.Leaf("ClusterEnabled", g.clusterMode),
		endpoint.Leaf("ClusterMode", enabled(g.clusterMode)),
		endpoint.Leaf("CacheNodeType", g.nodeType),
		endpoint.Leaf("Engine", g.engine),
		endpoint.Leaf("AuthTokenEnabled", g.authToken),
		endpoint.Leaf("TransitEncryptionEnabled", g.inTransit),
		endpoint.Optional("TransitEncryptionMode", g.transitMode),
		endpoint.Leaf("AtRestEncryptionEnabled", g.atRest),
		endpoint.Optional("KmsKeyId", g.kmsKey),
		endpoint.Leaf("AutoMinorVersionUpgrade", g.minorUpgrades),
		endpoint.Leaf("DataTiering", "disabled"),
		endpoint.Leaf("NetworkType", g.networkType),
		endpoint.Leaf("IpDiscovery", g.ipDiscovery),
		endpoint.Leaf("ReplicationGroupCreateTime", timestamp(g.created)),
		endpoint.Leaf("ARN", g.arn),
		logs)
	if g.clusterMode {
		endpoint.Add(out, g.endpoint("ConfigurationEndpoint", "clustercfg", c.Call.Region))
	}
	return out
}

func (c *cacheCall) describeClusters() ([]*etree.Element, error) {
	asked := strings.ToLower(c.Form.Get("CacheClusterId"))
	list := endpoint.Branch("CacheClusters")
	for _, id := range slices.Sorted(maps.Keys(c.groups)) {
		for i, name := range c.groups[id].members() {
			if asked == "" || asked == name {
				endpoint.Add(list, c.cluster(c.groups[id], name, i))
			}
		}
	}
	if asked != "" && len(list.ChildElements()) == 0 {
		f := endpoint.Refuse("CacheClusterNotFound", "CacheCluster not found: %s", asked)
		f.Status = http.StatusNotFound
		return nil, f
	}
	return []*etree.Element{list}, nil
}

// cluster describes one node of a replication group.
func (c *cacheCall) cluster(g *replicationGroup, name string, index int) *etree.Element {
	groups := endpoint.Branch("SecurityGroups")
	for _, id := range g.securityGroups {
		endpoint.Add(groups, endpoint.Branch("member", endpoint.Leaf("SecurityGroupId", id), endpoint.Leaf("Status", "active")))
	}
	zone := c.zone(g, index)
	out := endpoint.Branch("CacheCluster",
		endpoint.Leaf("CacheClusterId", name),
		endpoint.Leaf("ReplicationGroupId", g.id),
		endpoint.Leaf("CacheClusterStatus", "available"),
		endpoint.Leaf("CacheNodeType", g.nodeType),
		endpoint.Leaf("Engine", g.engine),
		endpoint.Leaf("EngineVersion", g.version),
		endpoint.Leaf("NumCacheNodes", 1),
		endpoint.Leaf("PreferredAvailabilityZone", zone),
		endpoint.Leaf("CacheClusterCreateTime", timestamp(g.created)),
		endpoint.Leaf("PreferredMaintenanceWindow", g.maintenanceWindow),
		endpoint.Branch("PendingModifiedValues"),
		endpoint.Branch("CacheParameterGroup",
			endpoint.Leaf("CacheParameterGroupName", g.parameterGroup),
			endpoint.Leaf("ParameterApplyStatus", "in-sync")),
		endpoint.Optional("CacheSubnetGroupName", g.subnetGroup),
		endpoint.Leaf("AutoMinorVersionUpgrade", g.minorUpgrades),
		groups,
		endpoint.Leaf("SnapshotRetentionLimit", g.snapshotRetention),
		endpoint.Leaf("SnapshotWindow", g.snapshotWindow),
		endpoint.Leaf("AuthTokenEnabled", g.authToken),
		endpoint.Leaf("TransitEncryptionEnabled", g.inTransit),
		endpoint.Optional("TransitEncryptionMode", g.transitMode),
		endpoint.Leaf("AtRestEncryptionEnabled", g.atRest),
		endpoint.Leaf("NetworkType", g.networkType),
		endpoint.Leaf("IpDiscovery", g.ipDiscovery),
		endpoint.Leaf("ARN", c.arn("cluster", name)))
	if g.notificationTopic != "" {
		endpoint.Add(out, endpoint.Branch("NotificationConfiguration", endpoint.Leaf("TopicArn", g.notificationTopic), endpoint.Leaf("TopicStatus", "active")))
	}
	if endpoint.IsTrue(c.Form, "ShowCacheNodeInfo") {
		endpoint.Add(out, endpoint.Branch("CacheNodes", endpoint.Branch("CacheNode",
			endpoint.Leaf("CacheNodeId", "0001"),
			endpoint.Leaf("CacheNodeStatus", "available"),
			g.endpoint("Endpoint", name, c.Call.Region),
			endpoint.Leaf("ParameterGroupStatus", "in-sync"),
			endpoint.Leaf("CustomerAvailabilityZone", zone))))
	}
	return out
}
