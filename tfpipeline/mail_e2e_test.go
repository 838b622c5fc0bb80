package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/route53"

	"github.com/specboard/platform/tfpipeline/internal/console"
)

// TestMailIdentity: the role that deploys an environment makes the identity that it
// sends mail with, and its records, and removing the mail leaves none of them.
func TestMailIdentity(t *testing.T) {
	t.Parallel()
	e2e(t)
	if os.Getenv("SOAK") == "" {
		t.Skip("waits five minutes for the provider: run make soak")
	}
	const env = "test"
	p := millAlone()
	p.Domain = "mill.example"
	p.Environments[0].Subdomain, p.Environments[0].DMARC, p.Environments[0].Alarms.HTTP5xx = "test", "v=DMARC1; p=quarantine", 10
	p.Services[0].MailFrom = "flour"
	p.Services[1].Default, p.Services[1].HealthPath = true, "/health"
	m := newOwnPlatform(t, p)
	m.administrator.must(t, console.ExitOK, "bootstrap", "-C", m.repository, "-env", "shared", "-yes")
	records := func() (names []string) {
		t.Helper()
		client := route53.NewFromConfig(m.cfg)
		zones, err := client.ListHostedZones(t.Context(), &route53.ListHostedZonesInput{})
		if err != nil || len(zones.HostedZones) != 1 {
			t.Fatalf("zones %+v, %v", zones, err)
		}
		out, err := client.ListResourceRecordSets(t.Context(), &route53.ListResourceRecordSetsInput{HostedZoneId: zones.HostedZones[0].Id})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range out.ResourceRecordSets {
			name := aws.ToString(r.Name)
			if i := strings.Index(name, "._domainkey."); i > 0 {
				names = append(names, string(r.Type)+" KEY"+name[i:])
			} else if strings.HasPrefix(name, "_dmarc.") {
				names = append(names, string(r.Type)+" "+name+" "+aws.ToString(r.ResourceRecords[0].Value))
			}
		}
		return names
	}
	m.deployer(env).must(t, console.ExitOK, "apply", "-C", m.repository, "-env", env, "-yes")
	m.unchanged(env)
	const key = "CNAME KEY._domainkey.test.mill.example."
	if got, want := records(), []string{key, key, key, `TXT _dmarc.test.mill.example. "v=DMARC1; p=quarantine"`}; !slices.Equal(slices.Sorted(slices.Values(got)), want) {
		t.Errorf("records %q, want %q", got, want)
	}

	p.Services = slices.Clone(p.Services)
	p.Environments = slices.Clone(p.Environments)
	p.Services[0].MailFrom, p.Environments[0].DMARC = "", ""
	m.becomes(p, "Send no mail")
	// The role may remove them as long as shared lets it send mail, so the environment is first.
	m.deployer(env).must(t, console.ExitOK, "apply", "-C", m.repository, "-env", env, "-yes")
	m.administrator.must(t, console.ExitOK, "apply", "-C", m.repository, "-env", "shared", "-yes")
	m.unchanged(env)
	if got := records(); len(got) > 0 {
		t.Errorf("left %q", got)
	}
}
