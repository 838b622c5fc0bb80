// Package proxy is the proxy that ECS Service Connect puts into each task, as
// far as applications can tell, and the time limits that it shares with load
// balancers.
//
// # What it models
//
//   - Names: a task's requests to a name of its namespace go to the tasks of the
//     service in turn. If a connection fails, the request goes to up to two other
//     tasks:
//     https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-connect-concepts-deploy.html
//   - The time for a whole response, 15 s by default, and for silence, 5 min:
//     https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_TimeoutConfiguration.html
//   - Envoy's answers: 504 when time is up, or the end of the connection if the
//     response had begun; 503 without a task that takes requests.
//
// AWS does not say which failures it tries again. Our reading is those in which
// the application saw nothing.
//
// # What it does not
//
// Outlier detection, TLS between tasks, access logs, protocols other than
// HTTP/1.1. A task reaches names through HTTP_PROXY: a program that ignores the
// variable reaches none.
package proxy

import (
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"strconv"
	"sync"
	"time"
)

// Upstream is a port of a task as the task's own proxy reaches it. As a
// handler it answers requests to that port.
type Upstream struct {
	address   string
	transport http.RoundTripper
	idle      func() // closes unused connections
}

// NewUpstream returns the upstream at an address, host:port.
func NewUpstream(address string, limits Limits) *Upstream {
	t := &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true, DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext}
	return &Upstream{address, limits.Transport(t), t.CloseIdleConnections}
}

// Close closes connections that carry no request.
func (u *Upstream) Close() { u.idle() }

// RoundTrip sends a request to the application.
func (u *Upstream) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.WithContext(r.Context())
	to := *r.URL
	to.Scheme, to.Host = "http", u.address
	r.URL = &to
	return u.transport.RoundTrip(r)
}

func (u *Upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) { serve(w, r, u) }

// Client is the proxy that a task uses for its own requests: an HTTP proxy.
// Only Find is required.
type Client struct {
	// Find returns the tasks that take requests for a name and port; ok is
	// false if that is no Service Connect name, and the request then goes to
	// the host itself.
	Find func(host string, port int) (tasks []*Upstream, ok bool)

	mu    sync.Mutex
	turns map[string]int
}

// attempts is the first attempt and AWS's two retries.
const attempts = 3

var errNoTask = errors.New("no healthy upstream")

func (c *Client) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Host == "" {
		r.URL.Scheme, r.URL.Host = "http", r.Host
	}
	serve(w, r, c)
}

// RoundTrip sends a request to the next task behind the name.
func (c *Client) RoundTrip(r *http.Request) (*http.Response, error) {
	port := 80
	if n, err := strconv.Atoi(r.URL.Port()); err == nil {
		port = n
	}
	tasks, ok := c.Find(r.URL.Hostname(), port)
	if !ok {
		return http.DefaultTransport.RoundTrip(r)
	}
	if len(tasks) == 0 {
		return nil, errNoTask
	}
	body := r.Body
	for left := min(attempts, len(tasks)); ; left-- {
		try := r.WithContext(r.Context())
		if body != nil {
			try.Body = io.NopCloser(body) // a failed attempt closes what it has not read
		}
		res, err := tasks[c.turn(r.URL.Host)%len(tasks)].RoundTrip(try)
		if !unreachable(err) || left == 1 {
			return res, err
		}
	}
}

// turn counts the attempts for a name.
func (c *Client) turn(name string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.turns == nil {
		c.turns = map[string]int{}
	}
	c.turns[name]++
	return c.turns[name]
}

func unreachable(err error) bool {
	failed, ok := errors.AsType[*net.OpError](err)
	return ok && failed.Op == "dial"
}

// serve answers a request through a transport, and turns its errors into
// Envoy's answers.
func serve(w http.ResponseWriter, r *http.Request, transport http.RoundTripper) {
	if !r.ProtoAtLeast(1, 1) {
		answer(w, http.StatusUpgradeRequired, "")
		return
	}
	p := &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.Host = p.In.Host
			for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
				if values := p.In.Header.Values(name); len(values) > 0 {
					p.Out.Header[name] = values
				}
			}
		},
		Transport: transport,
		ErrorLog:  log.New(io.Discard, "", 0),
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			const failed = "upstream connect error or disconnect/reset before headers. reset reason: "
			switch {
			case errors.Is(err, ErrRequest), errors.Is(err, ErrIdle):
				answer(w, http.StatusGatewayTimeout, err.Error())
			case errors.Is(err, errNoTask):
				answer(w, http.StatusServiceUnavailable, err.Error())
			case unreachable(err):
				answer(w, http.StatusServiceUnavailable, failed+"remote connection failure")
			default:
				answer(w, http.StatusServiceUnavailable, failed+"connection termination")
			}
		},
	}
	p.ServeHTTP(w, r)
}

func answer(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Server", "envoy")
	w.Header().Set("Content-Type", "text/plain")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body) // the client has gone: nobody to tell
}
