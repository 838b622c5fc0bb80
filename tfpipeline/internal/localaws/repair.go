package localaws

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"

	"github.com/beevik/etree"

	"github.com/specboard/platform/tfpipeline/internal/endpoint"
)

// ruleDescriptions keeps the descriptions of security group rules whose source
// is another group. moto keeps those of address ranges only, so Terraform
// plans to add the description right after it created the rule.
type ruleDescriptions struct {
	mu   sync.Mutex
	byID map[string]string // security group rule ID → description
}

func newRuleDescriptions() *ruleDescriptions { return &ruleDescriptions{byID: map[string]string{}} }

func (d *ruleDescriptions) operations() endpoint.Table {
	return endpoint.Table{
		"ec2.AuthorizeSecurityGroupIngress": d.authorize,
		"ec2.AuthorizeSecurityGroupEgress":  d.authorize,
		"ec2.ModifySecurityGroupRules":      d.modify,
		"ec2.DescribeSecurityGroupRules":    d.describe,
	}
}

// authorize stores the description under the id that moto gives the rule.
func (d *ruleDescriptions) authorize(c *endpoint.Call, next endpoint.Next) (*endpoint.Reply, error) {
	return repair(c, next, func(root *etree.Element) {
		for _, item := range ruleItems(root) {
			for _, permission := range endpoint.Objects(c.Form, "IpPermissions") {
				for _, group := range endpoint.Objects(permission, "Groups") {
					if sameRule(item, permission, group) {
						d.set(endpoint.Text(item, "securityGroupRuleId"), group.Get("Description"))
					}
				}
			}
			d.show(item)
		}
	})
}

func (d *ruleDescriptions) modify(c *endpoint.Call, next endpoint.Next) (*endpoint.Reply, error) {
	rep, err := next(c)
	if err == nil && rep.Status == http.StatusOK {
		for _, rule := range endpoint.Objects(c.Form, "SecurityGroupRule") {
			if rule.Get("SecurityGroupRule.ReferencedGroupId") != "" {
				d.set(rule.Get("SecurityGroupRuleId"), rule.Get("SecurityGroupRule.Description"))
			}
		}
	}
	return rep, err
}

func (d *ruleDescriptions) describe(c *endpoint.Call, next endpoint.Next) (*endpoint.Reply, error) {
	return repair(c, next, func(root *etree.Element) {
		for _, item := range ruleItems(root) {
			d.show(item)
		}
	})
}

func (d *ruleDescriptions) set(id, description string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.byID[id] = description
}

// show adds the description to a rule in an answer.
func (d *ruleDescriptions) show(item *etree.Element) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if text := d.byID[endpoint.Text(item, "securityGroupRuleId")]; text != "" {
		endpoint.Set(item, "description", text)
	}
}

func ruleItems(root *etree.Element) []*etree.Element {
	set := root.SelectElement("securityGroupRuleSet")
	if set == nil {
		return nil
	}
	return set.ChildElements()
}

// sameRule reports whether a rule in an answer belongs to this group of this
// permission of the request. Ports do not count if all protocols are meant.
func sameRule(item *etree.Element, permission, group url.Values) bool {
	port := func(name, asked string) bool {
		got := endpoint.Text(item, name)
		return got == asked || (asked == "" && got == "-1")
	}
	return endpoint.Text(item.SelectElement("referencedGroupInfo"), "groupId") == group.Get("GroupId") &&
		endpoint.Text(item, "ipProtocol") == permission.Get("IpProtocol") &&
		port("fromPort", permission.Get("FromPort")) && port("toPort", permission.Get("ToPort"))
}

// repair lets moto answer, and changes the answer if it is a success.
func repair(c *endpoint.Call, next endpoint.Next, change func(root *etree.Element)) (*endpoint.Reply, error) {
	rep, err := next(c)
	if err != nil || rep.Status != http.StatusOK {
		return rep, err
	}
	root, err := endpoint.ParseXML(rep.Body)
	if err != nil {
		return nil, err
	}
	change(root)
	rep.Body = endpoint.Encode(root)
	return rep, nil
}

const elbVersion = "2015-12-01"

// deletionProtection enforces this attribute of load balancers. moto stores it
// but deletes anyway, so a destroy that AWS would refuse would succeed.
func deletionProtection(control *upstream) endpoint.Table {
	return endpoint.Table{
		"elasticloadbalancing.DeleteLoadBalancer": func(c *endpoint.Call, next endpoint.Next) (*endpoint.Reply, error) {
			arn := c.Form.Get("LoadBalancerArn")
			attributes, err := control.ask(c.Request.Context(), c.Service, c.Region, elbVersion,
				"DescribeLoadBalancerAttributes", url.Values{"LoadBalancerArn": {arn}})
			if err != nil {
				return next(c) // no such load balancer: moto answers
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

// conditionalPuts admits one conditional write at a time: moto checks the
// condition before it writes, so that two at the same time might both pass the
// check.
func conditionalPuts() endpoint.Table {
	var one sync.Mutex
	return endpoint.Table{"s3." + endpoint.ConditionalPut: func(c *endpoint.Call, next endpoint.Next) (*endpoint.Reply, error) {
		body, err := io.ReadAll(http.MaxBytesReader(nil, c.Request.Body, endpoint.MaxBody))
		if err != nil {
			return nil, fmt.Errorf("read the object: %w", err)
		}
		whole := *c
		whole.Body, whole.Request = body, c.Request.Clone(c.Request.Context())
		whole.Request.Header.Del("Expect") // our own server has answered it
		one.Lock()
		defer one.Unlock()
		return next(&whole)
	}}
}

// secretVersions puts the ARN of a secret into the list of its versions, where
// moto (5.2.1) repeats whatever name the request used.
func secretVersions() endpoint.Table {
	return endpoint.Table{"secretsmanager.ListSecretVersionIds": func(c *endpoint.Call, next endpoint.Next) (*endpoint.Reply, error) {
		rep, err := next(c)
		if err != nil || rep.Status != http.StatusOK {
			return rep, err
		}
		describe := *c
		describe.Operation, describe.Request = "DescribeSecret", c.Request.Clone(c.Request.Context())
		describe.Request.Header.Set("X-Amz-Target", "secretsmanager.DescribeSecret")
		described, err := next(&describe)
		if err != nil || described.Status != http.StatusOK {
			return rep, err
		}
		var secret struct{ ARN string }
		versions := map[string]any{}
		if err := errors.Join(endpoint.DecodeJSON(described.Body, &secret), endpoint.DecodeJSON(rep.Body, &versions)); err != nil {
			return nil, fmt.Errorf("read the versions of a secret: %w", err)
		}
		versions["ARN"] = secret.ARN
		return endpoint.JSON(versions)
	}}
}
