// Package dashboard serves a page to the browsers of this machine, and makes it anew
// now and then.
package dashboard

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// Options are what is served, and where.
type Options struct {
	// Address is host:port on the loopback interface; port 0 is any.
	Address string
	// Every is how long a page is shown before it is made anew.
	Every time.Duration
	// Render makes the page.
	Render func(context.Context) ([]byte, error)
	// Started is called with the page's URL.
	Started func(url string)
}

// renderTime bounds the making of a page, and stopTime what is still being
// answered at the end.
const (
	renderTime = time.Minute
	stopTime   = 3 * time.Second
)

// Serve serves until ctx ends, which is no error.
func Serve(ctx context.Context, o Options) error {
	host, _, err := net.SplitHostPort(o.Address)
	if err != nil {
		return fmt.Errorf("serve the dashboard at %q: %w", o.Address, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("serve the dashboard at %q: it asks nobody who they are, so it serves this machine alone, such as 127.0.0.1:8080", o.Address)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", o.Address)
	if err != nil {
		return fmt.Errorf("serve the dashboard: %w", err)
	}
	p := &pages{Options: o, host: listener.Addr().String()}
	server := &http.Server{Handler: p, ReadHeaderTimeout: stopTime, BaseContext: func(net.Listener) context.Context { return ctx }}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	o.Started("http://" + p.host + "/")
	select {
	case err := <-ended:
		return fmt.Errorf("serve the dashboard: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()
	if server.Shutdown(stop) != nil {
		_ = server.Close() // whoever still waits has had their time
	}
	<-ended
	return nil
}

// pages answers requests. However many browsers there are, a page is made once
// in every interval.
type pages struct {
	Options
	host string

	mu   sync.Mutex
	page []byte
	made time.Time
}

func (p *pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", "frame-ancestors 'none'")
	_, port, _ := net.SplitHostPort(p.host)
	switch {
	// Another host name may lead here by somebody's DNS; its requests are refused.
	case r.Host != p.host && r.Host != "localhost:"+port:
		http.Error(w, "the dashboard is at http://"+p.host+"/", http.StatusMisdirectedRequest)
	case r.URL.Path != "/":
		http.NotFound(w, r)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "this is to be read", http.StatusMethodNotAllowed)
	default:
		page, err := p.get(r.Context())
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		h.Set("Content-Type", "text/html; charset=utf-8")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(page))
	}
}

// get returns the page, made anew if it is too old.
func (p *pages) get(ctx context.Context) ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.page != nil && time.Since(p.made) < p.Every {
		return p.page, nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, renderTime, errors.New("it took longer than a minute"))
	defer cancel()
	page, err := p.Render(ctx)
	if err != nil {
		return nil, err
	}
	p.page, p.made = page, time.Now()
	return page, nil
}
