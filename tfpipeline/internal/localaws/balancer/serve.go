package balancer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/specboard/platform/tfpipeline/internal/localaws/proxy"
)

// Count counts the requests of a listener by their results.
type Count struct {
	// Requests is all of them, Failed those that were answered 502, 503 or 504
	// by the load balancer itself.
	Requests, Failed int64
	// TargetErrors is the answers with a status from 500 that came from targets.
	TargetErrors int64
}

func (l *listener) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	config := l.config
	l.count.Requests++
	l.mu.Unlock()
	// A client that takes this port for its proxy names the whole URL.
	r.URL.Scheme, r.URL.Host = "", ""
	if l.limited(w, r, config.Rate) {
		return
	}
	rule, ok := config.find(r)
	switch {
	case !ok:
		l.fail(w, http.StatusServiceUnavailable)
	case rule.Unmodelled != "":
		http.Error(w, "not modelled locally: "+rule.Unmodelled, http.StatusNotImplemented)
	case rule.Action.Redirect != nil:
		w.Header().Set("Location", rule.Action.Redirect.target(config, r))
		w.WriteHeader(rule.Action.Redirect.Status)
	case rule.Action.Fixed != nil:
		w.Header().Set("Content-Type", rule.Action.Fixed.ContentType)
		w.WriteHeader(rule.Action.Fixed.Status)
		_, _ = io.WriteString(w, rule.Action.Fixed.Body) // the client has gone: nobody to tell
	default:
		l.forward(w, r, config, pick(rule.Action.Forward))
	}
}

// forward sends a request to a target of a group. It never retries.
func (l *listener) forward(w http.ResponseWriter, r *http.Request, config Listener, group string) {
	t := l.balancers.choose(group)
	if t == nil {
		l.fail(w, http.StatusServiceUnavailable)
		return
	}
	idle := proxy.Limits{Idle: time.Duration(cmp.Or(config.Idle, standardIdle)) * cmp.Or(l.balancers.options.Second, time.Second)}
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	defer context.AfterFunc(t.ctx, func() { cancel(errCut) })() //nolint:contextcheck // when the target ends, not the request
	reverse := &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(&url.URL{Scheme: "http", Host: t.address()})
			p.Out.Host = p.In.Host
			forwarded(p, config)
		},
		Transport: idle.Transport(t.transport),
		ErrorLog:  log.New(io.Discard, "", 0),
		ModifyResponse: func(res *http.Response) error {
			if res.StatusCode >= http.StatusInternalServerError {
				l.mu.Lock()
				l.count.TargetErrors++
				l.mu.Unlock()
			}
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() || errors.Is(err, proxy.ErrIdle) {
				l.fail(w, http.StatusGatewayTimeout)
				return
			}
			if errors.Is(err, context.Canceled) && !errors.Is(context.Cause(ctx), errCut) {
				// The client has gone; AWS notes 460.
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			l.fail(w, http.StatusBadGateway)
		},
	}
	reverse.ServeHTTP(w, r.WithContext(ctx))
}

// errCut ends requests that take longer than the deregistration delay.
var errCut = errors.New("the target was deregistered")

// fail answers as the load balancer itself.
func (l *listener) fail(w http.ResponseWriter, status int) {
	l.mu.Lock()
	l.count.Failed++
	l.mu.Unlock()
	text := strconv.Itoa(status) + " " + http.StatusText(status)
	w.Header().Set("Server", "awselb/2.0")
	w.Header().Set("Content-Type", "text/html")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<html>\r\n<head><title>%s</title></head>\r\n<body>\r\n<center><h1>%s</h1></center>\r\n</body>\r\n</html>\r\n", text, text)
}

// forwarded adds what a load balancer says of the client.
func forwarded(p *httputil.ProxyRequest, config Listener) {
	client, _, err := net.SplitHostPort(p.In.RemoteAddr)
	if err != nil {
		client = p.In.RemoteAddr
	}
	if before := p.In.Header.Values("X-Forwarded-For"); len(before) > 0 {
		client = strings.Join(before, ", ") + ", " + client
	}
	p.Out.Header.Set("X-Forwarded-For", client)
	p.Out.Header.Set("X-Forwarded-Proto", strings.ToLower(config.Protocol))
	p.Out.Header.Set("X-Forwarded-Port", strconv.Itoa(config.Port))
}
