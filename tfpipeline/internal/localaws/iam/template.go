package iam

import (
	"slices"
	"strings"
)

// templates fills a call's values into the table's templates:
//
//	{path}          the values at a path; more than one make a resource each
//	{path?default}  … or this, if there is none
//	{path|filter}   changed by a filter: see filtered
//
// A resource whose last value is an ARN already is that ARN.
type templates struct {
	call            Call
	region, account string
	lookup          Account
}

// applies: "path" must have a value, "!path" none, "path=value" that one.
func (t templates) applies(when string) bool {
	if when == "" || when == "missing" {
		return true
	}
	if path, ok := strings.CutPrefix(when, "!"); ok {
		return !t.has(path)
	}
	if path, value, ok := strings.Cut(when, "="); ok {
		return slices.Contains(t.call.Parameters[path], value)
	}
	return t.has(when)
}

func (t templates) has(path string) bool {
	if path == "tags" {
		return len(t.call.Tags) > 0
	}
	return len(t.call.Parameters[path]) > 0
}

// resources expands a template to ARNs. One that begins with neither "*" nor
// "arn:" is completed with service, region and account.
func (t templates) resources(service, template string) []string {
	if template == "" {
		template = "*"
	}
	all := t.expand(template)
	for i, r := range all {
		switch {
		case r == "*" || strings.HasPrefix(r, "arn:"):
		case strings.Contains(r, "arn:aws:"):
			all[i] = r[strings.LastIndex(r, "arn:aws:"):]
		case service == "s3":
			all[i] = "arn:aws:s3:::" + r
		case service == "route53":
			all[i] = "arn:aws:route53:::" + r
		case service == "iam":
			all[i] = "arn:aws:iam::" + t.account + ":" + r
		case strings.HasPrefix(r, "dashboard/"):
			all[i] = "arn:aws:cloudwatch::" + t.account + ":" + r
		default:
			all[i] = "arn:aws:" + service + ":" + t.region + ":" + t.account + ":" + r
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (t templates) expand(template string) []string {
	before, rest, ok := strings.Cut(template, "{")
	if !ok {
		return []string{template}
	}
	placeholder, after, _ := strings.Cut(rest, "}")
	placeholder, fallback, hasFallback := strings.Cut(placeholder, "?")
	path, filter, _ := strings.Cut(placeholder, "|")
	values := t.call.Parameters[path]
	if len(values) == 0 && hasFallback {
		values = []string{fallback}
	}
	var all []string
	for _, v := range values {
		for _, f := range t.filtered(filter, v) {
			for _, end := range t.expand(after) {
				all = append(all, before+f+end)
			}
		}
	}
	return all
}

func (t templates) filtered(filter, v string) []string {
	switch filter {
	case "name": // of an ARN or a path
		return []string{v[strings.LastIndex(v, "/")+1:]}
	case "role":
		if arns := t.lookup.Resolve(filter, v); len(arns) > 0 {
			return arns
		}
		return []string{"role/" + v}
	case "scalable":
		if arns := t.lookup.Resolve(filter, v); len(arns) > 0 {
			return arns
		}
		return []string{"scalable-target/*"}
	case "roles", "association":
		return t.lookup.Resolve(filter, v)
	case "balancer": // NAME/ID of a load balancer, from its ARN or a listener's
		if parts := strings.Split(v, "/"); len(parts) > 3 {
			return []string{parts[2] + "/" + parts[3]}
		}
	case "topic": // of a subscription
		return []string{v[:max(strings.LastIndex(v, ":"), 0)]}
	case "ec2": // what kind an identifier is of
		prefix, _, _ := strings.Cut(v, "-")
		return []string{ec2Kinds[prefix] + "/" + v}
	case "target": // a task's container, as Session Manager knows it
		if parts := strings.Split(strings.TrimPrefix(v, "ecs:"), "_"); len(parts) == 3 {
			return []string{"arn:aws:ecs:" + t.region + ":" + t.account + ":task/" + parts[0] + "/" + parts[1]}
		}
	case "document": // AWS's own
		return []string{"arn:aws:ssm:" + t.region + "::document/" + v}
	case "normalized": // a DNS name
		return []string{strings.ToLower(strings.TrimSuffix(v, "."))}
	case "domain": // of a mail address
		return []string{v[strings.LastIndex(v, "@")+1:]}
	case "lower":
		return []string{strings.ToLower(v)}
	}
	return []string{v}
}

var ec2Kinds = map[string]string{
	"acl": "network-acl", "eipalloc": "elastic-ip", "fl": "vpc-flow-log", "igw": "internet-gateway", "nat": "natgateway",
	"pcx": "vpc-peering-connection", "rtb": "route-table", "sg": "security-group", "sgr": "security-group-rule",
	"subnet": "subnet", "vpc": "vpc", "vpce": "vpc-endpoint",
}

// key adds a condition key: "name=template", or a set of keys:
//
//	request-tags   aws:RequestTag/… and aws:TagKeys
//	resource-tags  aws:ResourceTag/…
//	session-tags   ssm:resourceTag/…
func (t templates) key(q Question, key string) {
	switch name, template, _ := strings.Cut(key, "="); name {
	case "request-tags":
		for k, v := range t.call.Tags {
			q.Keys["aws:RequestTag/"+k] = []string{v}
		}
		if len(t.call.TagKeys) > 0 {
			q.Keys["aws:TagKeys"] = t.call.TagKeys
		}
	case "resource-tags":
		for k, v := range t.lookup.Tags(q.Resource) {
			q.Keys["aws:ResourceTag/"+k] = []string{v}
		}
	case "session-tags":
		for k, v := range t.lookup.Tags(q.Resource) {
			q.Keys["ssm:resourceTag/"+k] = []string{v}
		}
	case "ecs:cluster":
		if values := t.resources("ecs", template); len(values) > 0 {
			q.Keys[name] = values
		}
	default:
		if values := t.expand(template); len(values) > 0 {
			q.Keys[name] = values
		}
	}
}
