package migrations

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
)

// lockKey is the advisory lock that runners of a database exclude each other
// by: "migrate" in ASCII.
const lockKey int64 = 0x6d696772617465

// lockPoll is the mean pause between two tries. The lock is polled, never
// waited for: a session that waits holds a snapshot, CREATE INDEX CONCURRENTLY
// in the holder would wait for that snapshot to end, and both for ever.
const lockPoll = 500 * time.Millisecond

// Backend is another session of the server.
type Backend struct {
	PID         int    `json:"pid"`
	Application string `json:"application,omitempty"`
	User        string `json:"user,omitempty"`
	Kind        string `json:"kind,omitempty"`
	State       string `json:"state,omitempty"`
	// Since is when it connected (a holder) or began its transaction.
	Since time.Time `json:"since,omitzero"`
}

func (b Backend) String() string {
	text := fmt.Sprintf("pid %d", b.PID)
	if b.Application != "" {
		text += fmt.Sprintf(" (%s)", b.Application)
	} else if b.Kind != "" && b.Kind != "client backend" {
		text += fmt.Sprintf(" (%s)", b.Kind)
	}
	if b.User != "" {
		text += ", user " + b.User
	}
	if b.State != "" {
		text += ", " + b.State
	}
	if !b.Since.IsZero() {
		text += ", since " + b.Since.UTC().Format("2006-01-02 15:04:05 MST")
	}
	return text
}

// LockedError means that another runner kept the lock for too long.
type LockedError struct {
	// Holder is nil if it could not be seen.
	Holder *Backend
	Waited time.Duration
}

func (e *LockedError) Error() string {
	holder := "another runner"
	if e.Holder != nil {
		holder = e.Holder.String()
	}
	text := fmt.Sprintf("wait for the migration lock: %s holds it, still after %v", holder, e.Waited.Round(time.Second))
	if e.Holder != nil {
		text += fmt.Sprintf("; if that run is dead: SELECT pg_terminate_backend(%d)", e.Holder.PID)
	}
	return text
}

// lock takes the advisory lock, and tells who has it while it does not.
func (s *session) lock(ctx context.Context, patience time.Duration, report func(Event)) error {
	began := time.Now()
	var told int
	for {
		var got bool
		if err := s.QueryRow(ctx, "SELECT pg_try_advisory_lock($1)", lockKey).Scan(&got); err != nil {
			return fmt.Errorf("take the migration lock: %w", err)
		}
		if got {
			return nil
		}
		holder, err := s.holder(ctx)
		if err != nil {
			return err
		}
		waited := time.Since(began)
		if waited >= patience {
			return &LockedError{Holder: holder, Waited: waited}
		}
		if holder != nil && holder.PID != told {
			told = holder.PID
			report(Event{Kind: Waiting, Holder: holder})
		}
		pause := time.Duration((0.5 + rand.Float64()) * float64(lockPoll))
		if err := rest(ctx, min(pause, patience-waited)); err != nil {
			return err
		}
	}
}

// holder returns the session that holds the lock; nil if nobody does.
func (s *session) holder(ctx context.Context) (*Backend, error) {
	rows, err := s.Query(ctx, `
		SELECT l.pid, coalesce(a.application_name, ''), coalesce(a.usename, ''), coalesce(a.backend_type, ''), coalesce(a.state, ''), a.backend_start
		  FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
		 WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
		   AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
		   AND l.classid::bigint = $1 AND l.objid::bigint = $2`, lockKey>>32, lockKey&0xffffffff)
	if err != nil {
		return nil, fmt.Errorf("look for the holder of the migration lock: %w", err)
	}
	holder, err := pgx.CollectExactlyOneRow(rows, scanBackend)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for the holder of the migration lock: %w", err)
	}
	return &holder, nil
}

func scanBackend(row pgx.CollectableRow) (Backend, error) {
	var b Backend
	var since *time.Time
	err := row.Scan(&b.PID, &b.Application, &b.User, &b.Kind, &b.State, &since)
	if since != nil {
		b.Since = *since
	}
	return b, err
}

// rest waits for d, or less if ctx ends.
func rest(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
