package endpoint

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// MaxBody bounds what is read into memory of one request or answer, in bytes.
const MaxBody = 64 << 20

// Call is one API request with the operation that it asks for.
type Call struct {
	// Service is the name that the request was signed for ("ec2"), Region the
	// region.
	Service, Region string
	// Operation is the operation's name ("DescribeVpcs"). Some services
	// express it by method and path: of these only a few operations of S3 have
	// a name here, and for all others Operation is "".
	Operation string
	// Form holds the parameters of the Query protocol; nil for other
	// protocols.
	Form url.Values
	// Body is the whole body. It is nil for S3, whose objects are passed
	// through: there the body is still to be read from Request.
	Body    []byte
	Request *http.Request
}

// Read determines the operation of a request, and reads its body unless it
// belongs to S3. region applies to a request that was signed for none.
func Read(r *http.Request, region string) (*Call, error) {
	c := &Call{Request: r}
	c.Service, c.Region = scope(r)
	if c.Service == "" {
		c.Service = unsignedService(r)
	}
	if c.Region == "" {
		c.Region = region
	}
	if c.Service == "s3" {
		c.Operation = bucketOperation(r)
		return c, nil
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, MaxBody))
	if err != nil {
		return nil, fmt.Errorf("read the request: %w", err)
	}
	c.Body = body
	switch {
	case r.Header.Get("X-Amz-Target") != "":
		_, c.Operation, _ = strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	case strings.HasPrefix(r.URL.Path, "/service/"):
		// Smithy's RPC protocol: /service/NAME/operation/NAME.
		c.Operation = r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
	case r.URL.Path == "/" || r.URL.Path == "":
		form, err := url.ParseQuery(string(body))
		if err == nil && form.Get("Action") == "" && r.URL.Query().Get("Action") != "" {
			form = r.URL.Query()
		}
		if err == nil && form.Get("Action") != "" {
			c.Form, c.Operation = form, form.Get("Action")
			if c.Service == "" && strings.HasPrefix(c.Operation, "AssumeRoleWith") {
				c.Service = "sts"
			}
		}
	}
	if c.Service == "" {
		// A request without signature, target and known host asks for an
		// object in a bucket.
		c.Service = "s3"
	}
	return c, nil
}

// Name is the operation, or method and path if it has no other name:
// "GET /2013-04-01/hostedzone".
func (c *Call) Name() string {
	if c.Operation != "" {
		return c.Operation
	}
	return c.Request.Method + " " + strings.TrimSuffix(c.Request.URL.Path, "/")
}

// WithForm returns a copy of the call with other parameters.
func (c *Call) WithForm(form url.Values) *Call {
	d := *c
	d.Form, d.Body = form, []byte(form.Encode())
	return &d
}

// Forward returns the same request for the server at base. The body must have
// been read.
func (c *Call) Forward(base *url.URL) *http.Request {
	r := c.Request.Clone(c.Request.Context())
	r.RequestURI = ""
	r.URL.Scheme, r.URL.Host = base.Scheme, base.Host
	// The host that the client used names the service or the bucket.
	r.Host = c.Request.Host
	SetBody(r, c.Body)
	return r
}

// SetBody sets a request's body.
func SetBody(r *http.Request, body []byte) {
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	r.Body, _ = r.GetBody()
	r.ContentLength = int64(len(body))
	r.TransferEncoding = nil
	r.Header.Del("Content-Length")
}

// scope returns the service and region that a request was signed for:
//
//	Authorization: AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/SERVICE/aws4_request, …
//
// or the same in the query of a presigned URL. Multi-region signatures
// (AWS4-ECDSA-P256-SHA256) name no region. Signatures are not verified.
func scope(r *http.Request) (service, region string) {
	parts := strings.Split(Credential(r), "/")
	n := len(parts)
	if n < 4 || parts[n-1] != "aws4_request" {
		return "", ""
	}
	service = strings.ToLower(parts[n-2])
	if n >= 5 {
		region = parts[n-3]
	}
	if service == "s3express" || service == "s3-object-lambda" {
		service = "s3"
	}
	return service, region
}

// Credential is KEY/DATE/REGION/SERVICE/aws4_request of a request's signature,
// or "" without one.
func Credential(r *http.Request) string {
	if _, after, ok := strings.Cut(r.Header.Get("Authorization"), "Credential="); ok {
		credential, _, _ := strings.Cut(after, ",")
		return strings.TrimSpace(credential)
	}
	return strings.TrimSpace(r.URL.Query().Get("X-Amz-Credential"))
}

// serviceOfTarget has the prefixes of X-Amz-Target and the services they
// belong to.
var serviceOfTarget = map[string]string{
	"AmazonEC2ContainerServiceV20141113":   "ecs",
	"AmazonEC2ContainerRegistry_V20150921": "ecr",
	"AnyScaleFrontendService":              "application-autoscaling",
	"CertificateManager":                   "acm",
	"DynamoDB_20120810":                    "dynamodb",
	"Logs_20140328":                        "logs",
	"AmazonSSM":                            "ssm",
	"Route53AutoNaming_v20170314":          "servicediscovery",
	"TrentService":                         "kms",
	"secretsmanager":                       "secretsmanager",
}

// unsignedService guesses the service of a request without a signature from
// its target header or the host that it was sent to.
func unsignedService(r *http.Request) string {
	if prefix, _, ok := strings.Cut(r.Header.Get("X-Amz-Target"), "."); ok {
		return serviceOfTarget[prefix]
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if !strings.HasSuffix(host, ".amazonaws.com") {
		return ""
	}
	labels := strings.Split(strings.TrimSuffix(host, ".amazonaws.com"), ".")
	switch {
	case labels[0] == "api" && len(labels) > 1:
		return labels[1]
	case strings.Contains(host, ".s3.") || strings.HasPrefix(host, "s3"):
		return "s3"
	}
	return labels[0]
}

// ConditionalPut is the Operation of an S3 PutObject that depends on what is
// there.
const ConditionalPut = "PutObject"

// bucketOperation names those requests to S3 that an endpoint answers itself.
func bucketOperation(r *http.Request) string {
	policy := r.URL.Query().Has("policy")
	switch {
	case policy && r.Method == http.MethodGet:
		return "GetBucketPolicy"
	case policy && r.Method == http.MethodPut:
		return "PutBucketPolicy"
	case policy && r.Method == http.MethodDelete:
		return "DeleteBucketPolicy"
	case r.Method == http.MethodPut && (r.Header.Get("If-None-Match") != "" || r.Header.Get("If-Match") != ""):
		return ConditionalPut
	default:
		return ""
	}
}
