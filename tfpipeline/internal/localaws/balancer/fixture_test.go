package balancer

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/specboard/platform/tfpipeline/internal/localaws/ecs"
)

// backend is a target that is healthy or not as told.
type backend struct {
	*httptest.Server
	target ecs.Target
	status atomic.Int64
	hits   atomic.Int64 // requests but health checks
}

func newBackend(t *testing.T, name string) *backend {
	t.Helper()
	b := &backend{}
	b.status.Store(http.StatusOK)
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/health" {
			w.WriteHeader(int(b.status.Load()))
			return
		}
		b.hits.Add(1)
		if d, err := time.ParseDuration(r.FormValue("slow")); err == nil {
			select {
			case <-time.After(d):
			case <-r.Context().Done():
				return
			}
		}
		if r.FormValue("hang up") != "" {
			panic(http.ErrAbortHandler)
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		fmt.Fprintf(w, "%s %s %s%s for=%s proto=%s port=%s body=%s", name, r.Method, r.Host, r.URL, r.Header.Get("X-Forwarded-For"),
			r.Header.Get("X-Forwarded-Proto"), r.Header.Get("X-Forwarded-Port"), body)
	}))
	t.Cleanup(b.Server.Close)
	host, port, err := net.SplitHostPort(b.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	b.target = ecs.Target{ID: host, Port: n, AvailabilityZone: "us-west-2a"}
	return b
}

// fixture is load balancers with one group and, before it, one HTTPS listener.
type fixture struct {
	*Balancers
	url string

	mu     sync.Mutex
	states []string // that were reported
}

const theGroup = "arn:group"

func configuration() Configuration {
	return Configuration{
		LoadBalancers: []LoadBalancer{{ARN: "arn:lb", Name: "lb", DNSName: "lb.elb.amazonaws.com", Listeners: []Listener{{
			ARN: "arn:listener", Port: 443, Protocol: "HTTPS", Rules: []Rule{
				{Paths: []string{"/fixed"}, Action: Action{Fixed: &Fixed{Status: 404, ContentType: "text/plain", Body: "Not found"}}},
				{Paths: []string{"/moved"}, Action: Action{Redirect: &Redirect{Path: "/", Status: 301}}},
				{Paths: []string{"/odd"}, Unmodelled: "condition source-ip"},
				{Action: Action{Forward: []Weighted{{theGroup, 1}}}},
			}}}}},
		Groups: []TargetGroup{{ARN: theGroup, Delay: 400 * time.Millisecond, Check: Check{
			Path: "/health", Interval: 20 * time.Millisecond, Timeout: time.Second, Healthy: 2, Unhealthy: 2, Matcher: "200",
		}}},
	}
}

func newFixture(t *testing.T, lag time.Duration) *fixture {
	t.Helper()
	b := New(Options{Lag: lag, Warn: func(err error) { t.Error(err) },
		Read: func(context.Context) (Configuration, error) { return configuration(), nil }})
	t.Cleanup(b.Close)
	f := &fixture{Balancers: b}
	eventually(t, "the listener is open", func() bool { return len(b.Addresses()) == 1 && len(b.Addresses()[0].Listeners) == 1 })
	f.url = b.Addresses()[0].Listeners[0].URL
	return f
}

func (f *fixture) register(b *backend) {
	f.Register(theGroup, b.target, time.Now(), func(_ time.Time, s ecs.TargetState) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.states = append(f.states, s.State)
	})
}

func (f *fixture) reported() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.states, " ")
}

// state is that of a target as DescribeTargetHealth shows it.
func (f *fixture) state(b *backend) string {
	all, ok := f.Health(theGroup)
	if !ok {
		return "no group"
	}
	for _, h := range all {
		if h.Target == b.target {
			return strings.TrimSpace(h.State + " " + h.Reason)
		}
	}
	return "none"
}

func (f *fixture) get(t *testing.T, path string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "specboard.io"
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err.Error()
	}
	return res.StatusCode, string(body)
}

func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	deadline := time.After(2 * time.Minute)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-deadline:
			t.Fatalf("not in two minutes: %s", what)
		case <-tick.C:
		}
	}
}
