package migrations

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"
)

// TestThreeRunners starts three at once, in processes of their own: no
// deadlock, no invalid index, each migration once.
func TestThreeRunners(t *testing.T) {
	config := database(t, "")
	list := files(t,
		"CREATE TABLE a (id int PRIMARY KEY, x int); INSERT INTO a SELECT i, i FROM generate_series(1, 20000) i; CREATE TABLE log (line text)",
		"CREATE INDEX CONCURRENTLY a_x_idx ON a (x); CREATE INDEX CONCURRENTLY a_x_id_idx ON a (x, id)",
		"INSERT INTO log VALUES ('once')",
		"DROP INDEX CONCURRENTLY a_x_idx",
		"REINDEX INDEX CONCURRENTLY a_x_id_idx",
		"INSERT INTO log VALUES ('again')",
	)
	var group errgroup.Group
	var mu sync.Mutex
	var outputs []string
	for range 3 {
		cmd := taskOfProcess{}.command(t, config, list)
		group.Go(func() error {
			out, err := cmd.CombinedOutput()
			mu.Lock()
			outputs = append(outputs, string(out))
			mu.Unlock()
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, strings.Join(outputs, "\n"))
	}
	all := strings.Join(outputs, "")
	for _, m := range list {
		if n := strings.Count(all, fmt.Sprintf("applied %s ", m.ID())); n != 1 {
			t.Errorf("%s was applied %d times", m.ID(), n)
		}
	}
	conn := dial(t, config)
	if n := value[int](t, conn, "SELECT count(*) FROM log"); n != 2 {
		t.Errorf("%d lines in the log", n)
	}
	status, err := Look(t.Context(), config, list)
	if err != nil {
		t.Fatal(err)
	}
	if len(status.InvalidIndexes) != 0 || len(status.Pending()) != 0 {
		t.Errorf("%+v", status)
	}
}

// TestHolderIsNamed: a run that waits says for whom, and gives up naming it.
func TestHolderIsNamed(t *testing.T) {
	config := database(t, "")
	list := files(t, "SELECT 1")
	holding := config.Copy()
	holding.RuntimeParams["application_name"] = "migrate v7"
	holder := dial(t, holding)
	mustExec(t, holder, fmt.Sprintf("SELECT pg_advisory_lock(%d)", lockKey))
	pid := int(holder.PgConn().PID())
	o := quick()
	o.RunnerWait = 300 * time.Millisecond
	var seen []Event
	o.Report = func(e Event) { seen = append(seen, e) }
	_, err := Up(t.Context(), config, list, o)
	locked, ok := errors.AsType[*LockedError](err)
	if !ok || locked.Holder == nil || locked.Holder.PID != pid || locked.Holder.Application != "migrate v7" || locked.Holder.Since.IsZero() {
		t.Fatalf("error %v", err)
	}
	if len(seen) != 1 || seen[0].Kind != Waiting || seen[0].Holder.PID != pid {
		t.Errorf("events %+v", seen)
	}
	status, err := Look(t.Context(), config, list)
	if err != nil || status.Holder == nil || status.Holder.PID != pid {
		t.Errorf("status %+v, %v", status.Holder, err)
	}
	o.RunnerWait = 20 * time.Second
	time.AfterFunc(200*time.Millisecond, func() { holder.Close(context.Background()) })
	mustUp(t, config, list, o)
}

// TestLockQueue: behind a long reader, a migration lets others go on between its tries,
// and succeeds when the reader ends.
func TestLockQueue(t *testing.T) {
	config := database(t, "")
	const head = "CREATE TABLE orders (id int PRIMARY KEY, n int NOT NULL DEFAULT 0); INSERT INTO orders SELECT i FROM generate_series(1, 1000) i"
	list := files(t, head, "ALTER TABLE orders ADD COLUMN note text")
	mustUp(t, config, list[:1], quick())

	reading := config.Copy()
	reading.RuntimeParams["application_name"] = "long report"
	reader := dial(t, reading)
	tx, err := reader.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "SELECT count(*) FROM orders"); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var clients errgroup.Group
	worst := make([]time.Duration, 4)
	answers := make([]atomic.Int64, len(worst))
	for i := range worst {
		conn := dial(t, config)
		clients.Go(func() error { return load(ctx, conn, i, &worst[i], &answers[i]) })
	}
	o := quick()
	var blocked []Backend
	var first, last []int64 // answers when the first and the last attempt had given up
	o.Report = func(e Event) {
		if e.Kind == Retrying {
			blocked = append(blocked, e.Blockers...)
			last = nil
			for i := range answers {
				last = append(last, answers[i].Load())
			}
			if first == nil {
				first = last
			}
			if e.Attempt == 3 {
				if err := tx.Commit(context.Background()); err != nil {
					t.Error(err)
				}
			}
		}
	}
	result := mustUp(t, config, list, o)
	stop()
	if err := clients.Wait(); err != nil {
		t.Fatal(err)
	}
	r := result.Applied[0]
	t.Logf("applied after %d waits (%v); worst stall of each client %v", r.LockWaits, r.LockWait, worst)
	if r.LockWaits < 3 || time.Duration(r.LockWait) < 3*o.LockTimeout {
		t.Errorf("the reader was not in the way: %+v", r)
	}
	for i, w := range worst {
		if len(last) == 0 || last[i] <= first[i] {
			t.Errorf("client %d stood still while the reader was in the way: %v answers, then %v", i, first, last)
		}
		if w < o.LockTimeout/4 {
			t.Errorf("client %d was never in the queue: %v", i, w)
		}
	}
	if len(blocked) == 0 || blocked[0].PID != int(reader.PgConn().PID()) || blocked[0].Application != "long report" {
		t.Errorf("blockers %v, want the reader", blocked)
	}
}

