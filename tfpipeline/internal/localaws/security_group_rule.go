package localaws

import (
	"net/http"
	"net/url"
	"sync"
)

// ruleDescriptions keeps the descriptions of security group rules that name
// another group. moto keeps them for address ranges only, so Terraform plans
// to add the description right after it created the rule.
type ruleDescriptions struct {
	mu   sync.Mutex
	byID map[string]string // security group rule ID → description
}

func newRuleDescriptions() *ruleDescriptions { return &ruleDescriptions{byID: map[string]string{}} }

func (d *ruleDescriptions) operations() map[string]operation {
	return map[string]operation{
		"ec2.AuthorizeSecurityGroupIngress": d.authorize,
		"ec2.AuthorizeSecurityGroupEgress":  d.authorize,
		"ec2.ModifySecurityGroupRules":      d.modify,
		"ec2.DescribeSecurityGroupRules":    d.describe,
	}
}

// authorize remembers the description under the ID that moto gives the rule.
func (d *ruleDescriptions) authorize(c *call, next func(*call) (*reply, error)) (*reply, error) {
	return repair(c, next, func(root *node) {
		for _, item := range ruleItems(root) {
			for _, permission := range objects(c.form, "IpPermissions") {
				for _, group := range objects(permission, "Groups") {
					if sameRule(item, permission, group) {
						d.set(item.value("securityGroupRuleId"), group.Get("Description"))
					}
				}
			}
			d.show(item)
		}
	})
}

func (d *ruleDescriptions) modify(c *call, next func(*call) (*reply, error)) (*reply, error) {
	rep, err := next(c)
	if err == nil && rep.status == http.StatusOK {
		for _, rule := range objects(c.form, "SecurityGroupRule") {
			if rule.Get("SecurityGroupRule.ReferencedGroupId") != "" {
				d.set(rule.Get("SecurityGroupRuleId"), rule.Get("SecurityGroupRule.Description"))
			}
		}
	}
	return rep, err
}

func (d *ruleDescriptions) describe(c *call, next func(*call) (*reply, error)) (*reply, error) {
	return repair(c, next, func(root *node) {
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
func (d *ruleDescriptions) show(item *node) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if text := d.byID[item.value("securityGroupRuleId")]; text != "" {
		item.set("description", text)
	}
}

func ruleItems(root *node) []*node {
	set := root.child("securityGroupRuleSet")
	if set == nil {
		return nil
	}
	return set.children
}

// sameRule reports whether a rule of an answer is this group of this
// permission of the request. Ports are left out where all protocols are meant.
func sameRule(item *node, permission, group url.Values) bool {
	port := func(name, asked string) bool {
		got := item.value(name)
		return got == asked || (asked == "" && got == "-1")
	}
	return item.child("referencedGroupInfo").value("groupId") == group.Get("GroupId") &&
		item.value("ipProtocol") == permission.Get("IpProtocol") &&
		port("fromPort", permission.Get("FromPort")) && port("toPort", permission.Get("ToPort"))
}

// repair lets moto answer and changes what a success says.
func repair(c *call, next func(*call) (*reply, error), change func(root *node)) (*reply, error) {
	rep, err := next(c)
	if err != nil || rep.status != http.StatusOK {
		return rep, err
	}
	root, err := parseXML(rep.body)
	if err != nil {
		return nil, err
	}
	change(root)
	rep.body = root.encode()
	return rep, nil
}
