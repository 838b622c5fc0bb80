package main

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/terraform"
)

// hostileSettings are settings of users that lead AWS calls to an address, or
// past every configured endpoint to a proxy there. One set has what the
// environment can say, the other what files can.
func hostileSettings(t *testing.T, address string) map[string][]string {
	t.Helper()
	url := "http://" + address
	home := t.TempDir()
	writeFile(t, filepath.Join(home, ".aws", "config"), "[default]\nignore_configured_endpoint_urls = true\naws_access_key_id = id\naws_secret_access_key = key\n")
	sets := map[string][]string{
		"environment": {
			"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true", "AWS_ENDPOINT_URL_STS=" + url, "AWS_ENDPOINT_URL_ROUTE_53=" + url,
			"AWS_ENDPOINT_URL_SECRETS_MANAGER=" + url, "TF_AWS_STS_ENDPOINT=" + url, "NO_PROXY=example.com",
		},
		"files": {"HOME=" + home, "AWS_USE_FIPS_ENDPOINT=true", "AWS_USE_DUALSTACK_ENDPOINT=true", "NO_PROXY="},
	}
	// Without a mirror the proxy is the way to the provider.
	locked := []terraform.LockedProvider{{Source: "registry.terraform.io/hashicorp/aws", Version: "5.100.0"}}
	if terraform.FindMirror(locked, os.Getenv) != "" {
		for name := range sets {
			sets[name] = append(sets[name], "HTTP_PROXY="+url, "HTTPS_PROXY="+url, "ALL_PROXY="+url, "https_proxy="+url)
		}
	}
	return sets
}

// decoy counts the connections to an address where no call may end.
func decoy(t *testing.T) (address string, connections *atomic.Int32) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	connections = &atomic.Int32{}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			_ = c.Close()
		}
	}()
	return l.Addr().String(), connections
}

// TestOfflinePlanStaysOffline: with the real Terraform and provider, no
// setting of a user's leads a call of an offline plan off this machine.
func TestOfflinePlanStaysOffline(t *testing.T) {
	t.Parallel()
	e2e(t)
	address, connections := decoy(t)
	for name, settings := range hostileSettings(t, address) {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), config.Default(), []string{"plan", "-env", config.SharedRoot, "-offline"}, withoutAWS(settings...), nil, &stdout, &stderr)
			if code != console.ExitOK || !strings.HasSuffix(stdout.String(), "to create\n") {
				t.Errorf("exit %d, stdout:\n%s\nstderr:\n%s", code, &stdout, &stderr)
			}
			if n := connections.Load(); n > 0 {
				t.Errorf("%d connections left the machine", n)
			}
		})
	}
}

// TestPlanReadsNoSecret: the real provider asks for values where they are
// withheld, also if a profile names another endpoint for them.
func TestPlanReadsNoSecret(t *testing.T) {
	t.Parallel()
	address, connections := decoy(t)
	f := newFixture(t, fmt.Sprintf(`
provider "aws" {
  region                      = %q
  skip_credentials_validation = true
  skip_requesting_account_id  = true
}
data "aws_secretsmanager_secret_version" "db" {
  secret_id = "db"
}
resource "terraform_data" "a" {
  input = data.aws_secretsmanager_secret_version.db.version_id
}
`, configtest.Docs().Region))
	lock, err := os.ReadFile(filepath.Join("..", "envs", config.SharedRoot, ".terraform.lock.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(f.dir, "envs", "staging", ".terraform.lock.hcl"), string(lock))
	var values, versions atomic.Int32
	cloud := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "secretsmanager.") {
		case "GetSecretValue":
			values.Add(1)
		case "ListSecretVersionIds":
			versions.Add(1)
			fmt.Fprint(w, `{"ARN":"arn:db","Name":"db","Versions":[{"VersionId":"one","VersionStages":["AWSCURRENT"],"CreatedDate":1700000000}]}`)
		default:
			f.cloud.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(cloud.Close)
	home := filepath.Join(f.dir, "home")
	writeFile(t, filepath.Join(home, ".aws", "config"), "[default]\nservices = mine\n[services mine]\nsecrets_manager =\n  endpoint_url = http://"+address+"\n")
	f.env = append(f.env, "AWS_ENDPOINT_URL="+cloud.URL, "AWS_ENDPOINT_URL_SECRETS_MANAGER="+cloud.URL, "HOME="+home,
		"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=false", "NO_PROXY=")
	out, said := f.run(console.ExitOK, "plan", "-env", "staging")
	if values.Load() != 0 || versions.Load() == 0 || !strings.Contains(out, "1 to create") {
		t.Errorf("%d values read, %d lists of versions\n%s%s", values.Load(), versions.Load(), out, said)
	}
	if n := connections.Load(); n > 0 {
		t.Errorf("%d connections went elsewhere", n)
	}
}
