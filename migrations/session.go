package migrations

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
)

const (
	// minServer is the oldest server that the runner knows, as the server
	// numbers versions.
	minServer = 130000
	// cleanupTimeout bounds the clean-up after a failure or a signal; a
	// container has 30 s until it is killed.
	cleanupTimeout = 15 * time.Second
	// cancelDelay is how long a cancelled statement may take to end before
	// the connection is cut.
	cancelDelay = 10 * time.Second
)

// errUncertain means that the connection broke during COMMIT: whether the
// transaction was committed is unknown. The record that it wrote, if it is
// there, tells the next run.
var errUncertain = errors.New("the connection broke during COMMIT")

// session is the one connection that holds the lock and runs statements: if
// it breaks, both end together.
type session struct {
	*pgx.Conn
	version int
	notice  func(string) // what the server says meanwhile; nil for nobody
}

// connect opens a connection whose statements are cancelled on the server when
// their context ends.
func connect(ctx context.Context, config *pgx.ConnConfig, application string) (*pgx.Conn, error) {
	c := config.Copy()
	if c.RuntimeParams == nil {
		c.RuntimeParams = map[string]string{}
	}
	c.RuntimeParams["application_name"] = application
	c.RuntimeParams["TimeZone"] = "UTC"
	c.RuntimeParams["DateStyle"] = "ISO"
	// The lexer cuts files into statements on this assumption.
	c.RuntimeParams["standard_conforming_strings"] = "on"
	// Nothing of the runner's own is prepared on the server, where a file
	// could take it away.
	c.DefaultQueryExecMode, c.StatementCacheCapacity, c.DescriptionCacheCapacity = pgx.QueryExecModeDescribeExec, 0, 0
	c.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: conn, DeadlineDelay: cancelDelay}
	}
	conn, err := pgx.ConnectConfig(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("connect to the database: %w", err)
	}
	return conn, nil
}

// openSession connects, and refuses servers that are too old and connection
// poolers.
func openSession(ctx context.Context, config *pgx.ConnConfig, release string) (*session, error) {
	s := new(session)
	config = config.Copy()
	config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
		if s.notice != nil {
			s.notice(n.Severity + ": " + n.Message)
		}
	}
	var err error
	if s.Conn, err = connect(ctx, config, application(release)); err != nil {
		return nil, err
	}
	err = s.check(ctx)
	if err == nil {
		err = s.prepare(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, s.close(ctx))
	}
	return s, nil
}

// application is the name that other sessions see.
func application(release string) string {
	if release == "" {
		return "migrate"
	}
	return "migrate " + release
}

func (s *session) check(ctx context.Context) error {
	var version string
	var pid uint32
	if err := s.QueryRow(ctx, "SELECT current_setting('server_version_num'), pg_backend_pid()").Scan(&version, &pid); err != nil {
		return fmt.Errorf("ask the server's version: %w", err)
	}
	var err error
	if s.version, err = strconv.Atoi(version); err != nil {
		return fmt.Errorf("read the server's version %q: %w", version, err)
	}
	if s.version < minServer {
		return fmt.Errorf("the server is PostgreSQL %d; migrations need 13 or later", s.version/10000)
	}
	// A pooler invents the process id that a client gets at start, and may
	// hand every transaction another session: neither the lock nor a limit
	// would hold there.
	if given := s.PgConn().PID(); given != pid {
		return fmt.Errorf("a connection pooler stands before the database (it gave process id %d, the server has %d): migrations need the database's own host and port, not RDS Proxy's or PgBouncer's", given, pid)
	}
	return nil
}

// errLockLost means that a file has released the runner's own lock.
var errLockLost = errors.New("the migration lock is gone: the file released it, as pg_advisory_unlock_all() does; release by name what the file has locked")

// reset takes away what a file can leave behind in a session: all that DISCARD
// ALL would, but for the lock.
const reset = `CLOSE ALL; RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL; DEALLOCATE ALL; UNLISTEN *;
	DISCARD PLANS; DISCARD TEMP; DISCARD SEQUENCES`

// ownLock finds the session's row for the runner's lock in pg_locks.
var ownLock = fmt.Sprintf("locktype = 'advisory' AND pid = pg_backend_pid() AND objsubid = 1 AND classid::bigint = %d AND objid::bigint = %d", lockKey>>32, lockKey&0xffffffff)

// unlock releases each advisory lock of the session but the runner's.
var unlock = `WITH held AS (SELECT mode, objsubid, classid::bigint << 32 | objid::bigint AS key, classid::bigint::bit(32)::int AS high, objid::bigint::bit(32)::int AS low
		FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND NOT (` + ownLock + `))
	SELECT count(*) FILTER (WHERE CASE
		WHEN objsubid = 1 AND mode = 'ShareLock' THEN pg_advisory_unlock_shared(key)
		WHEN objsubid = 1 THEN pg_advisory_unlock(key)
		WHEN mode = 'ShareLock' THEN pg_advisory_unlock_shared(high, low)
		ELSE pg_advisory_unlock(high, low) END) FROM held`

// maxUnlocks is how often one lock that was taken more than once is released.
const maxUnlocks = 1000

