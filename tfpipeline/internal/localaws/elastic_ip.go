package localaws

import (
	"bytes"

	"github.com/specboard/platform/tfpipeline/internal/endpoint"
)

// elasticIPs calls the tags of an elastic IP address by EC2's word for it:
// elastic-ip (DescribeTags, filter resource-type), and not vpc-elastic-ip.
func elasticIPs() endpoint.Table {
	return endpoint.Table{
		"ec2.DescribeTags": func(c *endpoint.Call, next endpoint.Next) (*endpoint.Reply, error) {
			rep, err := next(c)
			if err == nil {
				rep.Body = bytes.ReplaceAll(rep.Body, []byte(">vpc-elastic-ip<"), []byte(">elastic-ip<"))
			}
			return rep, err
		},
	}
}
