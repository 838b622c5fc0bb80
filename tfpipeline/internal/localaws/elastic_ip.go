package localaws

import "bytes"

// elasticIPs calls the tags of an elastic IP address by EC2's word for it:
// elastic-ip (DescribeTags, filter resource-type), and not vpc-elastic-ip.
func elasticIPs() map[string]operation {
	return map[string]operation{
		"ec2.DescribeTags": func(c *call, next func(*call) (*reply, error)) (*reply, error) {
			rep, err := next(c)
			if err == nil {
				rep.body = bytes.ReplaceAll(rep.body, []byte(">vpc-elastic-ip<"), []byte(">elastic-ip<"))
			}
			return rep, err
		},
	}
}
