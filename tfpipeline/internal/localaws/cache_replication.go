package localaws

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/beevik/etree"

	"github.com/specboard/platform/tfpipeline/internal/endpoint"
)

// replicationGroup is a Redis with its replicas: shards, each of one primary
// and the same number of replicas.
type replicationGroup struct {
	id, description, arn        string
	nodeType, engine, version   string
	parameterGroup, subnetGroup string
	securityGroups              []string
	port                        int
	shards, replicas            int
	clusterMode                 bool
	failover, multiAZ           bool
	atRest, inTransit           bool
	transitMode, kmsKey         string
	authToken                   bool
	snapshotRetention           int
	snapshotWindow              string
	maintenanceWindow           string
	minorUpgrades               bool
	notificationTopic           string
	networkType, ipDiscovery    string
	logDelivery                 []url.Values
	created                     time.Time
}

func (c *cacheCall) createReplicationGroup() ([]*etree.Element, error) {
	id := strings.ToLower(c.Form.Get("ReplicationGroupId"))
	if c.groups[id] != nil {
		return nil, endpoint.Refuse("ReplicationGroupAlreadyExists", "Replication group %s already exists", id)
	}
	g := &replicationGroup{
		id: id, arn: c.arn("replicationgroup", id), engine: "redis", version: "7.1.0",
		port: endpoint.Number(c.Form, "Port", 6379), networkType: "ipv4", ipDiscovery: "ipv4",
		snapshotWindow: "06:00-07:00", maintenanceWindow: "sun:08:00-sun:09:00",
		minorUpgrades: true, created: time.Now(),
		shards: max(1, endpoint.Number(c.Form, "NumNodeGroups", 1)),
		// The number of nodes, or of replicas beside the primary of each shard.
		replicas: endpoint.Number(c.Form, "ReplicasPerNodeGroup", max(1, endpoint.Number(c.Form, "NumCacheClusters", 1))-1),
		atRest:   endpoint.IsTrue(c.Form, "AtRestEncryptionEnabled"),
		kmsKey:   c.Form.Get("KmsKeyId"),
	}
	if err := c.change(g); err != nil {
		return nil, err
	}
	g.clusterMode = c.Form.Get("ClusterMode") == "enabled" || g.shards > 1 || strings.HasSuffix(g.parameterGroup, ".cluster.on")
	if g.failover && g.replicas == 0 {
		return nil, endpoint.Refuse("InvalidParameterCombination", "Replication group with automatic failover must have at least 2 nodes")
	}
	if g.authToken && !g.inTransit {
		return nil, endpoint.Refuse("InvalidParameterCombination", "An AUTH token needs encryption in transit")
	}
	if g.inTransit && g.transitMode == "" {
		g.transitMode = "required"
	}
	c.groups[id] = g
	c.tag(g.arn)
	for _, member := range g.members() {
		c.tag(c.arn("cluster", member))
	}
	return []*etree.Element{c.group(g, "creating")}, nil
}

