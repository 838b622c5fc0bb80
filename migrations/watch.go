package migrations

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// watcher looks from a second connection at what a statement waits for, so
// that a retry can name it. Without that connection it sees nothing.
type watcher struct {
	conn *pgx.Conn

	mu       sync.Mutex
	blockers []Backend
}

// Looking is cheap, but not free: begin when a statement is slow, and look
// less often the longer it takes.
const (
	watchFirst = 40 * time.Millisecond
	watchLast  = time.Second
)

// watch looks until the returned function is called, which waits for the end
// of the looking.
func (w *watcher) watch(ctx context.Context, pid uint32) (stop func()) {
	w.mu.Lock()
	w.blockers = nil
	w.mu.Unlock()
	if w.conn == nil || w.conn.IsClosed() {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for d := watchFirst; rest(ctx, d) == nil; d = min(d*5/4, watchLast) {
			w.look(context.WithoutCancel(ctx), pid)
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// look keeps the last blockers that were seen. A worker of autovacuum gives
// way to whoever waits longer than deadlock_timeout (1 s); the runner never
// does, so it asks the worker itself, unless the vacuum prevents wraparound.
func (w *watcher) look(ctx context.Context, pid uint32) {
	ctx, cancel := context.WithTimeout(ctx, watchLast)
	defer cancel()
	rows, err := w.conn.Query(ctx, `
		SELECT pid, coalesce(application_name, ''), coalesce(usename, ''), coalesce(backend_type, ''), coalesce(state, ''), xact_start
		  FROM pg_stat_activity WHERE pid = ANY (pg_blocking_pids($1)) ORDER BY xact_start`, int32(pid))
	if err != nil {
		return // the statement itself says what is wrong, if anything is
	}
	list, err := pgx.CollectRows(rows, scanBackend)
	if err != nil || len(list) == 0 {
		return
	}
	w.mu.Lock()
	w.blockers = list
	w.mu.Unlock()
	for _, b := range list {
		if b.Kind != "autovacuum worker" {
			continue
		}
		// A role without the right to do this fails here and goes on waiting.
		_, _ = w.conn.Exec(ctx, `SELECT pg_cancel_backend(pid) FROM pg_stat_activity
			WHERE pid = $1 AND backend_type = 'autovacuum worker' AND query NOT LIKE '%(to prevent wraparound)%'`, b.PID)
	}
}

// seen returns the blockers of the statement that was watched last.
func (w *watcher) seen() []Backend {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.blockers
}

func (w *watcher) close(ctx context.Context) error {
	if w.conn == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	return w.conn.Close(ctx)
}
