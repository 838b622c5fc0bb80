package localaws

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// maxBody bounds what is read into memory of one request or answer.
const maxBody = 64 << 20

// call is one API request, read far enough to know what it asks for.
type call struct {
	// service is the name that the request was signed for ("ec2"), operation
	// what it asks ("DescribeVpcs"); operation is "" for services that say it
	// by method and path, such as S3.
	service, region, operation string
	// form holds the parameters of the Query protocol, nil for others.
	form url.Values
	// body is the whole body; nil while it is still to be read from request,
	// as with S3, whose objects are passed through.
	body    []byte
	request *http.Request
}

// reply is a whole answer.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// readCall finds out what a request asks for, and reads its body unless it
// belongs to S3.
func readCall(r *http.Request, defaultRegion string) (*call, error) {
	c := &call{request: r}
	c.service, c.region = scope(r)
	if c.service == "" {
		c.service = unsignedService(r)
	}
	if c.region == "" {
		c.region = defaultRegion
	}
	if c.service == "s3" {
		c.operation = bucketOperation(r)
		return c, nil
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxBody))
	if err != nil {
		return nil, fmt.Errorf("read the request: %w", err)
	}
	c.body = body
	switch {
	case r.Header.Get("X-Amz-Target") != "":
		_, c.operation, _ = strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	case strings.HasPrefix(r.URL.Path, "/service/"):
		// Smithy's RPC protocol: /service/NAME/operation/NAME.
		c.operation = r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
	case r.URL.Path == "/" || r.URL.Path == "":
		form, err := url.ParseQuery(string(body))
		if err == nil && form.Get("Action") == "" && r.URL.Query().Get("Action") != "" {
			form = r.URL.Query()
		}
		if err == nil && form.Get("Action") != "" {
			c.form, c.operation = form, form.Get("Action")
			if c.service == "" && strings.HasPrefix(c.operation, "AssumeRoleWith") {
				c.service = "sts"
			}
		}
	}
	if c.service == "" {
		// What nobody signed and nothing names is an object in a bucket.
		c.service = "s3"
	}
	return c, nil
}

// upstreamRequest is the same request, for the control plane at base. The body
// has been read.
func (c *call) upstreamRequest(base *url.URL) *http.Request {
	r := c.request.Clone(c.request.Context())
	r.RequestURI = ""
	r.URL.Scheme, r.URL.Host = base.Scheme, base.Host
	// The name that the client used says which service or bucket is meant.
	r.Host = c.request.Host
	setBody(r, c.body)
	return r
}

// withForm is the same call with other parameters.
func (c *call) withForm(form url.Values) *call {
	d := *c
	d.form, d.body = form, []byte(form.Encode())
	return &d
}

func setBody(r *http.Request, body []byte) {
	r.Body = io.NopCloser(bytes.NewReader(body))
	r.ContentLength = int64(len(body))
	r.TransferEncoding = nil
	r.Header.Del("Content-Length")
}

func (rep *reply) write(w http.ResponseWriter) {
	for k, v := range rep.header {
		w.Header()[k] = v
	}
	w.WriteHeader(rep.status)
	_, _ = w.Write(rep.body) // the client has gone: nobody to tell
}
