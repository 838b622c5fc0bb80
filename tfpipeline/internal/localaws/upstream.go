package localaws

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"

	"github.com/beevik/etree"

	"github.com/specboard/platform/tfpipeline/internal/endpoint"
)

// upstream is the control plane behind the endpoint: moto.
type upstream struct {
	url       *url.URL
	transport http.RoundTripper
	// lacks reports whether an answer of 500 means that moto lacks the
	// operation.
	lacks func(ctx context.Context, operation string) bool
	// died returns the error to report when moto does not answer at all; nil
	// while it runs.
	died func() error
}

func newUpstream(base *url.URL) *upstream {
	return &upstream{
		url: base,
		// Each request gets its own connection: moto's server closes
		// connections at any time, and loses a request that is on one.
		transport: &http.Transport{DisableKeepAlives: true},
		lacks:     func(context.Context, string) bool { return false },
		died:      func() error { return nil },
	}
}

// send forwards a call and reads the whole answer.
func (u *upstream) send(c *endpoint.Call) (*endpoint.Reply, error) {
	res, err := u.roundTrip(c, c.Forward(u.url))
	if err != nil {
		return nil, u.unreachable(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, endpoint.MaxBody))
	if err != nil {
		return nil, fmt.Errorf("read moto's answer: %w", err)
	}
	res.Header.Del("Content-Length")
	return &endpoint.Reply{Status: res.StatusCode, Header: res.Header, Body: body}, nil
}

// pass forwards a call and streams its answer and a large body. A smaller body
// is read completely first: moto stores a partial object if the sender dies,
// which S3 never does.
func (u *upstream) pass(w http.ResponseWriter, c *endpoint.Call) {
	if r := c.Request; c.Body == nil && r.Method == http.MethodPut && r.ContentLength > 0 && r.ContentLength <= endpoint.MaxBody {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			u.unreachable(fmt.Errorf("read the object: %w", err)).Render(c).Write(w)
			return
		}
		endpoint.SetBody(r, body)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(u.url)
			// The host name may contain the bucket's name.
			p.Out.Host, p.Out.URL.RawQuery = p.In.Host, p.In.URL.RawQuery
			// Our own server has already answered it.
			p.Out.Header.Del("Expect")
			if c.Body != nil {
				endpoint.SetBody(p.Out, c.Body)
			}
		},
		Transport: roundTripper(func(r *http.Request) (*http.Response, error) { return u.roundTrip(c, r) }),
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			u.unreachable(err).Render(c).Write(w)
		},
	}
	proxy.ServeHTTP(w, c.Request)
}

// roundTrip sends a request, and replaces moto's answer to an operation that
// it lacks: AWS's clients retry a 500 for minutes.
func (u *upstream) roundTrip(c *endpoint.Call, r *http.Request) (*http.Response, error) {
	res, lacks, err := u.exchange(c.Operation, r)
	if !lacks {
		return res, err
	}
	rep := notModelled(c.Service, c.Operation).Render(c)
	res.StatusCode, res.Status = rep.Status, http.StatusText(rep.Status)
	res.Header = rep.Header
	res.Body, res.ContentLength = io.NopCloser(bytes.NewReader(rep.Body)), int64(len(rep.Body))
	return res, nil
}

// readTries is how often a failing read is tried.
const readTries = 10

// exchange sends a request, and repeats a read that fails: moto walks through
// its tables without a lock, and answers 500 if another request adds to one
// meanwhile. lacks says that moto has no such operation; the body of that
// answer is closed.
func (u *upstream) exchange(operation string, r *http.Request) (res *http.Response, lacks bool, err error) {
	for tries := 1; ; tries++ {
		res, err = u.transport.RoundTrip(r)
		if err != nil || res.StatusCode != http.StatusInternalServerError || operation == "" {
			return res, false, err
		}
		lacks = u.lacks(r.Context(), operation)
		if !lacks && (tries == readTries || !reads.MatchString(operation) || r.GetBody == nil) {
			return res, false, nil
		}
		res.Body.Close()
		if lacks {
			return res, true, nil
		}
		r = r.Clone(r.Context())
		if r.Body, err = r.GetBody(); err != nil {
			return nil, false, err
		}
	}
}

// reads matches the operations that change nothing.
var reads = regexp.MustCompile(`^(?:BatchGet|Describe|Get|List)`)

// notModelled is the answer to an operation that neither the endpoint nor moto
// has. It is a 501, since AWS's clients retry a 500, and Terraform would seem
// to hang for 25 attempts.
func notModelled(service, operation string) *endpoint.Failure {
	return &endpoint.Failure{
		Status:  http.StatusNotImplemented,
		Code:    "NotModelledLocally",
		Message: fmt.Sprintf("the local endpoint does not model %s %s", service, operation),
	}
}

// unreachable is the answer when moto does not answer.
func (u *upstream) unreachable(err error) *endpoint.Failure {
	if died := u.died(); died != nil {
		// It must not be retried: moto does not come back.
		return &endpoint.Failure{Status: http.StatusNotImplemented, Code: "LocalEndpointStopped", Message: died.Error()}
	}
	return &endpoint.Failure{Status: http.StatusServiceUnavailable, Code: "ServiceUnavailable", Message: err.Error()}
}

// ask makes a call on the endpoint's own behalf, by the Query protocol, when
// an answer needs to know something.
func (u *upstream) ask(ctx context.Context, service, region, version, operation string, parameters url.Values) (*etree.Element, error) {
	form := url.Values{"Action": {operation}, "Version": {version}}
	for k, v := range parameters {
		form[k] = v
	}
	rep, err := u.askBody(ctx, operation, service, region, "", "application/x-www-form-urlencoded", form.Encode())
	if err != nil {
		return nil, fmt.Errorf("ask %s %s: %w", service, operation, err)
	}
	return endpoint.ParseXML(rep)
}

// askJSON is ask for the JSON protocol; target is the whole X-Amz-Target.
func (u *upstream) askJSON(ctx context.Context, service, region, target, body string) ([]byte, error) {
	_, operation, _ := strings.Cut(target, ".")
	rep, err := u.askBody(ctx, operation, service, region, target, "application/x-amz-json-1.1", body)
	if err != nil {
		return nil, fmt.Errorf("ask %s %s: %w", service, target, err)
	}
	return rep, nil
}

func (u *upstream) askBody(ctx context.Context, operation, service, region, target, contentType, body string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, u.url.String()+"/", strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("Authorization", signature(service, region))
	if target != "" {
		r.Header.Set("X-Amz-Target", target)
	}
	res, lacks, err := u.exchange(operation, r)
	if err != nil {
		return nil, u.unreachable(err)
	}
	if lacks {
		return nil, notModelled(service, operation)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, endpoint.MaxBody))
	if err != nil {
		return nil, err
	}
	if res.StatusCode >= 300 {
		return nil, &upstreamError{res.StatusCode, string(answer)}
	}
	return answer, nil
}

// upstreamError is an answer of moto's that is not a success.
type upstreamError struct {
	status int
	body   string
}

func (e *upstreamError) Error() string { return fmt.Sprintf("status %d: %s", e.status, e.body) }

// signature is a signature that satisfies moto, which reads the scope and
// verifies nothing.
func signature(service, region string) string {
	return "AWS4-HMAC-SHA256 Credential=" + accessKey + "/20260101/" + region + "/" + service +
		"/aws4_request, SignedHeaders=host, Signature=none"
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
