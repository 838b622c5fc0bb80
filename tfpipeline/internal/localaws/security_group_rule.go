package localaws

import (
	"net/http"
	"net/url"
	"sync"

	"github.com/beevik/etree"

	"github.com/specboard/platform/tfpipeline/internal/endpoint"
)

// ruleDescriptions keeps the descriptions of security group rules that name
// another group. moto keeps them for address ranges only, so Terraform plans
// to add the description right after it created the rule.
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

// authorize remembers the description under the ID that moto gives the rule.
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

// show puts the description into a rule that is described.
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

// sameRule reports whether a rule of an answer is this group of this
// permission of the request. Ports are left out where all protocols are meant.
func sameRule(item *etree.Element, permission, group url.Values) bool {
	port := func(name, asked string) bool {
		got := endpoint.Text(item, name)
		return got == asked || (asked == "" && got == "-1")
	}
	return endpoint.Text(item.SelectElement("referencedGroupInfo"), "groupId") == group.Get("GroupId") &&
		endpoint.Text(item, "ipProtocol") == permission.Get("IpProtocol") &&
		port("fromPort", permission.Get("FromPort")) && port("toPort", permission.Get("ToPort"))
}

// repair lets moto answer and changes what a success says.
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
