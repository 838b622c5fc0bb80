package migrations

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"
)

// killSet has every kind of statement that a runner can be killed at.
func killSet(t *testing.T) []Migration {
	return files(t,
		"CREATE TABLE a (id int PRIMARY KEY, x int, y int); INSERT INTO a SELECT i, i, NULL FROM generate_series(1, 300) i",
		"CREATE INDEX CONCURRENTLY a_x_idx ON a (x); CREATE INDEX CONCURRENTLY IF NOT EXISTS a_xy_idx ON a (x, y)",
		"-- backfill: table=a key=id batch=150 pause=0s\nUPDATE a SET y = coalesce(y, 0) + 1 WHERE id BETWEEN $1 AND $2",
		"ALTER TABLE a ADD CONSTRAINT a_y CHECK (y = 1) NOT VALID",
		"ALTER TABLE a VALIDATE CONSTRAINT a_y",
		`-- transaction: none
		SET search_path = public;
		INSERT INTO a VALUES (1000, 0, 1);
		DROP INDEX CONCURRENTLY a_x_idx;
		REINDEX INDEX CONCURRENTLY a_xy_idx;
		CREATE TABLE p (k int) PARTITION BY LIST (k);
		CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);
		ALTER TABLE p DETACH PARTITION p1 CONCURRENTLY;
		INSERT INTO a VALUES (1001, 0, 1)`,
	)
}

// events runs the whole set once and returns how many events it has.
func events(t *testing.T, config *pgx.ConnConfig, list []Migration) int {
	t.Helper()
	n := 0
	o := quick()
	o.Report = func(Event) { n++ }
	mustUp(t, config, list, o)
	return n
}

// TestKilledAtEveryEvent kills the runner before and behind every statement,
// and a moment into it, and lets another one go on: the schema, the rows and
// the records must be those of a run that nobody disturbed.
func TestKilledAtEveryEvent(t *testing.T) {
	list := killSet(t)
	undisturbed := database(t, "")
	total := events(t, undisturbed, list)
	want := snapshot(t, undisturbed)
	if total < 40 {
		t.Fatalf("only %d events", total)
	}
	var group errgroup.Group
	group.SetLimit(2)
	for n := 1; n <= total; n++ {
		config := database(t, "")
		task := taskOfProcess{KillAt: n}
		if n%3 == 0 {
			task.KillAfter = time.Duration(n%7+1) * time.Millisecond / 2
		}
		cmd := task.command(t, config, list)
		group.Go(func() error {
			out, err := cmd.CombinedOutput()
			if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
				return fmt.Errorf("killed at event %d: the first run failed by itself:\n%s", n, out)
			}
			if err == nil && task.KillAfter == 0 {
				return fmt.Errorf("the run was not killed at event %d:\n%s", n, out)
			}
			if _, err := Up(context.Background(), config, list, quick()); err != nil {
				return fmt.Errorf("killed at event %d, then: %w", n, err)
			}
			got, err := describeSchema(context.Background(), config)
			if diff := cmp.Diff(want, got); err == nil && diff != "" {
				err = errors.New(diff)
			}
			if err != nil {
				return fmt.Errorf("killed at event %d, then: %w", n, err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
}

// TestKilledInside kills the runner while its statement waits on the server,
// so that the server is surely inside of it, and looks at what it leaves.
func TestKilledInside(t *testing.T) {
	const head = "CREATE TABLE a (id int PRIMARY KEY, x int); INSERT INTO a SELECT i, i FROM generate_series(1, 100) i;" +
		"CREATE TABLE p (k int) PARTITION BY LIST (k); CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1); CREATE INDEX a_old_idx ON a (x)"
	tests := []struct {
		name, sql string
		// blocker is what another transaction does to stop it.
		blocker string
		// left counts what the killed statement has left half done.
		left     string
		repaired bool
	}{
		{"build index", "CREATE INDEX CONCURRENTLY a_x_idx ON a (x)", "UPDATE a SET x = 0 WHERE id = 1",
			"SELECT count(*) FROM pg_index WHERE NOT indisvalid", true},
		{"drop index", "DROP INDEX CONCURRENTLY a_old_idx", "UPDATE a SET x = 0 WHERE id = 1",
			"SELECT count(*) FROM pg_index WHERE NOT indisvalid", false},
		{"reindex", "REINDEX INDEX CONCURRENTLY a_old_idx", "UPDATE a SET x = 0 WHERE id = 1",
			"SELECT count(*) FROM pg_index WHERE NOT indisvalid", true},
		{"detach", "ALTER TABLE p DETACH PARTITION p1 CONCURRENTLY", "SELECT * FROM p",
			"SELECT count(*) FROM pg_inherits WHERE inhdetachpending", true},
		{"transaction", "INSERT INTO a VALUES (1000, 1); SELECT pg_sleep(1)", "", "SELECT 1 - count(*) FROM a WHERE id = 1000", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			list := files(t, head, tt.sql)
			undisturbed := database(t, "")
			mustUp(t, undisturbed, list, quick())

			config := database(t, "")
			mustUp(t, config, list[:1], quick())
			blocker := dial(t, config)
			if tt.blocker != "" {
				mustExec(t, blocker, "BEGIN")
				mustExec(t, blocker, tt.blocker)
			}
			cmd := taskOfProcess{}.command(t, config, list)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(out)
			for lines.Scan() && !strings.HasPrefix(lines.Text(), string(Executing)) {
			}
			conn := dial(t, config)
			waiting := func() bool {
				return value[int](t, conn, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'migrate v1' AND (wait_event_type = 'Lock' OR wait_event = 'PgSleep')") == 1
			}
			until(t, "the statement waits", waiting)
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait() // it was killed
			until(t, "its session ends", func() bool {
				return value[int](t, conn, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'migrate v1'") == 0
			})
			if n := value[int](t, conn, tt.left); n != 1 {
				t.Errorf("%d things are left half done, want 1: the test shows nothing", n)
			}
			if tt.blocker != "" {
				mustExec(t, blocker, "ROLLBACK")
			}
			repaired := false
			o := quick()
			o.Report = func(e Event) { repaired = repaired || e.Kind == Repaired }
			mustUp(t, config, list, o)
			if repaired != tt.repaired {
				t.Errorf("repaired: %v", repaired)
			}
			if diff := cmp.Diff(snapshot(t, undisturbed), snapshot(t, config)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Minute)
	for !done() {
		if time.Now().After(deadline) {
			t.Fatalf("never happened: %s", what)
		}
		if err := rest(t.Context(), 10*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
}
