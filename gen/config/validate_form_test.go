package config_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/config/configtest"
)

// TestRefusedForms: what AWS, or who answers it, would refuse after the plan.
func TestRefusedForms(t *testing.T) {
	t.Parallel()
	type P = config.Platform
	const (
		unregistrable = ` has a label with hyphens as its third and fourth characters that is no internationalized name (xn--…), so no certificate is issued for it; for example `
		noAddress     = ` is not an e-mail address; for example "on-call@shop.io"`
		connections   = ` is not a number of connections that RDS takes, 6 to 262143; for example "200"`
	)
	email := func(address string) func(*P) {
		return func(p *P) { p.Environments[1].Alarms.Emails = []string{address} }
	}
	parameter := func(value string) func(*P) {
		return func(p *P) { p.Environments[0].Database.Parameters = map[string]string{"max_connections": value} }
	}
	minimums := func(n int, name, expression string) func(*P) {
		return func(p *P) {
			for i := range n {
				p.Environments[1].Size.Minimums = append(p.Environments[1].Size.Minimums,
					config.Minimum{Name: fmt.Sprintf("%s%d", name, i), Expression: expression, MinTasks: 2 + i%2})
			}
		}
	}
	long := strings.Repeat("m", 142)
	checkInvalid(t, []invalid{
		{"domain with two hyphens", func(p *P) { p.Domain = "ab--cd.io" }, `domain: "ab--cd.io"` + unregistrable + `"shop.io"`},
		{"domain of no Punycode", func(p *P) { p.Domain = "xn--a.io" }, `domain: "xn--a.io"` + unregistrable + `"shop.io"`},
		{"subdomain with two hyphens", func(p *P) { p.Environments[0].Subdomain = "eu--west" }, `environments["staging"].subdomain: "eu--west"` + unregistrable + `"staging"`},
		{"host of no Punycode", func(p *P) { p.Services[2].Hosts = []string{"xn--99999999"} }, `services["mcp"].hosts[0]: "xn--99999999"` + unregistrable + `"admin"`},
		{"redirect of such a host", func(p *P) {
			p.Redirects = []config.Redirect{{Host: "to--old", Location: "/", Priority: 1}}
		}, `redirects[0].host: "to--old"` + unregistrable + `"admin"`},
		{"address with two dots", email("on..call@shop.io"), `environments["production"].alarms.emails[0]: "on..call@shop.io"` + noAddress},
		{"address that begins with a dot", email(".on@shop.io"), `environments["production"].alarms.emails[0]: ".on@shop.io"` + noAddress},
		{"address that ends with a dot", email("on.@shop.io"), `environments["production"].alarms.emails[0]: "on.@shop.io"` + noAddress},
		{"address at a number", email("on@10.0.0.1"), `environments["production"].alarms.emails[0]: "on@10.0.0.1"` + noAddress},
		{"address of 65 characters", email(strings.Repeat("o", 65) + "@shop.io"), `environments["production"].alarms.emails[0]: "` + strings.Repeat("o", 65) + `@shop.io"` + noAddress},
		{"five connections", parameter("5"), `environments["staging"].database.parameters["max_connections"]: "5"` + connections},
		{"more connections than PostgreSQL takes", parameter("262144"), `environments["staging"].database.parameters["max_connections"]: "262144"` + connections},
		{"more minimums than autoscaling takes", minimums(201, "at-", "cron(0 7 ? * MON-FRI *)"), `environments["production"].size.minimums: 201 minimums are more than 200, the most that autoscaling takes for a service`},
		{"minimum with a long name", minimums(2, long, "cron(0 7 ? * MON-FRI *)"), `
environments["production"].size.minimums["` + long[:100] + `…" (143 bytes)].name: "` + long[:100] + `…" (143 bytes) has 143 characters, where the name of a scheduled action leaves 142; for example "` + long[:100] + `…" (142 bytes)
environments["production"].size.minimums["` + long[:100] + `…" (143 bytes)].name: "` + long[:100] + `…" (143 bytes) has 143 characters, where the name of a scheduled action leaves 142; for example "` + long[:100] + `…" (142 bytes)`},
		{"more environments than the policy of plans names", func(p *P) {
			for i := range 38 {
				e := preview()
				e.Name, e.Subdomain, e.Network.CIDR = fmt.Sprintf("e%d", i), fmt.Sprintf("e%d", i), fmt.Sprintf("10.%d.0.0/16", 100+i)
				p.Environments = append(p.Environments, e)
			}
		}, `environments: 40 environments make the policy with which plans read about 6381 characters long, where IAM takes 6144`},
	})
}

// TestAcceptedForms: what looks like the above and is not refused.
func TestAcceptedForms(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*config.Platform){
		"an internationalized domain":   func(p *config.Platform) { p.Domain = "xn--bcher-kva.io" },
		"one without a letter of ASCII": func(p *config.Platform) { p.Domain = "xn--fiqs8s.io" },
		"hyphens elsewhere":             func(p *config.Platform) { p.Environments[0].Subdomain = "eu-w--1" },
		"another's host": func(p *config.Platform) {
			p.Redirects = []config.Redirect{{Path: "/v", Location: "https://r2---sn.video.io/", Priority: 1}}
		},
		"an address with marks": func(p *config.Platform) { p.Environments[1].Alarms.Emails = []string{"On.Call+aws_1@mail.shop.io"} },
		"connections by formula": func(p *config.Platform) {
			p.Environments[0].Database.Parameters = map[string]string{"max_connections": "LEAST({DBInstanceClassMemory/9531392},5000)"}
		},
		"Valkey 9.1": func(p *config.Platform) { p.RedisVersion, p.ValkeyVersion = "", "9.1" },
	} {
		p := configtest.Docs()
		change(&p)
		if err := p.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestStaticParameters: RDS refuses apply_method immediate for those.
func TestStaticParameters(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{"max_connections": true, "rds.enable_pgactive": true, "rds.custom_dns_resolution": true, "temp_file_limit": true, "work_mem": false} {
		if got := config.StaticParameter(name); got != want {
			t.Errorf("%s is static: %v, want %v", name, got, want)
		}
	}
}

// TestDMARC: the record of RFC 7489, with or without blanks.
func TestDMARC(t *testing.T) {
	t.Parallel()
	for record, want := range map[string]bool{
		"v=DMARC1; p=quarantine": true,
		"v=DMARC1;p=reject":      true,
		"v=DMARC1; p=reject; sp=none; rua=mailto:dmarc@shop.io,mailto:b@shop.io!10m; adkim=s;": true,
		"v=DMARC1; p = none ; pct = 20":          true,
		"v=DMARC1":                               false,
		"v=DMARC1; p=":                           false,
		"v=DMARC1; p=refuse":                     false,
		"v=DMARC1; rua=mailto:d@shop.io; p=none": false,
		"v=DMARC1; p=none; rua":                  false,
		"v=DMARC1; p=none; x=\"":                 false,
		"v=dmarc1; p=none":                       false,
	} {
		p := configtest.Shop()
		p.Environments[0].DMARC = record
		if err := p.Validate(); (err == nil) != want {
			t.Errorf("%q: %v", record, err)
		}
	}
}
