package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v5"
)

const (
	// mostAttempts bounds how often one request is sent.
	mostAttempts = 5
	// mostWait bounds the waits of one request between its attempts. A primary
	// rate limit can last an hour, which is too long for a job.
	mostWait = 3 * time.Minute
	// limitWait is the wait after a secondary rate limit that names none, as
	// GitHub's documentation asks.
	limitWait = time.Minute
)

// waits is the backoff between attempts: 1, 2, 4 … seconds, or what the last
// answer asks for.
type waits struct {
	attempt int
	answer  *Error
}

// NextBackOff is how long to wait before the next attempt.
func (w *waits) NextBackOff() time.Duration {
	wait := max(time.Second<<w.attempt, w.answer.retryAfter)
	if w.answer.limited {
		wait = w.answer.retryAfter
	}
	w.attempt++
	return wait
}

// Reset begins anew.
func (w *waits) Reset() { *w = waits{} }

// retry calls f until it succeeds, at most mostAttempts times. It stops at an
// answer that will not change. If f may not be repeated, it also stops at a
// failure whose effect is unknown: a second creation could make a second
// object.
func retry(ctx context.Context, repeatable bool, f func() error) error {
	w := &waits{}
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		err := f()
		e, ok := errors.AsType[*Error](err)
		switch {
		case err == nil:
		case !ok,
			!e.limited && e.Status != 0 && e.Status < 500,
			!e.limited && !repeatable:
			return struct{}{}, backoff.Permanent(err)
		default:
			w.answer = e
		}
		return struct{}{}, err
	}, backoff.WithBackOff(w), backoff.WithMaxTries(mostAttempts), backoff.WithMaxElapsedTime(mostWait))
	if permanent, ok := errors.AsType[*backoff.PermanentError](err); ok {
		return permanent.Err
	}
	if _, ok := errors.AsType[*Error](err); err != nil && !ok && w.answer != nil {
		return fmt.Errorf("%w: %w", w.answer, err) // the time ended while it waited
	}
	return err
}

// askedToWait returns how long the headers of an answer ask the client to
// wait, and whether they mention a limit.
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
