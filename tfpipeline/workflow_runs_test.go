package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"
	"go.yaml.in/yaml/v4"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/gen/gentest"
	"github.com/specboard/platform/tfpipeline/internal/account/accounttest"
	"github.com/specboard/platform/tfpipeline/internal/localaws"
	"github.com/specboard/platform/tfpipeline/internal/localaws/iam"
	"github.com/specboard/platform/tfpipeline/internal/localaws/iam/iamtest"
	"github.com/specboard/platform/tfpipeline/internal/workflowtest"
)

// actVersion is the runner that executes the workflows, without Docker.
const actVersion = "github.com/nektos/act@v0.2.89"

// runner executes the workflows of this repository as YAML. Around them stand
// a fake GitHub that knows the permissions of each job, an endpoint for its
// tokens that computes the subject, and an STS that evaluates the trust policies
// as the committed Terraform renders them; behind them the fake platform, which
// each session reaches with the rights of its role.
type runner struct {
	*promotions
	act, bin string
	actions  string // the stand-ins for pinned actions
	trust    map[string]iam.Policy
	roles    map[string]*roleGate
	hub      *fakeHub
	files    map[string]workflowtest.Workflow
	// aws is where jobs find AWS, hook the webhook; variables they get besides.
	aws, hook string
	variables map[string]string

	mu sync.Mutex
	// repository is how it calls itself in a token's subject; id is GitHub's of
	// it, "" in the older form.
	repository, id string
	// sessions are the roles by access key.
	sessions map[string]string
	// assumed are "workflow/job: role", in order.
	assumed []string
	// runs are the runs that are under way, by number.
	runs map[string]event
}

// event is what starts a run.
type event struct {
	workflow, name string
	ref            string // as GITHUB_REF
	commit         string
	actor, rerunBy string // rerunBy: who pressed the button of a re-run
	attempt        int
	payload        map[string]any
	inputs         map[string]string
	// approved, if set, is closed once somebody approves; waits gets the job
	// that begins to wait for that.
	approved chan struct{}
	waits    chan string
}

const hubToken = "ghs_canary"

func newRunner(t *testing.T) *runner {
	t.Helper()
	if os.Getenv("E2E") == "" {
		t.Skip("E2E=1 executes the workflows")
	}
	bin := t.TempDir()
	act := buildAct(t, bin) // before the tests' own home hides the caches
	r := &runner{bin: bin, act: act, promotions: newPromotions(t), roles: map[string]*roleGate{}, sessions: map[string]string{}, trust: map[string]iam.Policy{}}
	r.prepare(r.server.URL, r.cloud.url+"/hook", map[string]string{"FAKE": r.fake, "GORACE": endWithoutDelay, "SCRIPT_WINDOW": "1s"})
	r.applyTo("production")
	for name, identity := range iamtest.Identities(t, r.trusts(configtest.Docs())) {
		r.roles[name] = &roleGate{next: r.cloud, account: r.cloud.platform.Account, identity: identity, asked: map[string]bool{}}
	}
	r.server.Config.Handler = r
	r.install()
	r.copyWorkflows()
	return r
}

// prepare makes a runner ready for jobs.
func (r *runner) prepare(aws, hook string, variables map[string]string) {
	r.t.Helper()
	r.aws, r.hook, r.variables = aws, hook, variables
	r.files, r.runs = workflowtest.Workflows(r.t), map[string]event{}
	r.hub = &fakeHub{runner: r, releases: map[string]string{}}
	r.standInActions()
}

// trusts lets the roles trust the repository of a platform, by its ids if it has
// any, and tokens come in that form. It returns the roles.
func (r *runner) trusts(p config.Platform) map[string]iamtest.Documents {
	r.t.Helper()
	rendered := iamtest.Workflows(r.t, gentest.Tree(r.t, p), rolesOf(p))
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, role := range rendered {
		trust, err := iam.Parse(role.Trust)
		if err != nil {
			r.t.Fatal(err)
		}
		r.trust[name] = trust
	}
	r.names(p)
	return rendered
}

