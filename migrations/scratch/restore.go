package scratch

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// A server that can be restored keeps, in its folder, the cluster as it was before
// the server began (base), and the log of all that was written since (archive).

// archived are the settings by which a server in dir keeps its log.
func archived(dir string) []string {
	return []string{"wal_level=replica", "archive_mode=on", "archive_command=cp %p " + filepath.Join(dir, "archive", "%f")}
}

// shell runs a script as the servers' owner, with its arguments.
func shell(ctx context.Context, owner *syscall.Credential, script string, args ...string) error {
	cmd := exec.CommandContext(ctx, "/bin/sh", append([]string{"-ec", script, "sh"}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: owner}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}

// Restore starts another server, which holds what this one held at a time. This one
// was started with Options.Restorable and goes on.
func (s *Server) Restore(ctx context.Context, to time.Time, o Options) (*Server, error) {
	if err := s.flush(ctx, to); err != nil {
		return nil, fmt.Errorf("restore a scratch server: %w", err)
	}
	o.Restorable, o.origin, o.until = true, s.dir, to
	restored, err := New(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("restore a scratch server: %w", err)
	}
	return restored, nil
}

// flush archives all that was written until a time, and that something was written
// after it: recovery asks for that.
func (s *Server) flush(ctx context.Context, to time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, s.config)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // it has changed nothing
	var now time.Time
	if err := conn.QueryRow(ctx, "SELECT clock_timestamp()").Scan(&now); err != nil {
		return err
	}
	if !now.After(to) {
		return fmt.Errorf("%s is not in the past", to.Format(time.RFC3339))
	}
	var file string
	for _, query := range []string{"SELECT pg_current_xact_id()::text", "SELECT pg_walfile_name(pg_switch_wal())"} {
		if err := conn.QueryRow(ctx, query).Scan(&file); err != nil {
			return err
		}
	}
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for {
		var done bool
		if err := conn.QueryRow(ctx, "SELECT coalesce(last_archived_wal >= $1, false) FROM pg_stat_archiver", file).Scan(&done); err != nil || done {
			return err
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return errors.New("the server's log was not archived in time")
		}
	}
}
