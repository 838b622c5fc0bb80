package localaws

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/specboard/platform/tfpipeline/internal/endpoint"
)

// bucketPolicies keeps bucket policies away from moto, which applies a Deny
// statement without looking at its condition: a bucket that refuses plain HTTP
// would refuse everybody. They are stored and returned but not enforced; only
// the policies of roles are.
type bucketPolicies struct {
	mu       sync.Mutex
	byBucket map[string][]byte
}

func newBucketPolicies() *bucketPolicies { return &bucketPolicies{byBucket: map[string][]byte{}} }

func (p *bucketPolicies) operations() endpoint.Table {
	return endpoint.Table{
		"s3.GetBucketPolicy":    p.get,
		"s3.PutBucketPolicy":    p.put,
		"s3.DeleteBucketPolicy": p.remove,
	}
}

func (p *bucketPolicies) get(c *endpoint.Call, next endpoint.Next) (*endpoint.Reply, error) {
	known, rep, err := p.bucket(c, next)
	if err != nil || !known {
		return rep, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if policy, ok := p.byBucket[bucketName(c)]; ok {
		return &endpoint.Reply{Status: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: policy}, nil
	}
	return rep, nil
}

func (p *bucketPolicies) put(c *endpoint.Call, next endpoint.Next) (*endpoint.Reply, error) {
	policy, err := io.ReadAll(http.MaxBytesReader(nil, c.Request.Body, endpoint.MaxBody))
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
	return &endpoint.Reply{Status: http.StatusNoContent}, nil
}

func (p *bucketPolicies) remove(c *endpoint.Call, next endpoint.Next) (*endpoint.Reply, error) {
	p.mu.Lock()
	delete(p.byBucket, bucketName(c))
	p.mu.Unlock()
	return next(c)
}

// bucket asks moto for the policy, which moto never has, to learn whether the
// bucket exists. The policy of a deleted bucket is deleted too.
func (p *bucketPolicies) bucket(c *endpoint.Call, next endpoint.Next) (known bool, _ *endpoint.Reply, err error) {
	question := *c
	question.Request = c.Request.Clone(c.Request.Context())
	question.Request.Method, question.Body = http.MethodGet, []byte{}
	rep, err := next(&question)
	if err != nil {
		return false, nil, err
	}
	if strings.Contains(string(rep.Body), "NoSuchBucketPolicy") {
		return true, rep, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.byBucket, bucketName(c))
	return false, rep, nil
}

// bucketName is the first part of the path: clients put the bucket there if
// the host is an IP address.
func bucketName(c *endpoint.Call) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(c.Request.URL.Path, "/"), "/")
	return name
}
