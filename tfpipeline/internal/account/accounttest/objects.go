package accounttest

import (
	"bufio"
	"bytes"
	"crypto/md5"
	"fmt"
	"io"
	"net/http"
	"sort"
	"strings"
	"time"
)

// objects is the content of the fake cloud's bucket, with the conditional
// writes that locks are made of.
type objects struct {
	Content map[string][]byte
	// Written is when a key was written; one without is old.
	Written map[string]time.Time
	// Refuse makes writes of keys with this ending fail; "" is none.
	Refuse string
}

// Whole reads the body of a request. A sender that was killed in the middle of it
// has sent nothing, as at S3: its request has no effect and no answer.
func Whole(r *http.Request) []byte {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	return body
}

func (o *objects) serve(c *Cloud, w http.ResponseWriter, r *http.Request, key string, body []byte) {
	if o.Content == nil {
		o.Content = map[string][]byte{}
	}
	if o.Written == nil {
		o.Written = map[string]time.Time{}
	}
	content, exists := o.Content[key]
	switch r.Method {
	case http.MethodPut:
		switch {
		case o.Refuse != "" && strings.HasSuffix(key, o.Refuse):
			c.fail(w, http.StatusForbidden, "AccessDenied")
			return
		case exists && r.Header.Get("If-None-Match") == "*", exists && differs(r, content):
			c.fail(w, http.StatusPreconditionFailed, "PreconditionFailed")
			return
		case !exists && differs(r, nil):
			c.fail(w, http.StatusNotFound, "NoSuchKey")
			return
		}
		o.Content[key], o.Written[key] = Unchunked(r, body), time.Now()
		w.Header().Set("ETag", ETag(o.Content[key]))
	case http.MethodDelete:
		if differs(r, content) {
			c.fail(w, http.StatusPreconditionFailed, "PreconditionFailed")
			return
		}
		delete(o.Content, key)
		w.WriteHeader(http.StatusNoContent)
	case http.MethodGet, http.MethodHead:
		if !exists {
			c.fail(w, http.StatusNotFound, "NoSuchKey")
			return
		}
		w.Header().Set("ETag", ETag(content))
		w.Header().Set("Last-Modified", o.Written[key].UTC().Format(http.TimeFormat))
		w.Header().Set("Content-Length", fmt.Sprint(len(content)))
		if r.Method == http.MethodGet {
			_, _ = w.Write(content)
		}
	}
}

func (o *objects) list(w http.ResponseWriter, prefix, after string) {
	var keys []string
	for k := range o.Content {
		if strings.HasPrefix(k, prefix) && k > after {
			keys = append(keys, k)
		}
	}
	sort.Strings(keys)
	fmt.Fprintf(w, `<ListBucketResult><IsTruncated>false</IsTruncated><KeyCount>%d</KeyCount>`, len(keys))
	for _, k := range keys {
		fmt.Fprintf(w, `<Contents><Key>%s</Key></Contents>`, k)
	}
	fmt.Fprint(w, `</ListBucketResult>`)
}

// differs reports whether a request asks for a version that is not this one.
func differs(r *http.Request, content []byte) bool {
	match := r.Header.Get("If-Match")
	return match != "" && match != ETag(content)
}

// ETag is that of an object with a content.
func ETag(content []byte) string { return fmt.Sprintf(`"%x"`, md5.Sum(content)) }

// Unchunked undoes the encoding in which the SDK streams a body with a
// checksum behind it.
func Unchunked(r *http.Request, body []byte) []byte {
	if !strings.HasPrefix(r.Header.Get("X-Amz-Content-Sha256"), "STREAMING-") {
		return body
	}
	var out []byte
	for in := bufio.NewReader(bytes.NewReader(body)); ; {
		line, err := in.ReadString('\n')
		var size int
		if _, scanErr := fmt.Sscanf(line, "%x", &size); err != nil || scanErr != nil || size == 0 {
			return out
		}
		chunk := make([]byte, size+2) // and its line end
		if _, err := io.ReadFull(in, chunk); err != nil {
			return out
		}
		out = append(out, chunk[:size]...)
	}
}
