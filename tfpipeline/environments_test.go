package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/google/go-cmp/cmp"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/localaws"
)

// TestEnvironments goes the whole way on the local endpoint, with the built
// program: from an empty account to staging and production, through the life
// of a service under load, and back, by way of plans that must find nothing to
// do. The administrator makes the shared root and destroys staging; everything
// between is done by the workflow roles, which the endpoint judges by the
// policies that Terraform gave them. None may be denied anything, nor ask for
// what the list of recorded questions lacks; in the end they try what no role
// may do.
func TestEnvironments(t *testing.T) {
	t.Parallel()
	e2e(t)
	var trace roleTrace
	endpoint, err := localaws.StartCloud(t.Context(), localaws.CloudOptions{Options: localaws.Options{Trace: trace.add}, Consistency: lateReads(t, 2*time.Second), Speed: speed(), Second: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := endpoint.Close(); err != nil {
			t.Error(err)
		}
	})
	defer trace.check(t) // also after a failure, which a denial explains
	administrator := docsProgram(t, withoutAWS(endpoint.Environ()...))
	reader := administrator.as(endpoint.URL(), "plan")

	bootstrapInUsedAccount(t, administrator, endpoint.URL())
	sideBySide(t, "staging", "production", func(env string) (program, []string) {
		return administrator.as(endpoint.URL(), "deploy-"+env), []string{"apply", "-env", env, "-yes"}
	})

	w := newWorkshop(t, administrator, endpoint.URL(), localConfig(endpoint.URL()))
	w.workflowsPlan("✅ no changes")
	// What an apply did itself is no drift, and what AWS moves is none.
	if out := reader.must(t, console.ExitOK, "drift", "-env", "staging"); !strings.Contains(out, "staging: no drift\n") {
		t.Errorf("the drift after the first apply:\n%s", out)
	}
	if out := administrator.must(t, console.ExitOK, "bootstrap", "-env", "staging", "-yes"); !strings.Contains(out, "nothing to do") {
		t.Errorf("the bootstrap of what is there:\n%s", out)
	}

	deferred := enlarges(t, administrator, w)
	releases(t, w, "staging")
	w.streams("staging")
	if out := reader.must(t, console.ExitOK, "plan", "-env", "staging", "-no-lock", "-detailed-exitcode"); !strings.Contains(out, "staging: no changes") {
		t.Errorf("the plan after promotions and a rollback:\n%s", out)
	}
	if out := reader.must(t, console.ExitOK, "drift", "-env", "staging"); !strings.Contains(out, "accepted drift:") {
		t.Errorf("the drift after promotions and a rollback:\n%s", out)
	}
	deferred()
	toProduction(t, w)
	for _, args := range [][]string{{"status"}, {"history"}, {"logs", "-service", "api", "-since", "1m"}, {"run", "-task", "seed"}} {
		w.deployer("production").must(t, console.ExitOK, append([]string{args[0], "-C", w.repository, "-env", "production"}, args[1:]...)...)
	}
	trace.end()
	forbidden(t, endpoint.URL())
	noSecretInStates(t, endpoint.URL())

	administrator.must(t, console.ExitOK, "destroy", "-env", "staging", "-yes", "-name", "staging")
	left, err := endpoint.Inventory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for kind, names := range left {
		for _, name := range names {
			// The bucket keeps what happened there; GitHub's role for staging, its
			// boundary and people's policy belong to shared.
			if strings.Contains(name, "staging") && !strings.Contains(kind, "s3") && !strings.Contains(name, "deploy-staging") && !strings.HasSuffix(name, "staging-boundary") && !strings.HasSuffix(name, "staging-operate") {
				t.Errorf("destroy left %s %s", kind, name)
			}
		}
	}
	if out := administrator.must(t, console.ExitOK, "plan", "-env", "production", "-detailed-exitcode"); !strings.Contains(out, "no changes") {
		t.Errorf("destroying staging changed production:\n%s", out)
	}
}

