package proxy

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"
)

// Limits are the time limits of a request; 0 is no limit.
type Limits struct {
	// Request is the time from the last byte of the request to the last byte
	// of the response.
	Request time.Duration
	// Idle is how long no byte passes in either direction.
	Idle time.Duration
}

// The errors of a request that exceeds a limit, in Envoy's words.
var (
	ErrRequest = errors.New("upstream request timeout")
	ErrIdle    = errors.New("stream timeout")
)

// Transport enforces the limits: RoundTrip, or reading the response's body,
// fails with ErrRequest or ErrIdle. A connection that changes its protocol has
// no limits. Transport sends nothing twice, while an http.Transport would
// repeat a request whose connection was closed.
func (l Limits) Transport(next http.RoundTripper) http.RoundTripper { return limited{l, next} }

type limited struct {
	limits Limits
	next   http.RoundTripper
}

func (l limited) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(r.Context())
	w := &watch{limits: l.limits, ctx: ctx, cancel: cancel,
		request: stopped(func() { cancel(ErrRequest) }), idle: stopped(func() { cancel(ErrIdle) })}
	w.passed()
	body := r.Body
	r = r.WithContext(ctx)
	r.Body, r.GetBody = &sent{body, w}, nil
	if body == nil || body == http.NoBody {
		w.complete()
	}
	res, err := l.next.RoundTrip(r)
	if err != nil {
		err = w.reason(err)
		w.end()
		return nil, err
	}
	if res.StatusCode == http.StatusSwitchingProtocols {
		w.stop()
		return res, nil
	}
	w.passed()
	res.Body = &received{res.Body, w}
	return res, nil
}

// watch holds the two timers of a request.
type watch struct {
	limits        Limits
	ctx           context.Context
	cancel        context.CancelCauseFunc
	request, idle *time.Timer
}

func stopped(f func()) *time.Timer {
	t := time.AfterFunc(time.Hour, f)
	t.Stop()
	return t
}

// passed records that bytes passed in either direction.
func (w *watch) passed() {
	if w.limits.Idle > 0 {
		w.idle.Reset(w.limits.Idle)
	}
}

// complete records that the whole request was sent.
func (w *watch) complete() {
	if w.limits.Request > 0 {
		w.request.Reset(w.limits.Request)
	}
}

// reason returns why a request failed.
func (w *watch) reason(err error) error {
	if cause := context.Cause(w.ctx); errors.Is(cause, ErrRequest) || errors.Is(cause, ErrIdle) {
		return cause
	}
	return err
}

func (w *watch) stop() {
	w.request.Stop()
	w.idle.Stop()
}

func (w *watch) end() {
	w.stop()
	w.cancel(nil)
}

// sent is the body of a request, nil if it has none.
type sent struct {
	io.ReadCloser
	watch *watch
}

func (s *sent) Read(p []byte) (int, error) {
	if s.ReadCloser == nil {
		return 0, io.EOF
	}
	n, err := s.ReadCloser.Read(p)
	s.watch.passed()
	if errors.Is(err, io.EOF) {
		s.watch.complete()
	}
	return n, err
}

func (s *sent) Close() error {
	if s.ReadCloser == nil {
		return nil
	}
	return s.ReadCloser.Close()
}

// received is the body of a response.
type received struct {
	io.ReadCloser
	watch *watch
}

func (b *received) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		return n, b.watch.reason(err)
	}
	b.watch.passed()
	return n, err
}

func (b *received) Close() error {
	b.watch.end()
	return b.ReadCloser.Close()
}
