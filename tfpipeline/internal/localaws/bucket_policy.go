package localaws

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
)

// bucketPolicies keeps the policies of buckets away from moto, which denies
// whatever a Deny statement names without looking at its condition: a bucket
// that refuses plain HTTP would refuse everybody. They are stored and read
// back, and not enforced: who may do what is no part of this model.
type bucketPolicies struct {
	mu       sync.Mutex
	byBucket map[string][]byte
}

func newBucketPolicies() *bucketPolicies { return &bucketPolicies{byBucket: map[string][]byte{}} }

func (p *bucketPolicies) operations() map[string]operation {
	return map[string]operation{
		"s3.GetBucketPolicy":    p.get,
		"s3.PutBucketPolicy":    p.put,
		"s3.DeleteBucketPolicy": p.remove,
	}
}

func (p *bucketPolicies) get(c *call, next func(*call) (*reply, error)) (*reply, error) {
	known, rep, err := p.bucket(c, next)
	if err != nil || !known {
		return rep, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if policy, ok := p.byBucket[bucketName(c)]; ok {
		return &reply{http.StatusOK, http.Header{"Content-Type": {"application/json"}}, policy}, nil
	}
	return rep, nil
}

func (p *bucketPolicies) put(c *call, next func(*call) (*reply, error)) (*reply, error) {
	policy, err := io.ReadAll(http.MaxBytesReader(nil, c.request.Body, maxBody))
	if err != nil {
		return nil, fmt.Errorf("read the bucket policy: %w", err)
	}
	known, rep, err := p.bucket(c, next)
	if err != nil || !known {
		return rep, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.byBucket[bucketName(c)] = policy
	return &reply{status: http.StatusNoContent}, nil
}

func (p *bucketPolicies) remove(c *call, next func(*call) (*reply, error)) (*reply, error) {
	p.mu.Lock()
	delete(p.byBucket, bucketName(c))
	p.mu.Unlock()
	return next(c)
}

// bucket asks moto for the policy, which it never has, and so whether there is
// such a bucket. A bucket that is gone took its policy along.
func (p *bucketPolicies) bucket(c *call, next func(*call) (*reply, error)) (known bool, _ *reply, err error) {
	question := *c
	question.request = c.request.Clone(c.request.Context())
	question.request.Method, question.body = http.MethodGet, []byte{}
	rep, err := next(&question)
	if err != nil {
		return false, nil, err
	}
	if strings.Contains(string(rep.body), "NoSuchBucketPolicy") {
		return true, rep, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.byBucket, bucketName(c))
	return false, rep, nil
}

// bucketName is the first part of the path: clients put it there for hosts
// that are numbers.
func bucketName(c *call) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(c.request.URL.Path, "/"), "/")
	return name
}
