package localaws

import (
	"github.com/beevik/etree"

	"github.com/specboard/platform/tfpipeline/internal/endpoint"
)

const rdsNamespace = "http://rds.amazonaws.com/doc/2014-10-31/"

// showUserParameters says of each parameter of a group that a user has set it.
// moto lists those only, and does not say so; the provider then plans to set
// them again and again.
func showUserParameters(c *endpoint.Call, next endpoint.Next) (*endpoint.Reply, error) {
	return repair(c, next, func(root *etree.Element) {
		for _, parameter := range endpoint.Every(root, "Parameter") {
			if endpoint.Text(parameter, "Source") == "" {
				endpoint.Set(parameter, "Source", "user")
			}
		}
	})
}
