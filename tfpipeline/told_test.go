package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/specboard/platform/tfpipeline/internal/account/accounttest"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/localaws/ecs/ecstest"
)

// hub is as much of GitHub as a promotion in a workflow speaks to.
type hub struct {
	w  *promotions
	mu sync.Mutex
	// told are the deployments and statuses, as "ID commit environment" and
	// "ID state".
	told []string
	// deployments are those that were made, each with its last state.
	deployments []map[string]any
	body        string
	// locked are the ends that were told while the lease was held.
	locked []string
	// refuse answers everything but the commits of tags with a status.
	refuse int
}

func (h *hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	held := len(h.w.keys("locks/")) > 0
	h.mu.Lock()
	defer h.mu.Unlock()
	var in map[string]any
	body := accounttest.Whole(r)
	_ = json.Unmarshal(body, &in)
	path := strings.TrimPrefix(r.URL.Path, "/api/v3/repos/o/r")
	var out any
	switch tag, isTag := strings.CutPrefix(path, "/git/ref/tags/"); {
	case isTag:
		out = map[string]any{"object": map[string]string{"type": "commit", "sha": h.w.releases[tag]}}
	case h.refuse != 0:
		w.WriteHeader(h.refuse)
		out = map[string]string{"message": "Resource not accessible by integration"}
	case r.Method == http.MethodGet && path == "/deployments":
		sha := r.URL.Query().Get("sha")
		found := slices.DeleteFunc(slices.Clone(h.deployments), func(d map[string]any) bool { return sha != "" && d["ref"] != sha })
		slices.Reverse(found)
		out = found
	case path == "/deployments":
		h.told = append(h.told, fmt.Sprintf("deployment %v %v", in["ref"], in["environment"]))
		in["id"] = len(h.deployments) + 1
		h.deployments = append(h.deployments, in)
		out = in
	case r.Method == http.MethodGet && strings.HasSuffix(path, "/statuses"):
		out = []any{h.deployment(path)}
	case strings.HasSuffix(path, "/statuses"):
		state := fmt.Sprint(in["state"])
		h.told = append(h.told, state)
		h.deployment(path)["state"] = state
		if held && (state == "success" || state == "failure") {
			h.locked = append(h.locked, state)
		}
		out = map[string]any{}
	case r.Method == http.MethodGet && path == "/releases/tags/v1.0.0":
		out = map[string]any{"id": 9, "body": h.body, "html_url": "https://ghe.test/v1.0.0"}
	case r.Method == http.MethodPatch && path == "/releases/9":
		h.body = in["body"].(string)
		out = map[string]any{}
	default:
		w.WriteHeader(http.StatusNotFound)
		out = map[string]string{"message": "Not Found"}
	}
	_ = json.NewEncoder(w).Encode(out)
}

// deployment is the one whose statuses a path leads to.
func (h *hub) deployment(path string) map[string]any {
	var n int
	fmt.Sscanf(path, "/deployments/%d/statuses", &n)
	return h.deployments[n-1]
}

func (h *hub) take() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	told := h.told
	h.told = nil
	return told
}

