package accounttest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// issues are the issues of a repository on GitHub, for the scripts.
type issues struct {
	List     []map[string]any
	Comments []string
	Changes  int
	// Disabled: the repository has no issues.
	Disabled bool
}

func (f *issues) serve(w http.ResponseWriter, r *http.Request) {
	var in map[string]any
	body := Whole(r)
	_ = json.Unmarshal(body, &in)
	var out any
	path := strings.TrimPrefix(r.URL.Path, "/repos/o/r")
	if r.Method != http.MethodGet {
		f.Changes++
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
	if f.Disabled && strings.HasPrefix(path, "/issues") {
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
		for _, x := range f.List {
			if x["state"] == r.URL.Query().Get("state") {
				found = append(found, x)
			}
		}
		out = found
	case isComment:
		f.Comments = append(f.Comments, number+" "+in["body"].(string))
		out = in
	case path == "/issues":
		in["number"], in["state"], in["user"] = len(f.List)+1, "open", map[string]any{"login": "github-actions[bot]"}
		in["html_url"] = fmt.Sprintf("https://github.test/o/r/issues/%d", len(f.List)+1)
		f.List = append(f.List, in)
		out = in
	default:
		for _, x := range f.List {
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
