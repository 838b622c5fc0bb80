package proxy

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// task answers with its name and what it was asked.
func task(t *testing.T, name string) *Upstream {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if r.URL.Path == "/hang-up" {
			panic(http.ErrAbortHandler)
		}
		fmt.Fprint(w, name, " ", r.Host, r.URL.RequestURI(), " ", r.Header.Get("X-Forwarded-For"), " ", string(body))
	}))
	t.Cleanup(s.Close)
	u := NewUpstream(s.Listener.Addr().String(), Limits{Request: time.Minute})
	t.Cleanup(u.Close)
	return u
}

// gone is a task that nothing listens for.
func gone(t *testing.T) *Upstream {
	t.Helper()
	s, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	return NewUpstream(s.Addr().String(), Limits{})
}

// TestNames: a program that heeds HTTP_PROXY asks by name.
func TestNames(t *testing.T) {
	one, two := task(t, "one"), task(t, "two")
	outside := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "outside") }))
	t.Cleanup(outside.Close)
	behind := map[string][]*Upstream{
		"mcp:3002": {one, two}, "half:80": {gone(t), one}, "most:80": {gone(t), gone(t), two},
		"all:80": {gone(t), gone(t), gone(t), gone(t)}, "none:80": nil,
	}
	proxy := httptest.NewServer(&Client{Find: func(host string, port int) (tasks []*Upstream, ok bool) {
		tasks, ok = behind[net.JoinHostPort(host, fmt.Sprint(port))]
		return tasks, ok
	}})
	t.Cleanup(proxy.Close)
	at, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(at)}}
	ask := func(to string) string {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, to, strings.NewReader("hello"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Forwarded-For", "192.0.2.1")
		res, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(res.StatusCode, " ", string(body))
	}
	count := map[string]int{}
	for range 4 {
		count[ask("http://mcp:3002/a%2Fb?c=d")]++
	}
	if count["200 one mcp:3002/a%2Fb?c=d 192.0.2.1 hello"] != 2 || count["200 two mcp:3002/a%2Fb?c=d 192.0.2.1 hello"] != 2 {
		t.Errorf("not in turn: %v", count)
	}
	const failed = "503 upstream connect error or disconnect/reset before headers. reset reason: "
	for range 3 { // whoever's turn it is
		for to, want := range map[string]string{
			"http://half/":            "200 one half/ 192.0.2.1 hello",
			"http://most/":            "200 two most/ 192.0.2.1 hello",
			"http://all/":             failed + "remote connection failure",
			"http://none/":            "503 no healthy upstream",
			"http://mcp:3002/hang-up": failed + "connection termination",
			outside.URL:               "200 outside",
		} {
			if got := ask(to); got != want {
				t.Errorf("%s: %s", to, got)
			}
		}
	}
}

// TestOldProtocol: Service Connect does not speak HTTP/1.0.
func TestOldProtocol(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Proto, r.ProtoMinor = "HTTP/1.0", 0
	w := httptest.NewRecorder()
	task(t, "one").ServeHTTP(w, r)
	if w.Code != http.StatusUpgradeRequired {
		t.Errorf("status %d", w.Code)
	}
}
