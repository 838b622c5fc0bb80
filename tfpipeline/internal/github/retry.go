package github

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"
)

const (
	// mostAttempts is how often one request is sent.
	mostAttempts = 5
	// mostWait is how long one request may wait between its attempts: a
	// primary rate limit lasts up to an hour, and no job should.
	mostWait = 3 * time.Minute
	// limitWait is what GitHub asks for if a secondary rate limit says
	// nothing.
	limitWait = time.Minute
)

// retryAfter decides whether to send a request again, and when. A creation
// whose fate is unknown is not repeated here: it would be there twice.
func retryAfter(err error, method string, attempt int) (time.Duration, bool) {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return 0, false
	}
	switch {
	case e.limited && e.retryAfter > 0:
		return e.retryAfter, true
	case e.limited:
		return limitWait, true
	case e.Status != 0 && e.Status < 500:
		return 0, false
	case method == http.MethodPost:
		return 0, false
	default:
		return max(retryBackoff(attempt), e.retryAfter), true
	}
}

// retryBackoff is the wait before the next attempt where nobody names one.
func retryBackoff(attempt int) time.Duration { return time.Second << attempt }

// askedToWait is how long an answer's header asks to be left alone, and
// whether it says anything of a limit.
func askedToWait(h http.Header, now time.Time) (time.Duration, bool) {
	if after := h.Get("Retry-After"); after != "" {
		if seconds, err := strconv.Atoi(after); err == nil && seconds >= 0 {
			return time.Duration(seconds) * time.Second, true
		}
		if at, err := http.ParseTime(after); err == nil {
			return max(at.Sub(now), time.Second), true
		}
	}
	if h.Get("X-RateLimit-Remaining") == "0" {
		if reset, err := strconv.ParseInt(h.Get("X-RateLimit-Reset"), 10, 64); err == nil {
			return max(time.Unix(reset, 0).Sub(now), time.Second), true
		}
	}
	return 0, false
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
