package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	marker = "<!-- marker -->"
	list1  = "GET /issues/7/comments?page=1&per_page=100"
	post   = "POST /issues/7/comments"
)

// inVirtualTime runs a part of a test in which waiting takes no time.
func inVirtualTime(t *testing.T, name string, f func(*testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

func expect(t *testing.T, what string, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

// The first run creates the comment, the second leaves it, a third changes it.
func TestUpsert(t *testing.T) {
	f, c := newFake(t)
	f.add("somebody", "hello")
	f.add("mallory", marker+"\nnot ours")
	for _, step := range []struct {
		body  string
		calls []string
	}{
		{marker + "\none", []string{"GET /user", list1, post, list1}},
		{marker + "\none", []string{list1}}, // it knows who it is by now
		{marker + "\ntwo", []string{list1, "PATCH /issues/comments/3"}},
	} {
		url, err := c.Upsert(t.Context(), 7, marker, step.body, nil)
		if err != nil {
			t.Fatal(err)
		}
		expect(t, "address", "https://github.test/o/r/pull/7#c3", url)
		expect(t, "requests", step.calls, f.takeCalls())
		expect(t, "our comment", step.body, f.comments[2].Body)
	}
	expect(t, "comments", 3, len(f.comments))
	expect(t, "somebody else's", marker+"\nnot ours", f.comments[1].Body)
}

// GitHub gives a hundred at a time.
func TestUpsertLooksAtAllPages(t *testing.T) {
	f, c := newFake(t)
	for i := range 200 {
		f.add("somebody", fmt.Sprint(i))
	}
	f.add(workflowAuthor, marker+"\nold")
	if _, err := c.Upsert(t.Context(), 7, marker, marker+"\nnew", nil); err != nil {
		t.Fatal(err)
	}
	page := func(n int) string { return fmt.Sprintf("GET /issues/7/comments?page=%d&per_page=100", n) }
	expect(t, "requests", []string{"GET /user", page(1), page(2), page(3), "PATCH /issues/comments/201"}, f.takeCalls())
}

// Runs that met have each created one: the oldest stays.
func TestUpsertLeavesOne(t *testing.T) {
	f, c := newFake(t)
	for range 3 {
		f.add(workflowAuthor, marker+"\nold")
	}
	if _, err := c.Upsert(t.Context(), 7, marker, marker+"\nnew", nil); err != nil {
		t.Fatal(err)
	}
	expect(t, "requests", []string{"GET /user", list1, "PATCH /issues/comments/1", "DELETE /issues/comments/2", "DELETE /issues/comments/3"}, f.takeCalls())
	expect(t, "comments", 1, len(f.comments))
}

// Another run created its comment between our look and our creation.
func TestUpsertMeetsAnotherRun(t *testing.T) {
	f, c := newFake(t)
	f.before = func(call string, _ http.ResponseWriter) bool {
		if call == post {
			f.add(workflowAuthor, marker+"\ntheirs")
			f.before = nil
		}
		return false
	}
	if _, err := c.Upsert(t.Context(), 7, marker, marker+"\nours", nil); err != nil {
		t.Fatal(err)
	}
	expect(t, "requests", []string{"GET /user", list1, post, list1, "PATCH /issues/comments/1", "DELETE /issues/comments/2"}, f.takeCalls())
	expect(t, "comments", []string{marker + "\nours"}, []string{f.comments[0].Body})
}

// A personal token may ask who it is; an app's may not, and learns it from its
// first comment, so that its second run does not leave two.
func TestUpsertKnowsItsAuthor(t *testing.T) {
	inVirtualTime(t, "person", func(t *testing.T) {
		f, c := newFake(t)
		f.me, f.personal = "ada", true
		f.add("Ada", marker+"\nold")
		if _, err := c.Upsert(t.Context(), 7, marker, marker+"\nnew", nil); err != nil {
			t.Fatal(err)
		}
		expect(t, "requests", []string{"GET /user", list1, "PATCH /issues/comments/1"}, f.takeCalls())
	})
	inVirtualTime(t, "app", func(t *testing.T) {
		f, c := newFake(t)
		f.me = "our-app[bot]"
		f.add("our-app[bot]", marker+"\nold")
		if _, err := c.Upsert(t.Context(), 7, marker, marker+"\nnew", nil); err != nil {
			t.Fatal(err)
		}
		expect(t, "comments", []comment{{1, f.comments[0].URL, marker + "\nnew", user{"our-app[bot]"}}}, f.comments)
	})
}

// failing answers the first n requests that begin with call.
func failing(n int, call string, answer func(http.ResponseWriter)) func(string, http.ResponseWriter) bool {
	return func(got string, w http.ResponseWriter) bool {
		if n == 0 || !strings.HasPrefix(got, call) {
			return false
		}
		n--
		answer(w)
		return true
	}
}

func TestRetry(t *testing.T) {
	secondary := func(w http.ResponseWriter) {
		w.Header().Set("Retry-After", "7")
		refuse(w, http.StatusForbidden, "You have exceeded a secondary rate limit")
	}
	for _, test := range []struct {
		name   string
		before func(string, http.ResponseWriter) bool
		waits  []time.Duration
		posts  int
	}{
		{"reads after 502", failing(2, "GET /issues", func(w http.ResponseWriter) { refuse(w, 502, "Server Error") }), []time.Duration{time.Second, 2 * time.Second}, 1},
		{"limit with its wait", failing(1, post, secondary), []time.Duration{7 * time.Second}, 2},
		{"limit without", failing(1, post, func(w http.ResponseWriter) { refuse(w, 403, "You have exceeded a secondary rate limit") }), []time.Duration{time.Minute}, 2},
		{"429", failing(1, "GET /user", func(w http.ResponseWriter) { w.Header().Set("Retry-After", "2"); refuse(w, 429, "slow down") }), []time.Duration{2 * time.Second}, 1},
		{"creation that failed", failing(1, post, func(w http.ResponseWriter) { refuse(w, 500, "oops") }), []time.Duration{time.Second}, 2},
	} {
		inVirtualTime(t, test.name, func(t *testing.T) {
			f, c := newFake(t)
			f.before = test.before
			if _, err := c.Upsert(t.Context(), 7, marker, marker, nil); err != nil {
				t.Fatal(err)
			}
			expect(t, "waits", test.waits, f.waits)
			expect(t, "comments", 1, len(f.comments))
			expect(t, "creations", test.posts, strings.Count(strings.Join(f.calls, "\n"), post))
		})
	}
}

// The answer to a creation was lost: the comment is found, not made again.
func TestCreationWithoutAnswer(t *testing.T) { synctest.Test(t, creationWithoutAnswer) }

func creationWithoutAnswer(t *testing.T) {
	f, c := newFake(t)
	f.before = func(call string, w http.ResponseWriter) bool {
		if call != post {
			return false
		}
		f.add(workflowAuthor, marker)
		refuse(w, http.StatusBadGateway, "Server Error")
		return true
	}
	if _, err := c.Upsert(t.Context(), 7, marker, marker, nil); err != nil {
		t.Fatal(err)
	}
	expect(t, "requests", []string{"GET /user", list1, post, list1}, f.takeCalls())
	expect(t, "comments", 1, len(f.comments))
}

// An error keeps GitHub's words and the request, and never the token.
func TestErrors(t *testing.T) {
	for _, test := range []struct {
		name   string
		answer func(http.ResponseWriter)
		want   string
	}{
		{"refused", func(w http.ResponseWriter) { refuse(w, 403, "Resource not accessible by integration") },
			"comment on #7: github: POST /issues/7/comments: 403 Forbidden: Resource not accessible by integration (request AB:12)"},
		{"validation", func(w http.ResponseWriter) {
			w.WriteHeader(422)
			fmt.Fprintf(w, `{"message":"Validation Failed","errors":[{"code":"custom","message":"body is too long; you sent %s"}]}`, token)
		}, `comment on #7: github: POST /issues/7/comments: 422 Unprocessable Entity: Validation Failed; {"code":"custom","message":"body is too long; you sent ***"}`},
		{"limit of an hour", func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", "3600")
			refuse(w, 403, "API rate limit exceeded")
		}, "comment on #7: github: POST /issues/7/comments: 403 Forbidden: API rate limit exceeded (request AB:12)"},
		{"no JSON", func(w http.ResponseWriter) { w.WriteHeader(400); fmt.Fprint(w, "<html>bad</html>") },
			"comment on #7: github: POST /issues/7/comments: 400 Bad Request: <html>bad</html>"},
	} {
		inVirtualTime(t, test.name, func(t *testing.T) {
			f, c := newFake(t)
			f.before = failing(99, post, test.answer)
			_, err := c.Upsert(t.Context(), 7, marker, marker, nil)
			if err == nil {
				t.Fatal("no error")
			}
			expect(t, "error", test.want, err.Error())
			expect(t, "waits", 0, len(f.waits))
		})
	}
	inVirtualTime(t, "for good", func(t *testing.T) {
		f, c := newFake(t)
		f.before = failing(99, "GET /issues", func(w http.ResponseWriter) { refuse(w, 503, "Unavailable") })
		if _, err := c.Upsert(t.Context(), 7, marker, marker, nil); status(err) != 503 {
			t.Errorf("error %v", err)
		}
		expect(t, "requests", 1+mostAttempts, len(f.calls))
	})
	inVirtualTime(t, "interrupted", func(t *testing.T) {
		f, c := newFake(t)
		cause := errors.New("stopped by hand")
		ctx, cancel := context.WithCancelCause(t.Context())
		f.before = failing(99, "GET /issues", func(w http.ResponseWriter) { cancel(cause); refuse(w, 503, "Unavailable") })
		if _, err := c.Upsert(ctx, 7, marker, marker, nil); err == nil {
			t.Error("no error")
		}
		expect(t, "requests", 2, len(f.calls))
	})
	inVirtualTime(t, "nobody there", func(t *testing.T) {
		f, c := newFake(t)
		f.lost = errors.New("connection refused for " + token)
		if _, err := c.Upsert(t.Context(), 7, marker, marker, nil); err == nil || strings.Contains(err.Error(), token) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("no address", func(t *testing.T) {
		_, err := New("http://[", "o/r", token).Upsert(t.Context(), 7, marker, marker, nil)
		if err == nil || !strings.Contains(err.Error(), "read the address of the API") {
			t.Errorf("error %v", err)
		}
	})
	inVirtualTime(t, "no marker", func(t *testing.T) {
		f, c := newFake(t)
		if _, err := c.Upsert(t.Context(), 7, marker, "text", nil); err == nil || len(f.calls) > 0 {
			t.Errorf("error %v, requests %v", err, f.calls)
		}
	})
}

// Somebody removed our comment between the look and the change.
func TestUpsertMakesAVanishedCommentAnew(t *testing.T) {
	f, c := newFake(t)
	f.add(workflowAuthor, marker+"\nold")
	f.before = func(call string, _ http.ResponseWriter) bool {
		if strings.HasPrefix(call, "PATCH") && len(f.comments) == 1 && f.comments[0].ID == 1 {
			f.comments = nil
		}
		return false
	}
	url, err := c.Upsert(t.Context(), 7, marker, marker+"\nnew", nil)
	if err != nil || url != "https://github.test/o/r/pull/7#c2" {
		t.Errorf("%q, %v", url, err)
	}
	expect(t, "requests", []string{"GET /user", list1, "PATCH /issues/comments/1", list1, post, list1}, f.takeCalls())
	expect(t, "comments", 1, len(f.comments))
}

// A comment on something newer stays as it is.
func TestUpsertLeavesANewerComment(t *testing.T) {
	f, c := newFake(t)
	f.add(workflowAuthor, marker+"\nnew")
	_, err := c.Upsert(t.Context(), 7, marker, marker+"\nold", func(than string) bool { return strings.HasSuffix(than, "new") })
	if !errors.Is(err, ErrNewer) || f.comments[0].Body != marker+"\nnew" {
		t.Errorf("%v, %q", err, f.comments[0].Body)
	}
	expect(t, "requests", []string{"GET /user", list1}, f.takeCalls())
}

// What GitHub refuses is told apart, since each has another next step.
func TestRefusals(t *testing.T) {
	for _, test := range []struct {
		status  int
		message string
		want    Refusal
	}{
		{403, "You have exceeded a secondary rate limit", RateLimited},
		{429, "slow down", RateLimited},
		{403, "API rate limit exceeded for installation", RateLimited},
		{403, "Unable to create comment because issue is locked.", Locked},
		{403, "Resource not accessible by integration", ReadOnly},
		{403, "Resource not accessible by personal access token", ReadOnly},
		{403, "Resource protected by organization SAML enforcement.", Forbidden},
		{401, "Bad credentials", BadToken},
		{404, "Not Found", ""},
		{502, "Server Error", ""},
	} {
		inVirtualTime(t, test.message, func(t *testing.T) {
			f, c := newFake(t)
			f.before = failing(99, post, func(w http.ResponseWriter) { refuse(w, test.status, test.message) })
			_, err := c.Upsert(t.Context(), 7, marker, marker, nil)
			e, ok := errors.AsType[*Error](err)
			if !ok || e.Refusal() != test.want {
				t.Errorf("%v", err)
			}
		})
	}
}
