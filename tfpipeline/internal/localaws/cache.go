package localaws

import (
	"context"
	"fmt"
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

const (
	cacheNamespace = "http://elasticache.amazonaws.com/doc/2015-02-02/"
	ec2Version     = "2016-11-15"
)

// caches is Amazon ElastiCache for Redis and Valkey: parameter groups, subnet
// groups, replication groups and the clusters that are their members. It takes
// moto's place, where the provider meets, in this order: parameter groups that
// cannot be created (500, retried for ever), replication groups whose members
// are not found after creation, subnet groups that cannot be deleted, and
// clusters that stay in deletion for ever.
//
// What is created is available when it is asked for next; what is deleted is
// gone then.
type caches struct {
	account string
	*store[cacheRecord]
	// subnet says where a subnet is.
	subnet func(ctx context.Context, region, id string) (cacheSubnet, error)
}

// cacheRecord is one ElastiCache resource: the parameters that it was created
// and changed with, and what follows from them.
type cacheRecord struct {
	url.Values
	name, arn string
	tags      map[string]string
	created   time.Time
	waiting   url.Values        // of a replication group: what the maintenance window will change
	tokens    []string          // of a replication group: the AUTH tokens that it accepts, the newest last; "" is none
	subnets   []cacheSubnet     // of a subnet group
	engine    map[string]string // of a parameter group: what differs from the family's defaults
}

type cacheSubnet struct{ id, zone, vpc string }

// cacheKind is a resource type: its operations are Create, Modify and Delete
// with its name, and Describe with its name and an s.
type cacheKind struct {
	name string // CacheSubnetGroup
	// parameter holds the name of a resource, folded to lower case or not.
	parameter string
	fold      bool
	arn       string
	// Codes of errors, and the status of the first.
	missing     string
	missingIs   int
	exists      string
	inUse       string
	defaults    url.Values
	change      func(*cacheCall, *cacheRecord) error
	describe    func(c *cacheCall, r *cacheRecord, status string) *etree.Element
	changedThen string // its status in the answer to Modify
}

var (
	parameterGroups = &cacheKind{
		name: "CacheParameterGroup", parameter: "CacheParameterGroupName", arn: "parametergroup",
		missing: "CacheParameterGroupNotFound", missingIs: http.StatusNotFound, exists: "CacheParameterGroupAlreadyExists",
		inUse: "InvalidCacheParameterGroupState", change: (*cacheCall).setParameters, describe: (*cacheCall).parameterGroup,
	}
	subnetGroups = &cacheKind{
		name: "CacheSubnetGroup", parameter: "CacheSubnetGroupName", fold: true, arn: "subnetgroup",
		missing: "CacheSubnetGroupNotFoundFault", missingIs: http.StatusBadRequest, exists: "CacheSubnetGroupAlreadyExists",
		inUse: "CacheSubnetGroupInUse", change: (*cacheCall).findSubnets, describe: (*cacheCall).subnetGroup,
	}
	replicationGroups = &cacheKind{
		name: "ReplicationGroup", parameter: "ReplicationGroupId", fold: true, arn: "replicationgroup",
		missing: "ReplicationGroupNotFoundFault", missingIs: http.StatusNotFound, exists: "ReplicationGroupAlreadyExists",
		defaults: url.Values{
			"Engine": {"redis"}, "EngineVersion": {"7.1.0"}, "Port": {"6379"}, "NumNodeGroups": {"1"}, "NumCacheClusters": {"1"},
			"NetworkType": {"ipv4"}, "IpDiscovery": {"ipv4"}, "SnapshotRetentionLimit": {"0"}, "SnapshotWindow": {"06:00-07:00"},
			"PreferredMaintenanceWindow": {"sun:08:00-sun:09:00"}, "AutoMinorVersionUpgrade": {"true"}, "AutomaticFailoverEnabled": {"false"},
			"MultiAZEnabled": {"false"}, "AtRestEncryptionEnabled": {"false"}, "TransitEncryptionEnabled": {"false"}, "AuthTokenEnabled": {"false"},
		},
		change: (*cacheCall).settle, describe: (*cacheCall).group, changedThen: "modifying",
	}
	cacheKinds = []*cacheKind{parameterGroups, subnetGroups, replicationGroups}
)

func newCaches(account string, control *upstream) *caches {
	return &caches{
		account: account, store: newStore[cacheRecord](),
		subnet: func(ctx context.Context, region, id string) (cacheSubnet, error) {
			root, err := control.ask(ctx, "ec2", region, ec2Version, "DescribeSubnets", url.Values{"SubnetId.1": {id}})
			if err != nil {
				return cacheSubnet{}, endpoint.Refuse("InvalidSubnet", "subnet %s does not exist", id)
			}
			for _, item := range endpoint.Every(root.SelectElement("subnetSet"), "item") {
				if endpoint.Text(item, "subnetId") == id {
					return cacheSubnet{id, endpoint.Text(item, "availabilityZone"), endpoint.Text(item, "vpcId")}, nil
				}
			}
			return cacheSubnet{}, endpoint.Refuse("InvalidSubnet", "subnet %s does not exist", id)
		},
	}
}

// cacheCall is one operation, under the lock.
type cacheCall struct {
	*endpoint.Call
	*caches
}

func (s *caches) operations() endpoint.Table {
	table := endpoint.Table{"elasticache.*": func(c *endpoint.Call, _ endpoint.Next) (*endpoint.Reply, error) {
		return nil, notModelled(c.Service, c.Operation)
	}}
	add := func(name string, op func(*cacheCall) (*etree.Element, error)) {
		table["elasticache."+name] = func(c *endpoint.Call, _ endpoint.Next) (*endpoint.Reply, error) {
			s.Lock()
			defer s.Unlock()
			child, err := op(&cacheCall{c, s})
			if err != nil {
				return nil, err
			}
			return endpoint.Query(c, cacheNamespace, child), nil
		}
	}
	for _, k := range cacheKinds {
		add("Create"+k.name, func(c *cacheCall) (*etree.Element, error) { return c.create(k) })
		add("Describe"+k.name+"s", func(c *cacheCall) (*etree.Element, error) { return c.describe(k) })
		add("Modify"+k.name, func(c *cacheCall) (*etree.Element, error) { return c.modify(k) })
		add("Delete"+k.name, func(c *cacheCall) (*etree.Element, error) { return c.remove(k) })
	}
	add("ResetCacheParameterGroup", (*cacheCall).resetParameters)
	add("DescribeCacheParameters", (*cacheCall).describeParameters)
	add("IncreaseReplicaCount", (*cacheCall).setReplicaCount)
	add("DecreaseReplicaCount", (*cacheCall).setReplicaCount)
	add("DescribeCacheClusters", (*cacheCall).describeClusters)
	for _, name := range []string{"ListTagsForResource", "AddTagsToResource", "RemoveTagsFromResource"} {
		add(name, (*cacheCall).changeTags)
	}
	return table
}

// arnOf is the ARN of a thing; kind is subnetgroup, parametergroup,
// replicationgroup or cluster.
func (c *cacheCall) arnOf(kind, name string) string {
	return fmt.Sprintf("arn:aws:elasticache:%s:%s:%s:%s", c.Region, c.account, kind, name)
}

// requested is the place that the request names.
func (c *cacheCall) requested(k *cacheKind) place { return c.at(k, c.Form.Get(k.parameter)) }

func (c *cacheCall) at(k *cacheKind, name string) place {
	if k.fold {
		name = strings.ToLower(name)
	}
	return place{c.Region, k.name, name}
}

// find returns the record that the request names.
func (c *cacheCall) find(k *cacheKind, name string) (*cacheRecord, error) {
	at := c.at(k, name)
	if r := c.records[at]; r != nil {
		return r, nil
	}
	if k == parameterGroups && isDefaultGroup(name) {
		return &cacheRecord{name: name, arn: c.arnOf(k.arn, name), Values: url.Values{
			"CacheParameterGroupFamily": {strings.TrimSuffix(strings.TrimPrefix(name, "default."), ".cluster.on")}, "Description": {"Default parameter group"},
		}}, nil
	}
	return nil, &endpoint.Failure{Status: k.missingIs, Code: k.missing, Message: fmt.Sprintf("%s %s not found.", k.name, at.name)}
}

func (c *cacheCall) create(k *cacheKind) (*etree.Element, error) {
	at := c.requested(k)
	if c.records[at] != nil || k == parameterGroups && isDefaultGroup(at.name) {
		return nil, endpoint.Refuse(k.exists, "%s %s already exists", k.name, at.name)
	}
	r := &cacheRecord{
		Values: url.Values{}, name: at.name, arn: c.arnOf(k.arn, at.name), created: time.Now(), engine: map[string]string{}, tags: map[string]string{},
	}
	maps.Copy(r.Values, k.defaults)
	r.take(c.Form)
	if err := k.change(c, r); err != nil {
		return nil, err
	}
	for _, t := range endpoint.Objects(c.Form, "Tags") {
		r.tags[t.Get("Key")] = t.Get("Value")
	}
	c.records[at] = r
	return k.describe(c, r, "creating"), nil
}

// take replaces parameters by those of a request. A list replaces the whole
// list of that name.
func (r *cacheRecord) take(form url.Values) {
	head := func(parameter string) string { return strings.SplitN(parameter, ".", 2)[0] }
	given := map[string]bool{}
	for parameter := range form {
		given[head(parameter)] = true
	}
	maps.DeleteFunc(r.Values, func(parameter string, _ []string) bool {
		return given[head(parameter)] && head(parameter) != "LogDeliveryConfigurations"
	})
	for parameter, values := range form {
		if head(parameter) != "LogDeliveryConfigurations" && !strings.HasPrefix(parameter, "AuthToken") {
			r.Values[parameter] = values
		}
	}
}

func (c *cacheCall) describe(k *cacheKind) (*etree.Element, error) {
	list := endpoint.Branch(k.name + "s")
	if c.Form.Get(k.parameter) == "" {
		for _, r := range c.list(c.Region, k.name) {
			list.AddChild(k.describe(c, r, "available"))
		}
		return list, nil
	}
	r, err := c.find(k, c.Form.Get(k.parameter))
	if err != nil {
		return nil, err
	}
	list.AddChild(k.describe(c, r, "available"))
	return list, nil
}

func (c *cacheCall) modify(k *cacheKind) (*etree.Element, error) {
	r, err := c.find(k, c.Form.Get(k.parameter))
	if err != nil {
		return nil, err
	}
	changed := *r
	changed.Values = maps.Clone(r.Values)
	now := c.Form
	if k == replicationGroups {
		now, changed.waiting = postpone(c.Form, deferredOfGroup, r.Get)
		for name, values := range r.waiting {
			if endpoint.IsTrue(c.Form, "ApplyImmediately") {
				changed.Values[name] = values // what waited is made with it
			} else if !c.Form.Has(name) {
				changed.waiting[name] = values
			}
		}
	}
	changed.take(now)
	if err := k.change(c, &changed); err != nil {
		return nil, err
	}
	*r = changed
	return k.describe(c, r, k.changedThen), nil
}

func (c *cacheCall) remove(k *cacheKind) (*etree.Element, error) {
	r, err := c.find(k, c.Form.Get(k.parameter))
	if err != nil {
		return nil, err
	}
	for _, user := range c.list(c.Region, replicationGroups.name) {
		if k.inUse != "" && user.Get(k.parameter) == r.name {
			return nil, endpoint.Refuse(k.inUse, "%s %s is used by %s", k.name, r.name, user.name)
		}
	}
	delete(c.records, c.at(k, r.name))
	return k.describe(c, r, "deleting"), nil
}

// changeTags changes and returns the tags of the resource that an ARN names.
// The nodes of a replication group share the group's tags.
func (c *cacheCall) changeTags() (*etree.Element, error) {
	arn := c.Form.Get("ResourceName")
	code := "InvalidARN"
	for _, k := range cacheKinds {
		if strings.Contains(arn, ":"+k.arn+":") {
			code = k.missing
		}
		for _, r := range c.list(c.Region, k.name) {
			if r.arn != arn && !(k == replicationGroups && slices.ContainsFunc(r.members(), func(m string) bool { return c.arnOf("cluster", m) == arn })) {
				continue
			}
			for _, t := range endpoint.Objects(c.Form, "Tags") {
				r.tags[t.Get("Key")] = t.Get("Value")
			}
			for _, key := range endpoint.Texts(c.Form, "TagKeys") {
				delete(r.tags, key)
			}
			list := endpoint.Branch("TagList")
			for _, key := range slices.Sorted(maps.Keys(r.tags)) {
				list.AddChild(endpoint.Branch("Tag", endpoint.Leaf("Key", key), endpoint.Leaf("Value", r.tags[key])))
			}
			return list, nil
		}
	}
	return nil, &endpoint.Failure{Status: http.StatusNotFound, Code: code, Message: arn + " not found"}
}

// isDefaultGroup reports whether a parameter group is one that AWS provides.
func isDefaultGroup(name string) bool { return strings.HasPrefix(name, "default.") }

func (c *cacheCall) parameterGroup(r *cacheRecord, _ string) *etree.Element {
	return r.element("CacheParameterGroup", endpoint.Leaf("CacheParameterGroupName", r.name), "CacheParameterGroupFamily", "Description", endpoint.Leaf("IsGlobal", false))
}

func (c *cacheCall) setParameters(r *cacheRecord) error {
	for _, p := range endpoint.Objects(c.Form, "ParameterNameValues") {
		r.engine[p.Get("ParameterName")] = p.Get("ParameterValue")
	}
	return nil
}

func (c *cacheCall) resetParameters() (*etree.Element, error) {
	r, err := c.find(parameterGroups, c.Form.Get(parameterGroups.parameter))
	if err != nil {
		return nil, err
	}
	if endpoint.IsTrue(c.Form, "ResetAllParameters") {
		clear(r.engine)
	}
	for _, p := range endpoint.Objects(c.Form, "ParameterNameValues") {
		delete(r.engine, p.Get("ParameterName"))
	}
	return endpoint.Leaf("CacheParameterGroupName", r.name), nil
}

// describeParameters lists what was set, not the family's hundreds of defaults.
func (c *cacheCall) describeParameters() (*etree.Element, error) {
	r, err := c.find(parameterGroups, c.Form.Get(parameterGroups.parameter))
	if err != nil {
		return nil, err
	}
	list := endpoint.Branch("Parameters")
	for _, name := range slices.Sorted(maps.Keys(r.engine)) {
		list.AddChild(endpoint.Branch("Parameter", endpoint.Leaf("ParameterName", name), endpoint.Leaf("ParameterValue", r.engine[name]),
			endpoint.Leaf("Source", "user"), endpoint.Leaf("IsModifiable", true)))
	}
	return list, nil
}

// findSubnets looks up the subnets of a subnet group.
func (c *cacheCall) findSubnets(r *cacheRecord) error {
	var subnets []cacheSubnet
	for _, id := range endpoint.Texts(c.Form, "SubnetIds") {
		s, err := c.subnet(c.Request.Context(), c.Region, id)
		if err != nil {
			return err
		}
		subnets = append(subnets, s)
	}
	if len(subnets) > 0 {
		r.subnets = subnets
	}
	return nil
}

func (c *cacheCall) subnetGroup(r *cacheRecord, _ string) *etree.Element {
	subnets, vpc := endpoint.Branch("Subnets"), ""
	for _, s := range r.subnets {
		vpc = s.vpc
		subnets.AddChild(endpoint.Branch("Subnet", endpoint.Leaf("SubnetIdentifier", s.id),
			endpoint.Branch("SubnetAvailabilityZone", endpoint.Leaf("Name", s.zone))))
	}
	return r.element("CacheSubnetGroup", endpoint.Leaf("CacheSubnetGroupName", r.name), "CacheSubnetGroupDescription", endpoint.Leaf("VpcId", vpc),
		endpoint.Branch("SupportedNetworkTypes", endpoint.Leaf("member", "ipv4")), subnets)
}

// element describes a record as XML: parts are elements, or names of
// parameters that appear unchanged. The ARN comes last.
func (r *cacheRecord) element(name string, parts ...any) *etree.Element {
	e := endpoint.Branch(name)
	for _, part := range parts {
		switch p := part.(type) {
		case *etree.Element:
			endpoint.Add(e, p)
		case string:
			endpoint.Add(e, endpoint.Optional(p, r.Get(p)))
		}
	}
	e.AddChild(endpoint.Leaf("ARN", r.arn))
	return e
}

// timestamp is a time as the Query protocol writes it.
func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// number reads a numeric parameter.
func (r *cacheRecord) number(name string) int {
	n, _ := strconv.Atoi(r.Get(name)) // no number is none
	return n
}
