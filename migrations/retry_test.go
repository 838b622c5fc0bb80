package migrations

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

func lockTimeout() error { return fmt.Errorf("run: %w", &pgconn.PgError{Code: lockNotAvailable}) }

func TestRetryUntilItSucceeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries, told := 0, 0
		w, err := retry(t.Context(), time.Minute, func(n int, d time.Duration) {
			told++
			if n != told || d <= 0 {
				t.Errorf("attempt %d, pause %v", n, d)
			}
		}, func() error {
			rest(t.Context(), 150*time.Millisecond)
			if tries++; tries < 5 {
				return lockTimeout()
			}
			return nil
		})
		if err != nil || tries != 5 || told != 4 || w.count != 4 {
			t.Errorf("error %v, %d tries, %d told, %+v", err, tries, told, w)
		}
		if w.lost < 4*150*time.Millisecond || w.lost > 10*time.Second {
			t.Errorf("lost %v", w.lost)
		}
	})
}

func TestRetryEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		w, err := retry(t.Context(), time.Minute, func(int, time.Duration) {}, func() error { return lockTimeout() })
		if !passing(err) || w.count < 10 {
			t.Errorf("error %v after %d tries", err, w.count)
		}
		if took := time.Since(began); took != time.Minute {
			t.Errorf("tried for %v, want a minute", took)
		}
	})
}

func TestRetryPassesOtherErrorsOn(t *testing.T) {
	other := errors.New("no such table")
	w, err := retry(t.Context(), time.Minute, func(int, time.Duration) { t.Error("told of a retry") }, func() error { return other })
	if err != other || w.count != 0 {
		t.Errorf("%v, %+v", err, w)
	}
}

func TestRetryStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		_, err := retry(ctx, time.Hour, func(int, time.Duration) { cancel() }, func() error { return lockTimeout() })
		if !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
	})
}

func TestPause(t *testing.T) {
	if d := pause(1, 0); d != firstPause/2 {
		t.Errorf("first, shortest: %v", d)
	}
	if d := pause(50, 1); d != longPause*3/2 {
		t.Errorf("late, longest: %v", d)
	}
	for n := 1; n < 20; n++ {
		if pause(n+1, 0.5) < pause(n, 0.5) {
			t.Errorf("pause %d is shorter than the one before", n+1)
		}
	}
}
