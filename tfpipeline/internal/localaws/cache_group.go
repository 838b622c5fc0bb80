package localaws

import (
	"maps"
	"net/http"
	"slices"
	"strings"
)

// cacheParameterGroup is a set of engine settings.
type cacheParameterGroup struct {
	name, family, description, arn string
	values                         map[string]string // what differs from the family's defaults
}

// cacheSubnetGroup says which subnets the nodes of a cache may be in.
type cacheSubnetGroup struct {
	name, description, arn string
	subnets                []cacheSubnet
}

func (c *cacheCall) createParameterGroup() ([]*node, error) {
	name := c.form.Get("CacheParameterGroupName")
	if c.parameterGroups[name] != nil || isDefaultGroup(name) {
		return nil, refuse("CacheParameterGroupAlreadyExists", "Parameter group %s already exists", name)
	}
	g := &cacheParameterGroup{
		name:        name,
		family:      c.form.Get("CacheParameterGroupFamily"),
		description: c.form.Get("Description"),
		arn:         c.arn("parametergroup", name),
		values:      map[string]string{},
	}
	c.parameterGroups[name] = g
	c.tag(g.arn)
	return []*node{g.xml()}, nil
}

func (c *cacheCall) parameterGroup() (*cacheParameterGroup, error) {
	name := c.form.Get("CacheParameterGroupName")
	if g := c.parameterGroups[name]; g != nil {
		return g, nil
	}
	f := refuse("CacheParameterGroupNotFound", "CacheParameterGroup %s not found.", name)
	f.status = http.StatusNotFound
	return nil, f
}

func (c *cacheCall) describeParameterGroups() ([]*node, error) {
	list := branch("CacheParameterGroups")
	name := c.form.Get("CacheParameterGroupName")
	if isDefaultGroup(name) {
		g := &cacheParameterGroup{name: name, family: strings.TrimSuffix(strings.TrimPrefix(name, "default."), ".cluster.on"),
			description: "Default parameter group", arn: c.arn("parametergroup", name)}
		list.add(g.xml())
	} else if name != "" {
		g, err := c.parameterGroup()
		if err != nil {
			return nil, err
		}
		list.add(g.xml())
	} else {
		for _, n := range slices.Sorted(maps.Keys(c.parameterGroups)) {
			list.add(c.parameterGroups[n].xml())
		}
	}
	return []*node{list}, nil
}

func (c *cacheCall) modifyParameterGroup() ([]*node, error) {
	g, err := c.parameterGroup()
	if err != nil {
		return nil, err
	}
	for _, p := range objects(c.form, "ParameterNameValues") {
		g.values[p.Get("ParameterName")] = p.Get("ParameterValue")
	}
	return []*node{leaf("CacheParameterGroupName", g.name)}, nil
}

func (c *cacheCall) resetParameterGroup() ([]*node, error) {
	g, err := c.parameterGroup()
	if err != nil {
		return nil, err
	}
	if isTrue(c.form, "ResetAllParameters") {
		clear(g.values)
	}
	for _, p := range objects(c.form, "ParameterNameValues") {
		delete(g.values, p.Get("ParameterName"))
	}
	return []*node{leaf("CacheParameterGroupName", g.name)}, nil
}

// describeParameters lists what was set, not the family's hundreds of defaults.
func (c *cacheCall) describeParameters() ([]*node, error) {
	list := branch("Parameters")
	if isDefaultGroup(c.form.Get("CacheParameterGroupName")) {
		return []*node{list}, nil
	}
	g, err := c.parameterGroup()
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(g.values)) {
		list.add(branch("Parameter",
			leaf("ParameterName", name),
			leaf("ParameterValue", g.values[name]),
			leaf("Source", "user"),
			leaf("IsModifiable", true)))
	}
	return []*node{list}, nil
}

func (c *cacheCall) deleteParameterGroup() ([]*node, error) {
	g, err := c.parameterGroup()
	if err != nil {
		return nil, err
	}
	for _, user := range c.groups {
		if user.parameterGroup == g.name {
			return nil, refuse("InvalidCacheParameterGroupState", "Cache parameter group %s is used by %s", g.name, user.id)
		}
	}
	delete(c.parameterGroups, g.name)
	delete(c.tags, g.arn)
	return nil, nil
}

