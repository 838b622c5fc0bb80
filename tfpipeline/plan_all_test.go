package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/tfpipeline/internal/account/accounttest"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/github"
	"github.com/specboard/platform/tfpipeline/internal/plan"
	"github.com/specboard/platform/tfpipeline/internal/view"
)

const (
	nonePlan = `{"format_version":"1.2","applyable":false}`
	newPlan  = `{"format_version":"1.2","applyable":true,"resource_changes":[{"address":"terraform_data.a","type":"terraform_data","change":{"actions":["create"],"after":{"input":"canary"}}}]}`
	lostPlan = `{"format_version":"1.2","applyable":true,"resource_changes":[{"address":"module.database.aws_db_instance.this","type":"aws_db_instance","change":{"actions":["delete"],"before":{}}}]}`
)

// planner runs plan -all in process, on a small repository and with a
// Terraform that the files in fake control.
type planner struct {
	t          *testing.T
	repository string
	env        []string
}

func newPlanner(t *testing.T, files map[string]string) *planner {
	t.Helper()
	t.Parallel()
	p := &planner{t: t, repository: t.TempDir()}
	for _, d := range []string{"home", "fake", "modules", "envs/shared", "envs/staging", "envs/production"} {
		if err := os.MkdirAll(filepath.Join(p.repository, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := buildTerraform(); err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		p.write(filepath.Join("fake", name), content)
	}
	p.env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Join(p.repository, "home"), "FAKE=" + filepath.Join(p.repository, "fake"), "GORACE=" + endWithoutDelay}
	return p
}

func (p *planner) write(name, content string) string {
	p.t.Helper()
	path := filepath.Join(p.repository, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		p.t.Fatal(err)
	}
	return path
}

func (p *planner) run(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	a := &app{
		platform: configtest.Docs(), cache: filepath.Join(p.repository, "home", "cache"), terraform: builtTerraform,
		console: &console.Console{In: strings.NewReader(""), Out: &out, Err: &errs, Env: p.env},
	}
	code = a.run(p.t.Context(), append([]string{"plan", "-C", p.repository, "-all"}, args...))
	return code, out.String(), errs.String()
}

// golden compares with a file in testdata; UPDATE_SCRIPTS rewrites it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if os.Getenv("UPDATE_SCRIPTS") != "" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		t.Errorf("%s (rewrite with UPDATE_SCRIPTS=1): got\n%s\nwant\n%s", name, got, want)
	}
}

