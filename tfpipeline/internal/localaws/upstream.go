package localaws

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"
)

// upstream is the control plane behind the endpoint: moto.
type upstream struct {
	url       *url.URL
	transport http.RoundTripper
	// lacks reports whether it has said that it has no such operation.
	lacks func(operation string) bool
	// died is what to tell when it does not answer at all; nil while it runs.
	died func() error
}

func newUpstream(base *url.URL) *upstream {
	return &upstream{
		url: base,
		// One connection a request: moto's server closes them at will, and a
		// request on a connection that is being closed is lost.
		transport: &http.Transport{DisableKeepAlives: true},
		lacks:     func(string) bool { return false },
		died:      func() error { return nil },
	}
}

// send forwards a call and reads the whole answer.
func (u *upstream) send(c *call) (*reply, error) {
	res, err := u.roundTrip(c, c.upstreamRequest(u.url))
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxBody))
	if err != nil {
		return nil, fmt.Errorf("read moto's answer: %w", err)
	}
	res.Header.Del("Content-Length")
	return &reply{res.StatusCode, res.Header, body}, nil
}

// pass forwards a call without reading its body or answer.
func (u *upstream) pass(w http.ResponseWriter, c *call) {
	proxy := &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(u.url)
			// The name that the client used says which bucket is meant.
			p.Out.Host, p.Out.URL.RawQuery = p.In.Host, p.In.URL.RawQuery
			// The client has been told to continue by our own server.
			p.Out.Header.Del("Expect")
			if c.body != nil {
				setBody(p.Out, c.body)
			}
		},
		Transport: roundTripper(func(r *http.Request) (*http.Response, error) { return u.roundTrip(c, r) }),
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			u.unreachable(err).render(c).write(w)
		},
	}
	proxy.ServeHTTP(w, c.request)
}

// roundTrip sends a request, and replaces the answer to an operation that moto
// lacks: a 500 is retried by every client of AWS, for minutes.
func (u *upstream) roundTrip(c *call, r *http.Request) (*http.Response, error) {
	res, err := u.transport.RoundTrip(r)
	if err != nil || res.StatusCode != http.StatusInternalServerError || c.operation == "" {
		return res, err
	}
	if !u.saysItLacks(r.Context(), c.operation) {
		return res, nil
	}
	res.Body.Close()
	rep := notModelled(c.service, c.operation).render(c)
	res.StatusCode, res.Status = rep.status, http.StatusText(rep.status)
	res.Header = rep.header
	res.Body, res.ContentLength = io.NopCloser(bytes.NewReader(rep.body)), int64(len(rep.body))
	return res, nil
}

// saysItLacks gives moto's log a moment to arrive after its answer.
func (u *upstream) saysItLacks(ctx context.Context, operation string) bool {
	for range 5 {
		if u.lacks(operation) {
			return true
		}
		timer := time.NewTimer(20 * time.Millisecond)
		select {
		case <-ctx.Done():
			timer.Stop()
			return false
		case <-timer.C:
		}
	}
	return u.lacks(operation)
}

// unreachable is the answer when moto gives none.
func (u *upstream) unreachable(err error) *failure {
	if died := u.died(); died != nil {
		// Not to be retried: it stays dead.
		return &failure{http.StatusNotImplemented, "LocalEndpointStopped", died.Error()}
	}
	return &failure{http.StatusServiceUnavailable, "ServiceUnavailable", err.Error()}
}

// ask makes a call of our own, by the Query protocol, for what an answer needs
// to know.
func (u *upstream) ask(ctx context.Context, service, region, version, operation string, parameters url.Values) (*node, error) {
	form := url.Values{"Action": {operation}, "Version": {version}}
	for k, v := range parameters {
		form[k] = v
	}
	rep, err := u.askBody(ctx, service, region, "", "application/x-www-form-urlencoded", form.Encode())
	if err != nil {
		return nil, fmt.Errorf("ask %s %s: %w", service, operation, err)
	}
	return parseXML(rep)
}

// askJSON is ask for the JSON protocol; target is the whole X-Amz-Target.
func (u *upstream) askJSON(ctx context.Context, service, region, target, body string) ([]byte, error) {
	rep, err := u.askBody(ctx, service, region, target, "application/x-amz-json-1.1", body)
	if err != nil {
		return nil, fmt.Errorf("ask %s %s: %w", service, target, err)
	}
	return rep, nil
}

func (u *upstream) askBody(ctx context.Context, service, region, target, contentType, body string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, u.url.String()+"/", strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("Authorization", signature(service, region))
	if target != "" {
		r.Header.Set("X-Amz-Target", target)
	}
	res, err := u.transport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxBody))
	if err != nil {
		return nil, err
	}
	if res.StatusCode >= 300 {
		return nil, &upstreamError{res.StatusCode, string(answer)}
	}
	return answer, nil
}

// upstreamError is an answer of moto that is no success.
type upstreamError struct {
	status int
	body   string
}

func (e *upstreamError) Error() string { return fmt.Sprintf("status %d: %s", e.status, e.body) }

// signature is enough of one for moto, which reads the scope and verifies
// nothing.
func signature(service, region string) string {
	return "AWS4-HMAC-SHA256 Credential=" + accessKey + "/20260101/" + region + "/" + service +
		"/aws4_request, SignedHeaders=host, Signature=none"
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
