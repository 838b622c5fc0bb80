package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/localaws"
)

// TestEnvironments goes the whole way on the local endpoint, with the built
// program: from an empty account to staging and production, through the life
// of a service under load, and back, by way of plans that must find nothing to
// do.
func TestEnvironments(t *testing.T) {
	t.Parallel()
	e2e(t)
	endpoint, err := localaws.StartCloud(t.Context(), localaws.CloudOptions{Consistency: lateReads(t, 2*time.Second)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := endpoint.Close(); err != nil {
			t.Error(err)
		}
	})
	cli := program{path: build(t), env: withoutAWS(endpoint.Environ()...)}

	cli.must(t, console.ExitOK, "bootstrap", "-env", "shared", "-yes")
	cli.sideBySide(t, "staging", "production", func(env string) []string { return []string{"bootstrap", "-env", env, "-yes"} })

	for _, root := range configtest.Docs().Roots() {
		if out := cli.must(t, console.ExitOK, "plan", "-env", root, "-detailed-exitcode"); !strings.Contains(out, root+": no changes") {
			t.Errorf("the plan of %s:\n%s", root, out)
		}
	}
	// What an apply did itself is no drift, and what AWS moves is none.
	if out := cli.must(t, console.ExitOK, "drift"); strings.Count(out, ": no drift\n") != 3 {
		t.Errorf("the drift after the bootstrap:\n%s", out)
	}
	if out := cli.must(t, console.ExitOK, "bootstrap", "-env", "staging", "-yes"); !strings.Contains(out, "nothing to do") {
		t.Errorf("the second bootstrap:\n%s", out)
	}

	w := newWorkshop(t, cli, endpoint.URL(), localConfig(endpoint.URL()))
	releases(t, w, "staging")
	if out := cli.must(t, console.ExitOK, "plan", "-env", "staging", "-detailed-exitcode"); !strings.Contains(out, "staging: no changes") {
		t.Errorf("the plan after promotions and a rollback:\n%s", out)
	}
	if out := cli.must(t, console.ExitOK, "drift", "-env", "staging"); !strings.Contains(out, "accepted drift:") {
		t.Errorf("the drift after promotions and a rollback:\n%s", out)
	}
	toProduction(t, w)
	noSecretInStates(t, endpoint.URL())

	cli.must(t, console.ExitOK, "destroy", "-env", "staging", "-yes", "-name", "staging")
	left, err := endpoint.Inventory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for kind, names := range left {
		for _, name := range names {
			// The bucket keeps what happened there; GitHub's role for staging
			// and its boundary belong to shared.
			if strings.Contains(name, "staging") && !strings.Contains(kind, "s3") && !strings.Contains(name, "deploy-staging") && !strings.HasSuffix(name, "staging-boundary") {
				t.Errorf("destroy left %s %s", kind, name)
			}
		}
	}
	if out := cli.must(t, console.ExitOK, "plan", "-env", "production", "-detailed-exitcode"); !strings.Contains(out, "no changes") {
		t.Errorf("destroying staging changed production:\n%s", out)
	}
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
	path string
	env  []string
}

// run returns what it printed and how it ended.
func (p program) run(ctx context.Context, args ...string) (stdout, stderr string, code int) {
	cmd := exec.CommandContext(ctx, p.path, args...)
	cmd.Env = p.env
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	_ = cmd.Run() // the code says it
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// must runs and fails the test unless the exit code is as expected.
func (p program) must(t *testing.T, want int, args ...string) string {
	t.Helper()
	stdout, stderr, code := p.run(t.Context(), args...)
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
func (p program) sideBySide(t *testing.T, a, b string, args func(string) []string) {
	t.Helper()
	var wg sync.WaitGroup
	failures := make([]string, 2)
	for i, env := range []string{a, b} {
		wg.Go(func() {
			stdout, stderr, code := p.run(t.Context(), args(env)...)
			if code != console.ExitOK || strings.Contains(stderr, "was not refreshed") {
				failures[i] = fmt.Sprintf("tfpipeline %v: exit %d\n%s\n%s", args(env), code, stdout, stderr)
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
