package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/gen/gentest"
	"github.com/specboard/platform/tfpipeline/internal/account/accounttest"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/localaws/iam"
	"github.com/specboard/platform/tfpipeline/internal/localaws/iam/iamtest"
)

// roleGate lets through to the fake platform what the policies of one role
// allow, as the committed Terraform renders them.
type roleGate struct {
	next     http.Handler
	account  string
	identity iam.Identity

	mu sync.Mutex
	// asked are the actions that were allowed, refused what was not.
	asked   map[string]bool
	refused []string
}

// Resolve and Tags are what IAM would know of the account besides a request.
func (g *roleGate) Resolve(filter, value string) []string {
	p := configtest.Docs()
	for _, e := range p.Environments {
		switch {
		case filter == "roles" && strings.Contains(value, "/"+p.Prefix(e.Name)+"-"):
			// As applyTo makes them: task definition and role share a name.
			family, _, _ := strings.Cut(value[strings.LastIndex(value, "/")+1:], ":")
			return []string{"arn:aws:iam::" + p.Account + ":role" + p.RolePath(e.Name) + family}
		case filter == "scalable" && strings.Contains(value, "/"+p.Prefix(e.Name)+"/"):
			return []string{"arn:aws:application-autoscaling:" + p.Region + ":" + p.Account + ":scalable-target/" + e.Name}
		}
	}
	return []string{value}
}

// Tags are those of scalable targets, which are named for their environment.
func (g *roleGate) Tags(arn string) map[string]string {
	_, env, ok := strings.Cut(arn, ":scalable-target/")
	if !ok {
		return nil
	}
	return map[string]string{"Environment": env}
}

func (g *roleGate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	scope := accounttest.CredentialScope.FindStringSubmatch(r.Header.Get("Authorization"))
	if scope == nil {
		g.next.ServeHTTP(w, r) // a browser's, or the webhook's
		return
	}
	body := accounttest.Whole(r)
	r.Body = io.NopCloser(bytes.NewReader(body))
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	if strings.HasPrefix(r.URL.Path, "/service/") { // Smithy's RPC protocol
		operation = path.Base(r.URL.Path)
	}
	form := strings.NewReader(string(body))
	if operation == "" && scope[1] != "s3" {
		clone := r.Clone(r.Context())
		clone.Body = io.NopCloser(form)
		operation = clone.FormValue("Action")
	}
	questions, err := iam.Questions(iam.Read(scope[1], operation, r, body), "us-west-2", g.account, g, false)
	g.mu.Lock()
	defer g.mu.Unlock()
	if err != nil {
		g.refused = append(g.refused, err.Error())
	}
	for _, q := range questions {
		if v := g.identity.Judge(q); !v.Allowed {
			g.refused = append(g.refused, q.Action+" on "+q.Resource+": "+v.Reason)
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `{"__type":"AccessDeniedException","message":"denied: `+q.Action+`"}`)
			return
		}
		g.asked[q.Action] = true
	}
	g.next.ServeHTTP(w, r)
}

// A dry run needs no right that the role of plans lacks: the approver sees it
// before anybody may change anything.
func TestDryRunHasTheRightsOfPlans(t *testing.T) {
	t.Parallel()
	roles := iamtest.Identities(t, iamtest.Workflows(t, gentest.Tree(t, configtest.Docs()), rolesOf(configtest.Docs())))
	identity, ok := roles["doc-platform-plan"]
	if !ok {
		t.Fatal("nothing renders the role of plans")
	}
	w := newPromotions(t)
	w.applyTo("production")
	w.release("v1.0.0")
	w.must(console.ExitOK, "promote", "-env", "staging", "-release", "v1.0.0")
	w.release("v1.1.0")
	w.must(console.ExitOK, "promote", "-env", "staging", "-release", "v1.1.0")
	gate := &roleGate{next: w.server.Config.Handler, account: w.cloud.platform.Account, identity: identity, asked: map[string]bool{}}
	w.server.Config.Handler = gate
	w.release("v1.2.0")
	objects := len(w.keys(""))

	w.must(console.ExitOK, "promote", "-env", "staging", "-release", "v1.2.0", "-dry-run")
	w.must(console.ExitOK, "rollback", "-env", "staging", "-dry-run")
	_, stderr := w.must(console.ExitFailed, "promote", "-env", "production", "-release", "v1.2.0", "-dry-run")
	mentions(t, stderr, "no proof for api from staging", "never ran there")
	if len(gate.refused) > 0 || len(w.keys("")) != objects {
		t.Errorf("%d objects, %d before; refused:\n%s", len(w.keys("")), objects, strings.Join(gate.refused, "\n"))
	}
	for _, action := range []string{"ecr:DescribeImages", "ecs:DescribeServices", "ecs:ListServiceDeployments", "s3:GetObject", "s3:ListBucket", "secretsmanager:DescribeSecret"} {
		if !gate.asked[action] {
			t.Errorf("%s was not asked for; the gate saw %v", action, gate.asked)
		}
	}
	approverReads(t, w)
	if len(gate.refused) > 0 {
		t.Errorf("refused:\n%s", strings.Join(gate.refused, "\n"))
	}
	gate.refused = nil
	w.must(console.ExitFailed, "promote", "-env", "staging", "-release", "v1.2.0", "-lock-wait", "0")
	if len(gate.refused) == 0 {
		t.Error("a promotion for real is refused nothing: the gate lets everything through")
	}
}