// isDefaultGroup reports whether a parameter group is one that AWS provides.
func isDefaultGroup(name string) bool { return strings.HasPrefix(name, "default.") }

func (g *cacheParameterGroup) xml() *node {
	return branch("CacheParameterGroup",
		leaf("CacheParameterGroupName", g.name),
		leaf("CacheParameterGroupFamily", g.family),
		leaf("Description", g.description),
		leaf("IsGlobal", false),
		leaf("ARN", g.arn))
}

func (c *cacheCall) createSubnetGroup() ([]*node, error) {
	name := strings.ToLower(c.form.Get("CacheSubnetGroupName"))
	if c.subnetGroups[name] != nil {
		return nil, refuse("CacheSubnetGroupAlreadyExists", "Cache subnet group %s already exists.", name)
	}
	g := &cacheSubnetGroup{name: name, description: c.form.Get("CacheSubnetGroupDescription"), arn: c.arn("subnetgroup", name)}
	if err := c.place(g); err != nil {
		return nil, err
	}
	c.subnetGroups[name] = g
	c.tag(g.arn)
	return []*node{g.xml()}, nil
}

// place finds the subnets of a request.
func (c *cacheCall) place(g *cacheSubnetGroup) error {
	var subnets []cacheSubnet
	for _, id := range texts(c.form, "SubnetIds") {
		s, err := c.caches.subnet(c.request.Context(), c.call.region, id)
		if err != nil {
			return err
		}
		subnets = append(subnets, s)
	}
	if len(subnets) > 0 {
		g.subnets = subnets
	}
	return nil
}

func (c *cacheCall) subnetGroup() (*cacheSubnetGroup, error) {
	name := strings.ToLower(c.form.Get("CacheSubnetGroupName"))
	if g := c.subnetGroups[name]; g != nil {
		return g, nil
	}
	return nil, refuse("CacheSubnetGroupNotFoundFault", "Cache Subnet Group %s does not exist.", name)
}

func (c *cacheCall) describeSubnetGroups() ([]*node, error) {
	list := branch("CacheSubnetGroups")
	if c.form.Get("CacheSubnetGroupName") != "" {
		g, err := c.subnetGroup()
		if err != nil {
			return nil, err
		}
		list.add(g.xml())
		return []*node{list}, nil
	}
	for _, n := range slices.Sorted(maps.Keys(c.subnetGroups)) {
		list.add(c.subnetGroups[n].xml())
	}
	return []*node{list}, nil
}

func (c *cacheCall) modifySubnetGroup() ([]*node, error) {
	g, err := c.subnetGroup()
	if err != nil {
		return nil, err
	}
	if c.form.Has("CacheSubnetGroupDescription") {
		g.description = c.form.Get("CacheSubnetGroupDescription")
	}
	if err := c.place(g); err != nil {
		return nil, err
	}
	return []*node{g.xml()}, nil
}

func (c *cacheCall) deleteSubnetGroup() ([]*node, error) {
	g, err := c.subnetGroup()
	if err != nil {
		return nil, err
	}
	for _, user := range c.groups {
		if user.subnetGroup == g.name {
			return nil, refuse("CacheSubnetGroupInUse", "Cache subnet group %s is used by %s", g.name, user.id)
		}
	}
	delete(c.subnetGroups, g.name)
	delete(c.tags, g.arn)
	return nil, nil
}

func (g *cacheSubnetGroup) xml() *node {
	subnets := branch("Subnets")
	vpc := ""
	for _, s := range g.subnets {
		vpc = s.vpc
		subnets.add(branch("Subnet",
			leaf("SubnetIdentifier", s.id),
			branch("SubnetAvailabilityZone", leaf("Name", s.zone))))
	}
	return branch("CacheSubnetGroup",
		leaf("CacheSubnetGroupName", g.name),
		leaf("CacheSubnetGroupDescription", g.description),
		leaf("VpcId", vpc),
		leaf("ARN", g.arn),
		branch("SupportedNetworkTypes", leaf("member", "ipv4")),
		subnets)
}
