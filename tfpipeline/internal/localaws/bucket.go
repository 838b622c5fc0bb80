package localaws

import (
	"fmt"
	"io"
	"net/http"
	"sync"
)

// bucketOperation names the requests to S3 that are answered here.
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
		return conditionalPut
	default:
		return ""
	}
}

// conditionalPut is a PutObject that depends on what is there.
const conditionalPut = "PutObject"

// conditionalPuts lets one at a time through: moto looks at the condition first
// and writes afterwards, so that two at once may both hold it true.
func conditionalPuts() map[string]operation {
	var one sync.Mutex
	return map[string]operation{"s3." + conditionalPut: func(c *call, next func(*call) (*reply, error)) (*reply, error) {
		body, err := io.ReadAll(http.MaxBytesReader(nil, c.request.Body, maxBody))
		if err != nil {
			return nil, fmt.Errorf("read the object: %w", err)
		}
		whole := *c
		whole.body, whole.request = body, c.request.Clone(c.request.Context())
		whole.request.Header.Del("Expect") // our own server has told the client to go on
		one.Lock()
		defer one.Unlock()
		return next(&whole)
	}}
}
