package localaws

import (
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/specboard/platform/tfpipeline/internal/endpoint"
)

// TestConditionalPuts sends many at once: moto must see one after the other,
// whole, and those without a condition are none of this.
func TestConditionalPuts(t *testing.T) {
	put := conditionalPuts()["s3.PutObject"]
	var inside, served atomic.Int32
	moto := func(c *endpoint.Call) (*endpoint.Reply, error) {
		if inside.Add(1) > 1 {
			t.Error("two at once")
		}
		for range 100 {
			runtime.Gosched()
		}
		if string(c.Body) != "lock" || c.Request.Header.Get("Expect") != "" {
			t.Errorf("body %q, Expect %q", c.Body, c.Request.Header.Get("Expect"))
		}
		inside.Add(-1)
		served.Add(1)
		return &endpoint.Reply{Status: http.StatusOK}, nil
	}
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			r := httptest.NewRequest(http.MethodPut, "/state/lock.json", strings.NewReader("lock"))
			r.Header.Set("If-None-Match", "*")
			r.Header.Set("Expect", "100-continue")
			r.Header.Set("Authorization", signature("s3", "us-west-2"))
			c, err := endpoint.Read(r, "us-west-2")
			if err != nil || c.Operation != "PutObject" {
				t.Errorf("operation %q, error %v", c.Operation, err)
			}
			if _, err := put(c, moto); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if served.Load() != 8 {
		t.Errorf("%d served, want 8", served.Load())
	}
	plain := httptest.NewRequest(http.MethodPut, "/state/lock.json", http.NoBody)
	plain.Header.Set("Authorization", signature("s3", "us-west-2"))
	if c, err := endpoint.Read(plain, "us-west-2"); err != nil || c.Operation != "" {
		t.Errorf("a plain write is %q, error %v", c.Operation, err)
	}
}