// load reads and writes one row after the other, counts the answers and keeps
// the longest time that one took.
func load(ctx context.Context, conn *pgx.Conn, client int, worst *time.Duration, answers *atomic.Int64) error {
	for n := 0; rest(ctx, 5*time.Millisecond) == nil; n++ {
		start := time.Now()
		sql := "SELECT n FROM orders WHERE id = $1"
		if n%4 == 0 {
			sql = "UPDATE orders SET n = n + 1 WHERE id = $1"
		}
		if _, err := conn.Exec(context.WithoutCancel(ctx), sql, 1+client*100+n%100); err != nil {
			return err
		}
		*worst = max(*worst, time.Since(start))
		answers.Add(1)
	}
	return nil
}

// TestLockWaitEnds: what stays in the way is named in the error.
func TestLockWaitEnds(t *testing.T) {
	config := database(t, "")
	list := files(t, "CREATE TABLE a ()", "ALTER TABLE a ADD COLUMN x int")
	mustUp(t, config, list[:1], quick())
	reading := config.Copy()
	reading.RuntimeParams["application_name"] = "stuck"
	reader := dial(t, reading)
	mustExec(t, reader, "BEGIN")
	mustExec(t, reader, "SELECT count(*) FROM a")
	o := quick()
	o.LockWait = 500 * time.Millisecond
	_, err := Up(t.Context(), config, list, o)
	partial, ok := errors.AsType[*PartialError](err)
	if !ok || code(err) != lockNotAvailable || len(partial.Blockers) != 1 || partial.Blockers[0].Application != "stuck" {
		t.Fatalf("%v", err)
	}
	for _, part := range []string{"in the way: pid", "idle in transaction", "next: end what is in the way or wait"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("missing %q in:\n%v", part, err)
		}
	}
	mustExec(t, reader, "COMMIT")
	result := mustUp(t, config, list, quick())
	if r := result.Applied[0]; r.LockWaits == 0 {
		t.Errorf("the waits of the first run are forgotten: %+v", r)
	}
}

// TestLimitsOfAFile: a file lowers its limits, whatever else it does to the
// session lasts for no other file.
func TestLimitsOfAFile(t *testing.T) {
	config := database(t, "")
	list := files(t,
		"CREATE TABLE seen (file int, name text, setting text)",
		`SET lock_timeout = '50ms'; SET statement_timeout TO 2000; SET search_path = public, pg_temp;
		 SELECT set_config('lock_timeout', '0', false);
		 INSERT INTO seen SELECT 2, name, setting FROM pg_settings WHERE name IN ('lock_timeout', 'statement_timeout', 'search_path')`,
		`INSERT INTO seen SELECT 3, name, setting FROM pg_settings WHERE name IN ('lock_timeout', 'statement_timeout', 'search_path')`,
		"-- transaction: none\nINSERT INTO seen SELECT 4, name, setting FROM pg_settings WHERE name = 'lock_timeout'",
	)
	mustUp(t, config, list, quick())
	got := value[string](t, dial(t, config), "SELECT string_agg(format('%s %s=%s', file, name, setting), '; ' ORDER BY file, name) FROM seen")
	want := `2 lock_timeout=50; 2 search_path=public, pg_temp; 2 statement_timeout=2000; 3 lock_timeout=150; 3 search_path="$user", public; 3 statement_timeout=30000; 4 lock_timeout=150`
	if got != want {
		t.Errorf("limits\n got %s\nwant %s", got, want)
	}
}
