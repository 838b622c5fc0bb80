package calls

import (
	"context"
	"time"
)

// Pause waits between two calls; false if the context ended first.
func Pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// PauseUntil is Pause that also ends at a time of the wall clock, which it looks at each
// second: timers stand still while a laptop sleeps.
func PauseUntil(ctx context.Context, d time.Duration, wall time.Time) bool {
	for began := time.Now(); ; {
		left := min(d-time.Since(began), time.Until(wall.Round(0)))
		if left <= 0 {
			return ctx.Err() == nil
		}
		if !Pause(ctx, min(left, time.Second)) {
			return false
		}
	}
}
