package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/tfpipeline/internal/calls"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
	model "github.com/specboard/platform/tfpipeline/internal/localaws/ecs"
	"github.com/specboard/platform/tfpipeline/internal/localaws/ecs/ecstest"
)

// promotions is an applied staging on the fake platform, a git repository with
// releases whose images are built, and a fake Terraform.
type promotions struct {
	t      *testing.T
	script *ecstest.Script
	cloud  *fakePlatform
	server *httptest.Server
	repo   repository
	env    []string
	// releases are the commits by tag.
	releases map[string]string
	fake     string
	dossiers string
	cache    string
}

// lagOfReads is how late reads of ECS may be: much less than a sixth of the world's
// Limits.Confirm, which is what commands trust.
const lagOfReads = 20 * time.Millisecond

func newPromotions(t *testing.T) *promotions {
	t.Helper()
	w, env := makePromotions(t)
	w.env = os.Environ()
	for k, v := range env {
		w.env = append(w.env, k+"="+v)
	}
	return w
}

// makePromotions is newPromotions, but returns the environment for programs it starts.
func makePromotions(t *testing.T) (w *promotions, env map[string]string) {
	t.Helper()
	platform := configtest.Docs()
	script := ecstest.NewScript()
	script.Start, script.Run, script.Quit = 20*time.Millisecond, 50*time.Millisecond, 10*time.Millisecond
	script.Check, script.Drain = 20*time.Millisecond, 20*time.Millisecond
	called := &ecstest.Calls{}
	runtime := model.New(model.Options{Launcher: script, Called: called.Add, Consistency: lateReads(t, lagOfReads), Pace: model.Pace{
		Schedule: 5 * time.Millisecond, Provision: 5 * time.Millisecond, Activate: 5 * time.Millisecond,
		Deprovision: 5 * time.Millisecond, Steady: 20 * time.Millisecond, Backoff: 10 * time.Millisecond, Speed: 100,
	}})
	t.Cleanup(runtime.Close)
	w = &promotions{t: t, script: script, cloud: newFakePlatform(platform, runtime, called), repo: newRepository(t), releases: map[string]string{}}
	server := httptest.NewServer(w.cloud)
	t.Cleanup(server.Close)
	w.cloud.url, w.server = server.URL, server

	home := t.TempDir()
	w.fake, w.dossiers, w.cache = filepath.Join(home, "fake"), filepath.Join(home, "dossiers"), filepath.Join(home, "cache")
	bin := filepath.Join(home, "bin")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{w.fake, bin} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Symlink(self, filepath.Join(bin, "tfpipeline")), linkTerraform(bin)); err != nil {
		t.Fatal(err)
	}
	w.apply()
	calls.Pause(t.Context(), 2*lagOfReads) // by then reads show a new environment
	return w, map[string]string{
		"PATH": bin + string(filepath.ListSeparator) + os.Getenv("PATH"), "FAKE": w.fake, "HOME": home, "XDG_CACHE_HOME": "", "GORACE": endWithoutDelay,
		"AWS_ENDPOINT_URL": server.URL, "AWS_ACCESS_KEY_ID": "canary-access-key", "AWS_SECRET_ACCESS_KEY": "canary-secret-key",
		"CI": "", "GITHUB_ACTOR": "", "USER": "ada", "GITHUB_STEP_SUMMARY": "", "NOTIFY_URL": "", "NO_COLOR": "", "GITHUB_WORKFLOW": "", "GITHUB_ACTIONS": "",
	}
}

// apply applies staging.
func (w *promotions) apply() { w.applyTo("staging") }