// approverReads checks what a workflow shows of a promotion and of a rollback
// before anybody approves them.
func approverReads(t *testing.T, w *promotions) {
	t.Helper()
	dir := t.TempDir()
	summary, output := filepath.Join(dir, "summary"), filepath.Join(dir, "output")
	env := w.env
	w.env = append(slices.Clone(env), "GITHUB_ACTIONS=true", "GITHUB_STEP_SUMMARY="+summary, "GITHUB_OUTPUT="+output, "NOTIFY_URL="+w.cloud.url+"/hook",
		"GITHUB_SERVER_URL=https://github.com", "GITHUB_REPOSITORY=o/r", "GITHUB_RUN_ID=7", "GITHUB_RUN_ATTEMPT=2", "GITHUB_ACTOR=ada", "GITHUB_TRIGGERING_ACTOR=grace")
	defer func() { w.env = env }()
	commit := w.releases["v1.2.0"]
	stdout, _ := w.must(console.ExitOK, "promote", "-env", "staging", "-release", "v1.2.0", "-dry-run", "-markdown")
	mentions(t, stdout, "## Promotion of `v1.2.0` to `staging`", "Every check has passed", commit, "v1.1.0 ("+w.releases["v1.1.0"]+")",
		"1 commit since `v1.1.0`", "- `migrations/0001_create_users.sql`", imageDigest("api", commit), "| `lock` | `free` |", "| `plan` | `")
	back, _ := w.must(console.ExitOK, "rollback", "-env", "staging", "-dry-run", "-markdown")
	mentions(t, back, "## Rollback of `staging` to `v1.0.0`", "1 commit taken back", imageDigest("api", w.releases["v1.0.0"]))
	if strings.Contains(back, "`plan`") {
		t.Errorf("a rollback applies no plan, and shows one:\n%s", back)
	}
	if shown, err := os.ReadFile(summary); err != nil || string(shown) != stdout+back {
		t.Errorf("summary: %v\n%s", err, shown)
	}
	golden(t, "preview.md", passing.ReplaceAllString(stdout+back, "X"))
	outputs, err := os.ReadFile(output)
	if err != nil {
		t.Fatal(err)
	}
	mentions(t, string(outputs), "commit="+commit+"\n", "release=v1.2.0\n", "kind=promote\n", "kind=rollback\n", "fingerprint=")
	if len(w.cloud.posts) != 2 {
		t.Fatalf("%d posts: %v", len(w.cloud.posts), w.cloud.posts)
	}
	mentions(t, w.cloud.posts[0], "staging: promotion of v1.2.0: awaiting approval, after v1.1.0, by ada, re-run by grace", "https://github.com/o/r/actions/runs/7/attempts/2")
	if len(w.keys("locks/")) > 0 {
		t.Error("a dry run took the lock")
	}
}

// passing is what differs from run to run: commits, digests, fingerprints and
// times.
var passing = regexp.MustCompile(`sha256:[0-9a-f]+|\b[0-9a-f]{7,40}\b|[0-9-]{10}[T ][0-9:]{5,8}(Z| UTC)?|\b[0-9.]+ ?(ms|s|m|min)\b`)
