package localaws

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/beevik/etree"

	"github.com/specboard/platform/tfpipeline/internal/endpoint"
)

// A replication group is a Redis with its replicas: NumNodeGroups shards, each
// of one primary and ReplicasPerNodeGroup replicas.

// settle checks the parameters of a replication group, and adds those that
// follow from them.
func (c *cacheCall) settle(r *cacheRecord) error {
	if r.Get("ReplicasPerNodeGroup") == "" { // the number of nodes implies it
		r.Set("ReplicasPerNodeGroup", strconv.Itoa(max(1, r.number("NumCacheClusters"))-1))
	}
	if err := c.setToken(r); err != nil {
		return err
	}
	for strings.Count(r.Get("EngineVersion"), ".") < 2 { // AWS adds the patch level that it chooses
		r.Set("EngineVersion", r.Get("EngineVersion")+".0")
	}
	if r.Get("CacheParameterGroupName") == "" {
		r.Set("CacheParameterGroupName", "default."+r.Get("Engine")+strings.SplitN(r.Get("EngineVersion"), ".", 2)[0])
	}
	if _, err := c.find(parameterGroups, r.Get("CacheParameterGroupName")); err != nil {
		return err
	}
	if name := r.Get("CacheSubnetGroupName"); name != "" {
		group, err := c.find(subnetGroups, name)
		if err != nil {
			return err
		}
		r.Set("CacheSubnetGroupName", group.name)
		r.subnets = group.subnets
	}
	if r.Get("AutomaticFailoverEnabled") == "true" && r.number("ReplicasPerNodeGroup") == 0 {
		return endpoint.Refuse("InvalidParameterCombination", "Replication group with automatic failover must have at least 2 nodes")
	}
	if r.Get("TransitEncryptionEnabled") == "true" {
		r.Set("TransitEncryptionMode", cmp.Or(r.Get("TransitEncryptionMode"), "required"))
	} else if r.Get("AuthTokenEnabled") == "true" {
		return endpoint.Refuse("InvalidParameterCombination", "The AUTH token is only supported when encryption-in-transit is enabled")
	}
	// Only the log destinations that the request names change.
	for _, l := range endpoint.Objects(c.Form, "LogDeliveryConfigurations") {
		prefix := "LogDeliveryConfigurations." + l.Get("LogType") + "."
		maps.DeleteFunc(r.Values, func(name string, _ []string) bool { return strings.HasPrefix(name, prefix) })
		for name, value := range l {
			if !l.Has("Enabled") || endpoint.IsTrue(l, "Enabled") {
				r.Values[prefix+name] = value
			}
		}
	}
	return nil
}

// tokenForm is what ElastiCache takes for an AUTH token.
var tokenForm = regexp.MustCompile(`^[A-Za-z0-9!&#$^<>-]{16,128}$`)

// setToken gives a replication group the AUTH token of a request. ROTATE accepts it
// beside the one before, or beside no token at all; SET, allowed only after ROTATE,
// requires it. Nothing shows a token.
func (c *cacheCall) setToken(r *cacheRecord) error {
	token, strategy := c.Form.Get("AuthToken"), c.Form.Get("AuthTokenUpdateStrategy")
	switch {
	case token == "" && strategy == "":
		return nil
	case token == "":
		return endpoint.Refuse("InvalidParameterCombination", "AuthTokenUpdateStrategy must be specified with AuthToken")
	case !tokenForm.MatchString(token):
		return endpoint.Refuse("InvalidParameterValue", "Invalid AuthToken provided.")
	}
	switch {
	case c.Operation == "CreateReplicationGroup":
		r.tokens = []string{token}
	case !endpoint.IsTrue(c.Form, "ApplyImmediately"):
		return endpoint.Refuse("InvalidParameterCombination", "The AUTH token can only be modified with ApplyImmediately")
	case strategy == "" || strategy == "ROTATE":
		last := "" // no token
		if len(r.tokens) > 0 {
			last = r.tokens[len(r.tokens)-1]
		}
		r.tokens = []string{last, token}
	case strategy == "SET":
		if len(r.tokens) != 2 || r.tokens[1] != token {
			return endpoint.Refuse("InvalidParameterCombination", "The SET strategy is only allowed after ROTATE, and with the token of it")
		}
		r.tokens = []string{token}
	default:
		return endpoint.Refuse("InvalidParameterValue", "AuthTokenUpdateStrategy %q is not modelled here", strategy)
	}
	r.Set("AuthTokenEnabled", "true")
	r.Set("AuthTokenLastModifiedDate", timestamp(time.Now()))
	return nil
}

func (r *cacheRecord) sharded() bool {
	return r.Get("ClusterMode") == "enabled" || r.number("NumNodeGroups") > 1 || strings.HasSuffix(r.Get("CacheParameterGroupName"), ".cluster.on")
}