// names calls the repository of jobs as a platform calls it.
func (r *runner) names(p config.Platform) {
	r.repository, r.id = p.Repository.Owner+"/"+p.Repository.Name, ""
	if p.Repository.ID != 0 {
		r.id = fmt.Sprint(p.Repository.ID)
		r.repository = fmt.Sprintf("%s@%d/%s@%s", p.Repository.Owner, p.Repository.OwnerID, p.Repository.Name, r.id)
	}
}

// rolesOf are what the roles of a platform of the tests are rendered from,
// whatever this checkout deploys.
func rolesOf(p config.Platform) map[string]cty.Value {
	texts := func(list ...string) cty.Value {
		var values []cty.Value
		for _, s := range list {
			values = append(values, cty.StringVal(s))
		}
		return cty.ListVal(values)
	}
	environment := func(name string, refs cty.Value, histories ...string) cty.Value {
		e, _ := p.Environment(name)
		return cty.ObjectVal(map[string]cty.Value{
			"domain": cty.StringVal(p.Host(e)), "histories": texts(histories...), "protected": cty.BoolVal(e.Protected), "refs": refs,
		})
	}
	main := "refs/heads/" + p.Repository.Branch
	ids := cty.NullVal(cty.Object(map[string]cty.Type{"owner": cty.String, "repository": cty.String}))
	if p.Repository.ID != 0 {
		ids = cty.ObjectVal(map[string]cty.Value{
			"owner": cty.StringVal(fmt.Sprint(p.Repository.OwnerID)), "repository": cty.StringVal(fmt.Sprint(p.Repository.ID)),
		})
	}
	return map[string]cty.Value{
		"repository_ids": ids,
		"account":        cty.StringVal(p.Account), "branch": cty.StringVal(p.Repository.Branch), "platform": cty.StringVal(p.Name), "region": cty.StringVal(p.Region),
		"repository": cty.StringVal(p.Repository.Owner + "/" + p.Repository.Name), "state_bucket": cty.StringVal(p.StateBucket()), "zone_id": cty.StringVal(iamtest.Zone),
		"environments": cty.ObjectVal(map[string]cty.Value{
			"staging":    environment("staging", texts(main), "staging"),
			"production": environment("production", texts(main, "refs/tags/*"), "production", "staging"),
		}),
	}
}

// buildAct builds act into a folder, and returns its path.
func buildAct(t *testing.T, bin string) string {
	t.Helper()
	build := exec.CommandContext(t.Context(), "go", "install", actVersion)
	build.Env = append(os.Environ(), "GOBIN="+bin, "PATH="+machinePath)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", actVersion, err, out)
	}
	return filepath.Join(bin, "act")
}

// install puts the programs that jobs find on PATH into the runner's folder:
// this test binary under their names.
func (r *runner) install() {
	r.t.Helper()
	for _, s := range r.cloud.platform.Services {
		r.cloud.images[r.cloud.platform.RepositoryName(s.Name)] = map[string]string{}
	}
	self, err := os.Executable()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, name := range []string{"go", "aws", "tfpipeline", "credentials", "push", "gh"} {
		if err := os.Symlink(self, filepath.Join(r.bin, name)); err != nil {
			r.t.Fatal(err)
		}
	}
	if err := linkTerraform(r.bin); err != nil {
		r.t.Fatal(err)
	}
}

