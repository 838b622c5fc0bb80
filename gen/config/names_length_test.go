package config_test

import (
	"strings"
	"testing"

	"github.com/specboard/platform/gen/config/configtest"
)

// TestLongNamesKeepTheirPrefix: deploy roles are limited to names that begin
// with platform and environment. A name that is cut must keep that beginning,
// for the longest names that Validate accepts, and must tell services apart
// that begin alike.
func TestLongNamesKeepTheirPrefix(t *testing.T) {
	cut := 0
	for platform := 3; platform <= 24; platform++ {
		for service := 1; service <= 40; service++ {
			p := configtest.Docs()
			p.Name = "p" + strings.Repeat("a", platform-2) + "z"
			name := strings.Repeat("s", service)
			p.Services[0].Name = name
			env := p.Environments[len(p.Environments)-1].Name
			if err := p.Validate(); err != nil && strings.Contains(err.Error(), "target group") {
				continue
			}
			prefix, group := p.Prefix(env)+"-", p.TargetGroup(env, name)
			if !strings.HasPrefix(group, prefix) || len(group) > 32 {
				t.Errorf("the target group of %s in %s is %s: it leaves %s, or has %d characters", name, env, group, prefix, len(group))
			}
			if group != prefix+name {
				cut++
				if other := p.TargetGroup(env, name+"x"); other == group {
					t.Errorf("%s and %sx share the target group %s", name, name, group)
				}
			}
		}
	}
	if cut < 50 {
		t.Errorf("%d names were cut, want 50 or more", cut)
	}
}
