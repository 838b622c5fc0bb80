package github

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const token = "ghs_canary0123456789"

// comment is a comment as GitHub's API shows it.
type comment struct {
	ID   int64  `json:"id"`
	URL  string `json:"html_url"`
	Body string `json:"body"`
	User user   `json:"user"`
}

type user struct {
	Login string `json:"login"`
}

// fake is a GitHub with the comments of pull request 7 and some tags.
type fake struct {
	t  *testing.T
	mu sync.Mutex
	// me is who a token comments as; personal tokens may ask.
	me       string
	personal bool
	comments []comment
	nextID   int64
	objects  map[string]string
	calls    []string
	// before answers a request instead of the fake, if it returns true.
	before func(call string, w http.ResponseWriter) bool
	// waits are the times between two requests, where they are not zero.
	waits []time.Duration
	last  time.Time
	// lost is why no answer comes.
	lost error
}

// newFake returns a GitHub and a client of it. They are joined in memory, so
// that tests can run on virtual time.
func newFake(t *testing.T) (*fake, *Client) {
	f := &fake{t: t, me: workflowAuthor, nextID: 1, objects: map[string]string{}, last: time.Now()}
	return f, newClient("http://github.test/", "o/r", token, f)
}

// RoundTrip answers a request and notes how long it was in coming.
func (f *fake) RoundTrip(r *http.Request) (*http.Response, error) {
	if waited := time.Since(f.last); waited > 0 {
		f.waits = append(f.waits, waited)
	}
	f.last = time.Now()
	if f.lost != nil {
		return nil, f.lost
	}
	answer := httptest.NewRecorder()
	f.ServeHTTP(answer, r)
	response := answer.Result()
	response.Request = r
	return response, nil
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
	}
	call := r.Method + " " + strings.TrimPrefix(r.URL.EscapedPath(), "/repos/o/r")
	if r.URL.RawQuery != "" {
		call += "?" + r.URL.RawQuery
	}
	f.calls = append(f.calls, call)
	for name, want := range map[string]string{
		"Authorization":        "Bearer " + token,
		"X-GitHub-Api-Version": "2022-11-28", "User-Agent": "tfpipeline",
	} {
		if got := r.Header.Get(name); got != want {
			f.t.Errorf("%s: header %s is %q, want %q", call, name, got, want)
		}
	}
	if f.before != nil && f.before(call, w) {
		return
	}
	var in struct{ Body string }
	if len(body) > 0 {
		if r.Header.Get("Content-Type") != "application/json" || json.Unmarshal(body, &in) != nil {
			f.t.Errorf("%s: body %q", call, body)
		}
	}
	path, query := strings.TrimPrefix(r.URL.Path, "/repos/o/r"), r.URL.Query()
	switch {
	case r.Method == http.MethodGet && path == "/user":
		if !f.personal {
			refuse(w, http.StatusForbidden, "Resource not accessible by integration")
			return
		}
		f.answer(w, 200, user{f.me})
	case r.Method == http.MethodGet && path == "/issues/7/comments":
		per, _ := strconv.Atoi(query.Get("per_page"))
		page, _ := strconv.Atoi(query.Get("page"))
		from := min((page-1)*per, len(f.comments))
		f.answer(w, 200, append([]comment{}, f.comments[from:min(from+per, len(f.comments))]...))
	case r.Method == http.MethodPost && path == "/issues/7/comments":
		f.answer(w, 201, f.add(f.me, in.Body))
	case r.Method == http.MethodPatch, r.Method == http.MethodDelete:
		for i, x := range f.comments {
			if path != fmt.Sprintf("/issues/comments/%d", x.ID) {
				continue
			}
			if r.Method == http.MethodDelete {
				f.comments = append(f.comments[:i], f.comments[i+1:]...)
				w.WriteHeader(http.StatusNoContent)
				return
			}
			f.comments[i].Body = in.Body
			f.answer(w, 200, f.comments[i])
			return
		}
		refuse(w, http.StatusNotFound, "Not Found")
	case r.Method == http.MethodGet && f.objects[path] != "":
		kind, sha, _ := strings.Cut(f.objects[path], " ")
		f.answer(w, 200, map[string]any{"object": map[string]string{"type": kind, "sha": sha}})
	default:
		refuse(w, http.StatusNotFound, "Not Found")
	}
}

func (f *fake) add(login, body string) comment {
	c := comment{ID: f.nextID, URL: fmt.Sprintf("https://github.test/o/r/pull/7#c%d", f.nextID), Body: body, User: user{login}}
	f.nextID++
	f.comments = append(f.comments, c)
	return c
}

func (f *fake) answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(v); err != nil {
		f.t.Error(err)
	}
}

func refuse(w http.ResponseWriter, status int, message string) {
	w.Header().Set("X-GitHub-Request-Id", "AB:12")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"message":%q,"documentation_url":"https://docs.github.com"}`, message)
}

// takeCalls returns the requests since the last time.
func (f *fake) takeCalls() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	calls := f.calls
	f.calls = nil
	return calls
}
