package localaws

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
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
	// subnet says where a subnet is.
	subnet func(ctx context.Context, region, id string) (cacheSubnet, error)

	mu      sync.Mutex
	regions map[string]*cacheRegion
}

// cacheRegion is what there is in one region, by name.
type cacheRegion struct {
	parameterGroups map[string]*cacheParameterGroup
	subnetGroups    map[string]*cacheSubnetGroup
	groups          map[string]*replicationGroup
	tags            map[string]map[string]string // ARN → tags
}

type cacheSubnet struct{ id, zone, vpc string }

func newCaches(account string, control *upstream) *caches {
	return &caches{
		account: account,
		regions: map[string]*cacheRegion{},
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

// cacheCall is one operation on one region's caches, under the lock.
type cacheCall struct {
	*endpoint.Call
	*cacheRegion
	caches *caches
}

func (s *caches) operations() endpoint.Table {
	table := endpoint.Table{}
	for name, op := range map[string]func(*cacheCall) ([]*etree.Element, error){
		"CreateCacheParameterGroup":    (*cacheCall).createParameterGroup,
		"DescribeCacheParameterGroups": (*cacheCall).describeParameterGroups,
		"ModifyCacheParameterGroup":    (*cacheCall).modifyParameterGroup,
		"ResetCacheParameterGroup":     (*cacheCall).resetParameterGroup,
		"DescribeCacheParameters":      (*cacheCall).describeParameters,
		"DeleteCacheParameterGroup":    (*cacheCall).deleteParameterGroup,
		"CreateCacheSubnetGroup":       (*cacheCall).createSubnetGroup,
		"DescribeCacheSubnetGroups":    (*cacheCall).describeSubnetGroups,
		"ModifyCacheSubnetGroup":       (*cacheCall).modifySubnetGroup,
		"DeleteCacheSubnetGroup":       (*cacheCall).deleteSubnetGroup,
		"CreateReplicationGroup":       (*cacheCall).createReplicationGroup,
		"DescribeReplicationGroups":    (*cacheCall).describeReplicationGroups,
		"ModifyReplicationGroup":       (*cacheCall).modifyReplicationGroup,
		"IncreaseReplicaCount":         (*cacheCall).setReplicaCount,
		"DecreaseReplicaCount":         (*cacheCall).setReplicaCount,
		"DeleteReplicationGroup":       (*cacheCall).deleteReplicationGroup,
		"DescribeCacheClusters":        (*cacheCall).describeClusters,
		"ListTagsForResource":          (*cacheCall).listTags,
		"AddTagsToResource":            (*cacheCall).addTags,
		"RemoveTagsFromResource":       (*cacheCall).removeTags,
	} {
		table["elasticache."+name] = func(c *endpoint.Call, _ endpoint.Next) (*endpoint.Reply, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			children, err := op(&cacheCall{c, s.region(c.Region), s})
			if err != nil {
				return nil, err
			}
			return endpoint.Query(c, cacheNamespace, children...), nil
		}
	}
	table["elasticache.*"] = func(c *endpoint.Call, _ endpoint.Next) (*endpoint.Reply, error) {
		return nil, notModelled(c.Service, c.Operation)
	}
	return table
}

func (s *caches) region(name string) *cacheRegion {
	if s.regions[name] == nil {
		s.regions[name] = &cacheRegion{
			parameterGroups: map[string]*cacheParameterGroup{},
			subnetGroups:    map[string]*cacheSubnetGroup{},
			groups:          map[string]*replicationGroup{},
			tags:            map[string]map[string]string{},
		}
	}
	return s.regions[name]
}

// arn is the name of a thing; kind is subnetgroup, parametergroup,
// replicationgroup or cluster.
func (c *cacheCall) arn(kind, name string) string {
	return fmt.Sprintf("arn:aws:elasticache:%s:%s:%s:%s", c.Call.Region, c.caches.account, kind, name)
}

// tag gives a new thing the tags of the request.
func (c *cacheCall) tag(arn string) {
	tags := map[string]string{}
	for _, t := range endpoint.Objects(c.Form, "Tags") {
		tags[t.Get("Key")] = t.Get("Value")
	}
	c.tags[arn] = tags
}

func (c *cacheCall) listTags() ([]*etree.Element, error) {
	tags, ok := c.tags[c.Form.Get("ResourceName")]
	if !ok {
		return nil, c.noSuchResource()
	}
	return []*etree.Element{tagList(tags)}, nil
}

func (c *cacheCall) addTags() ([]*etree.Element, error) {
	tags, ok := c.tags[c.Form.Get("ResourceName")]
	if !ok {
		return nil, c.noSuchResource()
	}
	for _, t := range endpoint.Objects(c.Form, "Tags") {
		tags[t.Get("Key")] = t.Get("Value")
	}
	return []*etree.Element{tagList(tags)}, nil
}

func (c *cacheCall) removeTags() ([]*etree.Element, error) {
	tags, ok := c.tags[c.Form.Get("ResourceName")]
	if !ok {
		return nil, c.noSuchResource()
	}
	for _, key := range endpoint.Texts(c.Form, "TagKeys") {
		delete(tags, key)
	}
	return []*etree.Element{tagList(tags)}, nil
}

func (c *cacheCall) noSuchResource() error {
	arn := c.Form.Get("ResourceName")
	code := "InvalidARN"
	switch parts := strings.SplitN(arn, ":", 7); {
	case len(parts) < 7:
	case parts[5] == "replicationgroup":
		code = "ReplicationGroupNotFoundFault"
	case parts[5] == "subnetgroup":
		code = "CacheSubnetGroupNotFoundFault"
	case parts[5] == "parametergroup":
		code = "CacheParameterGroupNotFound"
	case parts[5] == "cluster":
		code = "CacheClusterNotFound"
	}
	f := endpoint.Refuse(code, "%s not found", arn)
	f.Status = 404
	return f
}

func tagList(tags map[string]string) *etree.Element {
	list := endpoint.Branch("TagList")
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		endpoint.Add(list, endpoint.Branch("Tag", endpoint.Leaf("Key", key), endpoint.Leaf("Value", tags[key])))
	}
	return list
}

// timestamp is a time as the Query protocol writes it.
func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