// GitHub's own page shows which release is where: a deployment of the release's
// commit for each attempt, and of a failed one that it failed.
func TestWorkflowTellsGitHub(t *testing.T) {
	t.Parallel()
	w := newPromotions(t)
	h := &hub{w: w, body: "Notes"}
	server := httptest.NewServer(h)
	defer server.Close()
	output := filepath.Join(t.TempDir(), "output")
	w.env = append(w.env, "GITHUB_ACTIONS=true", "GITHUB_API_URL="+server.URL+"/api/v3", "GITHUB_REPOSITORY=o/r", "GITHUB_TOKEN=ghs_canary0123456789",
		"GITHUB_SERVER_URL=https://ghe.test", "GITHUB_RUN_ID=7", "GITHUB_RUN_ATTEMPT=1", "GITHUB_ACTOR=ada", "GITHUB_OUTPUT="+output)
	steps := func(commit string, end string) []string {
		return []string{"deployment " + commit + " staging", "queued", "in_progress", end}
	}
	told := func(want ...string) {
		t.Helper()
		if got := h.take(); !slices.Equal(got, want) {
			t.Errorf("told %q, want %q", got, want)
		}
	}
	first := w.release("v1.0.0")
	w.must(console.ExitOK, "promote", "-env", "staging", "-release", "v1.0.0")
	told(steps(first, "success")...)
	var result string
	content, err := os.ReadFile(output)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(content)) {
		if v, ok := strings.CutPrefix(line, "result="); ok {
			result = strings.TrimSpace(v)
		}
	}
	for range 2 {
		_, stderr := w.must(console.ExitOK, "annotate", "-release", "v1.0.0", "-result", result)
		mentions(t, stderr, "release: https://ghe.test/v1.0.0")
	}
	mentions(t, h.body, "Notes\n\n<!-- tfpipeline:deployed v1, platform: doc-platform, environment: staging -->\n**Deployed to `staging`** on ", " by `ada`, [run](https://ghe.test/o/r/actions/runs/7/attempts/1)", imageDigest("api", first))
	if n := strings.Count(h.body, "Deployed to"); n != 1 {
		t.Errorf("%d annotations:\n%s", n, h.body)
	}

	bad := w.release("v1.1.0")
	w.script.On(imageDigest("mcp", bad), ecstest.Behaviour{Exit: &ecstest.Exit{Code: 7}})
	_, stderr := w.must(console.ExitRolledBack, "promote", "-env", "staging", "-release", "v1.1.0", "-dossier", w.dossiers)
	told(steps(bad, "failure")...)
	if n := strings.Count(stderr, "\n::error::"); n != 1 {
		t.Errorf("%d annotations of the failure:\n%s", n, stderr)
	}

	// A token that may not deploy is warned of, once, and nothing else changes.
	second := w.release("v1.2.0")
	h.refuse = http.StatusForbidden
	_, stderr = w.must(console.ExitOK, "promote", "-env", "staging", "-release", "v1.2.0")
	if n := strings.Count(stderr, "warning: "); n != 1 || !strings.Contains(stderr, "look for the deployment of "+second) {
		t.Errorf("%d warnings:\n%s", n, stderr)
	}
	h.refuse = 0
	// One whose machine was lost is ended by the next run, under whatever release.
	h.deployments = append(h.deployments, map[string]any{
		"id": len(h.deployments) + 1, "ref": second, "environment": "staging", "state": "in_progress", "payload": map[string]string{"attempt": "20260101T000000Z-zzzzzz"},
	})
	w.must(console.ExitOK, "rollback", "-env", "staging")
	told(append(steps(first, "success"), "failure")...)
	w.must(console.ExitOK, "promote", "-env", "staging", "-release", "v1.2.0", "-force", "-dry-run")
	told()
	if len(h.locked) > 0 {
		t.Errorf("told under the lease: %v", h.locked)
	}
	if strings.Contains(stderr+h.body, "ghs_canary") {
		t.Error("the token is shown")
	}
}

// A run that is killed does not stay in progress on GitHub's page: settle tells
// how it ended, also if no webhook is there to be told, and tells it once.
func TestSettleTellsGitHubOfAKilledRun(t *testing.T) {
	t.Parallel()
	w := newPromotions(t)
	h := &hub{w: w}
	server := httptest.NewServer(h)
	defer server.Close()
	w.env = append(w.env, "GITHUB_ACTIONS=true", "GITHUB_API_URL="+server.URL+"/api/v3", "GITHUB_REPOSITORY=o/r", "GITHUB_TOKEN=ghs_canary0123456789")
	w.release("v1.0")
	w.must(console.ExitOK, "promote", "-env", "staging", "-release", "v1.0")
	h.take()
	killed, dead := w.release("v1.1"), time.Now().UTC().Format("20060102T150405Z")+"-zzzzzz"
	h.deployments = append(h.deployments, map[string]any{
		"id": 2, "ref": killed, "environment": "staging", "state": "in_progress", "payload": map[string]string{"attempt": dead, "platform": w.cloud.platform.Name},
	})
	died := func() {
		w.leaveDead(dead, killed)
		if err := os.WriteFile(filepath.Join(w.cache, "runs", dead+".json"), []byte(`{"Environment":"staging","Attempt":"`+dead+`"}`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range [][]string{{"failure"}, nil} {
		died()
		stdout, stderr := w.must(console.ExitOK, "settle", "-env", "staging")
		if told := h.take(); !slices.Equal(told, want) || strings.Contains(stderr, "warning") {
			t.Errorf("told %q, want %q\n%s%s", told, want, stdout, stderr)
		}
	}
	if n := len(h.deployments); n != 2 {
		t.Errorf("%d deployments", n)
	}
}
