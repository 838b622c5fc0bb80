package github

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// forge is a GitHub Enterprise Server with deployments, issues and releases.
type forge struct {
	t           *testing.T
	deployments []map[string]any
	statuses    []string
	issues      []map[string]any
	comments    []string
	release     map[string]any
	calls       []string
	// refuse answers a call instead, if it returns a status.
	refuse func(call string) (status int, message, after string)
}

func newForge(t *testing.T) (*forge, *Client) {
	f := &forge{t: t}
	return f, newClient("http://ghe.test/api/v3", "o/r", token, f)
}

func (f *forge) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	var in map[string]any
	if r.Body != nil {
		body, _ := io.ReadAll(r.Body)
		if len(body) > 0 && json.Unmarshal(body, &in) != nil {
			f.t.Errorf("body %q", body)
		}
	}
	path, ok := strings.CutPrefix(r.URL.Path, "/api/v3")
	if !ok {
		f.t.Errorf("%s is not below the address of the API", r.URL)
	}
	path = strings.TrimPrefix(path, "/repos/o/r")
	call := r.Method + " " + path
	f.calls = append(f.calls, call)
	if f.refuse != nil {
		if status, message, after := f.refuse(call); status != 0 {
			if after != "" {
				w.Header().Set("Retry-After", after)
			}
			w.WriteHeader(status)
			fmt.Fprintf(w, `{"message":%q}`, message)
			return f.response(w, r), nil
		}
	}
	var out any
	switch q := r.URL.Query(); {
	case call == "GET /user":
		w.WriteHeader(http.StatusForbidden)
		out = map[string]any{"message": "Resource not accessible by integration"}
	case call == "GET /deployments":
		list := []any{}
		for _, d := range f.deployments {
			if d["ref"] == q.Get("sha") && d["environment"] == q.Get("environment") {
				list = append(list, d)
			}
		}
		out = list
	case call == "POST /deployments":
		in["id"] = len(f.deployments) + 1
		f.deployments = append(f.deployments, in)
		w.WriteHeader(http.StatusCreated)
		out = in
	case strings.HasSuffix(call, "/statuses"):
		f.statuses = append(f.statuses, fmt.Sprintf("%s %v inactive=%v log=%v url=%v", strings.Split(path, "/")[2], in["state"], in["auto_inactive"], in["log_url"], in["environment_url"]))
		w.WriteHeader(http.StatusCreated)
		out = in
	case call == "GET /issues":
		list := []any{}
		for _, x := range f.issues {
			if x["state"] == q.Get("state") {
				list = append(list, x)
			}
		}
		out = list
	case call == "POST /issues":
		out = f.issue(workflowAuthor, in["title"], in["body"])
		w.WriteHeader(http.StatusCreated)
	case strings.HasSuffix(call, "/comments"):
		f.comments = append(f.comments, strings.Split(path, "/")[2]+": "+in["body"].(string))
		w.WriteHeader(http.StatusCreated)
		out = in
	case strings.HasPrefix(call, "PATCH /issues/"):
		for _, x := range f.issues {
			if fmt.Sprintf("/issues/%v", x["number"]) != path {
				continue
			}
			for k, v := range in {
				x[k] = v
			}
			if in["state"] == "closed" {
				x["closed_at"] = time.Now().UTC().Format(time.RFC3339)
			}
			out = x
		}
	case call == "GET /releases/tags/v1" && f.release != nil:
		out = f.release
	case call == "PATCH /releases/9":
		f.release["body"] = in["body"]
		out = f.release
	default:
		w.WriteHeader(http.StatusNotFound)
		out = map[string]any{"message": "Not Found"}
	}
	_ = json.NewEncoder(w).Encode(out)
	return f.response(w, r), nil
}

func (f *forge) response(w *httptest.ResponseRecorder, r *http.Request) *http.Response {
	response := w.Result()
	response.Request = r
	return response
}

