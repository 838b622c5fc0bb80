package config_test

import (
	"testing"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/config/configtest"
)

func TestInvalidFirewall(t *testing.T) {
	t.Parallel()
	type P = config.Platform
	checkInvalid(t, []invalid{
		{"a rate that AWS does not count to", func(p *P) { p.Environments[0].Firewall.Rate = 9 },
			`environments["staging"].firewall.rate: 9 is not a number of requests within five minutes that AWS WAF counts to and a promotion itself stays below, 300 to 2000000000, or 0 for no bound; for example 2000`},
		{"a way that there is not", func(p *P) { p.Environments[1].Firewall.CommonRules = "yes" },
			`environments["production"].firewall.commonRules: "yes" is not a way to use AWS's common rules: count, block, or empty; for example "count"`},
	})
	p := configtest.Mill()
	p.Environments[0].Firewall.Rate = 100
	const want = `environments["test"].firewall: has no effect: the platform has no load balancer while its domain is empty; for example Firewall{}`
	if err := p.Validate(); err == nil || err.Error() != want {
		t.Errorf("without a domain: %v", err)
	}
}
