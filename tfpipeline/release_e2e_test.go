package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/google/go-cmp/cmp"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/gen/gentest"
	"github.com/specboard/platform/migrations/migrationstest"
	"github.com/specboard/platform/tfpipeline/internal/calls"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/localaws"
	"github.com/specboard/platform/tfpipeline/internal/localaws/iam/iamtest"
)

// workshop is a repository whose commits are releases, and the images built
// from them.
type workshop struct {
	t *testing.T
	// platform is what is released, and paths lead to each of its public services.
	platform config.Platform
	paths    []string
	// administrator is the program with credentials that may everything, as
	// cfg has them; deployer and builder are the workflow roles.
	administrator program
	cfg           aws.Config
	endpoint      string
	// repository is the checkout, programs the folder of built ones.
	repository, programs string
	// workflows executes those of the repository on the endpoint.
	workflows *runner
	// load is the crowd that asks meanwhile, if any.
	load *crowd
}

// newWorkshop copies what a release consists of into a repository of its own,
// and builds the sample application and migrate.
func newWorkshop(t *testing.T, administrator program, endpoint string, cfg aws.Config) *workshop {
	t.Helper()
	w := &workshop{t: t, platform: administrator.platform, paths: []string{"/api/documents", "/mcp", "/"}, administrator: administrator, endpoint: endpoint, cfg: cfg, repository: t.TempDir(), programs: t.TempDir()}
	for _, dir := range []string{"envs", "modules"} {
		if err := os.CopyFS(filepath.Join(w.repository, dir), os.DirFS(filepath.Join(administrator.dir, dir))); err != nil {
			t.Fatal(err)
		}
	}
	w.prepare()
	w.workflows = w.runner()
	w.git("add", "--all")
	w.git("commit", "--quiet", "-m", "The platform")
	return w
}

// edit changes a file of an environment's root.
func (w *workshop) edit(env, file, pattern, replacement string) {
	w.t.Helper()
	editRoot(w.t, w.repository, env, file, pattern, replacement)
}

func editRoot(t *testing.T, repository, env, file, pattern, replacement string) {
	t.Helper()
	path := filepath.Join(repository, "envs", env, file)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	after := regexp.MustCompile(pattern).ReplaceAllString(string(before), replacement)
	if after == string(before) {
		t.Fatalf("%s has no %s:\n%s", file, pattern, before)
	}
	writeFile(t, path, after)
}

// prepare adds the migrations, and builds the programs of images.
func (w *workshop) prepare() {
	w.t.Helper()
	if err := os.CopyFS(filepath.Join(w.repository, "migrations"), migrationstest.Files(w.t)); err != nil {
		w.t.Fatal(err)
	}
	migrationstest.Build(w.t, filepath.Join(w.programs, "migrate"))
	out, err := exec.CommandContext(w.t.Context(), "go", "build", "-o", w.programs+"/", "./internal/localaws/sample").CombinedOutput()
	if err != nil {
		w.t.Fatalf("build the image: %v\n%s", err, out)
	}
	w.git("init", "--quiet")
}

// runner executes the workflows of the repository, with the built program, on the
// endpoint: roles are assumed, and all is judged, by what Terraform applied there.
func (w *workshop) runner() *runner {
	w.t.Helper()
	r := &runner{bin: w.t.TempDir(), promotions: &promotions{t: w.t, repo: repository{w.t, w.repository, withoutAWS("GIT_CONFIG_GLOBAL=/dev/null")}, server: httptest.NewServer(nil)}}
	w.t.Cleanup(r.server.Close)
	r.server.Config.Handler = r
	variables := map[string]string{}
	for _, v := range withoutAWS() {
		if name, value, _ := strings.Cut(v, "="); name != "PATH" {
			variables[name] = value
		}
	}
	r.prepare(w.endpoint, r.server.URL+"/hook", variables)
	r.names(configtest.Docs())
	r.copyWorkflows()
	writeFile(w.t, filepath.Join(r.bin, "go"), "#!/bin/sh\nmkdir -p bin && exec ln -s '"+w.administrator.path+"' bin/tfpipeline\n")
	w.executable(filepath.Join(r.bin, "go"))
	return r
}

// deployer is the program in a job that deploys to an environment.
func (w *workshop) deployer(env string) program {
	return w.administrator.as(w.endpoint, "deploy-"+env)
}

// builder leads the SDK's clients to the endpoint as the build role.
func (w *workshop) builder() aws.Config {
	w.t.Helper()
	c := assume(w.t, w.platform, w.endpoint, "build")
	cfg := w.cfg
	cfg.Credentials = credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, c.SessionToken)
	return cfg
}