// members are the names of the clusters (nodes) of a replication group.
func (r *cacheRecord) members() []string {
	var names []string
	for shard := 1; shard <= r.number("NumNodeGroups"); shard++ {
		for node := 1; node <= r.number("ReplicasPerNodeGroup")+1; node++ {
			names = append(names, r.member(shard, node))
		}
	}
	return names
}

func (r *cacheRecord) member(shard, node int) string {
	if r.sharded() {
		return fmt.Sprintf("%s-%04d-%03d", r.name, shard, node)
	}
	return fmt.Sprintf("%s-%03d", r.name, node)
}

// zone spreads nodes over the zones of the subnet group.
func (c *cacheCall) zone(r *cacheRecord, index int) string {
	if len(r.subnets) == 0 {
		return c.Region + "a"
	}
	return r.subnets[index%len(r.subnets)].zone
}

// address is an endpoint of the group; its DNS name does not resolve.
func (c *cacheCall) address(element, kind string, r *cacheRecord) *etree.Element {
	host := r.name + "-" + kind
	if r.Get("TransitEncryptionEnabled") == "true" {
		host = kind + "." + r.name
	}
	return endpoint.Branch(element, endpoint.Leaf("Address", host+".local00."+strings.ReplaceAll(c.Region, "-", "")+".cache.amazonaws.com"),
		endpoint.Leaf("Port", r.Get("Port")))
}

func enabled(b bool) string {
	if b {
		return "enabled"
	}
	return "disabled"
}

// common are the parameters that a group and its clusters both show.
var common = []any{
	"CacheNodeType", "Engine", "AutoMinorVersionUpgrade", "SnapshotRetentionLimit", "SnapshotWindow", "AuthTokenEnabled",
	"AuthTokenLastModifiedDate", "TransitEncryptionEnabled", "TransitEncryptionMode", "AtRestEncryptionEnabled", "NetworkType", "IpDiscovery",
}

// group describes a replication group.
func (c *cacheCall) group(r *cacheRecord, status string) *etree.Element {
	members, shards, logs := endpoint.Branch("MemberClusters"), endpoint.Branch("NodeGroups"), endpoint.Branch("LogDeliveryConfigurations")
	for _, name := range r.members() {
		members.AddChild(endpoint.Leaf("ClusterId", name))
	}
	for shard := 1; shard <= r.number("NumNodeGroups"); shard++ {
		nodes := endpoint.Branch("NodeGroupMembers")
		for i := 1; i <= r.number("ReplicasPerNodeGroup")+1; i++ {
			node := endpoint.Branch("NodeGroupMember", endpoint.Leaf("CacheClusterId", r.member(shard, i)),
				endpoint.Leaf("CacheNodeId", "0001"), endpoint.Leaf("PreferredAvailabilityZone", c.zone(r, i-1)))
			if !r.sharded() {
				role := map[bool]string{true: "primary", false: "replica"}[i == 1]
				endpoint.Add(node, endpoint.Leaf("CurrentRole", role), c.address("ReadEndpoint", r.member(shard, i), r))
			}
			nodes.AddChild(node)
		}
		group := endpoint.Branch("NodeGroup", endpoint.Leaf("NodeGroupId", fmt.Sprintf("%04d", shard)), endpoint.Leaf("Status", status), nodes)
		if !r.sharded() {
			endpoint.Add(group, c.address("PrimaryEndpoint", "master", r), c.address("ReaderEndpoint", "replica", r))
		}
		shards.AddChild(group)
	}
	for _, kind := range []string{"slow-log", "engine-log"} {
		of := func(name string) string { return r.Get("LogDeliveryConfigurations." + kind + "." + name) }
		if of("LogType") == "" {
			continue
		}
		details := endpoint.Branch("DestinationDetails")
		for element, name := range map[string]string{"CloudWatchLogsDetails": "LogGroup", "KinesisFirehoseDetails": "DeliveryStream"} {
			if to := of("DestinationDetails." + element + "." + name); to != "" {
				details.AddChild(endpoint.Branch(element, endpoint.Leaf(name, to)))
			}
		}
		logs.AddChild(endpoint.Branch("LogDeliveryConfiguration", endpoint.Leaf("LogType", kind), endpoint.Leaf("DestinationType", of("DestinationType")),
			details, endpoint.Leaf("LogFormat", of("LogFormat")), endpoint.Leaf("Status", "active")))
	}
	var configuration *etree.Element
	if r.sharded() {
		configuration = c.address("ConfigurationEndpoint", "clustercfg", r)
	}
	return r.element("ReplicationGroup", append([]any{
		endpoint.Leaf("ReplicationGroupId", r.name), endpoint.Leaf("Description", r.Get("ReplicationGroupDescription")),
		endpoint.Leaf("Status", status), endpoint.Branch("PendingModifiedValues"), members, shards, configuration,
		endpoint.Leaf("AutomaticFailover", enabled(r.Get("AutomaticFailoverEnabled") == "true")),
		endpoint.Leaf("MultiAZ", enabled(r.Get("MultiAZEnabled") == "true")),
		endpoint.Leaf("ClusterEnabled", r.sharded()), endpoint.Leaf("ClusterMode", enabled(r.sharded())), "KmsKeyId",
		endpoint.Leaf("DataTiering", "disabled"), endpoint.Leaf("ReplicationGroupCreateTime", timestamp(r.created)), logs,
	}, common...)...)
}

