package migrations

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
)

const (
	// minServer is the oldest server that the runner knows, as the server
	// numbers versions.
	minServer = 130000
	// cleanupTimeout bounds what is put right after a failure or a signal;
	// a container has 30 s until it is killed.
	cleanupTimeout = 15 * time.Second
	// cancelDelay is how long a cancelled statement may take to end before
	// the connection is cut.
	cancelDelay = 10 * time.Second
)

// errUncertain means that nobody here knows whether a transaction was
// committed. The record inside it tells the next run.
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
	// Files are cut into statements by this rule.
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

// openSession connects and makes sure that the server and the way to it are
// fit for migrations.
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

// prepare resets the session to what every file starts from. What the role or
// the database sets for applications does not bind the runner: it may be idle
// between two batches, and bounds each statement by itself.
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
	// A runner that was killed must not leave its statement running, since
	// that keeps the lock. Servers on some systems cannot look for this.
	err := s.run(ctx, "SET client_connection_check_interval = '1s'")
	if err != nil && code(err) == "" {
		return fmt.Errorf("prepare the session: %w", err)
	}
	return nil
}

// limits are the bounds of one statement.
type limits struct{ lock, statement time.Duration }

// limit sets the bounds of the next statement, whatever a file has set.
func (s *session) limit(ctx context.Context, l limits) error {
	return s.run(ctx, fmt.Sprintf("SET lock_timeout = %d; SET statement_timeout = %d", l.lock.Milliseconds(), l.statement.Milliseconds()))
}

// run executes SQL by the simple protocol, as it is written.
func (s *session) run(ctx context.Context, sql string) error {
	_, err := s.PgConn().Exec(ctx, sql).ReadAll()
	return err
}

// exec executes one statement whose parameters are given as text, their types
// taken from where they stand.
func (s *session) exec(ctx context.Context, sql string, params ...string) *pgconn.Result {
	values := make([][]byte, len(params))
	for i, p := range params {
		values[i] = []byte(p)
	}
	return s.PgConn().ExecParams(ctx, sql, values, nil, nil, nil).Read()
}

// asItself runs do in a transaction, the open one if there is one, as the role
// that the session began with, whatever role a file has taken. The end of the
// transaction gives the file its role back. Without the lock it does nothing.
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

// inTransaction runs do between BEGIN and COMMIT. A COMMIT that is on its way
// is not cancelled, so that its outcome is known.
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

func (s *session) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	return s.Close(ctx)
}
