package localaws

import (
	"net/http"
	"net/url"

	"github.com/specboard/platform/tfpipeline/internal/endpoint"
)

// natGateways deletes the network interface of a NAT gateway with it. moto
// keeps it for ever, in a subnet that Terraform deletes next, so that a destroy
// seems to leave something behind.
func natGateways(control *upstream) endpoint.Table {
	return endpoint.Table{
		"ec2.DeleteNatGateway": func(c *endpoint.Call, next endpoint.Next) (*endpoint.Reply, error) {
			ctx := c.Request.Context()
			described, err := control.ask(ctx, "ec2", c.Region, ec2Version, "DescribeNatGateways",
				url.Values{"NatGatewayId.1": {c.Form.Get("NatGatewayId")}})
			if err != nil {
				return next(c) // no such gateway: moto says it
			}
			rep, err := next(c)
			if err != nil || rep.Status != http.StatusOK {
				return rep, err
			}
			for _, id := range endpoint.Every(described, "networkInterfaceId") {
				if _, err := control.ask(ctx, "ec2", c.Region, ec2Version, "DeleteNetworkInterface",
					url.Values{"NetworkInterfaceId": {id.Text()}}); err != nil {
					return nil, err
				}
			}
			return rep, nil
		},
	}
}
