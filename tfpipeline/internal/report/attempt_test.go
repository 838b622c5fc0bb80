package report

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/notify"
)

// receiver is a webhook that answers as a function says.
type receiver func(*http.Request) (*http.Response, error)

func (f receiver) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// answers is a receiver with one answer, which repeats its address.
func answers(status int, retryAfter string) receiver {
	return func(r *http.Request) (*http.Response, error) {
		h := http.Header{}
		if retryAfter != "" {
			h.Set("Retry-After", retryAfter)
		}
		return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(r.URL.String())), Request: r}, nil
	}
}

// A webhook that does not take its messages keeps nobody waiting while the
// attempt works, which is while it holds its lock, and ten seconds after that;
// and nobody reads its address.
func TestWebhookThatFails(t *testing.T) {
	for name, c := range map[string]struct {
		hook receiver
		// most is what telling of the end may take.
		most time.Duration
		want string
	}{
		"hangs": {func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}, within, "warning: notify: "},
		"dead":                  {func(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") }, within, "connection refused"},
		"500":                   {answers(500, ""), within, "the webhook answered 500 Internal Server Error"},
		"limits for a while":    {answers(429, "3"), within, "left alone for 3s"},
		"limits for too long":   {answers(429, "600"), 0, "left alone for 10m0s"},
		"limits without a time": {answers(429, ""), within, "the webhook answered 429 Too Many Requests"},
		"gone":                  {answers(404, ""), 0, "the webhook answered 404 Not Found"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { webhookThatFails(t, c.hook, c.most, c.want) })
		})
	}
}

func webhookThatFails(t *testing.T, receiver http.RoundTripper, most time.Duration, want string) {
	hook, err := notify.New("https://example.com/canary", receiver)
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	p := configtest.Docs()
	a := &Attempt{Platform: p, Environment: p.Environments[0], Console: &console.Console{Err: &said}, Webhook: hook}
	record := deploy.Record{Kind: deploy.KindPromote, Environment: "staging", Release: deploy.Release{Tag: "v1"}}
	began := time.Now()
	for _, step := range []deploy.StepName{deploy.StepLock, deploy.StepResolve, deploy.StepPlan, deploy.StepVerify} {
		a.Observe(t.Context(), deploy.Event{Step: step, Kind: deploy.EventDone, Record: &record})
	}
	if elapsed := time.Since(began); elapsed != 0 {
		t.Errorf("the attempt waited %s", elapsed)
	}
	if err := a.Notify(t.Context(), record); err != nil {
		t.Error(err)
	}
	if elapsed := time.Since(began); elapsed > most {
		t.Errorf("telling of the end lasted %s, want %s at most", elapsed, most)
	}
	if !strings.Contains(said.String(), want) || strings.Contains(said.String(), "canary") {
		t.Errorf("said %q, want %q", said.String(), want)
	}
}
