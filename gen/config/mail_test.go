package config_test

import (
	"testing"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/config/configtest"
)

// TestDKIMDomain: SES looks for the keys of most regions at one domain, of later ones at their own.
func TestDKIMDomain(t *testing.T) {
	t.Parallel()
	for region, want := range map[string]string{
		"us-west-2":    "dkim.amazonses.com",
		"me-south-1":   "dkim.amazonses.com",
		"eu-south-1":   "dkim.eu-south-1.amazonses.com",
		"eu-central-2": "dkim.eu-central-2.amazonses.com",
		"eu-south-2":   "",
		"nowhere":      "",
	} {
		if got := (config.Platform{Region: region}).DKIMDomain(); got != want {
			t.Errorf("%s: %q, want %q", region, got, want)
		}
	}
}

func TestInvalidMail(t *testing.T) {
	t.Parallel()
	shop, mill := configtest.Shop, configtest.Mill
	const rule = "is not what stands before the @ of an address: up to 64 lower-case letters and digits, with single . _ + - between; for example \"no-reply\""
	for name, c := range map[string]struct {
		platform func() config.Platform
		spoil    func(p *config.Platform)
		want     string // how the only problem begins; "" is none
	}{
		"nothing":       {shop, func(*config.Platform) {}, ""},
		"whole address": {shop, func(p *config.Platform) { p.Services[0].MailFrom = "shop@shop.example" }, `services["store"].mailFrom: "shop@shop.example" ` + rule},
		"capitals":      {shop, func(p *config.Platform) { p.Tasks[1].MailFrom = "Report" }, `tasks["report"].mailFrom: "Report" ` + rule},
		"a wildcard":    {shop, func(p *config.Platform) { p.Services[0].MailFrom = "*" }, `services["store"].mailFrom: "*" ` + rule},
		"no domain":     {mill, func(p *config.Platform) { p.Services[0].MailFrom = "flour" }, `services["grind"].mailFrom: "flour" has no effect: the platform has no load balancer while its domain is empty`},
		"a region without SES": {configtest.Docs, func(p *config.Platform) {
			p.Region, p.AvailabilityZones, p.Services[0].MailFrom = "mx-central-1", []string{"mx-central-1a", "mx-central-1b"}, "no-reply"
		}, `services["api"].mailFrom: "no-reply" has no effect: AWS offers no SES in mx-central-1; for example ""`},
		"a region with its own keys": {configtest.Docs, func(p *config.Platform) {
			p.Region, p.AvailabilityZones, p.Services[0].MailFrom = "eu-south-1", []string{"eu-south-1a", "eu-south-1b"}, "no-reply"
		}, ""},
		"its variable is set": {shop, func(p *config.Platform) {
			p.Services[0].MailFrom, p.Services[0].Environment["MAIL_FROM"] = "shop", "x"
		}, `services["store"].environment["MAIL_FROM"]: "MAIL_FROM" is a variable that the platform sets`},
		"another record": {shop, func(p *config.Platform) { p.Environments[0].DMARC = "v=spf1 -all" },
			`environments["qa"].dmarc: "v=spf1 -all" is not a DMARC record of up to 255 characters: v=DMARC1, then p with none, quarantine or reject, then further tags, with semicolons between; for example "v=DMARC1; p=quarantine"`},
		"a record of nobody's": {configtest.Docs, func(p *config.Platform) { p.Environments[0].DMARC = "v=DMARC1; p=none" }, `environments["staging"].dmarc: "v=DMARC1; p=none" has no effect: no service and no task has a mailFrom`},
	} {
		p := c.platform()
		c.spoil(&p)
		if c.want == "" {
			wantProblems(t, name, p)
		} else {
			wantProblems(t, name, p, c.want)
		}
	}
}
