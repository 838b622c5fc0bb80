package migrations

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// The errors after which the same step may succeed: nothing of it is left.
const (
	lockNotAvailable     = "55P03"
	deadlockDetected     = "40P01"
	serializationFailure = "40001"
)

// queryCanceled is what a timeout, or somebody's pg_cancel_backend, leads to.
const queryCanceled = "57014"

func code(err error) string {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code
	}
	return ""
}

// passing reports whether an error is about others at work, and not about the
// statement.
func passing(err error) bool {
	switch code(err) {
	case lockNotAvailable, deadlockDetected, serializationFailure:
		return true
	}
	return false
}

// Pauses grow so that a migration is quick behind short transactions and does
// not knock all the time behind a long one.
const (
	firstPause = 200 * time.Millisecond
	longPause  = 3 * time.Second
)

// pause returns how long to rest behind a failed try, counted from 1; jitter
// is from 0 to 1.
func pause(attempt int, jitter float64) time.Duration {
	d := firstPause
	for range attempt - 1 {
		d = min(d*3/2, longPause)
	}
	return time.Duration((0.5 + jitter) * float64(d))
}

// waits are the tries that did not get their locks, and the time lost to them.
type waits struct {
	count int
	lost  time.Duration
}

func (w waits) addTo(r *Record) {
	r.LockWaits += w.count
	r.LockWait += Duration(w.lost)
}

// retry runs try until it ends with anything but an error that passes, for at
// most patience. Before each rest it tells of the attempt and the pause.
func retry(ctx context.Context, patience time.Duration, tell func(attempt int, pause time.Duration), try func() error) (waits, error) {
	began := time.Now()
	for attempt := 1; ; attempt++ {
		start := time.Now()
		err := try()
		w := waits{count: attempt - 1, lost: start.Sub(began)}
		if !passing(err) {
			return w, err
		}
		w = waits{count: attempt, lost: time.Since(began)}
		left := patience - time.Since(began)
		if left <= 0 {
			return w, err
		}
		d := min(pause(attempt, rand.Float64()), left)
		tell(attempt, d)
		if err := rest(ctx, d); err != nil {
			return w, err
		}
	}
}
