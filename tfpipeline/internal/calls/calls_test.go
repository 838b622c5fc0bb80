package calls_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/specboard/platform/tfpipeline/internal/calls"
)

// silent answers nothing, or a body that never ends.
type silent struct {
	body     bool
	requests int
}

func (s *silent) Do(r *http.Request) (*http.Response, error) {
	s.requests++
	if s.body {
		return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(endless{r.Context()}), Request: r}, nil
	}
	<-r.Context().Done()
	return nil, r.Context().Err()
}

type endless struct{ ctx context.Context }

func (e endless) Read([]byte) (int, error) {
	<-e.ctx.Done()
	return 0, e.ctx.Err()
}

func TestSilenceEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		web := &silent{}
		cfg := aws.Config{
			Region: "us-west-2", HTTPClient: calls.Bound(web, 30*time.Second), RetryMaxAttempts: 2,
			Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
		}
		var told []string
		calls.Tell(&cfg, 10*time.Second, func(s string) { told = append(told, s) })
		begun := time.Now()
		_, err := s3.NewFromConfig(cfg).HeadBucket(t.Context(), &s3.HeadBucketInput{Bucket: aws.String("b")})
		synctest.Wait() // for what was told
		if elapsed := time.Since(begun); err == nil || elapsed < time.Minute || elapsed > 2*time.Minute {
			t.Errorf("%v after %s", err, elapsed)
		}
		if web.requests != 2 {
			t.Errorf("%d attempts, want 2", web.requests)
		}
		if want := []string{"waiting for the answer of S3 to HeadBucket (10s)"}; !slices.Equal(told, want) {
			t.Errorf("told %q, want %q", told, want)
		}
	})
}

func TestBodyEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://a.example/", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		answer, err := calls.Bound(&silent{body: true}, 30*time.Second).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if _, err := io.ReadAll(answer.Body); !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) != 30*time.Second {
			t.Errorf("%v after %s", err, time.Since(begun))
		}
	})
}

// A pause ends by whichever clock is first.
func TestPauseUntil(t *testing.T) {
	for _, test := range []struct{ timer, wall, want time.Duration }{
		{20 * time.Second, time.Hour, 20 * time.Second}, {20 * time.Second, 1500 * time.Millisecond, 1500 * time.Millisecond}, {20 * time.Second, -time.Hour, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			begun := time.Now()
			if !calls.PauseUntil(t.Context(), test.timer, begun.Add(test.wall)) || time.Since(begun) != test.want {
				t.Errorf("%v, want %v", time.Since(begun), test.want)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
			defer cancel()
			if calls.PauseUntil(ctx, time.Hour, time.Now().Add(time.Hour)) {
				t.Error("it goes on when the context has ended")
			}
		})
	}
}
