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
			if (q.Get("sha") == "" || d["ref"] == q.Get("sha")) && d["environment"] == q.Get("environment") {
				list = append([]any{d}, list...)
			}
		}
		out = list
	case call == "POST /deployments":
		in["id"] = len(f.deployments) + 1
		f.deployments = append(f.deployments, in)
		w.WriteHeader(http.StatusCreated)
		out = in
	case strings.HasPrefix(call, "GET /deployments/"):
		list := []any{}
		for _, d := range f.deployments {
			if state, ok := d["state"]; ok && path == fmt.Sprintf("/deployments/%v/statuses", d["id"]) {
				list = append(list, map[string]any{"state": state})
			}
		}
		out = list
	case strings.HasSuffix(call, "/statuses"):
		for _, d := range f.deployments {
			if path == fmt.Sprintf("/deployments/%v/statuses", d["id"]) {
				d["state"] = in["state"]
			}
		}
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
	d := Deployment{Platform: "docs", Commit: "c0ffee", Environment: "production", Production: true, Description: "promote v1"}
	deploy := func(want int64, attempts ...string) {
		t.Helper()
		d.Attempts = attempts
		if id, err := c.Deploy(t.Context(), d); id != want || err != nil {
			t.Errorf("deployment %d, %v, want %d", id, err, want)
		}
	}
	set := func(id int64, states ...DeploymentState) {
		t.Helper()
		for _, s := range states {
			if err := c.SetDeployment(t.Context(), id, DeploymentStatus{State: s, LogURL: "https://run", EnvironmentURL: "https://site", Description: strings.Repeat("ü", 200)}); err != nil {
				t.Error(err)
			}
		}
	}
	deploy(1, "20261126T000000Z-aaaaaa", "")
	expect(t, "requests", []string{"GET /deployments", "POST /deployments"}, f.take())
	expect(t, "deployment", map[string]any{
		"id": 1, "ref": "c0ffee", "task": "deploy", "environment": "production", "description": "promote v1", "auto_merge": false, "required_contexts": []any{},
		"payload": map[string]any{"attempt": "20261126T000000Z-aaaaaa", "platform": "docs"}, "transient_environment": false, "production_environment": true,
	}, f.deployments[0])
	set(1, DeploymentQueued, DeploymentInProgress)
	f.take()
	deploy(1, "20261126T010000Z-bbbbbb", "20261126T000000Z-aaaaaa")
	expect(t, "requests", []string{"GET /deployments"}, f.take())
	// The third run of a chain knows only the second.
	deploy(1, "20261126T020000Z-cccccc", "20261126T010000Z-bbbbbb")
	expect(t, "requests", []string{"GET /deployments", "GET /deployments/1/statuses"}, f.take())
	// Another platform's of the same name is not touched.
	d.Platform = "wiki"
	deploy(2, "20261126T030000Z-dddddd", "")
	d.Platform = "docs"
	set(1, DeploymentFailure)
	deploy(1, "20261126T040000Z-eeeeee", "20261126T000000Z-aaaaaa")
	deploy(3, "20261126T050000Z-ffffff", "")
	f.statuses = nil
	set(3, DeploymentQueued, DeploymentInProgress, DeploymentSuccess, DeploymentFailure)
	expect(t, "statuses", []string{
		"3 queued inactive=true log=https://run url=https://site", "3 in_progress inactive=true log=https://run url=https://site",
		"3 success inactive=true log=https://run url=https://site", "3 failure inactive=true log=https://run url=https://site",
	}, f.statuses)
}

