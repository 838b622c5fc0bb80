package balancer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/specboard/platform/tfpipeline/internal/localaws/ecs"
)

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
	eventually(t, "all of it is reported", func() bool { return f.reported() == "unhealthy healthy unhealthy" })
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

// TestLag: a target that leaves still gets requests until the lag is over.
func TestLag(t *testing.T) {
	f := newFixture(t, time.Hour)
	old, young := newBackend(t, "old"), newBackend(t, "new")
	f.register(old)
	f.register(young)
	eventually(t, "both are healthy", func() bool { return f.state(old) == "healthy" && f.state(young) == "healthy" })
	f.Deregister(theGroup, old.target, time.Now())
	before := old.hits.Load()
	eventually(t, "old got one more", func() bool { f.get(t, "/"); return old.hits.Load() > before })
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
	over := time.After(60 * time.Millisecond)
	<-over // the lag
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
	f.options.Second = 50 * time.Millisecond / standardIdle
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
