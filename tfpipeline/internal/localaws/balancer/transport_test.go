package balancer

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestLocalTransport: the domains of the endpoint's load balancers are reached, and
// nothing else changes.
func TestLocalTransport(t *testing.T) {
	balancer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Method, " ", r.Host, r.URL)
	}))
	t.Cleanup(balancer.Close)
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/_localaws/balancers" {
			t.Errorf("asked for %s", r.URL)
		}
		fmt.Fprintf(w, `[{"name":"lb","dnsName":"LB.elb.amazonaws.com","domains":["specboard.io"],"listeners":[{"port":443,"url":%q}]}]`, balancer.URL)
	}))
	t.Cleanup(endpoint.Close)
	base := roundTripFunc(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 299, Body: io.NopCloser(strings.NewReader("base")), Request: r}, nil
	})
	client := &http.Client{Transport: Transport(endpoint.URL, base)}
	for url, want := range map[string]string{
		"https://specboard.io/health?x=y":  "200 GET specboard.io/health?x=y",
		"https://lb.elb.amazonaws.com/":    "200 GET lb.elb.amazonaws.com/",
		"https://specboard.io:443/":        "200 GET specboard.io:443/",
		"https://other.specboard.io/":      "299 base",
		"http://specboard.io/":             `Get "http://specboard.io/": reach specboard.io locally: load balancer lb has no listener on port 80`,
		"https://specboard.io:8443/health": `Get "https://specboard.io:8443/health": reach specboard.io:8443 locally: load balancer lb has no listener on port 8443`,
	} {
		var got string
		if res, err := client.Get(url); err != nil {
			got = err.Error()
		} else {
			body, err := io.ReadAll(res.Body)
			res.Body.Close()
			if err != nil || res.Request.URL.String() != url {
				t.Errorf("%s: %v, request %s", url, err, res.Request.URL)
			}
			got = fmt.Sprint(res.StatusCode, " ", string(body))
		}
		if got != want {
			t.Errorf("%s: %s, want %s", url, got, want)
		}
	}
	for _, real := range []string{"", "https://127.0.0.1:1", "http://localstack.example.com", "http://10.0.0.1:4566"} {
		if got := Transport(real, http.DefaultTransport); got != http.DefaultTransport {
			t.Errorf("%q: %T", real, got)
		}
	}
	// Another emulator on the loopback address knows of no load balancers.
	other := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	if res, err := (&http.Client{Transport: Transport(other.URL, base)}).Get("https://specboard.io/"); err != nil || res.StatusCode != 299 {
		t.Errorf("%v, %v", res, err)
	}
	other.Close()
	if _, err := (&http.Client{Transport: Transport(other.URL, base)}).Get("https://specboard.io/"); err == nil || !strings.Contains(err.Error(), "ask the local endpoint for its load balancers") {
		t.Errorf("error %v", err)
	}
}

type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
