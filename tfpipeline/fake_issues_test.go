package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// fakeIssues are the issues of a repository on GitHub, for the scripts.
type fakeIssues struct {
	list     []map[string]any
	comments []string
	changes  int
	// disabled: the repository has no issues.
	disabled bool
}

func (f *fakeIssues) serve(w http.ResponseWriter, r *http.Request) {
	var in map[string]any
	body := whole(r)
	_ = json.Unmarshal(body, &in)
	var out any
	path := strings.TrimPrefix(r.URL.Path, "/repos/o/r")
	if r.Method != http.MethodGet {
		f.changes++
	}
	if answer, ok := fakeSettings[path]; ok {
		fmt.Fprint(w, answer)
		return
	}
	if strings.HasPrefix(path, "/forbidden/") { // unlike an unreachable one, it is asked a single time
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `{"message":"Resource not accessible by personal access token"}`)
		return
	}
	if f.disabled && strings.HasPrefix(path, "/issues") {
		w.WriteHeader(http.StatusGone)
		fmt.Fprint(w, `{"message":"Issues are disabled for this repo"}`)
		return
	}
	if !strings.HasPrefix(path, "/issues") && path != "/user" {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"message":"Not Found"}`)
		return
	}
	switch number, isComment := strings.CutSuffix(path, "/comments"); {
	case path == "/user":
		w.WriteHeader(http.StatusForbidden)
		out = map[string]any{"message": "Resource not accessible by integration"}
	case r.Method == http.MethodGet:
		found := []any{}
		for _, x := range f.list {
			if x["state"] == r.URL.Query().Get("state") {
				found = append(found, x)
			}
		}
		out = found
	case isComment:
		f.comments = append(f.comments, number+" "+in["body"].(string))
		out = in
	case path == "/issues":
		in["number"], in["state"], in["user"] = len(f.list)+1, "open", map[string]any{"login": "github-actions[bot]"}
		in["html_url"] = fmt.Sprintf("https://github.test/o/r/issues/%d", len(f.list)+1)
		f.list = append(f.list, in)
		out = in
	default:
		for _, x := range f.list {
			if path == fmt.Sprintf("/issues/%v", x["number"]) {
				for k, v := range in {
					x[k] = v
				}
				x["closed_at"] = time.Now().UTC().Format(time.RFC3339)
				out = x
			}
		}
	}
	_ = json.NewEncoder(w).Encode(out)
}

// fakeSettings are those of the repository: a part of what it needs.
var fakeSettings = map[string]string{
	"":                      `{"id":12,"owner":{"id":11},"private":true}`,
	"/environments/staging": `{"name":"staging","deployment_branch_policy":{"protected_branches":false,"custom_branch_policies":true}}`,
	"/environments/staging/deployment-branch-policies": `{"total_count":1,"branch_policies":[{"name":"*","type":"branch"}]}`,
	"/actions/secrets/NOTIFY_URL":                      `{"name":"NOTIFY_URL"}`,
	"/branches/main/protection":                        `{"required_status_checks":{"contexts":["checks"]}}`,
	"/rulesets":                                        `[{"id":1,"name":"releases","target":"tag","enforcement":"active"}]`,
	"/rulesets/1":                                      `{"id":1,"name":"releases","target":"tag","enforcement":"active","conditions":{"ref_name":{"include":["refs/tags/v*"],"exclude":[]}},"rules":[{"type":"creation"},{"type":"update"}]}`,
}

// cloudIssues compares the issues on GitHub: issues CHANGES [STATE TITLE]...,
// where CHANGES is how many requests have changed something since the last time; or
// disables them: issues disabled.
func cloudIssues(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: issues CHANGES [STATE TITLE]...")
	}
	cloud := ts.Value("cloud").(*fakeCloud)
	cloud.mu.Lock()
	defer cloud.mu.Unlock()
	if args[0] == "disabled" {
		cloud.issues.disabled = true
		return
	}
	got := []string{fmt.Sprint(cloud.issues.changes)}
	for _, x := range cloud.issues.list {
		got = append(got, fmt.Sprint(x["state"]), fmt.Sprint(x["title"]))
	}
	cloud.issues.changes = 0
	if strings.Join(got, "|") != strings.Join(args, "|") {
		ts.Fatalf("issues: %q, want %q; comments %q", got, args, cloud.issues.comments)
	}
}
