package github

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReleaseCommit(t *testing.T) {
	f, c := newFake(t)
	f.objects = map[string]string{
		"/git/ref/tags/light":     "commit c0",
		"/git/ref/tags/annotated": "tag t1",
		"/git/tags/t1":            "commit c1",
		"/git/ref/tags/nested/v1": "tag t2",
		"/git/tags/t2":            "tag t1",
		"/git/ref/tags/a b?":      "commit c3",
		"/git/ref/tags/tree":      "tree x",
		"/git/ref/tags/loop":      "tag l",
		"/git/tags/l":             "tag l",
	}
	for _, test := range []struct {
		tag, want, problem string
		calls              []string
	}{
		{"light", "c0", "", []string{"GET /git/ref/tags/light"}},
		{"annotated", "c1", "", []string{"GET /git/ref/tags/annotated", "GET /git/tags/t1"}},
		{"nested/v1", "c1", "", []string{"GET /git/ref/tags/nested/v1", "GET /git/tags/t2", "GET /git/tags/t1"}},
		{"a b?", "c3", "", []string{"GET /git/ref/tags/a%20b%3F"}},
		{"tree", "", "it points at a tree", []string{"GET /git/ref/tags/tree"}},
		{"none", "", "no such tag", []string{"GET /git/ref/tags/none"}},
		{"loop", "", "more than 10 tags", nil},
	} {
		got, err := c.ReleaseCommit(t.Context(), test.tag)
		calls := f.takeCalls()
		if test.calls != nil {
			expect(t, test.tag+": requests", test.calls, calls)
		}
		if got != test.want || (err == nil) != (test.problem == "") || err != nil && !strings.Contains(err.Error(), test.problem) {
			t.Errorf("%s: %q, %v", test.tag, got, err)
		}
		if test.tag == "none" && !errors.Is(err, ErrNoTag) {
			t.Errorf("%v is not ErrNoTag", err)
		}
	}
}

func TestReadWorkflow(t *testing.T) {
	event := func(content string) string {
		path := filepath.Join(t.TempDir(), "event.json")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, test := range []struct {
		name, event string
		want        Workflow
		missing     int
	}{
		{"own branch", `{"pull_request":{"number":7,"head":{"sha":"abc","repo":{"full_name":"O/r"}}}}`, Workflow{Pull: 7, Head: "abc"}, 0},
		{"fork", `{"pull_request":{"number":7,"head":{"sha":"abc","repo":{"full_name":"x/r"}}}}`, Workflow{Pull: 7, Head: "abc", Fork: true}, 0},
		{"deleted fork", `{"pull_request":{"number":7,"head":{"sha":"abc","repo":null}}}`, Workflow{Pull: 7, Head: "abc", Fork: true}, 0},
		{"comment", `{"issue":{"number":8,"pull_request":{}}}`, Workflow{Pull: 8}, 0},
		{"issue", `{"issue":{"number":8}}`, Workflow{}, 1},
		{"push", `{"ref":"refs/heads/main"}`, Workflow{}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			env := map[string]string{
				"GITHUB_TOKEN": token, "GITHUB_REPOSITORY": "o/r", "GITHUB_API_URL": "https://api.test",
				"GITHUB_EVENT_PATH": event(test.event), "GITHUB_STEP_SUMMARY": "/summary",
			}
			got, err := ReadWorkflow(func(k string) string { return env[k] })
			missing, _ := errors.AsType[*MissingError](err)
			if test.missing > 0 {
				if missing == nil || len(missing.Missing) != test.missing {
					t.Errorf("error %v", err)
				}
				return
			}
			test.want.API, test.want.Repository, test.want.Token, test.want.SummaryPath = "https://api.test", "o/r", token, "/summary"
			if err != nil {
				t.Fatal(err)
			}
			expect(t, "workflow", test.want, got)
		})
	}
	_, err := ReadWorkflow(func(string) string { return "" })
	missing, ok := errors.AsType[*MissingError](err)
	if !ok || len(missing.Missing) != 3 || !strings.Contains(err.Error(), "github.token") {
		t.Errorf("outside of a workflow: %v", err)
	}
}

func TestAppendSummary(t *testing.T) {
	path := filepath.Join(t.TempDir(), "summary.md")
	for _, text := range []string{"one\n", "two\n"} {
		if err := AppendSummary(path, text); err != nil {
			t.Fatal(err)
		}
	}
	room, err := SummaryRoom(path)
	if err != nil || room != SummaryLimit-8 {
		t.Errorf("room %d, %v", room, err)
	}
	if err := AppendSummary(path, strings.Repeat("x", room+1)); err == nil {
		t.Error("more than fits was written")
	}
	if err := AppendSummary(path, strings.Repeat("x", room)); err != nil {
		t.Error(err)
	}
	content, err := os.ReadFile(path)
	if err != nil || len(content) != SummaryLimit || !strings.HasPrefix(string(content), "one\ntwo\nxx") {
		t.Errorf("%d bytes, %v", len(content), err)
	}
}