// UnfinishedDeployment finds the deployment of a dead run, or of the run that it
// continued, until that has an end. It creates none.
func TestUnfinishedDeployment(t *testing.T) {
	f, c := newForge(t)
	d := Deployment{Platform: "docs", Commit: "c0ffee", Environment: "production", Attempts: []string{"20261126T000000Z-aaaaaa", ""}}
	unfinished := func(want int64, attempts ...string) {
		t.Helper()
		d.Attempts = attempts
		if id, err := c.UnfinishedDeployment(t.Context(), d); id != want || err != nil {
			t.Errorf("%v: %d, %v, want %d", attempts, id, err, want)
		}
	}
	unfinished(0, "20261126T000000Z-aaaaaa", "")
	if _, err := c.Deploy(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	unfinished(1, "20261126T000000Z-aaaaaa", "") // it died before the first status
	unfinished(0, "20261125T000000Z-zzzzzz", "") // which is an earlier one
	for state, want := range map[DeploymentState]int64{DeploymentQueued: 1, DeploymentInProgress: 1, DeploymentSuccess: 0, DeploymentFailure: 0} {
		if err := c.SetDeployment(t.Context(), 1, DeploymentStatus{State: state}); err != nil {
			t.Fatal(err)
		}
		unfinished(want, "20261126T000000Z-aaaaaa", "")
		unfinished(want, "20261126T020000Z-cccccc", "20261126T010000Z-bbbbbb")
	}
	if len(f.deployments) != 1 {
		t.Errorf("%d deployments", len(f.deployments))
	}
}

// Runs that died with their machines leave deployments without an end. When the next
// run ends, it ends these too, back to the first that has an end. It leaves those of
// other platforms and of later attempts alone.
func TestEarlierDeploymentsEnd(t *testing.T) {
	f, c := newForge(t)
	begin := func(platform, commit, attempt string, states ...DeploymentState) int64 {
		t.Helper()
		d := Deployment{Platform: platform, Commit: commit, Environment: "production", Attempts: []string{attempt, ""}}
		id, err := c.Deploy(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range states {
			if err := c.SetDeployment(t.Context(), id, DeploymentStatus{State: s}); err != nil {
				t.Fatal(err)
			}
		}
		return id
	}
	begin("docs", "c0", "20261126T000000Z-aaaaaa", DeploymentInProgress) // before one that has an end
	begin("docs", "c1", "20261126T010000Z-bbbbbb", DeploymentInProgress, DeploymentSuccess)
	begin("docs", "c2", "20261126T020000Z-cccccc", DeploymentInProgress)
	begin("wiki", "c2", "20261126T030000Z-dddddd", DeploymentInProgress)
	begin("docs", "c3", "20261126T070000Z-eeeeee") // by a machine whose clock is ahead
	own := begin("docs", "c1", "20261126T050000Z-ffffff", DeploymentInProgress, DeploymentSuccess)
	begin("docs", "c4", "20261126T044500Z-gggggg", DeploymentInProgress) // by one that is behind
	for range 2 {                                                        // the second time there is nothing to do
		if err := c.EndEarlier(t.Context(), Deployment{Platform: "docs", Commit: "c1", Environment: "production", Attempts: []string{"20261126T050000Z-ffffff", ""}}, own); err != nil {
			t.Fatal(err)
		}
	}
	var states []any
	for _, d := range f.deployments {
		states = append(states, d["state"])
	}
	expect(t, "states", []any{"in_progress", "success", "failure", "in_progress", "failure", "success", "in_progress"}, states)
	expect(t, "statuses", 10, len(f.statuses))
}

// When GitHub refuses, deployments, issues and annotations fail within their time
// limit, and change nothing.
func TestForgeRefuses(t *testing.T) {
	const limit = "You have exceeded a secondary rate limit"
	issue := Issue{Marker: "<!-- m -->", Title: "Drift", Body: "<!-- m -->\nx", Subject: "x", Closed: "clean"}
	for name, call := range map[string]func(context.Context, *Client) error{
		"deployment": func(ctx context.Context, c *Client) error {
			_, err := c.Deploy(ctx, Deployment{Commit: "c", Environment: "e", Attempts: []string{"a"}})
			return err
		},
		"earlier": func(ctx context.Context, c *Client) error {
			return c.EndEarlier(ctx, Deployment{Environment: "e", Attempts: []string{"a"}}, 1)
		},
		"status": func(ctx context.Context, c *Client) error {
			return c.SetDeployment(ctx, 1, DeploymentStatus{State: DeploymentSuccess})
		},
		"issue": func(ctx context.Context, c *Client) error { _, err := c.OpenIssue(ctx, issue); return err },
		"clean": func(ctx context.Context, c *Client) error { _, err := c.CloseIssue(ctx, issue); return err },
		"annotation": func(ctx context.Context, c *Client) error {
			_, err := c.Annotate(ctx, "v1", "<!-- b -->", "<!-- e -->", "x")
			return err
		},
	} {
		for _, answer := range []struct {
			status         int
			message, after string
			want           Refusal
		}{
			{403, "Resource not accessible by integration", "", ReadOnly},
			{403, limit, "60", RateLimited},
			{403, limit, "", RateLimited},
			{502, "Server Error", "", ""},
			{502, "Server Error", "2", ""},
		} {
			t.Run(fmt.Sprint(name, answer), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f, c := newForge(t)
					f.refuse = func(call string) (int, string, string) {
						if call == "GET /user" {
							return 0, "", ""
						}
						return answer.status, answer.message, answer.after
					}
					ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
					defer cancel()
					began := time.Now()
					err := call(ctx, c)
					if elapsed := time.Since(began); elapsed > 10*time.Second {
						t.Errorf("it lasted %s", elapsed)
					}
					e, ok := errors.AsType[*Error](err)
					if !ok || e.Status != answer.status || e.Refusal() != answer.want || strings.Contains(err.Error(), token) {
						t.Errorf("error %v", err)
					}
				})
			})
		}
	}
}