// applyTo does what Terraform's apply of an environment leaves: templates,
// services at zero, and a state with the outputs.
func (w *promotions) applyTo(env string) {
	w.t.Helper()
	cfg := aws.Config{Region: w.cloud.platform.Region, BaseEndpoint: &w.cloud.url, Credentials: credentials.NewStaticCredentialsProvider("id", "key", "")}
	client, ctx := sdk.NewFromConfig(cfg), w.t.Context()
	p, cluster := w.cloud.platform, w.cloud.platform.Cluster(env)
	must := func(err error) {
		w.t.Helper()
		if err != nil {
			w.t.Fatal(err)
		}
	}
	_, err := client.CreateCluster(ctx, &sdk.CreateClusterInput{ClusterName: &cluster})
	must(err)
	template := func(name string, port int) string {
		out, err := client.RegisterTaskDefinition(ctx, &sdk.RegisterTaskDefinitionInput{
			Family: aws.String(p.Family(env, name)), Cpu: aws.String("256"), Memory: aws.String("512"),
			NetworkMode: types.NetworkModeAwsvpc, RequiresCompatibilities: []types.Compatibility{types.CompatibilityFargate},
			ExecutionRoleArn: aws.String("arn:aws:iam::123456789012:role" + p.RolePath(env) + p.Family(env, name)),
			ContainerDefinitions: []types.ContainerDefinition{{
				Name: &name, Image: aws.String("placeholder:none"), PortMappings: []types.PortMapping{{ContainerPort: aws.Int32(int32(port)), Name: &name}},
			}},
		})
		must(err)
		return *out.TaskDefinition.TaskDefinitionArn
	}
	services, tasks := map[string]any{}, map[string]any{}
	for _, s := range p.Services {
		arn := template(s.Name, s.Port)
		w.cloud.logs[p.LogGroup(env, s.Name)] = []string{s.Name + " listens"} // who collects evidence waits for lines
		services[s.Name] = map[string]string{"template_arn": arn, "security_group_id": "sg-" + s.Name}
		_, err := client.CreateService(ctx, &sdk.CreateServiceInput{
			Cluster: &cluster, ServiceName: &s.Name, TaskDefinition: &arn, DesiredCount: aws.Int32(0), LaunchType: types.LaunchTypeFargate,
			NetworkConfiguration: &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{Subnets: []string{"subnet-1"}}},
			LoadBalancers: []types.LoadBalancer{{
				TargetGroupArn: aws.String(groupOf(p, env, s.Name)),
				ContainerName:  &s.Name, ContainerPort: aws.Int32(int32(s.Port)),
			}},
			DeploymentConfiguration: &types.DeploymentConfiguration{
				MinimumHealthyPercent: aws.Int32(100), MaximumPercent: aws.Int32(200),
				DeploymentCircuitBreaker: &types.DeploymentCircuitBreaker{Enable: true, Rollback: true},
			},
		})
		must(err)
	}
	for _, t := range p.Tasks {
		tasks[t.Name] = map[string]string{"template_arn": template(t.Name, 3000), "security_group_id": "sg-" + t.Name}
		w.cloud.logs[p.LogGroup(env, t.Name)] = []string{t.Name + " says hello"}
	}
	state, err := json.Marshal(map[string]any{"version": 4, "outputs": map[string]any{
		"services": map[string]any{"value": services}, "tasks": map[string]any{"value": tasks},
		"task_subnet_ids": map[string]any{"value": []string{"subnet-1"}},
	}})
	must(err)
	w.cloud.objects[p.StateKey(env)] = string(state)
}

// groupOf is the ARN of a service's target group.
func groupOf(p config.Platform, env, service string) string {
	return "arn:aws:elasticloadbalancing:us-west-2:123456789012:targetgroup/" + p.TargetGroup(env, service) + "/0123456789abcdef"
}

// release commits something, tags it and builds its images.
func (w *promotions) release(tag string) string {
	w.t.Helper()
	for _, r := range configtest.Docs().Roots() {
		w.repo.write(filepath.Join("envs", r, "main.tf"), "# "+tag+"\n")
	}
	w.repo.write("modules/README.md", "")
	commit := w.repo.commit("migrations/0001_create_users.sql", "CREATE TABLE users (id bigint PRIMARY KEY);\n")
	w.repo.do("tag", "-a", "-m", tag, tag)
	w.cloud.build(commit)
	w.releases[tag] = commit
	return commit
}

// run runs the program in this process.
func (w *promotions) run(args ...string) (stdout, stderr string, code int) {
	return w.runIn(w.t.Context(), args...)
}

func (w *promotions) runIn(ctx context.Context, args ...string) (stdout, stderr string, code int) {
	var out, errs bytes.Buffer
	code = w.app(strings.NewReader(""), &out, &errs).run(ctx, args)
	return out.String(), errs.String(), code
}

