package root

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/state"
	"github.com/specboard/platform/tfpipeline/internal/terraform"
)

// lockObject is a bucket with one object, the lock of a state. It answers nobody before
// it is reachable.
type lockObject struct {
	lock, etag string
	reachable  time.Time
	writes     int
}

func (o *lockObject) Do(r *http.Request) (*http.Response, error) {
	if wait := time.Until(o.reachable); wait > 0 {
		select {
		case <-time.After(wait):
		case <-r.Context().Done():
		}
		return nil, errors.New("no route to host")
	}
	answer := &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Etag": {o.etag}}, Body: http.NoBody, Request: r}
	switch {
	case r.Method == http.MethodGet:
		answer.Body = io.NopCloser(strings.NewReader(o.lock))
	case r.Header.Get("If-Match") != o.etag:
		answer.StatusCode = http.StatusPreconditionFailed
	default:
		o.writes++
	}
	return answer, nil
}

// A laptop slept: timers stood still, and the wall clock went on. The lock is renewed at
// once, and the run learns at once if somebody took it, or as soon as the bucket can be
// reached.
func TestStateLockAfterASleep(t *testing.T) {
	other, err := json.Marshal(state.StateLock{ID: "other", Who: "grace@host"})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name        string
		slept       time.Duration
		taken       bool
		unreachable time.Duration
		most        time.Duration // until it is renewed or lost
	}{
		{"a short sleep", 30 * time.Second, false, 0, time.Second},
		{"a long one", 10 * time.Minute, false, 0, time.Second},
		{"taken over", 10 * time.Minute, true, 0, time.Second},
		{"taken over, and the network comes back late", 10 * time.Minute, true, 25 * time.Second, 40 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			bucket := &lockObject{etag: "1", reachable: time.Now().Add(test.unreachable)}
			if test.taken {
				bucket.lock, bucket.etag = string(other), "2"
			}
			cfg := aws.Config{Region: "us-west-2", HTTPClient: bucket, Credentials: aws.AnonymousCredentials{}}
			r := &Root{Name: "staging", roots: &Roots{Options: Options{Platform: configtest.Docs(), Cloud: Cloud{Config: cfg}, Console: &console.Console{Out: io.Discard, Err: io.Discard}}}}
			ctx, cancel := context.WithTimeout(t.Context(), test.most+500*time.Millisecond)
			defer cancel()
			began := time.Now()
			_, lost := r.keepLock(ctx, state.StateLock{ID: "ours", ObjectVersion: "1", Renewed: time.Now().Add(-test.slept)})
			if errors.Is(lost, terraform.ErrStateTaken) != test.taken || time.Since(began) > test.most && test.taken || (bucket.writes > 0) == test.taken {
				t.Errorf("%s: after %v, %d renewals: %v", test.name, time.Since(began), bucket.writes, lost)
			}
		})
	}
}