func (f *forge) issue(login string, title, body any) map[string]any {
	n := len(f.issues) + 1
	x := map[string]any{"number": n, "state": "open", "title": title, "body": body, "user": map[string]any{"login": login}, "html_url": fmt.Sprintf("https://ghe.test/o/r/issues/%d", n)}
	f.issues = append(f.issues, x)
	return x
}

func (f *forge) take() []string {
	calls := f.calls
	f.calls = nil
	return calls
}

// A deployment is the release's; whoever continues an attempt continues its
// deployment.
func TestDeployments(t *testing.T) {
	f, c := newForge(t)
	d := Deployment{Commit: "c0ffee", Environment: "production", Production: true, Description: "promote v1", Attempts: []string{"20261126T000000Z-aaaaaa", ""}}
	for _, attempts := range [][]string{{"20261126T000000Z-aaaaaa", ""}, {"20261126T010000Z-bbbbbb", "20261126T000000Z-aaaaaa"}} {
		d.Attempts = attempts
		if id, err := c.Deploy(t.Context(), d); id != 1 || err != nil {
			t.Errorf("%d, %v", id, err)
		}
	}
	expect(t, "requests", []string{"GET /deployments", "POST /deployments", "GET /deployments"}, f.take())
	expect(t, "deployment", map[string]any{
		"id": 1, "ref": "c0ffee", "task": "deploy", "environment": "production", "description": "promote v1", "auto_merge": false, "required_contexts": []any{},
		"payload": map[string]any{"attempt": "20261126T000000Z-aaaaaa"}, "transient_environment": false, "production_environment": true,
	}, f.deployments[0])
	d.Attempts = []string{"20261126T020000Z-cccccc", ""}
	if id, err := c.Deploy(t.Context(), d); id != 2 || err != nil {
		t.Errorf("another attempt: %d, %v", id, err)
	}
	for _, s := range []DeploymentState{DeploymentQueued, DeploymentInProgress, DeploymentSuccess, DeploymentFailure} {
		if err := c.SetDeployment(t.Context(), 2, DeploymentStatus{State: s, LogURL: "https://run", EnvironmentURL: "https://site", Description: strings.Repeat("ü", 200)}); err != nil {
			t.Error(err)
		}
	}
	expect(t, "statuses", []string{
		"2 queued inactive=true log=https://run url=https://site", "2 in_progress inactive=true log=https://run url=https://site",
		"2 success inactive=true log=https://run url=https://site", "2 failure inactive=true log=https://run url=https://site",
	}, f.statuses)
}

// What GitHub refuses is an error within the time that there is.
func TestDeploymentsAreRefused(t *testing.T) {
	for _, test := range []struct {
		status         int
		message, after string
		took           time.Duration
	}{
		{403, "Resource not accessible by integration", "", 0},
		{403, "You have exceeded a secondary rate limit", "60", 0},
		{403, "You have exceeded a secondary rate limit", "", 0},
		{502, "Server Error", "", 10 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			f, c := newForge(t)
			f.refuse = func(string) (int, string, string) { return test.status, test.message, test.after }
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			began := time.Now()
			if _, err := c.Deploy(ctx, Deployment{Commit: "c", Environment: "e", Attempts: []string{"a"}}); err == nil {
				t.Error("no error")
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("%d %s %q: %s", test.status, test.message, test.after, took)
			}
		})
	}
}