func (c *cacheCall) describeClusters() (*etree.Element, error) {
	asked := strings.ToLower(c.Form.Get("CacheClusterId"))
	list := endpoint.Branch("CacheClusters")
	for _, r := range c.list(c.Region, replicationGroups.name) {
		for i, name := range r.members() {
			if asked == "" || asked == name {
				list.AddChild(c.cluster(r, name, i))
			}
		}
	}
	if asked != "" && len(list.ChildElements()) == 0 {
		return nil, &endpoint.Failure{Status: http.StatusNotFound, Code: "CacheClusterNotFound", Message: "CacheCluster not found: " + asked}
	}
	return list, nil
}

// cluster describes one node of a replication group.
func (c *cacheCall) cluster(r *cacheRecord, name string, index int) *etree.Element {
	groups := endpoint.Branch("SecurityGroups")
	for _, id := range endpoint.Texts(r.Values, "SecurityGroupIds") {
		groups.AddChild(endpoint.Branch("member", endpoint.Leaf("SecurityGroupId", id), endpoint.Leaf("Status", "active")))
	}
	var topic, nodes *etree.Element
	if arn := r.Get("NotificationTopicArn"); arn != "" {
		topic = endpoint.Branch("NotificationConfiguration", endpoint.Leaf("TopicArn", arn), endpoint.Leaf("TopicStatus", "active"))
	}
	zone := c.zone(r, index)
	if endpoint.IsTrue(c.Form, "ShowCacheNodeInfo") {
		nodes = endpoint.Branch("CacheNodes", endpoint.Branch("CacheNode",
			endpoint.Leaf("CacheNodeId", "0001"), endpoint.Leaf("CacheNodeStatus", "available"), c.address("Endpoint", name, r),
			endpoint.Leaf("ParameterGroupStatus", "in-sync"), endpoint.Leaf("CustomerAvailabilityZone", zone)))
	}
	of := &cacheRecord{Values: r.Values, arn: c.arnOf("cluster", name)}
	return of.element("CacheCluster", append([]any{
		endpoint.Leaf("CacheClusterId", name), endpoint.Leaf("ReplicationGroupId", r.name),
		endpoint.Leaf("CacheClusterStatus", "available"), "EngineVersion", endpoint.Leaf("NumCacheNodes", 1),
		endpoint.Leaf("PreferredAvailabilityZone", zone), endpoint.Leaf("CacheClusterCreateTime", timestamp(r.created)),
		"PreferredMaintenanceWindow", pendingElement(r.waiting, deferredOfGroup),
		endpoint.Branch("CacheParameterGroup", endpoint.Leaf("CacheParameterGroupName", r.Get("CacheParameterGroupName")), endpoint.Leaf("ParameterApplyStatus", "in-sync")),
		"CacheSubnetGroupName", groups, topic, nodes,
	}, common...)...)
}

func (c *cacheCall) setReplicaCount() (*etree.Element, error) {
	r, err := c.find(replicationGroups, c.Form.Get(replicationGroups.parameter))
	if err != nil {
		return nil, err
	}
	wanted := c.Form.Get("NewReplicaCount")
	if !slices.Contains([]string{"0", "1", "2", "3", "4", "5"}, wanted) || wanted == "0" && r.Get("AutomaticFailoverEnabled") == "true" {
		return nil, endpoint.Refuse("InvalidParameterValue", "NewReplicaCount %q does not fit %s", wanted, r.name)
	}
	r.Set("ReplicasPerNodeGroup", wanted)
	return c.group(r, "modifying"), nil
}

// maintain makes the changes that waited for the maintenance windows, and
// returns the names of the changed groups.
func (s *caches) maintain() []string {
	s.Lock()
	defer s.Unlock()
	changed := []string{}
	for at, r := range s.records {
		if at.kind == replicationGroups.name && len(r.waiting) > 0 {
			maps.Copy(r.Values, r.waiting)
			r.waiting = nil
			changed = append(changed, r.name)
		}
	}
	return changed
}
