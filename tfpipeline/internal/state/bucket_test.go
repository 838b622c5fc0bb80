package state_test

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"html"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/specboard/platform/gen/config/configtest"
)

// bucket is S3 as far as conditional objects go, on the wire and on whatever
// clock the test has.
type bucket struct {
	mu      sync.Mutex
	objects map[string]string
	// written is when a key was written; the others were when the test began.
	written map[string]time.Time
	began   time.Time
	// clock is how much S3's is ahead of ours.
	clock time.Duration
	gone  bool
	// requests are the methods and keys so far, with the status of the answer;
	// 0 is an answer that was lost.
	requests []string
	// faults are used up by the requests they match, in order.
	faults []fault
	// page is how many keys a page of a list has; 0: a thousand.
	page int
}

// fault is what goes wrong with one request.
type fault struct {
	// request is its method and key, such as "PUT locks/staging.json".
	request string
	// status is answered in place of doing it; 0 with code "" is a dropped
	// connection.
	status int
	code   string
	// done: it is done all the same, and the answer is what gets lost.
	done bool
	// hang: no answer comes at all.
	hang bool
}

func newBucket() *bucket {
	return &bucket{objects: map[string]string{}, written: map[string]time.Time{}, began: time.Now()}
}

func (b *bucket) config() aws.Config {
	return aws.Config{
		Region:      "us-west-2",
		Credentials: credentials.NewStaticCredentialsProvider("id", "key", ""),
		HTTPClient:  &http.Client{Transport: b, Timeout: 10 * time.Second},
	}
}

func (b *bucket) RoundTrip(req *http.Request) (*http.Response, error) {
	body := []byte{}
	if req.Body != nil {
		body, _ = io.ReadAll(req.Body)
		req.Body.Close()
	}
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	key := strings.TrimPrefix(req.URL.Path, "/")
	name := req.Method + " " + key
	i := slices.IndexFunc(b.faults, func(f fault) bool { return f.request == name })
	if i < 0 {
		status, header, out := b.do(req, key, unchunked(req, body))
		b.requests = append(b.requests, fmt.Sprintf("%s %d", name, status))
		return b.answer(req, status, header, out), nil
	}
	f := b.faults[i]
	b.faults = slices.Delete(b.faults, i, i+1)
	b.requests = append(b.requests, fmt.Sprintf("%s %d", name, f.status))
	if f.done {
		b.do(req, key, unchunked(req, body))
	}
	switch {
	case f.hang:
		b.mu.Unlock()
		<-req.Context().Done()
		b.mu.Lock()
		return nil, req.Context().Err()
	case f.status == 0:
		return nil, errors.New("connection reset by peer")
	default:
		return b.answer(req, f.status, nil, failure(f.code)), nil
	}
}

func (b *bucket) answer(req *http.Request, status int, header map[string]string, body string) *http.Response {
	h := http.Header{"Content-Type": {"application/xml"}, "Date": {time.Now().Add(b.clock).UTC().Format(http.TimeFormat)}}
	for k, v := range header {
		h.Set(k, v)
	}
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Header: h, Request: req, ProtoMajor: 1, ProtoMinor: 1,
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
	}
}

func failure(code string) string {
	return "<Error><Code>" + code + "</Code><Message>from the test</Message></Error>"
}

func etag(content string) string { return fmt.Sprintf(`"%x"`, md5.Sum([]byte(content))) }

func (b *bucket) do(req *http.Request, key, body string) (status int, header map[string]string, out string) {
	if want := configtest.Docs().StateBucket() + ".s3.us-west-2.amazonaws.com"; b.gone || req.URL.Host != want {
		return http.StatusNotFound, nil, failure("NoSuchBucket")
	}
	if req.Header.Get("X-Amz-Expected-Bucket-Owner") != configtest.Docs().Account {
		return http.StatusForbidden, nil, failure("AccessDenied")
	}
	content, exists := b.objects[key]
	match, none := req.Header.Get("If-Match"), req.Header.Get("If-None-Match")
	switch {
	case key == "":
		return http.StatusOK, nil, b.list(req.URL.Query().Get("prefix"), cmp.Or(req.URL.Query().Get("continuation-token"), req.URL.Query().Get("start-after")))
	case match != "" && !exists:
		return http.StatusNotFound, nil, failure("NoSuchKey")
	case match != "" && match != etag(content), none == "*" && exists:
		return http.StatusPreconditionFailed, nil, failure("PreconditionFailed")
	}
	switch req.Method {
	case http.MethodPut:
		if match == "" && none == "" {
			return http.StatusBadRequest, nil, failure("UnconditionalWrite")
		}
		b.objects[key], b.written[key] = body, time.Now()
		return http.StatusOK, map[string]string{"ETag": etag(body)}, ""
	case http.MethodDelete:
		if match == "" {
			return http.StatusBadRequest, nil, failure("UnconditionalDelete")
		}
		delete(b.objects, key)
		return http.StatusNoContent, nil, ""
	case http.MethodGet:
		if !exists {
			return http.StatusNotFound, nil, failure("NoSuchKey")
		}
		written, ok := b.written[key]
		if !ok {
			written = b.began
		}
		return http.StatusOK, map[string]string{"ETag": etag(content), "Last-Modified": written.Add(b.clock).UTC().Format(http.TimeFormat)}, content
	default:
		return http.StatusNotImplemented, nil, failure("NotImplemented")
	}
}

func (b *bucket) list(prefix, after string) string {
	page := b.page
	if page == 0 {
		page = 1000
	}
	var out strings.Builder
	n, next := 0, ""
	for _, key := range slices.Sorted(maps.Keys(b.objects)) {
		if !strings.HasPrefix(key, prefix) || key <= after {
			continue
		}
		if n++; n > page {
			break
		}
		next = key
		fmt.Fprintf(&out, `<Contents><Key>%s</Key><ETag>%s</ETag><Size>%d</Size></Contents>`, key, html.EscapeString(etag(b.objects[key])), len(b.objects[key]))
	}
	if n > page {
		return "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>" + next + "</NextContinuationToken>" + out.String() + "</ListBucketResult>"
	}
	return "<ListBucketResult><IsTruncated>false</IsTruncated>" + out.String() + "</ListBucketResult>"
}

// unchunked undoes the encoding in which the SDK streams a body with a
// checksum behind it.
func unchunked(r *http.Request, body []byte) string {
	if !strings.HasPrefix(r.Header.Get("X-Amz-Content-Sha256"), "STREAMING-") {
		return string(body)
	}
	var out []byte
	for in := bufio.NewReader(bytes.NewReader(body)); ; {
		line, err := in.ReadString('\n')
		var size int
		if _, scanErr := fmt.Sscanf(line, "%x", &size); err != nil || scanErr != nil || size == 0 {
			return string(out)
		}
		chunk := make([]byte, size+2) // and its line end
		if _, err := io.ReadFull(in, chunk); err != nil {
			return string(out)
		}
		out = append(out, chunk[:size]...)
	}
}

// inTime runs a test on a virtual clock, and fails it if there is a fault that
// nothing ran into.
func inTime(t *testing.T, f func(ctx context.Context, t *testing.T, b *bucket)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := newBucket()
		f(t.Context(), t, b)
		if len(b.faults) > 0 {
			t.Errorf("nothing ran into %+v", b.faults)
		}
	})
}
