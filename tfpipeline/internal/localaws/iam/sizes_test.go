package iam_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/gen/gentest"
	"github.com/specboard/platform/tfpipeline/internal/localaws/iam/iamtest"
)

// largest is a platform with 300 services, as many hosts as a certificate has, and
// names as long as AWS takes them: of the platform so many characters, of the
// environments what that leaves, of hosts 128.
func largest(platform int) config.Platform {
	p := configtest.Docs()
	long := func(first string, most int) string { return first + strings.Repeat("n", most-len(first)) }
	p.Name = long("p", platform)
	p.Region, p.AvailabilityZones = "ap-southeast-2", []string{"ap-southeast-2a", "ap-southeast-2b"}
	p.Domain, p.ZoneID = long("d", 40)+".io", long("Z", 32)
	p.ZoneID = strings.ToUpper(p.ZoneID)
	for i, first := range []string{"s", "t"} {
		e := &p.Environments[i]
		e.Name, e.Subdomain, e.Exec = long(first, 48-platform), long(first, 20), true
	}
	p.Environments[1].Proof.From = p.Environments[0].Name
	api := p.Services[0]
	api.Routes, api.Secrets, api.Database, api.Cache = nil, nil, false, false
	for i := range 9 {
		api.Name, api.Priority, api.Hosts = long(fmt.Sprint("host", i, "-"), 63), 1000+i, []string{long(fmt.Sprint("h", i), 63)}
		p.Services = append(p.Services, api)
	}
	for len(p.Services) < 300 {
		p.Services = append(p.Services, config.Service{
			Name: long(fmt.Sprint("internal", len(p.Services), "-"), 63), Port: 3000, HealthCommand: []string{"CMD", "true"},
		})
	}
	return p
}

// Whatever Validate takes, IAM takes: no managed policy has more characters, however
// the names share what AWS leaves them, and whatever tasks are permitted.
func TestLargestPlatforms(t *testing.T) {
	for _, length := range []int{1, 12, 24, 36, 44} {
		p := largest(length)
		if err := p.Validate(); err != nil {
			t.Fatalf("%d: %v", length, err)
		}
		few := p
		few.Services = p.Services[:20] // the boundary does not depend on how many there are
		api := &few.Services[0]
		for i := 0; few.Validate() == nil; i++ {
			api.Permissions = append(api.Permissions, config.Permission{
				Actions: []string{"ses:SendEmail"}, Resources: []string{fmt.Sprintf("arn:aws:ses:*:123456789012:identity/%d-{environment}.io", i)},
			})
		}
		api.Permissions = api.Permissions[:len(api.Permissions)-1]
		if len(api.Permissions) < 5 {
			t.Errorf("a platform of %d: %d permissions are all that a boundary holds", length, len(api.Permissions))
		}
		largest := 0
		policies := iamtest.Managed(t, gentest.Tree(t, p), map[string]cty.Value{"zone_id": cty.StringVal(p.ZoneID)})
		if want := 1 + 2*8; len(policies) != want {
			t.Errorf("%d managed policies, want %d", len(policies), want)
		}
		for arn, document := range policies {
			size := characters(t, document)
			if largest = max(largest, size); size > 6144 {
				t.Errorf("%s has %d characters, and IAM takes 6144", arn, size)
			}
		}
		t.Logf("the largest policy of a platform of %d characters has %d", length, largest)
	}
}

// As many hosts as somebody might want are refused before a certificate or a policy is.
func TestTooManyHosts(t *testing.T) {
	p := largest(12)
	for i := range 40 {
		p.Redirects = append(p.Redirects, config.Redirect{Host: fmt.Sprint("r", i), Location: "https://{domain}/", Priority: 2000 + i})
	}
	err := p.Validate()
	const want = ": 50 names are more than 10, the most that a certificate has: its own, those of Hosts and redirects, and www"
	if err == nil || strings.Count(err.Error(), want) != 2 {
		t.Errorf("%v, want%s for both environments", err, want)
	}
}