// An issue and an annotation are written all the same once GitHub takes them.
func TestForgeRecovers(t *testing.T) {
	for _, answer := range []struct {
		status         int
		message, after string
	}{{403, "You have exceeded a secondary rate limit", "3"}, {429, "slow down", "1"}, {502, "Server Error", "2"}} {
		synctest.Test(t, func(t *testing.T) {
			f, c := newForge(t)
			f.release = map[string]any{"id": 9, "tag_name": "v1", "body": ""}
			refused := map[string]bool{"GET /user": true}
			f.refuse = func(call string) (int, string, string) {
				if refused[call] {
					return 0, "", ""
				}
				refused[call] = true
				return answer.status, answer.message, answer.after
			}
			if _, err := c.OpenIssue(t.Context(), Issue{Marker: "<!-- m -->", Title: "Drift", Body: "<!-- m -->\nx", Subject: "x"}); err != nil || len(f.issues) != 1 {
				t.Errorf("%d: %v, %d issues", answer.status, err, len(f.issues))
			}
			if _, err := c.Annotate(t.Context(), "v1", "<!-- b -->", "<!-- e -->", "x"); err != nil || f.release["body"] != "<!-- b -->\nx\n<!-- e -->\n" {
				t.Errorf("%d: %v, %q", answer.status, err, f.release["body"])
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
		f.comments = nil
		expect(t, "state", any("closed"), f.issues[1]["state"])
		<-time.After(31 * 24 * time.Hour)
		if address, err := c.OpenIssue(t.Context(), i); err != nil || address != "https://ghe.test/o/r/issues/3" {
			t.Errorf("after a month: %q, %v", address, err)
		}
		expect(t, "somebody else's", any(marker+"\nx"), f.issues[0]["body"])
		// Runs that did not see each other's issue have made two more.
		f.issue(workflowAuthor, "Drift", i.Body)
		f.issue(workflowAuthor, "Drift", i.Body)
		if address, err := c.OpenIssue(t.Context(), i); err != nil || address != "https://ghe.test/o/r/issues/3" {
			t.Errorf("the oldest of several: %q, %v", address, err)
		}
		expect(t, "states", []any{"open", "open", "closed", "closed"}, []any{f.issues[0]["state"], f.issues[2]["state"], f.issues[3]["state"], f.issues[4]["state"]})
		f.issue(workflowAuthor, "Drift", i.Body)
		clean("https://ghe.test/o/r/issues/3")
		expect(t, "states", []any{"open", "closed", "closed"}, []any{f.issues[0]["state"], f.issues[2]["state"], f.issues[5]["state"]})
		const same = "#3 says the same, and stays."
		expect(t, "comments", []string{"4: " + same, "5: " + same, "3: clean", "6: clean"}, f.comments)
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