// change takes over what both a creation and a modification can set.
func (c *cacheCall) change(g *replicationGroup) error {
	for parameter, field := range map[string]*string{
		"ReplicationGroupDescription": &g.description,
		"CacheNodeType":               &g.nodeType,
		"Engine":                      &g.engine,
		"CacheParameterGroupName":     &g.parameterGroup,
		"CacheSubnetGroupName":        &g.subnetGroup,
		"TransitEncryptionMode":       &g.transitMode,
		"SnapshotWindow":              &g.snapshotWindow,
		"PreferredMaintenanceWindow":  &g.maintenanceWindow,
		"NotificationTopicArn":        &g.notificationTopic,
		"NetworkType":                 &g.networkType,
		"IpDiscovery":                 &g.ipDiscovery,
	} {
		if c.Form.Has(parameter) {
			*field = c.Form.Get(parameter)
		}
	}
	for parameter, field := range map[string]*bool{
		"AutomaticFailoverEnabled": &g.failover,
		"MultiAZEnabled":           &g.multiAZ,
		"TransitEncryptionEnabled": &g.inTransit,
		"AutoMinorVersionUpgrade":  &g.minorUpgrades,
	} {
		if c.Form.Has(parameter) {
			*field = endpoint.IsTrue(c.Form, parameter)
		}
	}
	g.subnetGroup = strings.ToLower(g.subnetGroup)
	g.snapshotRetention = endpoint.Number(c.Form, "SnapshotRetentionLimit", g.snapshotRetention)
	g.authToken = g.authToken || c.Form.Get("AuthToken") != ""
	if v := c.Form.Get("EngineVersion"); v != "" {
		// AWS adds the patch level that it chooses.
		for strings.Count(v, ".") < 2 {
			v += ".0"
		}
		g.version = v
	}
	if ids := endpoint.Texts(c.Form, "SecurityGroupIds"); len(ids) > 0 {
		g.securityGroups = ids
	}
	if configurations := endpoint.Objects(c.Form, "LogDeliveryConfigurations"); len(configurations) > 0 {
		g.deliverLogs(configurations)
	}
	if g.parameterGroup == "" {
		g.parameterGroup = "default." + g.engine + strings.SplitN(g.version, ".", 2)[0]
	}
	if !isDefaultGroup(g.parameterGroup) && c.parameterGroups[g.parameterGroup] == nil {
		f := endpoint.Refuse("CacheParameterGroupNotFound", "CacheParameterGroup %s not found.", g.parameterGroup)
		f.Status = http.StatusNotFound
		return f
	}
	if g.subnetGroup != "" && c.subnetGroups[g.subnetGroup] == nil {
		return endpoint.Refuse("CacheSubnetGroupNotFoundFault", "Cache Subnet Group %s does not exist.", g.subnetGroup)
	}
	return nil
}

// deliverLogs sets the destinations that are named and keeps the others.
func (g *replicationGroup) deliverLogs(configurations []url.Values) {
	for _, configuration := range configurations {
		g.logDelivery = slices.DeleteFunc(g.logDelivery, func(old url.Values) bool {
			return old.Get("LogType") == configuration.Get("LogType")
		})
		if !configuration.Has("Enabled") || endpoint.IsTrue(configuration, "Enabled") {
			g.logDelivery = append(g.logDelivery, configuration)
		}
	}
}

func (c *cacheCall) find() (*replicationGroup, error) {
	id := strings.ToLower(c.Form.Get("ReplicationGroupId"))
	if g := c.groups[id]; g != nil {
		return g, nil
	}
	f := endpoint.Refuse("ReplicationGroupNotFoundFault", "Replication group %s not found.", id)
	f.Status = http.StatusNotFound
	return nil, f
}

func (c *cacheCall) describeReplicationGroups() ([]*etree.Element, error) {
	list := endpoint.Branch("ReplicationGroups")
	if c.Form.Get("ReplicationGroupId") != "" {
		g, err := c.find()
		if err != nil {
			return nil, err
		}
		endpoint.Add(list, c.group(g, "available"))
		return []*etree.Element{list}, nil
	}
	for _, id := range slices.Sorted(maps.Keys(c.groups)) {
		endpoint.Add(list, c.group(c.groups[id], "available"))
	}
	return []*etree.Element{list}, nil
}

func (c *cacheCall) modifyReplicationGroup() ([]*etree.Element, error) {
	g, err := c.find()
	if err != nil {
		return nil, err
	}
	changed := *g
	if err := c.change(&changed); err != nil {
		return nil, err
	}
	*g = changed
	return []*etree.Element{c.group(g, "modifying")}, nil
}

func (c *cacheCall) setReplicaCount() ([]*etree.Element, error) {
	g, err := c.find()
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(c.Form.Get("NewReplicaCount"))
	if err != nil || n < 0 || n > 5 || (n == 0 && g.failover) {
		return nil, endpoint.Refuse("InvalidParameterValue", "NewReplicaCount %q does not fit %s", c.Form.Get("NewReplicaCount"), g.id)
	}
	g.replicas = n
	for _, member := range g.members() {
		if arn := c.arn("cluster", member); c.tags[arn] == nil {
			c.tags[arn] = maps.Clone(c.tags[g.arn])
		}
	}
	return []*etree.Element{c.group(g, "modifying")}, nil
}

func (c *cacheCall) deleteReplicationGroup() ([]*etree.Element, error) {
	g, err := c.find()
	if err != nil {
		return nil, err
	}
	delete(c.groups, g.id)
	delete(c.tags, g.arn)
	for _, member := range g.members() {
		delete(c.tags, c.arn("cluster", member))
	}
	return []*etree.Element{c.group(g, "deleting")}, nil
}