// The life of an issue: opened, left alone, rewritten, commented when its subject
// changes, opened again, closed; and never a second one.
func TestIssues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, c := newForge(t)
		const marker = "<!-- drift of production -->"
		f.issue("mallory", "not ours", marker+"\nx")
		i := Issue{Marker: marker, Title: "Drift", Changed: "changed", Reopened: "reopened", Closed: "clean"}
		say := func(subject, rest string) Issue {
			i.Subject, i.Body = subject, marker+"\n"+subject+"\n"+rest
			return i
		}
		open := func(i Issue) {
			t.Helper()
			if address, err := c.OpenIssue(t.Context(), i); err != nil || address != "https://ghe.test/o/r/issues/2" {
				t.Fatalf("%q, %v", address, err)
			}
		}
		clean := func(want string) {
			t.Helper()
			if address, err := c.CloseIssue(t.Context(), i); err != nil || address != want {
				t.Fatalf("%q, %v", address, err)
			}
		}
		clean("")
		f.take()
		open(say("<!-- a -->", "one"))
		expect(t, "opened", []string{"GET /issues", "GET /issues", "POST /issues"}, f.take())
		open(say("<!-- a -->", "one"))
		expect(t, "said already", []string{"GET /issues"}, f.take())
		open(say("<!-- a -->", "other values"))
		expect(t, "the same addresses", []string{"GET /issues", "PATCH /issues/2"}, f.take())
		open(say("<!-- b -->", "more"))
		expect(t, "other addresses", []string{"GET /issues", "PATCH /issues/2", "POST /issues/2/comments"}, f.take())
		f.issues[1]["state"], f.issues[1]["closed_at"] = "closed", time.Now().UTC().Format(time.RFC3339)
		<-time.After(24 * time.Hour)
		open(say("<!-- b -->", "more"))
		clean("https://ghe.test/o/r/issues/2")
		clean("")
		expect(t, "comments", []string{"2: changed", "2: reopened", "2: clean"}, f.comments)
		expect(t, "state", any("closed"), f.issues[1]["state"])
		<-time.After(31 * 24 * time.Hour)
		if address, err := c.OpenIssue(t.Context(), i); err != nil || address != "https://ghe.test/o/r/issues/3" {
			t.Errorf("after a month: %q, %v", address, err)
		}
		expect(t, "somebody else's", any(marker+"\nx"), f.issues[0]["body"])
	})
}

// The answer to the creation was lost: the issue is found, not made again.
func TestIssueWithoutAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, c := newForge(t)
		f.refuse = func(call string) (int, string, string) {
			if call != "POST /issues" {
				return 0, "", ""
			}
			f.issue(workflowAuthor, "Drift", "<!-- m -->\nx")
			return 502, "Server Error", ""
		}
		address, err := c.OpenIssue(t.Context(), Issue{Marker: "<!-- m -->", Title: "Drift", Body: "<!-- m -->\nx", Subject: "x"})
		if err != nil || address != "https://ghe.test/o/r/issues/1" || len(f.issues) != 1 {
			t.Errorf("%q, %v, %d issues", address, err, len(f.issues))
		}
	})
}

// A release keeps its own text, and a second annotation replaces the first.
func TestAnnotate(t *testing.T) {
	f, c := newForge(t)
	f.release = map[string]any{"id": 9, "tag_name": "v1", "body": "Notes\r\n\r\nby hand\r\n", "html_url": "https://ghe.test/o/r/releases/v1"}
	for _, step := range []struct {
		text, want string
		calls      int
	}{
		{"one", "Notes\r\n\r\nby hand\n\n<!-- b -->\none\n<!-- e -->\n", 2},
		{"one", "Notes\r\n\r\nby hand\n\n<!-- b -->\none\n<!-- e -->\n", 1},
		{"two", "Notes\r\n\r\nby hand\n\n<!-- b -->\ntwo\n<!-- e -->\n", 2},
	} {
		if address, err := c.Annotate(t.Context(), "v1", "<!-- b -->", "<!-- e -->", step.text); err != nil || address != "https://ghe.test/o/r/releases/v1" {
			t.Errorf("%q, %v", address, err)
		}
		expect(t, "text", any(step.want), f.release["body"])
		expect(t, "requests", step.calls, len(f.take()))
	}
	f.release["body"] = "<!-- b -->\nold\n<!-- e -->\nafter"
	if _, err := c.Annotate(t.Context(), "v1", "<!-- b -->", "<!-- e -->", "new"); err != nil {
		t.Error(err)
	}
	expect(t, "in its place", any("<!-- b -->\nnew\n<!-- e -->\nafter"), f.release["body"])
	if _, err := c.Annotate(t.Context(), "v2", "<!-- b -->", "<!-- e -->", "x"); !errors.Is(err, ErrNoRelease) {
		t.Errorf("no release: %v", err)
	}
}