func TestPlanAll(t *testing.T) {
	p := newPlanner(t, map[string]string{"show.out": nonePlan, "show.staging.out": newPlan, "show.production.out": lostPlan})
	code, stdout, stderr := p.run()
	if code != console.ExitOK {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	golden(t, "plan-all.txt", stdout)
	for _, root := range []string{"shared", "staging", "production"} {
		if n := strings.Count(stderr, root+": terraform plan\n"); n != 1 {
			t.Errorf("%s was planned %d times:\n%s", root, n, stderr)
		}
	}
	if code, _, stderr := p.run("-detailed-exitcode"); code != console.ExitChanges || strings.Contains(stderr, "tfpipeline:") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	for _, root := range []string{"staging", "production"} {
		p.write("fake/show."+root+".out", nonePlan)
	}
	if code, _, _ := p.run("-detailed-exitcode"); code != console.ExitOK {
		t.Errorf("nothing changes, and it exits %d", code)
	}
	left, err := filepath.Glob(filepath.Join(p.repository, "home", ".cache", "tfpipeline", "work", "*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// One root's failure does not hide the others, and what it got to is shown.
func TestPlanAllWithFailures(t *testing.T) {
	p := newPlanner(t, map[string]string{
		"show.out": newPlan, "init.shared.err": "Error: no such provider\n", "init.shared.exit": "1",
		"show.production.out": strings.Replace(lostPlan, `"applyable":true`, `"applyable":false,"errored":true`, 1),
		"plan.production.err": "Error: a check refused it\n", "plan.production.exit": "1",
	})
	code, stdout, stderr := p.run("-detailed-exitcode")
	if code != console.ExitFailed {
		t.Errorf("exit %d", code)
	}
	golden(t, "plan-all-failures.txt", stdout)
	for _, want := range []string{"no such provider", "a check refused it", "2 of 3 roots could not be planned: shared, production"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("stderr lacks %q:\n%s", want, stderr)
		}
	}
}

func TestPlanAllJSON(t *testing.T) {
	p := newPlanner(t, map[string]string{"show.out": newPlan, "init.shared.err": "Error: no\n", "init.shared.exit": "1", "show.production.out": lostPlan})
	code, stdout, _ := p.run("-json")
	var got struct {
		Target string
		Roots  []struct {
			Root, Target, Fingerprint, Error string
			Errored                          bool
			Summary                          plan.Summary
			Refused                          []struct{ Address, What string }
		}
	}
	dec := json.NewDecoder(strings.NewReader(stdout))
	if err := dec.Decode(&got); err != nil || dec.More() {
		t.Fatalf("%v in\n%s", err, stdout)
	}
	if code != console.ExitFailed || got.Target != "offline" || len(got.Roots) != 3 {
		t.Fatalf("exit %d, %s", code, stdout)
	}
	if r := got.Roots[0]; r.Root != "shared" || !r.Errored || r.Error == "" || r.Fingerprint != "" {
		t.Errorf("shared: %+v", r)
	}
	if r := got.Roots[1]; r.Root != "staging" || r.Errored || !regexp.MustCompile(`^[0-9a-f]{20}$`).MatchString(r.Fingerprint) || len(r.Summary) != 1 || len(r.Refused) != 0 {
		t.Errorf("staging: %+v", r)
	}
	if r := got.Roots[2]; len(r.Refused) != 1 || r.Refused[0].Address != "module.database.aws_db_instance.this" {
		t.Errorf("production: %+v", r)
	}
	if strings.Contains(stdout, "canary") {
		t.Error("a value is shown")
	}
}

// pullRequest is a GitHub with the comments of pull request 7.
type pullRequest struct {
	mu       sync.Mutex
	comments []string
	calls    []string
	refuse   bool
	// status and message are how it refuses; zero is a read-only token.
	status  int
	message string
}

func (g *pullRequest) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.calls = append(g.calls, r.Method+" "+r.URL.Path)
	var in struct{ Body string }
	body := accounttest.Whole(r)
	_ = json.Unmarshal(body, &in)
	type login struct {
		Login string `json:"login"`
	}
	type comment struct {
		ID   int    `json:"id"`
		URL  string `json:"html_url"`
		Body string `json:"body"`
		User login  `json:"user"`
	}
	as := func(i int) comment {
		return comment{i + 1, "https://github.test/7", g.comments[i], login{"github-actions[bot]"}}
	}
	var answer any
	switch {
	case g.status == http.StatusUnauthorized, g.status != 0 && r.Method != http.MethodGet:
		w.Header().Set("Retry-After", map[bool]string{true: "3600"}[strings.Contains(g.message, "rate limit")])
		w.WriteHeader(g.status)
		answer = map[string]string{"message": g.message}
	case r.URL.Path == "/user", g.refuse && r.Method != http.MethodGet:
		w.WriteHeader(http.StatusForbidden)
		answer = map[string]string{"message": "Resource not accessible by integration"}
	case r.Method == http.MethodGet:
		list := []comment{}
		for i := range g.comments {
			list = append(list, as(i))
		}
		answer = list
	case r.Method == http.MethodPost:
		g.comments = append(g.comments, in.Body)
		answer = as(len(g.comments) - 1)
	default:
		var id int
		fmt.Sscanf(r.URL.Path, "/repos/o/r/issues/comments/%d", &id)
		g.comments[id-1] = in.Body
		answer = as(id - 1)
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func TestPlanAllComment(t *testing.T) {
	p := newPlanner(t, map[string]string{"show.out": newPlan, "plan.production.err": "Error: key ghs_canary0123456789 was refused\n", "plan.production.exit": "1"})

	// Outside of a workflow it says what is missing, before any work.
	code, stdout, stderr := p.run("-comment")
	if code != console.ExitFailed || stdout != "" || !strings.Contains(stderr, "GITHUB_TOKEN") || !strings.Contains(stderr, "GITHUB_EVENT_PATH") || !strings.Contains(stderr, "next: tfpipeline plan -all") {
		t.Errorf("exit %d: %s%s", code, stdout, stderr)
	}

	pr := &pullRequest{}
	server := httptest.NewServer(pr)
	defer server.Close()
	summary := filepath.Join(p.repository, "summary.md")
	event := p.write("event.json", `{"pull_request":{"number":7,"head":{"sha":"0123456789abcdef0123456789abcdef01234567","repo":{"full_name":"o/r"}}}}`)
	p.env = append(p.env, "GITHUB_TOKEN=ghs_canary0123456789", "GITHUB_REPOSITORY=o/r", "GITHUB_API_URL="+server.URL,
		"GITHUB_SERVER_URL=https://github.test", "GITHUB_RUN_ID=99", "GITHUB_EVENT_PATH="+event, "GITHUB_STEP_SUMMARY="+summary)
	read := func() string {
		content, err := os.ReadFile(summary)
		if err != nil {
			t.Fatal(err)
		}
		return string(content)
	}

	// The first run comments, the second finds its comment as it should be.
	for range 2 {
		if code, _, stderr := p.run("-comment", "-offline"); code != console.ExitFailed || !strings.Contains(stderr, "comment: https://github.test/7") {
			t.Fatalf("exit %d: %s", code, stderr)
		}
	}
	want := []string{
		"GET /user", "GET /repos/o/r/issues/7/comments", "POST /repos/o/r/issues/7/comments", "GET /repos/o/r/issues/7/comments",
		"GET /user", "GET /repos/o/r/issues/7/comments",
	}
	if !slices.Equal(pr.calls, want) || len(pr.comments) != 1 {
		t.Fatalf("requests %q", pr.calls)
	}
	golden(t, "plan-all-comment.md", pr.comments[0])
	if got := read(); got != pr.comments[0]+pr.comments[0] {
		t.Errorf("summary:\n%s", got)
	}
	if !strings.HasPrefix(pr.comments[0], view.Marker) || strings.Contains(pr.comments[0], "ghs_canary") {
		t.Errorf("comment:\n%s", pr.comments[0])
	}

	// What changed is said in the same comment.
	if err := os.Remove(filepath.Join(p.repository, "fake", "plan.production.exit")); err != nil {
		t.Fatal(err)
	}
	before := pr.comments[0]
	if code, _, stderr := p.run("-comment", "-offline", "-json"); code != console.ExitOK {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	if len(pr.comments) != 1 || pr.comments[0] == before || pr.calls[len(pr.calls)-1] != "PATCH /repos/o/r/issues/comments/1" {
		t.Errorf("requests %q", pr.calls)
	}

	// A token that may not write is told what it lacks; the plans are in the
	// summary, and the check stays green.
	pr.refuse = true
	p.write("fake/show.out", nonePlan)
	if code, stdout, stderr := p.run("-comment", "-offline"); code != console.ExitOK || !strings.Contains(stdout, "no changes") || !strings.Contains(stderr, "next: give the job permissions: pull-requests: write") {
		t.Errorf("exit %d: %s%s", code, stdout, stderr)
	}

	// A fork's may never; the summary has it all the same.
	p.write("event.json", `{"pull_request":{"number":7,"head":{"sha":"abc","repo":{"full_name":"mallory/r"}}}}`)
	pr.calls = nil
	length := len(read())
	if code, _, stderr := p.run("-comment", "-offline"); code != console.ExitOK || len(pr.calls) > 0 || len(read()) <= length || !strings.Contains(stderr, "comes from a fork") {
		t.Errorf("exit %d, requests %q: %s", code, pr.calls, stderr)
	}

	// Neither is a locked conversation a failure of the plan, but a limit is; and a
	// token that GitHub does not know is found before the plans.
	p.write("event.json", `{"pull_request":{"number":7,"head":{"sha":"abc","repo":{"full_name":"o/r"}}}}`)
	for _, c := range []struct {
		status  int
		message string
		exit    int
		said    string
	}{
		{http.StatusForbidden, "Unable to create comment because issue is locked.", console.ExitOK, "next: the conversation of #7 is locked: unlock it"},
		{http.StatusForbidden, "API rate limit exceeded", console.ExitFailed, "next: re-run the job in 1h0m0s"},
		{http.StatusForbidden, "Resource protected by organization SAML enforcement", console.ExitFailed, "next: a rule of the organisation"},
		{http.StatusUnauthorized, "Bad credentials", console.ExitFailed, "next: give the step the job's token"},
	} {
		pr.status, pr.message = c.status, c.message
		code, stdout, stderr := p.run("-comment", "-offline")
		if code != c.exit || !strings.Contains(stderr, c.said) || strings.Contains(stdout, "no changes") == (c.status == http.StatusUnauthorized) {
			t.Errorf("%s: exit %d: %s%s", c.message, code, stdout, stderr)
		}
	}
	pr.refuse, pr.status = false, 0

	// Another platform's comment is another one.
	other := view.Comment{Platform: "wiki"}
	client := github.New(server.URL, "o/r", "ghs_canary0123456789")
	for _, text := range []string{"one", "two"} {
		if _, err := client.Upsert(t.Context(), 7, other.Marker(), other.Marker()+text, other.OlderThan); err != nil {
			t.Fatal(err)
		}
	}
	if len(pr.comments) != 2 || !strings.HasPrefix(pr.comments[0], view.Comment{Platform: configtest.Docs().Name}.Marker()) || pr.comments[1] != other.Marker()+"two" {
		t.Fatalf("comments %q", pr.comments)
	}

	// A comment that tells of the newer commit of a later run stays.
	p.env = append(p.env, "GITHUB_RUN_ID=98")
	kept := pr.comments[0]
	if code, _, stderr := p.run("-comment", "-offline"); code != console.ExitOK || pr.comments[0] != kept || !strings.Contains(stderr, "tells of a newer commit") {
		t.Errorf("exit %d: %s\n%s", code, stderr, pr.comments[0])
	}
	p.env = append(p.env, "GITHUB_RUN_ID=100")
	if code, _, stderr := p.run("-comment", "-offline"); code != console.ExitOK || pr.comments[0] == kept || len(pr.comments) != 2 || pr.comments[1] != other.Marker()+"two" {
		t.Errorf("exit %d: %s", code, stderr)
	}

	// A plan that apply would refuse fails the check, and is told all the same.
	p.write("fake/show.production.out", lostPlan)
	if code, _, stderr := p.run("-comment", "-offline"); code != console.ExitFailed || !strings.Contains(pr.comments[0], "refused by the guard (1): 1 to") || !strings.Contains(stderr, "the guard refuses the plan of production") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	p.write("fake/show.production.out", nonePlan)

	// A comment's own event names no commit: what is checked out was planned.
	p.write("event.json", `{"issue":{"number":7,"pull_request":{}}}`)
	clone := newRepository(t)
	clone.dir = p.repository
	clone.do("init", "-q", "-b", "main")
	clone.do("commit", "-q", "--allow-empty", "-m", "checked out")
	head := clone.do("rev-parse", "HEAD")
	p.env = append(p.env, "GITHUB_SHA="+strings.Repeat("f00d", 10), "GITHUB_RUN_ID=101")
	if code, _, stderr := p.run("-comment", "-offline"); code != console.ExitOK || !strings.Contains(pr.comments[0], "Planned `"+head) {
		t.Errorf("exit %d: %s\n%s", code, stderr, pr.comments[0])
	}

	// A full summary is left as it is.
	p.write("summary.md", strings.Repeat("x", view.SummaryBudget-100))
	if code, _, stderr := p.run("-comment", "-offline"); code != console.ExitOK || len(read()) != view.SummaryBudget-100 || !strings.Contains(stderr, "no room") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

func TestPlanAllUsage(t *testing.T) {
	p := newPlanner(t, nil)
	if code, _, stderr := p.run("-env", "staging"); code != console.ExitFailed || !strings.Contains(stderr, "-all or -env, not both") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	var errs bytes.Buffer
	if code := run(t.Context(), configtest.Docs(), []string{"plan", "-C", p.repository, "-comment", "-env", "staging"}, p.env, strings.NewReader(""), io.Discard, &errs); code != console.ExitFailed || !strings.Contains(errs.String(), "-comment needs -all") {
		t.Errorf("exit %d: %s", code, errs.String())
	}
}