// standInActions are in place of pinned ones.
func (r *runner) standInActions() {
	r.t.Helper()
	r.actions = r.t.TempDir()
	for name, script := range map[string]string{
		// What GitHub's does: the commit asked for, with or without the rest. It
		// is the first step, so here a gated job waits for its approval.
		"actions/checkout": `
        curl -fsS "$HUB/approval?run=$GITHUB_RUN_ID&job=$GITHUB_JOB"
        git init -q .
        if [ "$DEPTH" = 0 ]; then git fetch -q --tags "$ORIGIN" '+refs/heads/*:refs/remotes/origin/*'; fi
        git fetch -q --depth="$([ "$DEPTH" = 0 ] && echo 1000000 || echo 1)" "file://$ORIGIN" "$REF"
        git checkout -q --force --detach FETCH_HEAD`,
		"actions/setup-go":                      "true",
		"actions/upload-artifact":               `rm -rf "$ARTIFACTS/artifact" && cp -r "$ARTIFACT" "$ARTIFACTS/artifact"`,
		"actions/attest-build-provenance":       `while read -r sum name; do echo "attested $name $sum"; done <"$CHECKSUMS"`,
		"aws-actions/configure-aws-credentials": `ROLE="$ROLE" credentials >>"$GITHUB_ENV"`,
		"aws-actions/amazon-ecr-login":          "true",
		"docker/setup-buildx-action":            "true",
		"docker/build-push-action":              `TAGS="$TAGS" push >>"$GITHUB_OUTPUT"`,
	} {
		dir := filepath.Join(r.actions, name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			r.t.Fatal(err)
		}
		action := `name: stand-in
inputs:
  ref: {default: ""}
  fetch-depth: {default: "1"}
  role-to-assume: {default: ""}
  tags: {default: ""}
  path: {default: ""}
  subject-checksums: {default: ""}
outputs:
  digest: {value: "${{ steps.run.outputs.digest }}"}
runs:
  using: composite
  steps:
    - id: run
      shell: bash
      env:
        REF: ${{ inputs.ref || github.sha }}
        DEPTH: ${{ inputs.fetch-depth }}
        ROLE: ${{ inputs.role-to-assume }}
        TAGS: ${{ inputs.tags }}
        ARTIFACT: ${{ inputs.path }}
        CHECKSUMS: ${{ inputs.subject-checksums }}
      run: |
        ` + strings.TrimSpace(script) + "\n"
		if err := os.WriteFile(filepath.Join(dir, "action.yml"), []byte(action), 0o644); err != nil {
			r.t.Fatal(err)
		}
	}
}

// copyWorkflows commits the workflows to the repository of the test. Two keys
// are left out, which act does not know, and each job gets tokens of its own.
func (r *runner) copyWorkflows() {
	r.t.Helper()
	for file, w := range r.files {
		var document yaml.Node
		if err := yaml.Unmarshal([]byte(w.Text), &document); err != nil {
			r.t.Fatal(err)
		}
		jobs := valueOf(document.Content[0], "jobs")
		for i := 0; i < len(jobs.Content); i += 2 {
			id, job := jobs.Content[i].Value, jobs.Content[i+1]
			without(valueOf(job, "environment"), "deployment")
			without(valueOf(job, "concurrency"), "queue")
			name := file + "/" + id
			replace(job, "${{ github.token }}", hubToken+"_"+name)
			if w.Jobs[id].Permissions["id-token"] == "write" {
				env := valueOf(job, "env")
				if env == nil {
					env = &yaml.Node{Kind: yaml.MappingNode}
					job.Content = append(job.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: "env"}, env)
				}
				for key, value := range map[string]string{
					"ACTIONS_ID_TOKEN_REQUEST_URL":   r.server.URL + "/token?job=" + name + "&run=${{ github.run_id }}&environment=" + w.Jobs[id].Environment.Name,
					"ACTIONS_ID_TOKEN_REQUEST_TOKEN": "canary-request-token",
				} {
					env.Content = append(env.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: key}, &yaml.Node{Kind: yaml.ScalarNode, Value: value})
				}
			}
		}
		content, err := yaml.Marshal(&document)
		if err != nil {
			r.t.Fatal(err)
		}
		r.repo.write(".github/workflows/"+file+".yml", string(content))
	}
	r.repo.write(".github/actions/tfpipeline/action.yml", workflowtest.BuildAction(r.t).Text)
	r.repo.write("Makefile", "dist:\n\tmkdir dist\n\techo program >dist/tfpipeline-linux-amd64\n\tcd dist && sha256sum -- * >SHA256SUMS\n")
	r.repo.write("Dockerfile", "FROM scratch\n")
	r.repo.write("go.mod", "module example.org/fake\n")
	r.repo.write(".gitignore", "/bin/\n")
	r.repo.write(".ci/run", "#!/bin/sh\necho checked\n")
	if err := os.Chmod(filepath.Join(r.repo.dir, ".ci/run"), 0o755); err != nil {
		r.t.Fatal(err)
	}
	r.repo.do("add", "-A")
}

// valueOf is the value of a key; nil if there is none.
func valueOf(n *yaml.Node, key string) *yaml.Node {
	for i := 0; n != nil && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

func without(n *yaml.Node, key string) {
	for i := 0; n != nil && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			n.Content = slices.Delete(n.Content, i, i+2)
			return
		}
	}
}

