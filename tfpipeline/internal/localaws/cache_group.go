package localaws

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/beevik/etree"

	"github.com/specboard/platform/tfpipeline/internal/endpoint"
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

func (c *cacheCall) createParameterGroup() ([]*etree.Element, error) {
	name := c.Form.Get("CacheParameterGroupName")
	if c.parameterGroups[name] != nil || isDefaultGroup(name) {
		return nil, endpoint.Refuse("CacheParameterGroupAlreadyExists", "Parameter group %s already exists", name)
	}
	g := &cacheParameterGroup{
		name:        name,
		family:      c.Form.Get("CacheParameterGroupFamily"),
		description: c.Form.Get("Description"),
		arn:         c.arn("parametergroup", name),
		values:      map[string]string{},
	}
	c.parameterGroups[name] = g
	c.tag(g.arn)
	return []*etree.Element{g.xml()}, nil
}

func (c *cacheCall) parameterGroup() (*cacheParameterGroup, error) {
	name := c.Form.Get("CacheParameterGroupName")
	if g := c.parameterGroups[name]; g != nil {
		return g, nil
	}
	f := endpoint.Refuse("CacheParameterGroupNotFound", "CacheParameterGroup %s not found.", name)
	f.Status = http.StatusNotFound
	return nil, f
}

func (c *cacheCall) describeParameterGroups() ([]*etree.Element, error) {
	list := endpoint.Branch("CacheParameterGroups")
	name := c.Form.Get("CacheParameterGroupName")
	if isDefaultGroup(name) {
		g := &cacheParameterGroup{name: name, family: strings.TrimSuffix(strings.TrimPrefix(name, "default."), ".cluster.on"),
			description: "Default parameter group", arn: c.arn("parametergroup", name)}
		endpoint.Add(list, g.xml())
	} else if name != "" {
		g, err := c.parameterGroup()
		if err != nil {
			return nil, err
		}
		endpoint.Add(list, g.xml())
	} else {
		for _, n := range slices.Sorted(maps.Keys(c.parameterGroups)) {
			endpoint.Add(list, c.parameterGroups[n].xml())
		}
	}
	return []*etree.Element{list}, nil
}

func (c *cacheCall) modifyParameterGroup() ([]*etree.Element, error) {
	g, err := c.parameterGroup()
	if err != nil {
		return nil, err
	}
	for _, p := range endpoint.Objects(c.Form, "ParameterNameValues") {
		g.values[p.Get("ParameterName")] = p.Get("ParameterValue")
	}
	return []*etree.Element{endpoint.Leaf("CacheParameterGroupName", g.name)}, nil
}

func (c *cacheCall) resetParameterGroup() ([]*etree.Element, error) {
	g, err := c.parameterGroup()
	if err != nil {
		return nil, err
	}
	if endpoint.IsTrue(c.Form, "ResetAllParameters") {
		clear(g.values)
	}
	for _, p := range endpoint.Objects(c.Form, "ParameterNameValues") {
		delete(g.values, p.Get("ParameterName"))
	}
	return []*etree.Element{endpoint.Leaf("CacheParameterGroupName", g.name)}, nil
}

// describeParameters lists what was set, not the family's hundreds of defaults.
func (c *cacheCall) describeParameters() ([]*etree.Element, error) {
	list := endpoint.Branch("Parameters")
	if isDefaultGroup(c.Form.Get("CacheParameterGroupName")) {
		return []*etree.Element{list}, nil
	}
	g, err := c.parameterGroup()
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(g.values)) {
		endpoint.Add(list, endpoint.Branch("Parameter",
			endpoint.Leaf("ParameterName", name),
			endpoint.Leaf("ParameterValue", g.values[name]),
			endpoint.Leaf("Source", "user"),
			endpoint.Leaf("IsModifiable", true)))
	}
	return []*etree.Element{list}, nil
}

func (c *cacheCall) deleteParameterGroup() ([]*etree.Element, error) {
	g, err := c.parameterGroup()
	if err != nil {
		return nil, err
	}
	for _, user := range c.groups {
		if user.parameterGroup == g.name {
			return nil, endpoint.Refuse("InvalidCacheParameterGroupState", "Cache parameter group %s is used by %s", g.name, user.id)
		}
	}
	delete(c.parameterGroups, g.name)
	delete(c.tags, g.arn)
	return nil, nil
}