// prepare resets the session to the state that every file starts from. Timeouts
// that the role or the database sets for applications do not apply to the
// runner: it may be idle between two batches, and it limits each statement.
func (s *session) prepare(ctx context.Context) error {
	settings := "SET idle_in_transaction_session_timeout = '1min'; SET statement_timeout = '1min'; SET lock_timeout = '10s'"
	if s.version >= 140000 {
		settings += "; SET idle_session_timeout = 0"
	}
	if s.version >= 170000 {
		settings += "; SET transaction_timeout = 0"
	}
	if err := s.run(ctx, reset+"; "+settings); err != nil {
		return fmt.Errorf("prepare the session: %w", err)
	}
	for range maxUnlocks {
		var released int
		if err := s.QueryRow(ctx, unlock).Scan(&released); err != nil {
			return fmt.Errorf("release the advisory locks of a file: %w", err)
		}
		if released == 0 {
			break
		}
	}
	if s.version < 140000 {
		return nil
	}
	// The statement of a killed runner must not go on, since it would keep the
	// lock. Servers on some operating systems do not support this setting.
	err := s.run(ctx, "SET client_connection_check_interval = '1s'")
	if err != nil && code(err) == "" {
		return fmt.Errorf("prepare the session: %w", err)
	}
	return nil
}

// limits are the bounds of one statement.
type limits struct{ lock, statement time.Duration }

// limit sets the limits of the next statement; they override those of a file.
func (s *session) limit(ctx context.Context, l limits) error {
	return s.run(ctx, fmt.Sprintf("SET lock_timeout = %d; SET statement_timeout = %d", l.lock.Milliseconds(), l.statement.Milliseconds()))
}

// run executes SQL as it is written, by the simple query protocol.
func (s *session) run(ctx context.Context, sql string) error {
	_, err := s.PgConn().Exec(ctx, sql).ReadAll()
	return err
}

// exec executes one statement with parameters given as text; the server infers
// their types.
func (s *session) exec(ctx context.Context, sql string, params ...string) *pgconn.Result {
	values := make([][]byte, len(params))
	for i, p := range params {
		values[i] = []byte(p)
	}
	return s.PgConn().ExecParams(ctx, sql, values, nil, nil, nil).Read()
}

// asItself calls do in the role that the session began with, whichever role the
// file has set; it uses the open transaction, or begins one. The file's role
// returns when the transaction ends. If the session no longer holds the lock, it
// returns errLockLost.
func (s *session) asItself(ctx context.Context, do func() error) error {
	if s.PgConn().TxStatus() == 'I' {
		return s.inTransaction(ctx, func() error { return s.asItself(ctx, do) })
	}
	var held bool
	if err := s.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_locks WHERE "+ownLock+")").Scan(&held); err != nil {
		return fmt.Errorf("look for the migration lock: %w", err)
	}
	if !held {
		return errLockLost
	}
	if err := s.run(ctx, "SET LOCAL SESSION AUTHORIZATION DEFAULT; SET LOCAL role TO DEFAULT"); err != nil {
		return fmt.Errorf("take the runner's own role: %w", err)
	}
	return do()
}

// inTransaction calls do between BEGIN and COMMIT. The end of ctx does not
// cancel the COMMIT, so that its outcome is known.
func (s *session) inTransaction(ctx context.Context, do func() error) error {
	if err := s.run(ctx, "BEGIN"); err != nil {
		return err
	}
	err := do()
	if err == nil {
		err = ctx.Err()
	}
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	if err != nil {
		if rollback := s.run(after, "ROLLBACK"); rollback != nil && !s.IsClosed() {
			return errors.Join(err, fmt.Errorf("roll back: %w", rollback))
		}
		return err
	}
	if err := s.run(after, "COMMIT"); err != nil {
		if s.IsClosed() {
			return fmt.Errorf("%w: %w", errUncertain, err)
		}
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// close gives the lock back and ends the session. By itself the server would give it
// back a moment after the connection has closed, and whoever looks in that moment would
// see a runner at work.
func (s *session) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	if !s.IsClosed() {
		_ = s.run(ctx, "SELECT pg_advisory_unlock_all()") // the end of the session does it as well
	}
	return s.Close(ctx)
}

// lockKey is the key of the advisory lock by which runners on one database
// exclude each other: "migrate" in ASCII.
const lockKey int64 = 0x6d696772617465

// lockPoll is the mean pause between two tries. The lock is polled because
// waiting inside the server would deadlock: the waiting session holds a
// snapshot, and CREATE INDEX CONCURRENTLY in the holder waits for its end.
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

// lock takes the advisory lock. While another session has it, it reports which.
func (s *session) lock(ctx context.Context, most time.Duration, report func(Event)) error {
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
		if waited >= most {
			return &LockedError{Holder: holder, Waited: waited}
		}
		if holder != nil && holder.PID != told {
			told = holder.PID
			report(Event{Kind: Waiting, Holder: holder})
		}
		pause := time.Duration((0.5 + rand.Float64()) * float64(lockPoll))
		if err := rest(ctx, min(pause, most-waited)); err != nil {
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

// watcher uses a second connection to see which sessions block a statement, so
// that a retry can name them. Without that connection it sees none.
type watcher struct {
	conn *pgx.Conn

	mu       sync.Mutex
	blockers []Backend
}

// A look is cheap but not free: the first comes when a statement is slow, and
// the longer it takes, the rarer they get.
const (
	watchFirst = 40 * time.Millisecond
	watchLast  = time.Second
)

// watch looks repeatedly until the returned function is called; that one waits
// for the last look to end.
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

// look remembers the blockers. An autovacuum worker gives way to a session that
// waits longer than deadlock_timeout (1 s). The runner never waits that long, so
// it cancels the worker itself, unless the vacuum prevents wraparound.
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
		// A role that may not do this goes on waiting.
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
