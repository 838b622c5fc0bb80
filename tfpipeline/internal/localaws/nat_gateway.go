package localaws

import (
	"net/http"
	"net/url"
)

// natGateways deletes the network interface of a NAT gateway with it. moto
// keeps it for ever, in a subnet that Terraform deletes next, so that a destroy
// seems to leave something behind.
func natGateways(control *upstream) map[string]operation {
	return map[string]operation{
		"ec2.DeleteNatGateway": func(c *call, next func(*call) (*reply, error)) (*reply, error) {
			ctx := c.request.Context()
			described, err := control.ask(ctx, "ec2", c.region, ec2Version, "DescribeNatGateways",
				url.Values{"NatGatewayId.1": {c.form.Get("NatGatewayId")}})
			if err != nil {
				return next(c) // no such gateway: moto says it
			}
			rep, err := next(c)
			if err != nil || rep.status != http.StatusOK {
				return rep, err
			}
			for _, id := range described.every("networkInterfaceId") {
				if _, err := control.ask(ctx, "ec2", c.region, ec2Version, "DeleteNetworkInterface",
					url.Values{"NetworkInterfaceId": {id.text}}); err != nil {
					return nil, err
				}
			}
			return rep, nil
		},
	}
}
