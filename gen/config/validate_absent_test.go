package config_test

import (
	"testing"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/config/configtest"
)

// withoutCache is the platform without Redis.
func withoutCache(p *config.Platform) {
	p.RedisVersion, p.CacheTokenVersion = "", 0
	for i := range p.Services {
		p.Services[i].Cache = false
	}
	for i := range p.Environments {
		p.Environments[i].Cache = config.Cache{}
	}
}

// Each part that a platform may do without goes by itself.
func TestAbsentIsValid(t *testing.T) {
	t.Parallel()
	p := configtest.Docs()
	withoutCache(&p)
	if err := p.Validate(); err != nil {
		t.Errorf("without a cache: %v", err)
	}
	p = configtest.Docs()
	p.PostgresVersion, p.Tasks, p.Secrets = "", nil, p.Secrets[1:]
	for i := range p.Services {
		p.Services[i].Database = false
	}
	for i := range p.Environments {
		p.Environments[i].Database = config.Database{}
	}
	if err := p.Validate(); err != nil {
		t.Errorf("without a database: %v", err)
	}
	if p = configtest.Mill(); p.URL(p.Environments[0]) != "" {
		t.Errorf("a platform without a domain has the address %s", p.URL(p.Environments[0]))
	}
}

func TestInvalidAbsent(t *testing.T) {
	t.Parallel()
	type P = config.Platform
	checkInvalid(t, []invalid{
		{"Redis that some use", func(p *P) { withoutCache(p); p.Services[0].Cache, p.Tasks[1].Cache = true, true }, `
services["api"].cache: true has no effect: the platform has no cache while its redisVersion and valkeyVersion are empty; for example false
tasks["seed"].cache: true has no effect: the platform has no cache while its redisVersion and valkeyVersion are empty; for example false
`},
		{"nodes of no Redis", func(p *P) { withoutCache(p); p.Environments[0].Cache.Nodes = 1 }, `environments["staging"].cache: has no effect: the platform has no cache while its redisVersion and valkeyVersion are empty; for example Cache{}`},
		{"a database that some use", func(p *P) {
			p.PostgresVersion, p.Services, p.Tasks[1].Database = "", p.Services[:2], false
			p.Environments[0].Database, p.Environments[1].Database.InstanceClass = config.Database{}, ""
		}, `
services["api"].database: true has no effect: the platform has no database while its postgresVersion is empty; for example false
tasks["migrate"].database: true has no effect: the platform has no database while its postgresVersion is empty; for example false
tasks["migrate"]: has no effect: the platform has no database while its postgresVersion is empty
secrets["db-credentials"].kind: "database" has no effect: the platform has no database while its postgresVersion is empty; for example "generated"
environments["production"].database: has no effect: the platform has no database while its postgresVersion is empty; for example Database{}
`},
		{"no domain for public services", func(p *P) {
			*p = configtest.Mill()
			p.ZoneID = "Z0ABCDEFGHIJKLMNOPQRS"
			s := p.Services[1]
			s.HealthPath, s.HealthCommand = "/", nil
			p.Services[1] = s
			p.Services[1].Default = true
			s.Name, s.Routes, s.Priority = "web", []string{"/"}, 1
			p.Services = append(p.Services, s)
			p.Environments[0].Subdomain, p.Environments[0].IdleTimeout, p.Environments[0].Alarms.HTTP5xx = "test", 60e9, 10
			p.Environments[0].Maintenance.ApplyImmediately, p.Environments[0].AccessLogDays = true, 7
			p.Environments[0].AllowedCIDRs = []string{"192.0.2.7/32"}
		}, `
zoneID: "Z0ABCDEFGHIJKLMNOPQRS" has no effect: the platform has no load balancer while its domain is empty; for example Domain: "shop.io"
services["scale"].default: has no effect: the platform has no load balancer while its domain is empty; for example Domain: "shop.io"
services["web"].routes: has no effect: the platform has no load balancer while its domain is empty; for example Domain: "shop.io"
environments["test"].subdomain: "test" has no effect: the platform has no load balancer while its domain is empty; for example ""
environments["test"].maintenance: has no effect: there is neither a database nor a cache; for example Maintenance{}
environments["test"].alarms.http5xx: 10 has no effect: the platform has no load balancer while its domain is empty; for example 0
environments["test"].idleTimeout: 1m0s has no effect: the platform has no load balancer while its domain is empty; for example 0
environments["test"].allowedCIDRs: has no effect: the platform has no load balancer while its domain is empty; for example nil
environments["test"].accessLogDays: 7 has no effect: the platform has no load balancer while its domain is empty; for example 0
`},
	})
}