func replace(n *yaml.Node, what, by string) {
	n.Value = strings.ReplaceAll(n.Value, what, by)
	for _, c := range n.Content {
		replace(c, what, by)
	}
}

// run executes a workflow, and returns its log and whether it succeeded.
func (r *runner) run(e event) (log string, ok bool) {
	r.t.Helper()
	r.mu.Lock()
	id := fmt.Sprint(len(r.runs) + 1)
	r.runs[id] = e
	r.mu.Unlock()
	dir := r.t.TempDir()
	tree, home := filepath.Join(dir, "tree"), filepath.Join(dir, "home")
	for _, d := range []string{home, filepath.Join(dir, "cache")} {
		if err := os.Mkdir(d, 0o755); err != nil {
			r.t.Fatal(err)
		}
	}
	r.repo.do("clone", "-q", r.repo.dir, tree)
	r.repo.do("-C", tree, "checkout", "-q", "--detach", e.commit)
	r.repo.do("-C", tree, "remote", "set-url", "origin", "https://github.com/specboard/doc-platform")
	payload := maps.Clone(e.payload)
	if payload == nil {
		payload = map[string]any{}
	}
	payload["ref"], payload["repository"] = e.ref, map[string]string{"default_branch": "main"}
	if e.inputs != nil {
		payload["inputs"] = e.inputs
	}
	content, err := json.Marshal(payload)
	if err != nil {
		r.t.Fatal(err)
	}
	path := filepath.Join(dir, "event.json")
	if err := os.WriteFile(path, content, 0o644); err != nil {
		r.t.Fatal(err)
	}
	again := e.actor
	if e.rerunBy != "" {
		again = e.rerunBy
	}
	args := []string{
		e.name, "-e", path, "-C", tree, "-W", filepath.Join(tree, ".github/workflows", e.workflow+".yml"),
		"-P", "ubuntu-24.04=-self-hosted", "--no-cache-server", "--no-skip-checkout", "-a", e.actor, "--log-prefix-job-id",
		"-s", "NOTIFY_URL=" + r.hook, "-s", "GITHUB_TOKEN=" + hubToken,
	}
	for name, pin := range pins {
		commit, _, _ := strings.Cut(pin, " ")
		args = append(args, "--local-repository", name+"@"+commit+"="+filepath.Join(r.actions, name))
	}
	env := map[string]string{
		"GITHUB_API_URL": r.server.URL + "/api", "GITHUB_RUN_ID": id, "GITHUB_RUN_ATTEMPT": fmt.Sprint(max(e.attempt, 1)), "GITHUB_TRIGGERING_ACTOR": again,
		"GITHUB_SERVER_URL": "https://github.com", "AWS_ENDPOINT_URL": r.aws, "HUB": r.server.URL, "ARTIFACTS": r.actions, "HOME": home, "ORIGIN": r.repo.dir,
		"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null", "TERM": "dumb",
	}
	maps.Copy(env, r.variables)
	for name, value := range env {
		args = append(args, "--env", name+"="+value)
	}
	cmd := exec.CommandContext(r.t.Context(), r.act, args...)
	cmd.Env = []string{"PATH=" + r.bin + string(filepath.ListSeparator) + os.Getenv("PATH"), "HOME=" + home, "XDG_CACHE_HOME=" + filepath.Join(dir, "cache")}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	log = out.String()
	for _, secret := range []string{"canary-request-token", "canary-session", "canary-secret", r.hook} {
		if strings.Contains(log, secret) {
			r.t.Errorf("%s %s: %q is in the log:\n%s", e.workflow, e.name, secret, log)
		}
	}
	return log, err == nil
}

// mustRun runs a workflow that has to succeed, or to fail.
func (r *runner) mustRun(ok bool, e event) string {
	r.t.Helper()
	log, got := r.run(e)
	if got != ok {
		r.t.Fatalf("%s on %s: succeeded %v, want %v; refused %v\n%s", e.workflow, e.name, got, ok, r.refused(), log)
	}
	return log
}

// summaryLine is what the steps of a run wrote into their summaries, as the runner
// read it from their files.
var summaryLine = regexp.MustCompile(`(?s)Summary - (.*?)(?:\n\[|$)`)

