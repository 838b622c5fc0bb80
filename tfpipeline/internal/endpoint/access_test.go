package endpoint_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/tfpipeline/internal/endpoint"
)

// TestMain lets the test binary be a process that calls AWS as its environment
// has it.
func TestMain(m *testing.M) {
	if calls := os.Getenv("ENDPOINT_TEST_CALLS"); calls != "" {
		callAWS(calls)
		return
	}
	os.Exit(m.Run())
}

// callAWS makes one call of each service that is named; answers do not matter.
func callAWS(services string) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	cfg, err := awsconfig.LoadDefaultConfig(ctx, awsconfig.WithRetryMaxAttempts(1))
	if err != nil {
		fmt.Println(err)
		return
	}
	calls := map[string]func() error{
		"s3":                   func() error { _, err := s3.NewFromConfig(cfg).ListBuckets(ctx, nil); return err },
		"ecr":                  func() error { _, err := ecr.NewFromConfig(cfg).DescribeRegistry(ctx, nil); return err },
		"elasticloadbalancing": func() error { _, err := elb.NewFromConfig(cfg).DescribeLoadBalancers(ctx, nil); return err },
		"route53":              func() error { _, err := route53.NewFromConfig(cfg).ListHostedZones(ctx, nil); return err },
		"secretsmanager": func() error {
			_, err := secretsmanager.NewFromConfig(cfg).GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String("db")})
			return err
		},
	}
	for name := range strings.FieldsSeq(services) {
		fmt.Println(name, calls[name]())
	}
}

// decoy is where a call ends that a user's setting has led astray: as an
// endpoint, and as a proxy to all the world.
type decoy struct {
	address     string
	connections atomic.Int32
}

func newDecoy(t *testing.T) *decoy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	d := &decoy{address: l.Addr().String()}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			d.connections.Add(1)
			_ = c.Close()
		}
	}()
	return d
}

