package localaws

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

// firewallRate is how many requests the web ACL of a load balancer lets an address
// make within five minutes; 0 without one, or without such a rule.
func (c *Cloud) firewallRate(ctx context.Context, arn string) (int, error) {
	e, err := c.endpoint(ctx)
	if err != nil {
		return 0, err
	}
	r, err := newJSONRequest(ctx, "wafv2", e.region, "AWSWAF_20190729.GetWebACLForResource", map[string]string{"ResourceArn": arn})
	if err != nil {
		return 0, err
	}
	var answer struct {
		WebACL struct {
			Rules []struct {
				Statement struct{ RateBasedStatement struct{ Limit int } }
			}
		}
	}
	rep := e.self(r)
	if rep.Status != http.StatusOK {
		return 0, fmt.Errorf("read the firewall of %s: status %d: %s", arn, rep.Status, rep.Body)
	}
	if err := json.Unmarshal(rep.Body, &answer); err != nil {
		return 0, fmt.Errorf("read the firewall of %s: %w", arn, err)
	}
	for _, rule := range answer.WebACL.Rules {
		if limit := rule.Statement.RateBasedStatement.Limit; limit > 0 {
			return limit, nil
		}
	}
	return 0, nil
}
