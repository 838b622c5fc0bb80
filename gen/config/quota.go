package config

import (
	"cmp"
	"fmt"
)

// quota is a limit that AWS raises when asked. most is what an account has by
// default, as AWS documents it.
type quota struct {
	path, what    string
	needs, most   int
	service, code string
	region        string // "" is the platform's
}

// Quotas returns a warning for each of AWS's default quotas that the platform
// exceeds, with the command that asks for more. The account may have been given
// more already, or use a part of it otherwise. What AWS does not raise is a
// problem of Validate; so are the rules of security groups, which are met before
// the 100 rules and target groups of a load balancer.
func (p Platform) Quotas() (warnings []string) {
	gateways, cpu := map[int]int{}, map[bool]int{} // by whether they run on Spot
	addresses, groups, roles, targets, rules := 0, 0, 2, 0, 0
	containers := len(p.Services) + len(p.Tasks)
	for _, e := range p.Environments {
		addresses += e.Network.NATGateways
		for zone := range e.Network.NATGateways {
			gateways[zone]++
		}
		// Not of containers: the groups of the load balancer and of the data stores,
		// the deploy role, and the roles that start tasks.
		groups += containers + one(p.HasLoadBalancer()) + one(p.HasDatabase()) + one(p.HasCache())
		roles += 2*containers + 1 + len(p.Scheduled(e))
		rules += 1 + len(p.Scheduled(e)) // of deployments, and of each task that failed
		for _, t := range p.Scheduled(e) {
			s, _ := e.ScheduleOf(t)
			_, watched := s.AbsentAfter()
			rules += one(watched) // of the task's runs that have begun
		}
		here := 0
		for _, s := range p.Services {
			size := e.SizeOf(s.Name)
			cpu[size.Spot] += size.MaxTasks * size.CPU
			here += 2 * size.MaxTasks * one(s.Public())
		}
		targets = max(targets, here)
	}
	vcpus := func(spot bool) int { return (cpu[spot] + 1023) / 1024 }
	environments := len(p.Environments)
	databases := environments * one(p.HasDatabase())
	for _, q := range []quota{
		{"services", "services in a cluster", len(p.Services), 5000, "ecs", "L-9EF96962", ""},
		{"environments", "networks with the region's default one", environments + 1, 5, "vpc", "L-F678F1CE", ""},
		{"environments", "NAT gateways in one zone", gateways[0], 5, "vpc", "L-FE5A380F", ""},
		{"environments", "elastic IP addresses of NAT gateways", addresses, 5, "ec2", "L-0263D0A3", ""},
		{"environments", "security groups", groups, 2500, "vpc", "L-E79EC296", ""},
		{"environments", "database instances", databases, 40, "rds", "L-7B6409FD", ""},
		{"environments", "roles", roles, 1000, "iam", "L-FE177D64", "us-east-1"},
		{"environments", "targets of a load balancer while every service has twice maxTasks in a deployment", targets, 1000, "elasticloadbalancing", "L-7E6692B2", ""},
		{"environments", "rules of EventBridge", rules, 300, "events", "L-244521F2", ""},
		{"environments", "vCPUs on Fargate when every service runs maxTasks, and up to twice that while it is deployed", vcpus(false), 6, "fargate", "L-3032A538", ""},
		{"environments", "vCPUs on Fargate Spot when every service on it runs maxTasks, and up to twice that while it is deployed", vcpus(true), 6, "fargate", "L-36FBB829", ""},
	} {
		if q.needs <= q.most {
			continue
		}
		warnings = append(warnings, fmt.Sprintf("%s: %d %s, where an account has %d by default; to ask for more: "+
			"aws service-quotas request-service-quota-increase --region %s --service-code %s --quota-code %s --desired-value %d",
			q.path, q.needs, q.what, q.most, cmp.Or(q.region, p.Region), q.service, q.code, q.needs))
	}
	return warnings
}
