package balancer

import (
	"context"
	"errors"
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
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-deadline:
			t.Fatalf("not in 20 s: %s", what)
		case <-tick.C:
		}
	}
}

func TestActions(t *testing.T) {
	f := newFixture(t, 0)
	for path, want := range map[string]string{
		"/fixed": "404 Not found",
		"/moved": "301 ",
		"/odd":   "501 not modelled locally: condition source-ip\n",
	} {
		if status, body := f.get(t, path); fmt.Sprint(status, " ", body) != want {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if status, body := f.get(t, "/x"); status != 503 || !strings.Contains(body, "503 Service Unavailable") {
		t.Errorf("without targets: %d %s", status, body)
	}
	b := newBackend(t, "one")
	f.register(b)
	eventually(t, "it is healthy", func() bool { return f.state(b) == "healthy" })
	if status, body := f.get(t, "/x?y=z"); status != 200 || body != "one GET specboard.io/x?y=z for=127.0.0.1 proto=https port=443 body=" {
		t.Errorf("%d %s", status, body)
	}
	res, err := http.Post(f.url+"/x", "text/plain", strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, err := io.ReadAll(res.Body); err != nil || !strings.HasSuffix(string(body), "body=hello") {
		t.Errorf("%s, %v", body, err)
	}
	l := f.Addresses()[0].Listeners[0]
	if l.Requests != 6 || l.Failed != 1 {
		t.Errorf("counted %+v", l)
	}
}

// TestHealth: one pass makes a new target healthy; later it takes as many in a
// row as the thresholds say.
func TestHealth(t *testing.T) {
	f := newFixture(t, 0)
	b := newBackend(t, "one")
	b.status.Store(500)
	f.register(b)
	if s := f.state(b); s != "initial Elb.RegistrationInProgress" {
		t.Errorf("begins as %s", s)
	}
	eventually(t, "it is unhealthy", func() bool { return f.state(b) == "unhealthy Target.ResponseCodeMismatch" })
	// A group without a healthy target sends requests to the unhealthy ones.
	if status, _ := f.get(t, "/x"); status != 200 {
		t.Errorf("status %d", status)
	}
	b.status.Store(200)
	eventually(t, "it is healthy", func() bool { return f.state(b) == "healthy" })
	b.Server.Close()
	eventually(t, "it is gone", func() bool { return f.state(b) == "unhealthy Target.FailedHealthChecks" })
	if got := f.reported(); got != "unhealthy healthy unhealthy" {
		t.Errorf("reported %s", got)
	}
	if status, _ := f.get(t, "/x"); status != 502 {
		t.Errorf("status %d of a closed target", status)
	}
}

func TestVerdict(t *testing.T) {
	c := Check{Healthy: 3, Unhealthy: 2}
	wrong := &ecs.TargetState{State: "unhealthy"}
	for _, v := range []struct {
		from           string
		passed, failed int
		want           string
	}{
		{"initial", 1, 0, "healthy"},
		{"initial", 0, 1, "initial"},
		{"initial", 0, 2, "unhealthy"},
		{"healthy", 0, 1, "healthy"},
		{"healthy", 0, 2, "unhealthy"},
		{"unhealthy", 2, 0, "unhealthy"},
		{"unhealthy", 3, 0, "healthy"},
	} {
		w := wrong
		if v.passed > 0 {
			w = nil
		}
		if got := verdict(ecs.TargetState{State: v.from}, c, v.passed, v.failed, w); got.State != v.want {
			t.Errorf("%+v: %s", v, got.State)
		}
	}
	for _, m := range []struct {
		matcher string
		status  int
		want    bool
	}{{"200", 200, true}, {"200", 204, false}, {"200,302", 302, true}, {"200-299", 299, true}, {"200-299", 300, false}, {"", 200, false}} {
		if got := (Check{Matcher: m.matcher}).accepts(m.status); got != m.want {
			t.Errorf("%+v: %v", m, got)
		}
	}
}

// TestDrain: a target that leaves gets no new requests after the lag, ends
// those it has, and those that take too long are cut off.
func TestDrain(t *testing.T) {
	f := newFixture(t, 50*time.Millisecond)
	old, young := newBackend(t, "old"), newBackend(t, "new")
	f.register(old)
	eventually(t, "old is healthy", func() bool { return f.state(old) == "healthy" })
	answers := make(chan string, 2)
	for _, slow := range []string{"300ms", "2s"} {
		go func() {
			status, body := f.get(t, "/?slow="+slow)
			answers <- fmt.Sprint(slow, " ", status, " ", strings.Contains(body, "old"))
		}()
	}
	eventually(t, "both are in flight", func() bool { return old.hits.Load() == 2 })
	f.register(young)
	eventually(t, "new is healthy", func() bool { return f.state(young) == "healthy" })
	begin := time.Now()
	f.Deregister(theGroup, old.target, begin)
	if s := f.state(old); s != "draining Target.DeregistrationInProgress" {
		t.Errorf("state %s", s)
	}
	// For the lag it still gets some.
	eventually(t, "old got one more", func() bool { f.get(t, "/"); return old.hits.Load() > 2 || time.Since(begin) > time.Second })
	if time.Since(begin) > time.Second {
		t.Error("no request in the lag")
	}
	eventually(t, "the lag is over", func() bool { return time.Since(begin) > 60*time.Millisecond })
	before := old.hits.Load()
	for range 20 {
		if status, body := f.get(t, "/"); status != 200 || !strings.HasPrefix(body, "new") {
			t.Errorf("%d %s", status, body)
		}
	}
	if old.hits.Load() != before {
		t.Error("a target that drains got requests")
	}
	for _, want := range []string{"300ms 200 true", "2s 502 false"} {
		if got := <-answers; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	eventually(t, "old is unused", func() bool { return f.state(old) == "none" })
	if took := time.Since(begin); took < 400*time.Millisecond {
		t.Errorf("drained for %v, shorter than the delay", took)
	}
	eventually(t, "it was said", func() bool { return f.reported() == "healthy healthy unused" })
}

// TestNoRetry: a request whose target closes the connection is answered 502,
// and is not sent again, on a fresh connection and on one that was used.
func TestNoRetry(t *testing.T) {
	f := newFixture(t, 0)
	b := newBackend(t, "one")
	f.register(b)
	eventually(t, "it is healthy", func() bool { return f.state(b) == "healthy" })
	for i, path := range []string{"/?hang+up=1", "/", "/?hang+up=1", "/"} {
		want := http.StatusOK
		if i%2 == 0 {
			want = http.StatusBadGateway
		}
		if status, _ := f.get(t, path); status != want {
			t.Errorf("%s: %d", path, status)
		}
	}
	if hits := b.hits.Load(); hits != 4 {
		t.Errorf("4 requests reached the target as %d", hits)
	}
}

// TestTimeout: a target that does not answer in time.
func TestTimeout(t *testing.T) {
	f := newFixture(t, 0)
	f.idle = 50 * time.Millisecond
	b := newBackend(t, "one")
	f.register(b)
	eventually(t, "it is healthy", func() bool { return f.state(b) == "healthy" })
	if status, _ := f.get(t, "/?slow=5s"); status != http.StatusGatewayTimeout {
		t.Errorf("status %d", status)
	}
}

// TestUnreadable: what cannot be read for a moment is read again, and what
// cannot be read at all is reported.
func TestUnreadable(t *testing.T) {
	var reads atomic.Int64
	warned := make(chan error, 1)
	b := New(Options{Warn: func(err error) { warned <- err }, Read: func(context.Context) (Configuration, error) {
		if reads.Add(1) == 3 {
			return configuration(), nil
		}
		return Configuration{}, errors.New("being deleted")
	}})
	defer b.Close()
	eventually(t, "it is read", func() bool { return len(b.Addresses()) == 1 })
	b.Refresh()
	if err := <-warned; err.Error() != "being deleted" || reads.Load() != 3+1+retries {
		t.Errorf("%v after %d reads", err, reads.Load())
	}
	if len(b.Addresses()) != 1 {
		t.Error("what was read before is gone")
	}
}

// TestRefresh: listeners come and go with the configuration.
func TestRefresh(t *testing.T) {
	var mu sync.Mutex
	current := Configuration{}
	b := New(Options{Read: func(context.Context) (Configuration, error) {
		mu.Lock()
		defer mu.Unlock()
		return current, nil
	}})
	defer b.Close()
	set := func(c Configuration) {
		mu.Lock()
		defer mu.Unlock()
		current = c
		b.Refresh()
	}
	open := func() []ListenerAddress {
		if all := b.Addresses(); len(all) > 0 {
			return all[0].Listeners
		}
		return nil
	}
	set(configuration())
	eventually(t, "it is open", func() bool { return len(open()) == 1 })
	url := open()[0].URL
	changed := configuration()
	changed.LoadBalancers[0].Listeners[0].Rules[0].Action.Fixed.Body = "changed"
	set(changed)
	eventually(t, "the rule has changed", func() bool {
		res, err := http.Get(url + "/fixed")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		return err == nil && string(body) == "changed"
	})
	if open()[0].URL != url {
		t.Error("a change of rules moved the listener")
	}
	set(Configuration{})
	eventually(t, "it is closed", func() bool {
		_, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		return err != nil && len(b.Addresses()) == 0
	})
	if _, ok := b.Health(theGroup); ok {
		t.Error("the group is still known")
	}
}
