package main

import (
	"context"
	"fmt"
	"net/url"
)

// networkKinds maps Terraform's types to EC2's words for them, for everything
// that is found by its Name tag.
func networkKinds() map[string]string {
	return map[string]string{
		"aws_vpc":              "vpc",
		"aws_subnet":           "subnet",
		"aws_internet_gateway": "internet-gateway",
		"aws_eip":              "elastic-ip",
		"aws_nat_gateway":      "natgateway",
		"aws_route_table":      "route-table",
		"aws_vpc_endpoint":     "vpc-endpoint",
		"aws_security_group":   "security-group",
	}
}

// networkInventory is what EC2 has with this platform's tags: ids by EC2's
// type, environment and name.
type networkInventory map[[3]string][]string

// byName finds a network resource by its Name, Platform and Environment tags.
func (f *finder) byName(ctx context.Context, kind string, v planned) ([]string, bool, error) {
	if f.network == nil {
		inventory, err := f.inventory(ctx)
		if err != nil {
			return nil, true, err
		}
		f.network = &inventory
	}
	name := v.tag("Name")
	if name == "" {
		return nil, true, nil
	}
	return (*f.network)[[3]string{kind, v.tag("Environment"), name}], true, nil
}

// inventory lists the tags of everything in EC2, once.
func (f *finder) inventory(ctx context.Context) (networkInventory, error) {
	type resource struct{ kind, id string }
	tags := map[resource]map[string]string{}
	for token := ""; ; {
		parameters := url.Values{"MaxResults": {"1000"}, "Filter.1.Name": {"key"},
			"Filter.1.Value.1": {"Name"}, "Filter.1.Value.2": {"Platform"}, "Filter.1.Value.3": {"Environment"}}
		if token != "" {
			parameters.Set("NextToken", token)
		}
		var out struct {
			Tags []struct {
				ID    string `xml:"resourceId"`
				Kind  string `xml:"resourceType"`
				Key   string `xml:"key"`
				Value string `xml:"value"`
			} `xml:"tagSet>item"`
			NextToken string `xml:"nextToken"`
		}
		if err := f.ec2(ctx, "DescribeTags", parameters, &out); err != nil {
			return nil, err
		}
		for _, t := range out.Tags {
			r := resource{t.Kind, t.ID}
			if tags[r] == nil {
				tags[r] = map[string]string{}
			}
			tags[r][t.Key] = t.Value
		}
		if token = out.NextToken; token == "" {
			break
		}
	}
	inventory := networkInventory{}
	for r, t := range tags {
		if t["Platform"] == f.platform.Name {
			key := [3]string{r.kind, t["Environment"], t["Name"]}
			inventory[key] = append(inventory[key], r.id)
		}
	}
	return inventory, nil
}

// securityGroupRule finds a rule of a group by what it says.
func (f *finder) securityGroupRule(ctx context.Context, v planned, egress bool) ([]string, bool, error) {
	group := v.text("security_group_id")
	if group == "" {
		return nil, false, nil
	}
	var out struct {
		Rules []struct {
			ID          string `xml:"securityGroupRuleId"`
			Egress      bool   `xml:"isEgress"`
			Description string `xml:"description"`
			Protocol    string `xml:"ipProtocol"`
			From        int    `xml:"fromPort"`
			To          int    `xml:"toPort"`
			IPv4        string `xml:"cidrIpv4"`
			IPv6        string `xml:"cidrIpv6"`
			Group       string `xml:"referencedGroupInfo>groupId"`
		} `xml:"securityGroupRuleSet>item"`
	}
	if err := f.ec2(ctx, "DescribeSecurityGroupRules", url.Values{"Filter.1.Name": {"group-id"}, "Filter.1.Value.1": {group}}, &out); err != nil {
		return nil, true, err
	}
	// EC2 allows no two rules that are equal in all of these.
	peer := v.text("cidr_ipv4") + v.text("cidr_ipv6") + v.text("referenced_security_group_id")
	if peer == "" {
		return nil, false, nil
	}
	var ids []string
	for _, r := range out.Rules {
		if r.Egress == egress && r.Protocol == v.text("ip_protocol") && r.IPv4+r.IPv6+r.Group == peer &&
			fmt.Sprint(r.From) == v.text("from_port") && fmt.Sprint(r.To) == v.text("to_port") {
			ids = append(ids, r.ID)
		}
	}
	return ids, true, nil
}