func (w *workshop) git(args ...string) string {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), "git", append([]string{"-C", w.repository, "-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		w.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// migrateFails is a migrate that gets nowhere.
const migrateFails = "#!/bin/sh\necho 'no migration today' >&2\nexit 1\n"

// release makes a commit, its tag and its images. misbehave are arguments of
// the sample application by service; a service named migrate gives the program
// of that name.
func (w *workshop) release(tag string, misbehave map[string]string) {
	w.t.Helper()
	w.git("commit", "--quiet", "--allow-empty", "-m", tag)
	w.git("tag", "--annotate", tag, "-m", tag)
	commit := w.git("rev-parse", "HEAD")
	bin := filepath.Join(w.t.TempDir(), "bin")
	writeFile(w.t, filepath.Join(bin, "seed"), "#!/bin/sh\nexec sample seed\n")
	programs := []string{"sample"}
	if script := misbehave["migrate"]; script != "" {
		writeFile(w.t, filepath.Join(bin, "migrate"), script)
		w.executable(filepath.Join(bin, "migrate"))
	} else {
		programs = append(programs, "migrate")
	}
	w.executable(filepath.Join(bin, "seed"))
	for _, p := range programs {
		if err := os.Link(filepath.Join(w.programs, p), filepath.Join(bin, p)); err != nil {
			w.t.Fatal(err)
		}
	}
	p, builder := w.platform, w.builder()
	for _, s := range p.Services {
		if !s.Builds() {
			continue
		}
		command := slices.Concat([]string{"sample", "-service", s.Name, "-release", tag}, strings.Fields(misbehave[s.Name]))
		if _, err := localaws.Push(w.t.Context(), builder, p.RepositoryName(s.Name), commit, localaws.Image{Folder: filepath.Dir(bin), Command: command, Environ: []string{"SAMPLE_RELEASE=" + tag}}); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *workshop) executable(path string) {
	w.t.Helper()
	if err := os.Chmod(path, 0o755); err != nil {
		w.t.Fatal(err)
	}
}

// provide stores the secrets that a person provides.
func (w *workshop) provide(env string) {
	w.t.Helper()
	p := w.platform
	for _, s := range p.Secrets {
		if s.Kind != config.Provided {
			continue
		}
		name := p.SecretName(env, s.Name)
		if _, err := secretsmanager.NewFromConfig(w.cfg).PutSecretValue(w.t.Context(), &secretsmanager.PutSecretValueInput{SecretId: &name, SecretString: aws.String("provided-0123456789")}); err != nil {
			w.t.Fatal(err)
		}
	}
}

// deploys promotes or rolls back, and checks the exit code and what everybody
// is answered afterwards. It logs a row of the README's table.
func (w *workshop) deploys(code int, serves, env string, args ...string) (stderr string) {
	w.t.Helper()
	began := time.Now()
	asked, failed := w.load.count()
	args = append([]string{args[0], "-C", w.repository, "-env", env}, args[1:]...)
	stdout, stderr, got := w.deployer(env).run(w.t, args...)
	after, failedAfter := w.load.count()
	w.t.Logf("figure: | `%s %s` | %d | %.0f s | %d | %d | %s |", args[0], strings.Join(args[3:], " "), got, time.Since(began).Seconds(), after-asked, failedAfter-failed, bySteps(stderr))
	if got != code {
		w.t.Fatalf("tfpipeline %s: exit %d, want %d\n%s\n%s", strings.Join(args, " "), got, code, stdout, stderr)
	}
	if serves != "" {
		w.serves(env, serves)
	}
	return stderr
}

// bySteps is how long each step took that took a second.
func bySteps(stderr string) string {
	var steps []string
	for _, m := range regexp.MustCompile(`(?m)^\[ *\S+\] ([a-z ]+): (?:done \(|failed after )([0-9hms]+)`).FindAllStringSubmatch(stderr, -1) {
		steps = append(steps, m[1]+" "+m[2])
	}
	return strings.Join(steps, ", ")
}

// serves checks that every public service answers as a release.
func (w *workshop) serves(env, release string) {
	w.t.Helper()
	users := w.users(env, 0)
	for _, path := range w.paths {
		for range 4 { // more than there are tasks
			if got, err := users.ask(w.t.Context(), path); err != nil || got.Release != release {
				w.t.Fatalf("%s answers as %q, want %s: %v", path, got.Release, release, err)
			}
		}
	}
}

// streams asks for a stream of 20 s, of 100 ms each, through the load balancer
// and by name: AWS's default would cut it after 15.
func (w *workshop) streams(env string) {
	w.t.Helper()
	for _, path := range []string{"/mcp?events=100", "/?call=" + url.QueryEscape("http://mcp:3002/mcp?events=100")} {
		body, err := w.users(env, 0).read(w.t.Context(), path)
		if got := strings.Count(string(body), "data: "); err != nil || got != 100 {
			w.t.Errorf("%s: %d of 100 events, %v", path, got, err)
		}
	}
}

// releases takes an environment through the life of a service: good releases,
// three bad ones, a rollback, and promotions that are killed; all of it under
// load, and nobody notices.
func releases(t *testing.T, w *workshop, env string) {
	t.Helper()
	// Draining is speeded up, and long answers with it: see speed.
	good, kills, load := 2, 1, 20_000
	people, slow, most := 6, []string{"slow=300ms", "events=15"}, kills
	if os.Getenv("SOAK") != "" {
		good, kills, load = 9, 10, 1_000_000
		people, slow, most = 24, []string{"slow=2s", "slow=5s", "events=250"}, 3*kills
	}
	w.provide(env)
	w.release("v0.2.0", nil)
	w.deploys(console.ExitOK, "v0.2.0", env, "promote", "-release", "v0.2.0")
	users := w.users(env, people, slow...)
	w.load = users
	last, previous := "v0.2.0", ""
	course := 0 // lines that a promotion says
	for i := range good {
		tag := fmt.Sprintf("v1.%d.0", i)
		w.release(tag, nil)
		course = strings.Count(w.deploys(console.ExitOK, tag, env, "promote", "-release", tag), "\n")
		last, previous = tag, last
	}

	// A bad release leaves everybody where they were, by whatever way it is bad.
	w.release("v2.0.0", map[string]string{"api": "-crash-after 1ns"})
	w.deploys(console.ExitRolledBack, last, env, "promote", "-release", "v2.0.0")
	w.release("v2.1.0", map[string]string{"mcp": "-unhealthy"})
	w.deploys(console.ExitRolledBack, last, env, "promote", "-release", "v2.1.0")
	w.release("v2.2.0", map[string]string{"migrate": migrateFails})
	if stderr := w.deploys(console.ExitFailed, last, env, "promote", "-release", "v2.2.0"); !strings.Contains(stderr, "no migration today") {
		t.Errorf("the migration's own words are missing:\n%s", stderr)
	}

	w.deploys(console.ExitOK, previous, env, "rollback")
	if stderr := w.deploys(console.ExitFailed, previous, env, "promote", "-release", last); !strings.Contains(stderr, "-force") {
		t.Errorf("a release that was rolled back from is promoted again, or nobody says how:\n%s", stderr)
	}

	if os.Getenv("SOAK") != "" {
		w.git("checkout", "--quiet", last)
		w.deploys(console.ExitOK, last, env, "promote", "-release", last, "-force")
		w.git("checkout", "--quiet", "-")
		w.deploys(console.ExitOK, previous, env, "rollback", "-to", previous)
	}

	asked := func() int { n, _ := users.count(); return n }
	for i := 0; i < kills || i < most && asked() < load; i++ {
		// Most of the time goes into the plan; by lines, every step has its turn.
		lines := 1 + (course*(i%kills)+rand.IntN(course))/kills
		tag := fmt.Sprintf("v3.%d.0", i)
		w.release(tag, nil)
		for late := 1; !w.killed(env, tag, lines); late++ {
			tag = fmt.Sprintf("v3.%d.%d", i, late)
			w.release(tag, nil)
			lines -= course / 10
		}
		w.deploys(console.ExitOK, tag, env, "promote", "-release", tag)
		w.migratedASingleTime(env, tag)
	}
	w.load = nil
	if requests := users.end(t); requests < load {
		t.Errorf("%d requests are no load", requests)
	}
	crashes(t, w, env)
}

// crashes promotes a release whose api is healthy until its tenth request. Users
// feel it, but only between the first crash and the way back; and nothing is
// proven by it.
func crashes(t *testing.T, w *workshop, env string) {
	t.Helper()
	good := w.git("describe", "--tags", "--abbrev=0")
	w.release("v4.0.0", map[string]string{"api": "-crash-at 10"})
	defer w.git("reset", "--quiet", "--hard", "HEAD~1")
	defer w.git("tag", "--delete", "v4.0.0")
	w.load = w.users(env, 6)
	defer func() { w.load = nil }()
	mentions(t, w.deploys(console.ExitRolledBack, good, env, "promote", "-release", "v4.0.0"),
		"api", "stopped by itself", "exit code 1", "told to crash at request 10")
	back := time.Now()
	asked, _ := w.load.count()
	for n := asked; n < asked+100 && calls.Pause(t.Context(), 10*time.Millisecond); {
		n, _ = w.load.count()
	}
	w.load.stop()
	w.load.done.Wait()

	// Six people have one request in flight each, so the tenth is asked by somebody
	// who has heard an answer.
	first := w.load.first["api v4.0.0"]
	if len(w.load.failed) == 0 || first.IsZero() {
		t.Error("no request failed: nobody asked the release that crashes")
	}
	for _, f := range w.load.failed {
		if f.at.Before(first) || f.at.After(back) {
			t.Errorf("failed before the release served at %v or after the way back at %v: %s", first, back, f)
		}
	}
	w.provide("production")
	if stderr := w.deploys(console.ExitFailed, "", "production", "promote", "-release", "v4.0.0"); !strings.Contains(stderr, "no proof") {
		t.Errorf("a release that crashed on staging is promoted, or nobody says why not:\n%s", stderr)
	}
}

// toProduction brings the release that staging runs to production, which asks
// for a proof.
func toProduction(t *testing.T, w *workshop) {
	t.Helper()
	w.provide("production")
	tag := w.git("describe", "--tags", "--abbrev=0")
	// Staging has run it for seconds.
	if stderr := w.deploys(console.ExitFailed, "", "production", "promote", "-release", tag); !strings.Contains(stderr, "10m") {
		t.Errorf("a release without a proof is promoted, or nobody says how long it must bake:\n%s", stderr)
	}
	// What an approver reads is made with the rights of the role of plans.
	if out := w.administrator.as(w.endpoint, "plan").must(t, console.ExitOK, "promote", "-C", w.repository, "-env", "production", "-release", tag, "-dry-run", "-markdown",
		"-override-proof", "the proof is tested on virtual time"); !strings.Contains(out, "## Promotion of `"+tag+"` to `production`") {
		t.Errorf("the preview:\n%s", out)
	}
	w.deploys(console.ExitOK, tag, "production", "promote", "-release", tag, "-override-proof", "the proof is tested on virtual time")
	if out := w.deployer("production").must(t, console.ExitOK, "history", "-C", w.repository, "-env", "production"); !strings.Contains(out, tag) {
		t.Errorf("the history lacks %s:\n%s", tag, out)
	}
	// The larger database still waits for its window, and the promotion left nothing else.
	if out := w.administrator.as(w.endpoint, "plan").must(t, console.ExitOK, "plan", "-C", w.repository, "-env", "production", "-no-lock", "-detailed-exitcode"); !strings.Contains(out, "production: no changes; 1 deferred to its maintenance window") {
		t.Errorf("the plan of what is deferred:\n%s", out)
	}
}

// workflowsPlan has the workflow of pull requests plan every root, in the role that
// Terraform applied. A job of a branch is given none; and the trust of all roles is
// what the other tests of the workflows evaluate.
func (w *workshop) workflowsPlan(verdict string) {
	w.t.Helper()
	client := iam.NewFromConfig(w.cfg)
	for name, role := range iamtest.Workflows(w.t, gentest.Tree(w.t, configtest.Docs()), rolesOf(configtest.Docs())) {
		applied, err := client.GetRole(w.t.Context(), &iam.GetRoleInput{RoleName: &name})
		if err != nil {
			w.t.Fatal(err)
		}
		text, err := url.QueryUnescape(aws.ToString(applied.Role.AssumeRolePolicyDocument))
		var got, want any
		if err := errors.Join(err, json.Unmarshal([]byte(text), &got), json.Unmarshal(role.Trust, &want)); err != nil {
			w.t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			w.t.Errorf("trust of %s (-rendered +applied):\n%s", name, d)
		}
	}
	r := w.workflows
	r.act = buildAct(w.t, r.bin)
	commit := w.git("rev-parse", "HEAD")
	r.mustRun(true, event{workflow: "plan", name: "pull_request", ref: "refs/pull/7/merge", commit: commit, actor: "ada", payload: map[string]any{
		"number": 7, "pull_request": map[string]any{
			"number": 7, "head": map[string]any{"sha": commit, "ref": "feature", "repo": map[string]any{"full_name": r.repository}}, "base": map[string]any{"ref": "main"},
		},
	}})
	if len(r.hub.comments) != 1 || strings.Count(r.hub.comments[0]["body"].(string), verdict) != 3 || len(r.hub.refused) > 0 {
		w.t.Errorf("refused %q; want three times %s in the comment:\n%v", r.hub.refused, verdict, r.hub.comments)
	}
	w.git("tag", "v0.1.0")
	defer w.git("tag", "--delete", "v0.1.0")
	mentions(w.t, r.mustRun(false, event{workflow: "prod-deploy", name: "workflow_dispatch", ref: "refs/heads/feature", commit: commit, actor: "eve", inputs: map[string]string{"tag": "v0.1.0"}}),
		"Not authorized to perform sts:AssumeRoleWithWebIdentity", ":ref:refs/heads/feature")
}
