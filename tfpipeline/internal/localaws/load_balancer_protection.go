package localaws

import "net/url"

const elbVersion = "2015-12-01"

// deletionProtection enforces the attribute of load balancers. moto stores it
// and deletes all the same, so a destroy that AWS would refuse succeeds.
func deletionProtection(control *upstream) map[string]operation {
	return map[string]operation{
		"elasticloadbalancing.DeleteLoadBalancer": func(c *call, next func(*call) (*reply, error)) (*reply, error) {
			arn := c.form.Get("LoadBalancerArn")
			attributes, err := control.ask(c.request.Context(), c.service, c.region, elbVersion,
				"DescribeLoadBalancerAttributes", url.Values{"LoadBalancerArn": {arn}})
			if err != nil {
				return next(c) // no such load balancer: moto says it
			}
			for _, a := range attributes.every("member") {
				if a.value("Key") == "deletion_protection.enabled" && a.value("Value") == "true" {
					return nil, refuse("OperationNotPermitted",
						"Load balancer '%s' cannot be deleted because deletion protection is enabled", arn)
				}
			}
			return next(c)
		},
	}
}
