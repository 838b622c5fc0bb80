package proxy

import (
	"context"
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

// application answers in virtual time: after silence with headers, and then
// with an event every second.
type application struct {
	silence time.Duration
	events  int
}

func (a application) RoundTrip(r *http.Request) (*http.Response, error) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return nil, err
	}
	if err := sleep(r.Context(), a.silence); err != nil {
		return nil, err
	}
	body, out := io.Pipe()
	go func() {
		for range a.events {
			if err := sleep(r.Context(), time.Second); err != nil {
				out.CloseWithError(err)
				return
			}
			_, _ = io.WriteString(out, ".") // nobody reads any more: it ends with the context
		}
		out.Close()
	}()
	return &http.Response{StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{"Content-Type": {"text/event-stream"}}, ContentLength: -1, Body: body}, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// slowly gives a byte a second.
type slowly struct{ left int }

func (s *slowly) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	s.left--
	time.Sleep(time.Second)
	return copy(p, "x"), nil
}

// TestLimits: what comes of streams and late answers, and when.
func TestLimits(t *testing.T) {
	standard := Limits{Request: 15 * time.Second, Idle: 5 * time.Minute}
	unbounded := Limits{Idle: 5 * time.Minute}
	stream, late := application{silence: time.Second / 2, events: 60}, application{silence: 40 * time.Second}
	for _, c := range []struct {
		name   string
		limits Limits
		does   application
		upload int
		want   string
	}{
		{"a stream, by AWS's default", standard, stream, 0, "cut at 15s after 14"},
		{"a stream, unbounded", unbounded, stream, 0, "200 at 1m0.5s with 60"},
		{"a late answer, by AWS's default", standard, late, 0, "504 at 15s upstream request timeout"},
		{"a late answer, unbounded", unbounded, late, 0, "200 at 40s with 0"},
		{"an answer in time", standard, application{silence: 14 * time.Second}, 0, "200 at 14s with 0"},
		{"a long upload does not count", standard, application{events: 5}, 40, "200 at 45s with 5"},
		{"the time after an upload does", standard, late, 40, "504 at 55s upstream request timeout"},
		{"silence", Limits{Idle: 10 * time.Second}, late, 0, "504 at 10s stream timeout"},
		{"silence before the request's end", Limits{Request: 15 * time.Second, Idle: 10 * time.Second}, late, 0, "504 at 10s stream timeout"},
		{"no silence", Limits{Idle: 10 * time.Second}, stream, 40, "200 at 1m40.5s with 60"},
		{"no limits", Limits{}, application{silence: 24 * time.Hour}, 0, "200 at 24h0m0s with 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				u := &Upstream{transport: c.limits.Transport(c.does)}
				begin := time.Now()
				got := func() (got string) {
					w := httptest.NewRecorder()
					defer func() {
						if v := recover(); v != nil { // ends the connection
							got = fmt.Sprintf("cut at %v after %d", time.Since(begin), w.Body.Len())
							if err, ok := v.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
								got = fmt.Sprint(v)
							}
						}
					}()
					r := httptest.NewRequest(http.MethodPost, "/mcp", nil)
					if c.upload > 0 {
						r = httptest.NewRequest(http.MethodPost, "/mcp", &slowly{c.upload})
					}
					u.ServeHTTP(w, r.WithContext(context.WithValue(t.Context(), http.ServerContextKey, &http.Server{})))
					if w.Code != http.StatusOK {
						return fmt.Sprintf("%d at %v %s", w.Code, time.Since(begin), w.Body)
					}
					return fmt.Sprintf("%d at %v with %d", w.Code, time.Since(begin), strings.Count(w.Body.String(), "."))
				}()
				if got != c.want {
					t.Errorf("%s, want %s", got, c.want)
				}
			})
		})
	}
}