// summarizes fails the test unless each text is in the summary of a step.
func summarizes(t *testing.T, log string, texts ...string) {
	t.Helper()
	var all strings.Builder
	for _, m := range summaryLine.FindAllStringSubmatch(log, -1) {
		all.WriteString(m[1] + "\n")
	}
	mentions(t, all.String(), texts...)
}

// ServeHTTP is GitHub, its tokens, STS, and AWS behind the roles.
func (r *runner) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	key, _, _ := strings.Cut(strings.TrimPrefix(q.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential="), "/")
	switch {
	case strings.HasPrefix(q.URL.Path, "/api/"):
		r.hub.ServeHTTP(w, q)
	case q.URL.Path == "/approval":
		r.approval(q.URL.Query().Get("run"), q.URL.Query().Get("job"))
	case q.URL.Path == "/token":
		r.token(w, q)
	case q.Method == http.MethodPost && q.URL.Path == "/" && q.Header.Get("Authorization") == "" && q.Header.Get("X-Amz-Target") == "":
		r.assume(w, q)
	case strings.HasPrefix(key, "ASIA"):
		r.mu.Lock()
		gate := r.roles[r.sessions[key]]
		r.mu.Unlock()
		if gate == nil || q.Header.Get("X-Amz-Security-Token") != "canary-session" {
			http.Error(w, "nobody's session", http.StatusForbidden)
			return
		}
		gate.ServeHTTP(w, q)
	case r.cloud != nil:
		r.cloud.ServeHTTP(w, q)
	}
}

// approval keeps a job of the protected environment from beginning before
// somebody approves it.
func (r *runner) approval(run, job string) {
	r.mu.Lock()
	e := r.runs[run]
	r.mu.Unlock()
	if e.approved == nil || r.files[e.workflow].Jobs[job].Environment.Name != "production" {
		return
	}
	e.waits <- job
	<-e.approved
}

// token is what GitHub gives a job: its subject follows from event, ref and
// environment.
func (r *runner) token(w http.ResponseWriter, q *http.Request) {
	r.mu.Lock()
	e := r.runs[q.URL.Query().Get("run")]
	repository, more := r.repository, map[string]string{"job": q.URL.Query().Get("job")}
	if r.id != "" {
		more["repository_id"] = r.id
	}
	r.mu.Unlock()
	if q.Header.Get("Authorization") != "bearer canary-request-token" {
		http.Error(w, "no", http.StatusUnauthorized)
		return
	}
	env, subject := q.URL.Query().Get("environment"), "repo:"+repository+":ref:"+e.ref
	switch {
	case env != "":
		subject = "repo:" + repository + ":environment:" + env
	case e.name == "pull_request":
		subject = "repo:" + repository + ":pull_request"
	}
	token, err := localaws.Token(subject, e.ref, more)
	if err != nil {
		r.t.Error(err)
	}
	_ = json.NewEncoder(w).Encode(map[string]string{"value": token})
}

// assume is STS.
func (r *runner) assume(w http.ResponseWriter, q *http.Request) {
	body := accounttest.Whole(q)
	q.Body = io.NopCloser(bytes.NewReader(body))
	arn, claims := q.PostFormValue("RoleArn"), map[string][]string{}
	parts := strings.Split(q.PostFormValue("WebIdentityToken"), ".")
	var read map[string]string
	if payload, err := base64.RawURLEncoding.DecodeString(parts[min(1, len(parts)-1)]); err == nil {
		_ = json.Unmarshal(payload, &read)
	}
	for k, v := range read {
		claims["token.actions.githubusercontent.com:"+k] = []string{v}
	}
	name := arn[strings.LastIndex(arn, "/")+1:]
	r.mu.Lock()
	trust, ok := r.trust[name]
	r.mu.Unlock()
	if !ok || !trust.Trusts(iamtest.GitHub, claims) || q.PostFormValue("DurationSeconds") != "3600" {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `<ErrorResponse><Error><Code>AccessDenied</Code><Message>Not authorized to perform sts:AssumeRoleWithWebIdentity</Message></Error></ErrorResponse>`)
		return
	}
	r.mu.Lock()
	key := fmt.Sprintf("ASIA%016d", len(r.sessions)+1)
	r.sessions[key] = name
	r.assumed = append(r.assumed, read["job"]+": "+strings.TrimPrefix(name, "doc-platform-"))
	r.mu.Unlock()
	fmt.Fprintf(w, `<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>%s</AccessKeyId><SecretAccessKey>canary-secret</SecretAccessKey><SessionToken>canary-session</SessionToken><Expiration>%s</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`,
		key, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
}

// takeAssumed are the roles that jobs have assumed since the last call, each
// once, sorted.
func (r *runner) takeAssumed() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	taken := slices.Compact(slices.Sorted(slices.Values(r.assumed)))
	r.assumed = nil
	return taken
}

