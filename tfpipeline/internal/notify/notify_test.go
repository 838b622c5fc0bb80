package notify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

const canary = "T0CANARY/secret"

// receiver answers with what is prepared, in order; then 200.
type receiver struct {
	answers []func() (*http.Response, error)
	bodies  []string
}

func (r *receiver) RoundTrip(req *http.Request) (*http.Response, error) {
	body, _ := io.ReadAll(req.Body)
	r.bodies = append(r.bodies, req.Method+" "+req.Header.Get("Content-Type")+" "+string(body))
	if len(r.answers) == 0 {
		return status(200, "ok")()
	}
	next := r.answers[0]
	r.answers = r.answers[1:]
	return next()
}

func status(code int, body string, header ...string) func() (*http.Response, error) {
	return func() (*http.Response, error) {
		h := http.Header{}
		for i := 0; i < len(header); i += 2 {
			h.Set(header[i], header[i+1])
		}
		return &http.Response{StatusCode: code, Header: h, Body: io.NopCloser(strings.NewReader(body))}, nil
	}
}

func dropped() (*http.Response, error) { return nil, errors.New("connection reset by peer") }

func webhook(t *testing.T, address string, r *receiver) *Webhook {
	t.Helper()
	w, err := New(address, r)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestPost(t *testing.T) {
	for address, want := range map[string]string{
		"https://hooks.slack.com/services/" + canary:            `POST application/json {"text":"\u0026lt;!channel\u0026gt; v1 \u0026amp; v2"}`,
		"https://discord.com/api/webhooks/" + canary:            `POST application/json {"allowed_mentions":{"parse":[]},"content":"\u003c!channel\u003e v1 \u0026 v2"}`,
		"https://discord.com/api/webhooks/" + canary + "/slack": `POST application/json {"text":"\u0026lt;!channel\u0026gt; v1 \u0026amp; v2"}`,
		"http://127.0.0.1:8080/":                                `POST application/json {"text":"\u0026lt;!channel\u0026gt; v1 \u0026amp; v2"}`,
	} {
		r := &receiver{}
		if err := webhook(t, address, r).Post(t.Context(), "<!channel> v1 & v2"); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff([]string{want}, r.bodies); d != "" {
			t.Errorf("%s (-want +got):\n%s", address, d)
		}
	}
}

func TestLongMessageIsCut(t *testing.T) {
	r := &receiver{}
	if err := webhook(t, "https://discord.com/x", r).Post(t.Context(), strings.Repeat("ä", 3000)); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(r.bodies[0], "ä"); n != 1999 || !strings.Contains(r.bodies[0], "…") {
		t.Errorf("%d characters", n)
	}
}

func TestPostRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{answers: []func() (*http.Response, error){dropped, status(429, "slow", "Retry-After", "3"), status(503, "")}}
		begin := time.Now()
		if err := webhook(t, "https://example.com/"+canary, r).Post(t.Context(), "hello"); err != nil {
			t.Fatal(err)
		}
		if elapsed := time.Since(begin); len(r.bodies) != 4 || elapsed < 3*time.Second || elapsed > within {
			t.Errorf("%d attempts in %s", len(r.bodies), elapsed)
		}
	})
}

// However it fails, the address is told to nobody.
func TestFailureHidesTheAddress(t *testing.T) {
	for name, c := range map[string]struct {
		answer   func() (*http.Response, error)
		attempts int
		want     string
	}{
		"gone":     {status(404, "no_team at /services/"+canary), 1, "the webhook answered 404 Not Found"},
		"redirect": {status(302, "", "Location", "https://example.com/"+canary), 1, "answered 302"},
		"down":     {status(500, "oh\nno"), 4, "answered 500 Internal Server Error"},
		"dropped":  {dropped, 4, "connection reset by peer"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &receiver{}
				for range c.attempts {
					r.answers = append(r.answers, c.answer)
				}
				err := webhook(t, "https://example.com/"+canary, r).Post(t.Context(), "hello")
				if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(fmt.Sprintf("%v %+v", err, err), canary) {
					t.Errorf("%v", err)
				}
				if len(r.bodies) != c.attempts {
					t.Errorf("%d attempts, want %d", len(r.bodies), c.attempts)
				}
			})
		})
	}
	for _, address := range []string{"", canary, "http://example.com/" + canary, "ftp://example.com/" + canary, "https:///" + canary, ":" + canary} {
		if _, err := New(address, nil); err == nil || strings.Contains(err.Error(), canary) {
			t.Errorf("%q: %v", address, err)
		}
	}
}

// A receiver that hangs, or asks for more time than there is, costs ten
// seconds and no more.
func TestPostIsBounded(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(*http.Request) (*http.Response, error)
		most   time.Duration
		want   string
	}{
		"hangs": {func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}, within, "deadline"},
		"limits": {func(*http.Request) (*http.Response, error) { return status(429, "", "Retry-After", "600")() }, 0, "left alone for 10m0s"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, err := New("https://example.com/"+canary, transport(c.answer))
				if err != nil {
					t.Fatal(err)
				}
				begin := time.Now()
				err = w.Post(t.Context(), "hello")
				if elapsed := time.Since(begin); elapsed > c.most {
					t.Errorf("it took %s", elapsed)
				}
				if err == nil || !strings.Contains(err.Error(), c.want) && !strings.Contains(err.Error(), "within 10s") {
					t.Errorf("error %v", err)
				}
			})
		})
	}
}

// transport is a function as a way to a receiver.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestPostEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		r := &receiver{answers: []func() (*http.Response, error){status(429, "", "Retry-After", "9")}}
		if err := webhook(t, "https://example.com", r).Post(ctx, "hello"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
	})
}
