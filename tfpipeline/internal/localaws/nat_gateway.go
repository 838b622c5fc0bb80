package localaws

import (
	"net/http"
	"net/url"
	"sync"

	"github.com/beevik/etree"

	"github.com/specboard/platform/tfpipeline/internal/endpoint"
)

// natGateways are moto's, with two differences. A gateway in a network without
// an internet gateway fails, as on AWS. And the network interface of a deleted
// gateway is deleted with it; moto would keep it in a subnet that Terraform
// deletes next.
type natGateways struct {
	control *upstream
	// attached reports whether a network has an internet gateway.
	attached func(c *endpoint.Call, vpc string) (bool, error)

	mu     sync.Mutex
	failed map[string]bool // by ID
}

func (n *natGateways) operations() endpoint.Table {
	return endpoint.Table{
		"ec2.CreateNatGateway":    n.create,
		"ec2.DescribeNatGateways": n.describe,
		"ec2.DeleteNatGateway":    n.remove,
	}
}

func (n *natGateways) create(c *endpoint.Call, next endpoint.Next) (*endpoint.Reply, error) {
	rep, err := next(c)
	if err != nil || rep.Status != http.StatusOK || c.Form.Get("ConnectivityType") == "private" {
		return rep, err
	}
	root, err := endpoint.ParseXML(rep.Body)
	if err != nil {
		return nil, err
	}
	gateway := root.SelectElement("natGateway")
	attached, err := n.attached(c, endpoint.Text(gateway, "vpcId"))
	if err != nil {
		return nil, err
	}
	if !attached {
		n.mu.Lock()
		n.failed[endpoint.Text(gateway, "natGatewayId")] = true
		n.mu.Unlock()
	}
	return rep, nil
}

func (n *natGateways) describe(c *endpoint.Call, next endpoint.Next) (*endpoint.Reply, error) {
	return repair(c, next, func(root *etree.Element) {
		n.mu.Lock()
		defer n.mu.Unlock()
		for _, gateway := range root.FindElements("./natGatewaySet/item") {
			if n.failed[endpoint.Text(gateway, "natGatewayId")] && endpoint.Text(gateway, "state") == "available" {
				endpoint.Set(gateway, "state", "failed")
				endpoint.Set(gateway, "failureCode", "Gateway.NotAttached")
				endpoint.Set(gateway, "failureMessage", "Network "+endpoint.Text(gateway, "vpcId")+" has no Internet gateway attached")
			}
		}
	})
}

func (n *natGateways) remove(c *endpoint.Call, next endpoint.Next) (*endpoint.Reply, error) {
	ctx := c.Request.Context()
	described, err := n.control.ask(ctx, "ec2", c.Region, ec2Version, "DescribeNatGateways", url.Values{"NatGatewayId.1": {c.Form.Get("NatGatewayId")}})
	if err != nil {
		return next(c) // no such gateway: moto answers
	}
	rep, err := next(c)
	if err != nil || rep.Status != http.StatusOK {
		return rep, err
	}
	for _, id := range endpoint.Every(described, "networkInterfaceId") {
		if _, err := n.control.ask(ctx, "ec2", c.Region, ec2Version, "DeleteNetworkInterface", url.Values{"NetworkInterfaceId": {id.Text()}}); err != nil {
			return nil, err
		}
	}
	return rep, nil
}
