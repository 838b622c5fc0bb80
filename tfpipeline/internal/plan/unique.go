package plan

import (
	"fmt"
	"slices"
)

// uniques are the attributes that together may belong to one object only, by type,
// where the configuration can pass them from one object to another.
var uniques = map[string]struct {
	attributes []string
	// words name what is passed on, by the attributes' numbers.
	words string
}{
	"aws_lb_listener_rule":                {[]string{"listener_arn", "priority"}, "priority %[2]v"},
	"aws_route53_record":                  {[]string{"zone_id", "name", "type", "set_identifier"}, "the record %[3]v of %[2]v"},
	"aws_vpc_security_group_ingress_rule": {firewallRule, "the rule of %[1]v for %[2]v %[3]v"},
	"aws_vpc_security_group_egress_rule":  {firewallRule, "the rule of %[1]v for %[2]v %[3]v"},
}

var firewallRule = []string{"security_group_id", "ip_protocol", "from_port", "to_port", "cidr_ipv4", "cidr_ipv6", "referenced_security_group_id", "prefix_list_id"}

// uniqueKey is what no other object of the type may have; false if it is not known or
// nothing is unique.
func uniqueKey(kind string, values, unknown any) (key string, words string, ok bool) {
	u, ok := uniques[kind]
	m := asMap(values)
	if !ok || m == nil || slices.ContainsFunc(u.attributes, func(a string) bool { return asMap(unknown)[a] == true }) {
		return "", "", false
	}
	var have []any
	for _, a := range u.attributes {
		have = append(have, m[a])
	}
	return fmt.Sprintf("%s %q", kind, have), fmt.Sprintf(u.words, have...), true
}

// takesKey refuses to give an object what another still has and loses in the same
// plan, such as the priority of a listener's rule. Terraform knows no order between the
// two, and AWS refuses the second in the middle of the apply: at random for one that
// moves, always for two that swap. left are the keys that objects lose, with who does.
func takesKey(c Change, left map[string]string) []string {
	if c.Raw == nil {
		return nil
	}
	key, words, ok := uniqueKey(c.Type, c.Raw.After, c.Raw.AfterUnknown)
	by, has := left[key]
	if !ok || !has {
		return nil
	}
	return []string{fmt.Sprintf("takes %s, which %s has until this apply, and AWS may refuse that in the middle of it. Take a free one, or have the other leave it in a release before", words, by)}
}

// leftKeys are the keys that objects have and lose, with their addresses.
func leftKeys(p *Plan) map[string]string {
	left := map[string]string{}
	for _, c := range p.Changes {
		if c.Raw == nil {
			continue
		}
		before, _, had := uniqueKey(c.Type, c.Raw.Before, nil)
		if after, _, has := uniqueKey(c.Type, c.Raw.After, c.Raw.AfterUnknown); had && (!has || before != after) {
			left[before] = c.Address
		}
	}
	return left
}
