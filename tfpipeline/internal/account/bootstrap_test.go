package account_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"

	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/tfpipeline/internal/account"
	"github.com/specboard/platform/tfpipeline/internal/account/accounttest"
	"github.com/specboard/platform/tfpipeline/internal/console"
)

// cloud serves a fake cloud and returns the SDK's configuration for it.
func cloud(t *testing.T) (*accounttest.Cloud, aws.Config) {
	t.Helper()
	fake := accounttest.New(configtest.Docs())
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	return fake, aws.Config{
		Region: "us-west-2", BaseEndpoint: &server.URL, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	}
}

func TestBucket(t *testing.T) {
	fake, cfg := cloud(t)
	// ensure returns what the console is told after the bucket's name.
	ensure := func() []string {
		var said bytes.Buffer
		changed, err := account.New(configtest.Docs(), cfg, &console.Console{Err: &said}).EnsureBucket(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		did := strings.Split(strings.TrimSpace(strings.ReplaceAll(said.String(), "state bucket: ", "")), "\n")[1:]
		if changed != (len(did) > 0) {
			t.Errorf("changed is %t, and it did %v", changed, did)
		}
		return did
	}
	want := []string{
		"created doc-platform-state-123456789012", "set its versioning", "set its encryption",
		"set its public access block", "set its TLS-only policy", "set its lifecycle",
	}
	if d := cmp.Diff(want, ensure()); d != "" {
		t.Errorf("first run (-want +got):\n%s", d)
	}
	for setting, fragment := range map[string]string{
		"versioning": "Enabled", "encryption": "AES256", "publicAccessBlock": "<RestrictPublicBuckets>true<",
		"policy": `"aws:SecureTransport":"false"`, "lifecycle": "<Prefix>terraform/production.tfstate.tflock<",
	} {
		if got := fake.Bucket[setting]; !strings.Contains(got, fragment) {
			t.Errorf("%s lacks %s: %s", setting, fragment, got)
		}
	}
	fake.TakeChanges()

	if did := ensure(); len(did) > 0 {
		t.Errorf("second run did %v, want nothing", did)
	}
	if changes := fake.TakeChanges(); len(changes) > 0 {
		t.Errorf("second run changed %v", changes)
	}

	// A run that was killed half-way left the rest undone.
	delete(fake.Bucket, "policy")
	fake.Bucket["versioning"] = `<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>`
	if d := cmp.Diff([]string{"set its versioning", "set its TLS-only policy"}, ensure()); d != "" {
		t.Errorf("third run (-want +got):\n%s", d)
	}
}

func TestServiceRoles(t *testing.T) {
	fake, cfg := cloud(t)
	fake.ServiceRoles = []string{"trustedadvisor.amazonaws.com", "rds.amazonaws.com"}
	fake.LateServiceRoles = []string{"ecs.amazonaws.com"}
	ensure := func() (bool, []string) {
		t.Helper()
		changed, err := account.New(configtest.Docs(), cfg, &console.Console{Err: io.Discard}).EnsureServiceRoles(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return changed, fake.TakeChanges()
	}
	changed, did := ensure()
	if d := cmp.Diff([]string{
		"create role of ecs.application-autoscaling.amazonaws.com", "create role of elasticache.amazonaws.com", "create role of elasticloadbalancing.amazonaws.com",
	}, did); d != "" || !changed {
		t.Errorf("changed is %t; first run (-want +got):\n%s", changed, d)
	}
	if changed, did := ensure(); changed || len(did) > 0 {
		t.Errorf("the second run changed %v", did)
	}
}

func TestAudience(t *testing.T) {
	for _, tt := range []struct{ has, says string }{
		{"", ""},
		{"sts.amazonaws.com", ""},
		{"theirs", "GitHub's identity provider: it lacked the audience sts.amazonaws.com, without which no workflow can assume a role, and has it now beside theirs\n"},
	} {
		fake, cfg := cloud(t)
		fake.Audience = tt.has
		var said bytes.Buffer
		for _, says := range []string{tt.says, ""} { // the second time there is nothing to do
			said.Reset()
			changed, err := account.New(configtest.Docs(), cfg, &console.Console{Err: &said}).EnsureAudience(t.Context())
			if err != nil || changed != (says != "") || said.String() != says || (len(fake.TakeChanges()) > 0) != changed {
				t.Errorf("%q: changed is %t, said %q, %v", tt.has, changed, said.String(), err)
			}
		}
	}
}

func TestZone(t *testing.T) {
	const domain, foreign, remedy = "specboard.io", "find the zone of specboard.io: the account has ", ", and shared would make a second public one; nothing was changed"
	ours := accounttest.Zone{ID: "Z1", Name: domain, Comment: "doc-platform"}
	public, private := accounttest.Zone{ID: "Z2", Name: domain, Comment: "HostedZone created by Route53 Registrar"}, accounttest.Zone{ID: "Z3", Name: domain, Comment: "doc-platform", Private: true}
	other := accounttest.Zone{ID: "Z4", Name: "specboard.io.example", Comment: "doc-platform"}
	for _, tt := range []struct {
		name, zoneID string
		zones        []accounttest.Zone
		id, says     string // with an id "-" an error
		next         string
	}{
		{"none", "", []accounttest.Zone{other}, "", "zone of specboard.io: none yet, shared makes it", ""},
		{"ours", "", []accounttest.Zone{ours, other}, "Z1", "zone of specboard.io: Z1", ""},
		{"a private one first", "", []accounttest.Zone{private, ours}, "Z1", "zone of specboard.io: Z1; left alone: Z3 (private)", ""},
		{"a private one alone", "", []accounttest.Zone{private}, "", "zone of specboard.io: none yet, shared makes it; left alone: Z3 (private)", ""},
		{"two public ones", "", []accounttest.Zone{public, ours, private}, "Z1", "zone of specboard.io: Z1; left alone: Z2 (public, 7 records), Z3 (private)", ""},
		{"the registrar's alone", "", []accounttest.Zone{public, private}, "-", foreign + "Z2 (public, 7 records), Z3 (private)" + remedy, `set ZoneID: "Z2" in gen/config/default.go to use that zone, and make gen; or delete it, if nobody uses it`},
		{"the registrar's by its id", "Z2", []accounttest.Zone{public, private}, "Z2", "zone of specboard.io: Z2", ""},
		{"a private one by its id", "Z3", []accounttest.Zone{public, private}, "-", "find the zone of specboard.io: ZoneID Z3 is private: nobody outside of its networks sees it; nothing was changed", "set ZoneID in gen/config/default.go to the public zone of specboard.io, and make gen: aws route53 list-hosted-zones-by-name --dns-name specboard.io"},
		{"another domain's by its id", "Z4", []accounttest.Zone{public, other}, "-", "find the zone of specboard.io: ZoneID Z4 is that of specboard.io.example; nothing was changed", "set ZoneID in"},
		{"an id of nothing", "Z9", []accounttest.Zone{public}, "-", "find the zone of specboard.io: ZoneID Z9 does not exist in account 123456789012; nothing was changed", "set ZoneID in"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fake, cfg := cloud(t)
			fake.Zones = tt.zones
			p := configtest.Docs()
			p.ZoneID = tt.zoneID
			var said bytes.Buffer
			id, err := account.New(p, cfg, &console.Console{Err: &said}).FindZone(t.Context())
			if err != nil {
				id = "-"
				said.WriteString(err.Error())
			}
			if id != tt.id || strings.TrimSpace(said.String()) != tt.says || !strings.HasPrefix(console.NextOf(err), tt.next) {
				t.Errorf("zone %q, next %q:\n%s", id, console.NextOf(err), said.String())
			}
		})
	}
}

func TestDelegation(t *testing.T) {
	tests := []struct {
		name     string
		answer   []string
		err      error
		complete bool
		world    string
	}{
		{"delegated", []string{"ns-2.example.org.", "NS-1.example.net."}, nil, true, ""},
		{"a part of the servers is enough", []string{"ns-1.example.net."}, nil, true, ""},
		{"to nobody", nil, &net.DNSError{IsNotFound: true}, false, "delegated to nobody yet"},
		{"to somebody else", []string{"ns.registrar.example."}, nil, false, "delegated to ns.registrar.example"},
		{"to both", []string{"ns-1.example.net.", "ns.registrar.example."}, nil, false, "ns.registrar.example"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, cfg := cloud(t)
			a := account.New(configtest.Docs(), cfg, &console.Console{Err: io.Discard})
			a.LookupNS = func(_ context.Context, domain string) ([]*net.NS, error) {
				if domain != "specboard.io" {
					t.Errorf("asked for %s", domain)
				}
				var out []*net.NS
				for _, h := range tt.answer {
					out = append(out, &net.NS{Host: h})
				}
				return out, tt.err
			}
			d, err := a.Delegation(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if d.Complete() != tt.complete {
				t.Errorf("complete is %v: %+v", d.Complete(), d)
			}
			if text := d.Error(); !tt.complete && (!strings.Contains(text, tt.world) || !strings.Contains(text, "ns-1.example.net\n  ns-2.example.org")) {
				t.Errorf("text: %s", text)
			}
		})
	}
	t.Run("DNS does not answer", func(t *testing.T) {
		_, cfg := cloud(t)
		a := account.New(configtest.Docs(), cfg, &console.Console{Err: io.Discard})
		a.LookupNS = func(context.Context, string) ([]*net.NS, error) {
			return nil, &net.DNSError{IsTimeout: true, Err: "timeout"}
		}
		if _, err := a.Delegation(t.Context()); err == nil {
			t.Error("a question without an answer was taken for one")
		}
	})
}