// refused are the calls that a role was denied.
func (r *runner) refused() []string {
	var all []string
	for name, gate := range r.roles {
		gate.mu.Lock()
		for _, call := range gate.refused {
			all = append(all, name+": "+call)
		}
		gate.refused = nil
		gate.mu.Unlock()
	}
	return all
}

// push commits something to main and returns what GitHub makes of it.
func (r *runner) push(subject string) event {
	r.t.Helper()
	for _, root := range configtest.Docs().Roots() {
		r.repo.write(filepath.Join("envs", root, "main.tf"), "# "+subject+"\n")
	}
	r.repo.write("modules/README.md", "")
	r.repo.write("migrations/0001_create_users.sql", "CREATE TABLE users (id bigint PRIMARY KEY);\n")
	r.repo.do("add", "-A")
	r.repo.do("commit", "-q", "-m", subject)
	return event{workflow: "staging-deploy", name: "push", ref: "refs/heads/main", commit: r.repo.do("rev-parse", "HEAD"), actor: "ada"}
}

// fakeHub is GitHub's API. A token may do what its job's permissions say.
type fakeHub struct {
	runner *runner

	mu          sync.Mutex
	comments    []map[string]any
	issues      []map[string]any
	releases    map[string]string // their texts by tag
	deployments []map[string]any
	statuses    []string
	refused     []string
}

// needs is the permission of a call, and its level.
func (h *fakeHub) needs(q *http.Request, path string) (permission, level string) {
	level = "write"
	if q.Method == http.MethodGet {
		level = "read"
	}
	switch {
	case strings.HasPrefix(path, "deployments"):
		return "deployments", level
	case strings.HasPrefix(path, "issues/7/comments") || strings.HasPrefix(path, "issues/comments/"):
		return "pull-requests", "write"
	case strings.HasPrefix(path, "issues"):
		return "issues", "write"
	default:
		return "contents", level
	}
}