// enlarges has the role of production apply a larger database, in every release from
// here on. It waits for its maintenance window. What it returns waits for the apply: the
// provider's timers take two minutes, in which the test goes on.
func enlarges(t *testing.T, administrator program, w *workshop) (wait func()) {
	t.Helper()
	for _, dir := range []string{administrator.dir, w.repository} {
		editRoot(t, dir, "production", "database.tf", `"db.t4g.small"`, `"db.t4g.medium"`)
	}
	w.git("add", "--all")
	deployer := administrator.as(w.endpoint, "deploy-production")
	if out := administrator.as(w.endpoint, "plan").must(t, console.ExitOK, "plan", "-env", "production", "-no-lock"); !strings.Contains(out, "restarts the database, in its maintenance window (sun:04:00-sun:05:00 UTC)") {
		t.Errorf("the plan does not say when the database restarts:\n%s", out)
	}
	var stdout, stderr string
	var code int
	var wg sync.WaitGroup
	wg.Go(func() { stdout, stderr, code = deployer.run(t, "apply", "-env", "production", "-yes") })
	return func() {
		t.Helper()
		if wg.Wait(); code != console.ExitOK {
			t.Fatalf("apply: exit %d\n%s\n%s", code, stdout, stderr)
		}
	}
}

// speed is what the local endpoint divides intervals and draining by: the half
// minute that a target drains for is 1.5 s, or 7.5 s in the soak test, whose
// users wait 5 s for an answer.
func speed() int {
	if os.Getenv("SOAK") != "" {
		return 4
	}
	return localaws.DefaultSpeed
}

// bootstrapInUsedAccount bootstraps shared in an account that others use. Its
// public zone of the domain is no platform's, and stops the bootstrap; later it
// is left alone. GitHub's identity provider is adopted: what others use it for
// stays, and what it lacks is added.
func bootstrapInUsedAccount(t *testing.T, administrator program, url string) {
	t.Helper()
	zones, client := route53.NewFromConfig(localConfig(url)), iam.NewFromConfig(localConfig(url))
	zone := func(reference string) *string {
		made, err := zones.CreateHostedZone(t.Context(), &route53.CreateHostedZoneInput{Name: aws.String(configtest.Docs().Domain), CallerReference: &reference})
		if err != nil {
			t.Fatal(err)
		}
		return made.HostedZone.Id
	}
	foreign := zone("registrar")
	made, err := client.CreateOpenIDConnectProvider(t.Context(), &iam.CreateOpenIDConnectProviderInput{
		Url: aws.String("https://token.actions.githubusercontent.com"), ClientIDList: []string{"theirs"},
		ThumbprintList: []string{strings.Repeat("0", 40)}, Tags: []types.Tag{{Key: aws.String("Owner"), Value: aws.String("them")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	arn := *made.OpenIDConnectProviderArn

	_, said, refused := administrator.run(t, "bootstrap", "-env", "shared", "-yes")
	if want := `set ZoneID: "` + strings.TrimPrefix(*foreign, "/hostedzone/") + `"`; refused != console.ExitFailed || !strings.Contains(said, want) {
		t.Errorf("with another public zone: exit %d, want %s\n%s", refused, want, said)
	}
	if _, err := zones.DeleteHostedZone(t.Context(), &route53.DeleteHostedZoneInput{Id: foreign}); err != nil {
		t.Fatal(err)
	}
	out, stderr, code := administrator.run(t, "bootstrap", "-env", "shared", "-yes")
	if code != console.ExitOK {
		t.Fatalf("bootstrap: exit %d\n%s\n%s", code, out, stderr)
	}
	contains(t, "stdout", out, "1 to import")
	contains(t, "stderr", stderr, "GitHub's identity provider: it lacked the audience sts.amazonaws.com", "shared: adopting module.github.aws_iam_openid_connect_provider.this ("+arn+")")
	got, err := client.GetOpenIDConnectProvider(t.Context(), &iam.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: &arn})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(got.ClientIDList)
	if d := cmp.Diff([]string{"sts.amazonaws.com", "theirs"}, got.ClientIDList); d != "" || len(got.Tags) != 1 || *got.Tags[0].Key != "Owner" {
		t.Errorf("the provider of others: tags %v, audiences (-want +got):\n%s", got.Tags, d)
	}
	zone("second")
}

// localConfig leads the SDK's clients to a local endpoint.
func localConfig(url string) aws.Config {
	return aws.Config{Region: configtest.Docs().Region, BaseEndpoint: &url, Credentials: credentials.NewStaticCredentialsProvider("id", "key", "")}
}

// noSecretInStates looks for every stored secret in everything the bucket
// holds.
func noSecretInStates(t *testing.T, url string) {
	t.Helper()
	cfg := localConfig(url)
	var values []string
	sm := secretsmanager.NewFromConfig(cfg)
	list, err := sm.ListSecrets(t.Context(), &secretsmanager.ListSecretsInput{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range list.SecretList {
		v, err := sm.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: s.ARN})
		if err != nil {
			continue // provided ones have no value yet
		}
		value := aws.ToString(v.SecretString)
		if _, password, ok := strings.Cut(value, `"password":"`); ok {
			value, _, _ = strings.Cut(password, `"`)
		}
		values = append(values, value)
	}
	if len(values) < 6 {
		t.Fatalf("%d secrets have a value, want 3 for each environment", len(values))
	}
	bucket := configtest.Docs().StateBucket()
	store := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	objects, err := store.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &bucket})
	if err != nil {
		t.Fatal(err)
	}
	states := 0
	for _, o := range objects.Contents {
		out, err := store.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: o.Key})
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(out.Body)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(*o.Key, ".tfstate") {
			states++
		}
		for _, v := range values {
			if len(v) < 16 || bytes.Contains(content, []byte(v)) {
				t.Errorf("%s holds a secret, or one is too short to look for", *o.Key)
			}
		}
	}
	if states != 3 {
		t.Errorf("%d states in the bucket, want 3", states)
	}
}

