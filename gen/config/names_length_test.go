package config_test

import (
	"strings"
	"testing"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/config/configtest"
)

// TestLongNamesKeepTheirPrefix: deploy roles are limited to target groups whose
// names begin with platform and environment. A name that is cut must keep that
// beginning, or begin with what all of that environment do, for the longest names
// that Validate accepts, and must tell services apart that begin alike.
func TestLongNamesKeepTheirPrefix(t *testing.T) {
	cut := 0
	for platform := 3; platform <= 38; platform++ {
		for service := 1; service <= 63; service++ {
			p := configtest.Docs()
			p.Name = "p" + strings.Repeat("a", platform-2) + "z"
			name := strings.Repeat("s", service)
			if platform == 38 || service == 63 { // the longest are valid
				p.Services[1].Name = name
				if err := p.Validate(); err != nil {
					t.Fatal(err)
				}
			}
			env := p.Environments[len(p.Environments)-1].Name
			prefix, all, group := p.Prefix(env)+"-", config.Cut(p.Prefix(env), config.TargetGroupPrefix)+"-", p.TargetGroup(env, name)
			if len(group) > 32 || !strings.HasPrefix(group, prefix) && !strings.HasPrefix(group, all) {
				t.Errorf("the target group of %s in %s is %s: it leaves %s and %s, or has %d characters", name, env, group, prefix, all, len(group))
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

// TestCut: names that fit stay, and others end in a hash of the whole.
func TestCut(t *testing.T) {
	for name, want := range map[string]string{
		"shop-staging":                      "shop-staging",
		"doc-platform-preview-of-future-eu": "doc-platform-preview-of-f-229a20",
	} {
		if got := config.Cut(name, 32); got != want {
			t.Errorf("%s is cut to %s, want %s", name, got, want)
		}
	}
}