func (h *fakeHub) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	answer := func(status int, v any) {
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(v)
	}
	path := strings.TrimPrefix(q.URL.Path, "/api/repos/specboard/doc-platform/")
	if q.URL.Path == "/api/user" { // which no workflow's token may ask
		answer(http.StatusForbidden, map[string]string{"message": "Resource not accessible by integration"})
		return
	}
	job := strings.TrimPrefix(q.Header.Get("Authorization"), "Bearer "+hubToken+"_")
	file, id, _ := strings.Cut(job, "/")
	permissions := h.runner.files[file].Jobs[id].Permissions
	permission, level := h.needs(q, path)
	if got := permissions[permission]; got != "write" && got != level {
		h.refused = append(h.refused, job+": "+q.Method+" "+path+" needs "+permission+": "+level)
		answer(http.StatusForbidden, map[string]string{"message": "Resource not accessible by integration"})
		return
	}
	body := accounttest.Whole(q)
	var in map[string]any
	_ = json.Unmarshal(body, &in)
	r := h.runner.repo
	switch {
	case strings.HasPrefix(path, "git/ref/tags/"):
		sha, err := h.git("rev-parse", "refs/tags/"+strings.TrimPrefix(path, "git/ref/tags/"))
		if err != nil {
			answer(http.StatusNotFound, map[string]string{"message": "Not Found"})
			return
		}
		answer(http.StatusOK, map[string]any{"object": map[string]string{"type": r.do("cat-file", "-t", sha), "sha": sha}})
	case strings.HasPrefix(path, "git/tags/"):
		answer(http.StatusOK, map[string]any{"object": map[string]string{"type": "commit", "sha": r.do("rev-parse", strings.TrimPrefix(path, "git/tags/")+"^{commit}")}})
	case path == "issues/7/comments" && q.Method == http.MethodGet:
		answer(http.StatusOK, append([]map[string]any{}, h.comments...))
	case path == "issues/7/comments":
		h.comments = append(h.comments, map[string]any{"id": len(h.comments) + 1, "body": in["body"], "html_url": "https://github.com/comment", "user": map[string]string{"login": "github-actions[bot]"}})
		answer(http.StatusCreated, h.comments[len(h.comments)-1])
	case strings.HasPrefix(path, "issues/comments/"):
		var n int
		fmt.Sscan(strings.TrimPrefix(path, "issues/comments/"), &n)
		h.comments[n-1]["body"] = in["body"]
		answer(http.StatusOK, h.comments[n-1])
	case path == "issues" && q.Method == http.MethodGet:
		answer(http.StatusOK, slices.DeleteFunc(slices.Clone(h.issues), func(i map[string]any) bool { return i["state"] != q.URL.Query().Get("state") }))
	case path == "issues":
		h.issues = append(h.issues, map[string]any{
			"number": 100 + len(h.issues), "title": in["title"], "body": in["body"], "state": "open", "html_url": "https://github.com/issue",
			"user": map[string]string{"login": "github-actions[bot]"}, "comments": 0,
		})
		answer(http.StatusCreated, h.issues[len(h.issues)-1])
	case strings.HasPrefix(path, "issues/1"):
		var n int
		fmt.Sscan(strings.TrimSuffix(strings.TrimPrefix(path, "issues/"), "/comments"), &n)
		issue := h.issues[n-100]
		if q.Method == http.MethodPost {
			issue["comments"] = issue["comments"].(int) + 1
			answer(http.StatusCreated, map[string]any{"id": 1})
			return
		}
		maps.Copy(issue, in)
		if issue["state"] == "closed" {
			issue["closed_at"] = time.Now().UTC().Format(time.RFC3339)
		}
		answer(http.StatusOK, issue)
	case strings.HasPrefix(path, "releases/tags/"):
		tag := strings.TrimPrefix(path, "releases/tags/")
		answer(http.StatusOK, map[string]any{"id": 1, "tag_name": tag, "body": h.releases[tag]})
	case strings.HasPrefix(path, "releases/"):
		h.releases["edited"] = fmt.Sprint(in["body"])
		answer(http.StatusOK, map[string]any{"id": 1})
	case path == "deployments" && q.Method == http.MethodGet:
		found := []map[string]any{}
		for _, d := range h.deployments {
			if sha := q.URL.Query().Get("sha"); (sha == "" || d["sha"] == sha) && d["environment"] == q.URL.Query().Get("environment") {
				found = slices.Insert(found, 0, d)
			}
		}
		answer(http.StatusOK, found)
	case path == "deployments":
		h.deployments = append(h.deployments, map[string]any{"id": len(h.deployments) + 1, "sha": in["ref"], "environment": in["environment"], "payload": in["payload"]})
		answer(http.StatusCreated, h.deployments[len(h.deployments)-1])
	case strings.HasSuffix(path, "/statuses"):
		var n int
		fmt.Sscan(strings.TrimSuffix(strings.TrimPrefix(path, "deployments/"), "/statuses"), &n)
		if q.Method == http.MethodGet {
			answer(http.StatusOK, []map[string]any{{"state": h.deployments[n-1]["state"]}})
			return
		}
		h.deployments[n-1]["state"] = in["state"]
		h.statuses = append(h.statuses, fmt.Sprint(h.deployments[n-1]["environment"], " ", h.deployments[n-1]["sha"], " ", in["state"]))
		answer(http.StatusCreated, map[string]any{"id": 1})
	default:
		answer(http.StatusNotFound, map[string]string{"message": "Not Found"})
	}
}

// git asks the repository without failing the test.
func (h *fakeHub) git(args ...string) (string, error) {
	cmd := exec.CommandContext(context.Background(), "git", args...)
	cmd.Dir, cmd.Env = h.runner.repo.dir, h.runner.repo.env
	out, err := cmd.Output()
	return strings.TrimSpace(string(out)), err
}
