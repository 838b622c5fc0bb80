package localaws

import (
	"net/url"

	"github.com/specboard/platform/tfpipeline/internal/endpoint"
)

const elbVersion = "2015-12-01"

// deletionProtection enforces the attribute of load balancers. moto stores it
// and deletes all the same, so a destroy that AWS would refuse succeeds.
func deletionProtection(control *upstream) endpoint.Table {
	return endpoint.Table{
		"elasticloadbalancing.DeleteLoadBalancer": func(c *endpoint.Call, next endpoint.Next) (*endpoint.Reply, error) {
			arn := c.Form.Get("LoadBalancerArn")
			attributes, err := control.ask(c.Request.Context(), c.Service, c.Region, elbVersion,
				"DescribeLoadBalancerAttributes", url.Values{"LoadBalancerArn": {arn}})
			if err != nil {
				return next(c) // no such load balancer: moto says it
			}
			for _, a := range endpoint.Every(attributes, "member") {
				if endpoint.Text(a, "Key") == "deletion_protection.enabled" && endpoint.Text(a, "Value") == "true" {
					return nil, endpoint.Refuse("OperationNotPermitted",
						"Load balancer '%s' cannot be deleted because deletion protection is enabled", arn)
				}
			}
			return next(c)
		},
	}
}