// app is the program with streams.
func (w *promotions) app(in io.Reader, out, errs io.Writer) *app {
	return &app{
		platform: w.cloud.platform, lookupNS: net.DefaultResolver.LookupNS, repository: w.repo.dir, cache: w.cache, terraform: builtTerraform,
		aws: []func(*awsconfig.LoadOptions) error{
			awsconfig.WithBaseEndpoint(w.cloud.url), awsconfig.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("canary-access-key", "canary-secret-key", "")),
		},
		console: &console.Console{In: in, Out: out, Err: errs, Env: w.env},
		limits:  deploy.Limits{Window: 100 * time.Millisecond, Tick: 20 * time.Millisecond, Backoff: 50 * time.Millisecond, Verify: 5 * time.Second, Lease: 10 * time.Second, Confirm: time.Second},
	}
}

// must runs and fails the test unless the exit code is as expected.
func (w *promotions) must(want int, args ...string) (stdout, stderr string) {
	w.t.Helper()
	stdout, stderr, code := w.run(args...)
	if code != want {
		w.t.Fatalf("tfpipeline %s: exit %d, want %d\n%s\n%s", strings.Join(args, " "), code, want, stdout, stderr)
	}
	return stdout, stderr
}

// keys are the objects under a prefix, sorted.
func (w *promotions) keys(prefix string) []string {
	w.cloud.mu.Lock()
	defer w.cloud.mu.Unlock()
	var keys []string
	for k := range w.cloud.objects {
		if strings.HasPrefix(k, prefix) {
			keys = append(keys, k)
		}
	}
	return keys
}

// leaveDead writes the lease and journal of a promotion that was killed in its apply
// long ago. The lease has expired, so nobody waits for it.
func (w *promotions) leaveDead(id, commit string) {
	w.cloud.mu.Lock()
	defer w.cloud.mu.Unlock()
	for key, content := range map[string]string{
		"locks/staging.json":                      `{"environment":"staging","record_id":"` + id + `","kind":"promote","until":"2026-11-23T08:01:00Z"}`,
		"history/staging/" + id + ".journal.json": `{"step":"apply","phase":"applying","record":{"version":2,"id":"` + id + `","kind":"promote","environment":"staging","release":{"commit":"` + commit + `"}}}`,
	} {
		w.cloud.objects[key] = content
		delete(w.cloud.written, key)
	}
}

// record is the latest that was stored.
func (w *promotions) record() deploy.Record {
	w.t.Helper()
	var latest deploy.Record
	for _, k := range w.keys("history/staging/") {
		if strings.HasSuffix(k, ".journal.json") {
			continue
		}
		w.cloud.mu.Lock()
		var r deploy.Record
		err := json.Unmarshal([]byte(w.cloud.objects[k]), &r)
		w.cloud.mu.Unlock()
		if err != nil {
			w.t.Fatalf("record %q: %v", k, err)
		}
		if r.Started.After(latest.Started) {
			latest = r
		}
	}
	return latest
}

// mentions fails the test unless each text is in what was printed.
func mentions(t *testing.T, printed string, texts ...string) {
	t.Helper()
	for _, s := range texts {
		if !strings.Contains(printed, s) {
			t.Errorf("%q is missing in:\n%s", s, printed)
		}
	}
}

// repository is a git repository in a temporary folder.
type repository struct {
	t   *testing.T
	dir string
	env []string
}

func newRepository(t *testing.T) repository {
	t.Helper()
	r := repository{t, t.TempDir(), append(os.Environ(),
		"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "HOME="+t.TempDir(),
		"GIT_AUTHOR_NAME=ada", "GIT_AUTHOR_EMAIL=ada@example.org", "GIT_COMMITTER_NAME=ada", "GIT_COMMITTER_EMAIL=ada@example.org")}
	r.do("init", "-q", "-b", "main")
	return r
}

func (r repository) do(args ...string) string {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), "git", args...)
	cmd.Dir, cmd.Env = r.dir, r.env
	out, err := cmd.Output()
	if err != nil {
		r.t.Fatalf("git %v: %v", args, err)
	}
	return strings.TrimSpace(string(out))
}

func (r repository) write(path, content string) {
	r.t.Helper()
	full := filepath.Join(r.dir, path)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(content), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

func (r repository) commit(path, content string) string {
	r.t.Helper()
	r.write(path, content)
	r.do("add", "-A")
	r.do("commit", "-q", "-m", path)
	return r.do("rev-parse", "HEAD")
}
