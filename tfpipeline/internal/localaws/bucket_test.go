package localaws

import (
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// TestConditionalPuts sends many at once: moto must see one after the other,
// whole, and those without a condition are none of this.
func TestConditionalPuts(t *testing.T) {
	put := conditionalPuts()["s3.PutObject"]
	var inside, served atomic.Int32
	moto := func(c *call) (*reply, error) {
		if inside.Add(1) > 1 {
			t.Error("two at once")
		}
		for range 100 {
			runtime.Gosched()
		}
		if string(c.body) != "lock" || c.request.Header.Get("Expect") != "" {
			t.Errorf("body %q, Expect %q", c.body, c.request.Header.Get("Expect"))
		}
		inside.Add(-1)
		served.Add(1)
		return &reply{status: http.StatusOK}, nil
	}
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			r := httptest.NewRequest(http.MethodPut, "/state/lock.json", strings.NewReader("lock"))
			r.Header.Set("If-None-Match", "*")
			r.Header.Set("Expect", "100-continue")
			if got := bucketOperation(r); got != "PutObject" {
				t.Errorf("operation %q", got)
			}
			if _, err := put(&call{service: "s3", request: r}, moto); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if served.Load() != 8 {
		t.Errorf("%d served, want 8", served.Load())
	}
	if got := bucketOperation(httptest.NewRequest(http.MethodPut, "/state/lock.json", io.NopCloser(nil))); got != "" {
		t.Errorf("a plain write is %q", got)
	}
}