// build compiles the program as make build does.
func build(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tfpipeline")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return path
}

// program is the built program in an environment.
type program struct {
	platform config.Platform // whose roles it is run as
	path     string
	// dir is the folder it is run in; empty is the test's own.
	dir string
	env []string
	// job returns the credentials of the role that a command runs as; those of
	// env if nil.
	job func(testing.TB) []string
}

// command is ready to be started.
func (p program) command(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), p.path, args...)
	cmd.Dir, cmd.Env = p.dir, p.env
	if p.job != nil {
		cmd.Env = slices.Concat(p.env, p.job(t))
	}
	return cmd
}

// run returns what it printed and how it ended.
func (p program) run(t testing.TB, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := p.command(t, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	_ = cmd.Run() // the code says it
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// must runs and fails the test unless the exit code is as expected.
func (p program) must(t *testing.T, want int, args ...string) string {
	t.Helper()
	stdout, stderr, code := p.run(t, args...)
	if code != want {
		t.Fatalf("tfpipeline %s: exit %d, want %d\n%s\n%s", strings.Join(args, " "), code, want, stdout, stderr)
	}
	if strings.Contains(stderr, "was not refreshed") {
		t.Errorf("tfpipeline %s:\n%s", strings.Join(args, " "), stderr)
	}
	return stdout
}

// sideBySide runs a command for two environments at the same time: the
// provider mostly waits, by fixed timers.
func sideBySide(t *testing.T, a, b string, command func(env string) (program, []string)) {
	t.Helper()
	var wg sync.WaitGroup
	failures := make([]string, 2)
	for i, env := range []string{a, b} {
		p, args := command(env)
		cmd := p.command(t, args...)
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		wg.Go(func() {
			err := cmd.Run()
			if err != nil || strings.Contains(stderr.String(), "was not refreshed") {
				failures[i] = fmt.Sprintf("tfpipeline %v: %v\n%s\n%s", args, err, &stdout, &stderr)
			}
		})
	}
	wg.Wait()
	for _, f := range failures {
		if f != "" {
			t.Fatal(f)
		}
	}
}