// hostile are the settings of users that lead AWS calls elsewhere, or break
// them.
func hostile(t *testing.T, d *decoy) map[string][]string {
	t.Helper()
	url := "http://" + d.address
	file := func(name, content string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const keys = "aws_access_key_id = id\naws_secret_access_key = key\n"
	services := "services = mine\n[services mine]\nsecrets_manager =\n  endpoint_url = " + url + "\ns3 =\n  endpoint_url = " + url + "\n"
	home := func(config string) string {
		return filepath.Dir(filepath.Dir(file(".aws/config", config)))
	}
	return map[string][]string{
		"ignore":            {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true"},
		"ignore, spelled":   {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=True"},
		"one service":       {"AWS_ENDPOINT_URL_SECRETS_MANAGER=" + url, "AWS_ENDPOINT_URL_S3=" + url, "AWS_ENDPOINT_URL_ECR=" + url, "AWS_ENDPOINT_URL_ROUTE_53=" + url, "AWS_ENDPOINT_URL_STS=" + url},
		"all services":      {"AWS_ENDPOINT_URL=" + url},
		"ignored services":  {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true", "AWS_ENDPOINT_URL=" + url, "AWS_ENDPOINT_URL_SECRETS_MANAGER=" + url},
		"old variables":     {"AWS_S3_ENDPOINT=" + url, "AWS_STS_ENDPOINT=" + url, "TF_AWS_S3_ENDPOINT=" + url, "TF_AWS_STS_ENDPOINT=" + url},
		"profile":           {"AWS_PROFILE=work", "AWS_CONFIG_FILE=" + file("config", "[profile work]\nendpoint_url = "+url+"\n"+keys)},
		"old profile":       {"AWS_DEFAULT_PROFILE=work", "AWS_CONFIG_FILE=" + file("config", "[profile work]\nendpoint_url = "+url+"\n"+keys)},
		"profile, ignore":   {"AWS_CONFIG_FILE=" + file("config", "[default]\nignore_configured_endpoint_urls = true\n"+keys)},
		"profile, services": {"AWS_PROFILE=work", "AWS_CONFIG_FILE=" + file("config", "[profile work]\n"+keys+services)},
		"home":              {"HOME=" + home("[default]\n"+keys+"endpoint_url = "+url+"\n")},
		"home, ignore":      {"HOME=" + home("[default]\n"+keys+"ignore_configured_endpoint_urls = true\n")},
		"missing profile":   {"AWS_PROFILE=none"},
		"credentials file":  {"AWS_SHARED_CREDENTIALS_FILE=" + file("credentials", "[default]\n"+keys+"endpoint_url = "+url+"\n")},
		"fips":              {"AWS_USE_FIPS_ENDPOINT=true"},
		"dual stack":        {"AWS_USE_DUALSTACK_ENDPOINT=true"},
		"ca bundle":         {"AWS_CA_BUNDLE=" + file("ca.pem", "no certificate")},
		"role":              {"AWS_ROLE_ARN=arn:aws:iam::123456789012:role/x", "AWS_WEB_IDENTITY_TOKEN_FILE=" + file("token", "x")},
		"container":         {"AWS_CONTAINER_CREDENTIALS_FULL_URI=" + url},
		"metadata":          {"AWS_EC2_METADATA_SERVICE_ENDPOINT=" + url},
		"s3 options":        {"AWS_S3_USE_ARN_REGION=true", "AWS_S3_DISABLE_MULTIREGION_ACCESS_POINTS=true", "AWS_S3_US_EAST_1_REGIONAL_ENDPOINT=regional", "AWS_ACCOUNT_ID=1", "AWS_ACCOUNT_ID_ENDPOINT_MODE=required"},
		"no proxy for none": {"NO_PROXY=", "no_proxy="},
		"no proxy for some": {"NO_PROXY=example.com", "no_proxy=example.com"},
	}
}

// proxied adds proxies to an environment that lead to the decoy whatever does
// not go to the loopback address.
func proxied(d *decoy, env []string) []string {
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"} {
		env = append(env, name+"=http://"+d.address, strings.ToLower(name)+"=http://"+d.address)
	}
	return env
}

// run lets a process make AWS calls in an environment.
func run(t *testing.T, env []string, services string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(slices.Clone(env), "ENDPOINT_TEST_CALLS="+services, "GORACE="+os.Getenv("GORACE"))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Errorf("%v\n%s", err, out.String())
	}
	return out.String()
}

// counted serves a handler and counts the requests by their service.
func counted(t *testing.T, handler http.Handler) (url string, calls func() map[string]int) {
	t.Helper()
	var mu sync.Mutex
	got := map[string]int{}
	s, err := endpoint.Serve(t.Context(), nil, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := endpoint.Read(r.Clone(r.Context()), "")
		if err != nil {
			t.Error(err)
			return
		}
		endpoint.SetBody(r, c.Body)
		mu.Lock()
		got[c.Service]++
		mu.Unlock()
		handler.ServeHTTP(w, r)
	}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s.URL(), func() map[string]int {
		mu.Lock()
		defer mu.Unlock()
		return maps.Clone(got)
	}
}

// TestNothingLeavesTheMachine: no setting of a user's leads a call of an
// offline plan anywhere but to its endpoint.
func TestNothingLeavesTheMachine(t *testing.T) {
	d := newDecoy(t)
	for name, settings := range hostile(t, d) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, calls := counted(t, endpoint.Offline(configtest.Docs()))
			inherited := proxied(d, append([]string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH")}, settings...))
			access := endpoint.Access{URL: url, Region: "us-west-2", Key: "offline"}
			out := run(t, access.Environ(inherited), "s3 ecr elasticloadbalancing route53 secretsmanager")
			want := map[string]int{"s3": 1, "ecr": 1, "elasticloadbalancing": 1, "route53": 1, "secretsmanager": 1}
			if got := calls(); !maps.Equal(got, want) {
				t.Errorf("the endpoint got %v, want one of each\n%s", got, out)
			}
			if !strings.Contains(out, "route53 <nil>") || strings.Count(out, "OfflinePlan") != 4 {
				t.Errorf("want the zone and four refusals by name:\n%s", out)
			}
		})
	}
	t.Cleanup(func() {
		if n := d.connections.Load(); n != 0 {
			t.Errorf("%d connections went elsewhere", n)
		}
	})
}

// TestSecretsStayWhereTheyAre: no setting of a user's leads a plan's reading
// of a secret past the endpoint that withholds it. Only what was led to
// another endpoint on purpose gets there.
func TestSecretsStayWhereTheyAre(t *testing.T) {
	d := newDecoy(t)
	for name, settings := range hostile(t, d) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// With these the client fails before it asks anybody.
			fails := slices.Contains([]string{"ca bundle", "missing profile", "fips", "dual stack"}, name)
			url, calls := counted(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				http.Error(w, "{}", http.StatusBadRequest)
			}))
			inherited := proxied(d, append([]string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH"),
				"AWS_REGION=us-west-2", "AWS_ACCESS_KEY_ID=id", "AWS_SECRET_ACCESS_KEY=key", "AWS_EC2_METADATA_DISABLED=true"}, settings...))
			for k, v := range endpoint.SecretsOnly(t.Context(), url, aws.Config{}, inherited) {
				inherited = append(inherited, k+"="+v)
			}
			out := run(t, inherited, "secretsmanager")
			if got := calls()["secretsmanager"]; got != 1 && !fails {
				t.Errorf("the endpoint got %d calls, want one\n%s", got, out)
			}
		})
	}
	t.Cleanup(func() {
		if n := d.connections.Load(); n != 0 {
			t.Errorf("%d connections went elsewhere", n)
		}
	})
}

// TestIgnoredEndpointsStayIgnored: to make a plan ask for secrets here, its
// endpoints must count; those that a user has ignored must not.
func TestIgnoredEndpointsStayIgnored(t *testing.T) {
	astray := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("asked") }))
	t.Cleanup(astray.Close)
	d := newDecoy(t) // plays AWS
	inherited := []string{"AWS_ENDPOINT_URL=" + astray.URL, "AWS_ENDPOINT_URL_S3=" + astray.URL, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true",
		"AWS_REGION=us-west-2", "AWS_ACCESS_KEY_ID=id", "AWS_SECRET_ACCESS_KEY=key"}
	ignoring := aws.Config{ConfigSources: []any{awsconfig.EnvConfig{IgnoreConfiguredEndpoints: aws.Bool(true)}}}
	for k, v := range endpoint.SecretsOnly(t.Context(), "http://127.0.0.1:1", ignoring, inherited) {
		inherited = append(inherited, k+"="+v)
	}
	out := run(t, proxied(d, inherited), "s3 ecr")
	if n := d.connections.Load(); n != 2 {
		t.Errorf("%d calls went to AWS, want 2\n%s", n, out)
	}

	file := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(file, []byte("[profile work]\nignore_configured_endpoint_urls = true\nendpoint_url = "+astray.URL+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := awsconfig.LoadDefaultConfig(t.Context(), awsconfig.WithSharedConfigFiles([]string{file}), awsconfig.WithSharedConfigProfile("work"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := endpoint.WithholdSecrets(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "profile work names endpoint URLs, and configured endpoints are to be ignored") {
		t.Errorf("a profile with both: %v", err)
	}
}