// isDefaultGroup reports whether a parameter group is one that AWS provides.
func isDefaultGroup(name string) bool { return strings.HasPrefix(name, "default.") }

func (g *cacheParameterGroup) xml() *etree.Element {
	return endpoint.Branch("CacheParameterGroup",
		endpoint.Leaf("CacheParameterGroupName", g.name),
		endpoint.Leaf("CacheParameterGroupFamily", g.family),
		endpoint.Leaf("Description", g.description),
		endpoint.Leaf("IsGlobal", false),
		endpoint.Leaf("ARN", g.arn))
}

func (c *cacheCall) createSubnetGroup() ([]*etree.Element, error) {
	name := strings.ToLower(c.Form.Get("CacheSubnetGroupName"))
	if c.subnetGroups[name] != nil {
		return nil, endpoint.Refuse("CacheSubnetGroupAlreadyExists", "Cache subnet group %s already exists.", name)
	}
	g := &cacheSubnetGroup{name: name, description: c.Form.Get("CacheSubnetGroupDescription"), arn: c.arn("subnetgroup", name)}
	if err := c.place(g); err != nil {
		return nil, err
	}
	c.subnetGroups[name] = g
	c.tag(g.arn)
	return []*etree.Element{g.xml()}, nil
}

// place finds the subnets of a request.
func (c *cacheCall) place(g *cacheSubnetGroup) error {
	var subnets []cacheSubnet
	for _, id := range endpoint.Texts(c.Form, "SubnetIds") {
		s, err := c.caches.subnet(c.Request.Context(), c.Call.Region, id)
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
	name := strings.ToLower(c.Form.Get("CacheSubnetGroupName"))
	if g := c.subnetGroups[name]; g != nil {
		return g, nil
	}
	return nil, endpoint.Refuse("CacheSubnetGroupNotFoundFault", "Cache Subnet Group %s does not exist.", name)
}

func (c *cacheCall) describeSubnetGroups() ([]*etree.Element, error) {
	list := endpoint.Branch("CacheSubnetGroups")
	if c.Form.Get("CacheSubnetGroupName") != "" {
		g, err := c.subnetGroup()
		if err != nil {
			return nil, err
		}
		endpoint.Add(list, g.xml())
		return []*etree.Element{list}, nil
	}
	for _, n := range slices.Sorted(maps.Keys(c.subnetGroups)) {
		endpoint.Add(list, c.subnetGroups[n].xml())
	}
	return []*etree.Element{list}, nil
}

func (c *cacheCall) modifySubnetGroup() ([]*etree.Element, error) {
	g, err := c.subnetGroup()
	if err != nil {
		return nil, err
	}
	if c.Form.Has("CacheSubnetGroupDescription") {
		g.description = c.Form.Get("CacheSubnetGroupDescription")
	}
	if err := c.place(g); err != nil {
		return nil, err
	}
	return []*etree.Element{g.xml()}, nil
}

func (c *cacheCall) deleteSubnetGroup() ([]*etree.Element, error) {
	g, err := c.subnetGroup()
	if err != nil {
		return nil, err
	}
	for _, user := range c.groups {
		if user.subnetGroup == g.name {
			return nil, endpoint.Refuse("CacheSubnetGroupInUse", "Cache subnet group %s is used by %s", g.name, user.id)
		}
	}
	delete(c.subnetGroups, g.name)
	delete(c.tags, g.arn)
	return nil, nil
}

func (g *cacheSubnetGroup) xml() *etree.Element {
	subnets := endpoint.Branch("Subnets")
	vpc := ""
	for _, s := range g.subnets {
		vpc = s.vpc
		endpoint.Add(subnets, endpoint.Branch("Subnet",
			endpoint.Leaf("SubnetIdentifier", s.id),
			endpoint.Branch("SubnetAvailabilityZone", endpoint.Leaf("Name", s.zone))))
	}
	return endpoint.Branch("CacheSubnetGroup",
		endpoint.Leaf("CacheSubnetGroupName", g.name),
		endpoint.Leaf("CacheSubnetGroupDescription", g.description),
		endpoint.Leaf("VpcId", vpc),
		endpoint.Leaf("ARN", g.arn),
		endpoint.Branch("SupportedNetworkTypes", endpoint.Leaf("member", "ipv4")),
		subnets)
}
