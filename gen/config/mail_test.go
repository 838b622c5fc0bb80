package config_test

import (
	"strings"
	"testing"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/config/configtest"
)

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
		"its variable is set": {shop, func(p *config.Platform) {
			p.Services[0].MailFrom, p.Services[0].Environment["MAIL_FROM"] = "shop", "x"
		}, `services["store"].environment["MAIL_FROM"]: "MAIL_FROM" is a variable that the platform sets`},
		"another record": {shop, func(p *config.Platform) { p.Environments[0].DMARC = "v=spf1 -all" },
			`environments["qa"].dmarc: "v=spf1 -all" is not a DMARC record of up to 255 characters, which begins with v=DMARC1; p=; for example "v=DMARC1; p=quarantine"`},
		"a record of nobody's": {configtest.Docs, func(p *config.Platform) { p.Environments[0].DMARC = "v=DMARC1; p=none" }, `environments["staging"].dmarc: "v=DMARC1; p=none" has no effect: no service and no task has a mailFrom`},
	} {
		p := c.platform()
		c.spoil(&p)
		err := p.Validate()
		if (err == nil) != (c.want == "") || err != nil && (!strings.HasPrefix(err.Error(), c.want) || strings.Contains(err.Error(), "\n")) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}
