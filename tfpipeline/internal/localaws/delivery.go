package localaws

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/beevik/etree"

	"github.com/specboard/platform/tfpipeline/internal/endpoint"
)

// deliveries are the logs that AWS writes to buckets: the access logs of load balancers
// and the flow logs of networks. AWS refuses a bucket whose policy does not let it
// write. moto only checks that the bucket exists, and accepts no folder in it. Nothing
// is ever written here.
type deliveries struct {
	account  string
	policies *bucketPolicies

	mu     sync.Mutex
	folder map[string]string // where a flow log's records lie in the bucket, by its id
}

func (d *deliveries) operations() endpoint.Table {
	return endpoint.Table{
		"ec2.CreateFlowLogs":                                d.createFlowLogs,
		"ec2.DescribeFlowLogs":                              d.describeFlowLogs,
		"elasticloadbalancing.ModifyLoadBalancerAttributes": d.accessLogs,
	}
}

func (d *deliveries) createFlowLogs(c *endpoint.Call, next endpoint.Next) (*endpoint.Reply, error) {
	destination := c.Form.Get("LogDestination")
	if c.Form.Get("LogDestinationType") != "s3" {
		return next(c)
	}
	bucket, folder, _ := strings.Cut(strings.TrimPrefix(destination, "arn:aws:s3:::"), "/")
	if !d.policies.lets("delivery.logs.amazonaws.com", bucket, d.written(folder)) {
		return nil, endpoint.Refuse("LogDestinationPermissionIssueException", "Access Denied for LogDestination: %s. Please check LogDestination permission", bucket)
	}
	form := url.Values{}
	for name, values := range c.Form {
		form[name] = values
	}
	form.Set("LogDestination", "arn:aws:s3:::"+bucket)
	return repair(c.WithForm(form), next, func(root *etree.Element) {
		d.mu.Lock()
		defer d.mu.Unlock()
		for _, id := range root.FindElements("./flowLogIdSet/item") {
			d.folder[id.Text()] = folder
		}
	})
}

func (d *deliveries) describeFlowLogs(c *endpoint.Call, next endpoint.Next) (*endpoint.Reply, error) {
	return repair(c, next, func(root *etree.Element) {
		d.mu.Lock()
		defer d.mu.Unlock()
		for _, item := range root.FindElements("./flowLogSet/item") {
			if folder := d.folder[endpoint.Text(item, "flowLogId")]; folder != "" {
				endpoint.Set(item, "logDestination", endpoint.Text(item, "logDestination")+"/"+folder)
			}
		}
	})
}

func (d *deliveries) accessLogs(c *endpoint.Call, next endpoint.Next) (*endpoint.Reply, error) {
	asked := map[string]string{}
	for _, a := range endpoint.Objects(c.Form, "Attributes") {
		asked[a.Get("Key")] = a.Get("Value")
	}
	bucket := asked["access_logs.s3.bucket"]
	if asked["access_logs.s3.enabled"] == "true" && !d.policies.lets("logdelivery.elasticloadbalancing.amazonaws.com", bucket, d.written(asked["access_logs.s3.prefix"])) {
		return nil, endpoint.Refuse("InvalidConfigurationRequest", "Access Denied for bucket: %s. Please check S3bucket permission", bucket)
	}
	return next(c)
}

// written is the path below which AWS writes.
func (d *deliveries) written(folder string) string {
	return strings.TrimPrefix(strings.TrimSuffix(folder, "/")+"/", "/") + "AWSLogs/" + d.account + "/"
}

// lets reports whether a bucket's policy allows a service of AWS to write below a
// path.
func (p *bucketPolicies) lets(service, bucket, path string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	var policy struct {
		Statement []struct {
			Effect           string
			Principal        json.RawMessage
			Action, Resource json.RawMessage
			Condition        map[string]map[string]json.RawMessage
		}
	}
	if json.Unmarshal(p.byBucket[bucket], &policy) != nil {
		return false // no policy
	}
	for _, s := range policy.Statement {
		var principal struct{ Service string }
		var action, resource string
		if s.Effect == "Allow" && json.Unmarshal(s.Principal, &principal) == nil && json.Unmarshal(s.Action, &action) == nil &&
			json.Unmarshal(s.Resource, &resource) == nil && principal.Service == service && action == "s3:PutObject" &&
			resource == "arn:aws:s3:::"+bucket+"/"+path+"*" && sent(service, s.Condition) {
			return true
		}
	}
	return false
}

// sent reports whether a service of AWS sends every key that a condition asks for. A
// condition on a key that it does not send never holds.
func sent(service string, condition map[string]map[string]json.RawMessage) bool {
	keys := map[string][]string{
		// https://docs.aws.amazon.com/elasticloadbalancing/latest/application/enable-access-logging.html
		"logdelivery.elasticloadbalancing.amazonaws.com": {"aws:SourceArn"},
		// https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-s3-permissions.html
		"delivery.logs.amazonaws.com": {"aws:SourceAccount", "aws:SourceArn", "s3:x-amz-acl"},
	}[service]
	for _, tests := range condition {
		for key := range tests {
			if !slices.Contains(keys, key) {
				return false
			}
		}
	}
	return true
}
