package config_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/config/configtest"
)

func TestQuotas(t *testing.T) {
	t.Parallel()
	const ask = " by default; to ask for more: aws service-quotas request-service-quota-increase --region us-west-2 "
	// environments makes so many of them, each as small as can be.
	environments := func(n int) func(*config.Platform) {
		return func(p *config.Platform) {
			staging := p.Environments[0]
			staging.Size = config.Size{}
			p.Environments = nil
			for i := range n {
				staging.Name = fmt.Sprintf("e%d", i)
				p.Environments = append(p.Environments, staging)
			}
		}
	}
	services := func(n int) func(*config.Platform) {
		return func(p *config.Platform) {
			p.Services = nil
			for i := range n {
				p.Services = append(p.Services, config.Service{Name: fmt.Sprintf("s%d", i)})
			}
			for i := range p.Environments {
				p.Environments[i].Size = config.Size{}
			}
		}
	}
	networks := func(n int) string {
		return fmt.Sprintf("environments: %d networks with the region's default one, where an account has 5%s--service-code vpc --quota-code L-F678F1CE --desired-value %d", n, ask, n)
	}
	for _, tt := range []struct {
		name   string
		change func(*config.Platform)
		want   []string
	}{
		{"as it is", func(*config.Platform) {}, nil},
		{"four environments", environments(4), nil},
		{"five environments", environments(5), []string{networks(6)}},
		{"six environments", environments(6), []string{
			networks(7),
			"environments: 6 NAT gateways in one zone, where an account has 5" + ask + "--service-code vpc --quota-code L-FE5A380F --desired-value 6",
			"environments: 6 elastic IP addresses of NAT gateways, where an account has 5" + ask + "--service-code ec2 --quota-code L-0263D0A3 --desired-value 6",
		}},
		{"a gateway in each zone", func(p *config.Platform) {
			p.Environments[0].Network.NATGateways, p.Environments[1].Network.NATGateways = 3, 3
		}, []string{"environments: 6 elastic IP addresses of NAT gateways, where an account has 5" + ask + "--service-code ec2 --quota-code L-0263D0A3 --desired-value 6"}},
		{"large tasks", func(p *config.Platform) {
			p.Environments[1].Sizes = map[string]config.Size{"api": {CPU: 1024, Memory: 2048, MinTasks: 2, MaxTasks: 6, TargetCPUPercent: 60}}
		}, []string{"environments: 10 vCPUs on Fargate when every service runs maxTasks, and up to twice that while it is deployed, where an account has 6" + ask + "--service-code fargate --quota-code L-3032A538 --desired-value 10"}},
		{"large tasks on Spot", func(p *config.Platform) {
			p.Environments[0].Sizes = map[string]config.Size{"api": {CPU: 1024, Memory: 2048, MinTasks: 1, MaxTasks: 10, Spot: true, TargetCPUPercent: 60}}
		}, []string{"environments: 10 vCPUs on Fargate Spot when every service on it runs maxTasks, and up to twice that while it is deployed, where an account has 6" + ask + "--service-code fargate --quota-code L-36FBB829 --desired-value 10"}},
		{"many public tasks", func(p *config.Platform) {
			p.Environments[0].Size = config.Size{MaxTasks: 200}
			p.Environments[1].Size = config.Size{MaxTasks: 100}
		}, []string{"environments: 1200 targets of a load balancer while every service has twice maxTasks in a deployment, where an account has 1000" + ask + "--service-code elasticloadbalancing --quota-code L-7E6692B2 --desired-value 1200"}},
		{"many schedules", func(p *config.Platform) {
			for i := range 150 {
				p.Tasks = append(p.Tasks, config.Task{Name: fmt.Sprintf("t%d", i), Schedule: config.Schedule{Expression: "rate(1 day)"}})
			}
		}, []string{"environments: 602 rules of EventBridge, where an account has 300" + ask + "--service-code events --quota-code L-244521F2 --desired-value 602"}},
		{"many schedules that no alarm watches", func(p *config.Platform) {
			for i := range 150 {
				p.Tasks = append(p.Tasks, config.Task{Name: fmt.Sprintf("t%d", i), Schedule: config.Schedule{Expression: "rate(7 days)"}})
			}
		}, []string{"environments: 302 rules of EventBridge, where an account has 300" + ask + "--service-code events --quota-code L-244521F2 --desired-value 302"}},
		{"249 services", services(249), []string{
			"environments: 1008 roles, where an account has 1000 by default; to ask for more: aws service-quotas request-service-quota-increase --region us-east-1 --service-code iam --quota-code L-FE177D64 --desired-value 1008"}},
		{"5001 services", services(5001), []string{
			"services: 5001 services in a cluster, where an account has 5000" + ask + "--service-code ecs --quota-code L-9EF96962 --desired-value 5001",
			"environments: 10012 security groups, where an account has 2500" + ask + "--service-code vpc --quota-code L-E79EC296 --desired-value 10012",
			"environments: 20016 roles, where an account has 1000 by default; to ask for more: aws service-quotas request-service-quota-increase --region us-east-1 --service-code iam --quota-code L-FE177D64 --desired-value 20016"}},
		{"41 environments", environments(41), []string{
			networks(42),
			"environments: 41 NAT gateways in one zone, where an account has 5" + ask + "--service-code vpc --quota-code L-FE5A380F --desired-value 41",
			"environments: 41 elastic IP addresses of NAT gateways, where an account has 5" + ask + "--service-code ec2 --quota-code L-0263D0A3 --desired-value 41",
			"environments: 41 database instances, where an account has 40" + ask + "--service-code rds --quota-code L-7B6409FD --desired-value 41"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := configtest.Docs()
			tt.change(&p)
			if d := cmp.Diff(tt.want, p.Quotas(), cmpopts.EquateEmpty()); d != "" {
				t.Errorf("warnings (-want +got):\n%s", d)
			}
		})
	}
}
