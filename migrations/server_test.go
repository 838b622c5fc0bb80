package migrations

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/specboard/platform/migrations/scratch"
)

// TestMain lets the test binary be a runner that can be killed, and stops the
// server that the tests share.
func TestMain(m *testing.M) {
	if os.Getenv("RUNNER_CHILD") != "" {
		os.Exit(process())
	}
	code := m.Run()
	if shared.server != nil {
		if err := shared.server.Close(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

var shared struct {
	start  sync.Once
	server *scratch.Server
	err    error
	number atomic.Int64
}

// database makes an empty database, or a copy of template.
func database(t *testing.T, template string) *pgx.ConnConfig {
	t.Helper()
	if os.Getenv("E2E") != "1" {
		t.Skip("needs PostgreSQL; run with E2E=1")
	}
	shared.start.Do(func() {
		// PostgreSQL gives up a worker of autovacuum that has not started within the naptime.
		shared.server, shared.err = scratch.Start(context.Background(), "autovacuum_naptime=5s")
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	name := fmt.Sprintf("db%d", shared.number.Add(1))
	config, err := shared.server.Create(t.Context(), name, template)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := shared.server.Drop(context.Background(), name); err != nil {
			t.Error(err)
		}
	})
	return config
}

func dial(t *testing.T, config *pgx.ConnConfig) *pgx.Conn {
	t.Helper()
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func mustExec(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func value[T any](t *testing.T, conn *pgx.Conn, sql string, args ...any) T {
	t.Helper()
	var v T
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// quick are options for tests: the same limits, less patience.
func quick() Options {
	o := DefaultOptions()
	o.Release = "v1"
	o.LockWait = 2 * time.Minute
	o.RunnerWait = 2 * time.Minute
	return o
}

// files makes migrations of texts, numbered from 1 and named step_1, step_2 …
func files(t *testing.T, texts ...string) []Migration {
	t.Helper()
	fsys := fstest.MapFS{}
	for i, text := range texts {
		fsys[fmt.Sprintf("%04d_step_%d.sql", i+1, i+1)] = &fstest.MapFile{Data: []byte(text)}
	}
	list, err := Load(fsys)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func mustUp(t *testing.T, config *pgx.ConnConfig, list []Migration, o Options) Result {
	t.Helper()
	result, err := Up(t.Context(), config, list, o)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// snapshot describes everything that migrations make, with the rows of every
// table and the records without their times.
func snapshot(t *testing.T, config *pgx.ConnConfig) string {
	t.Helper()
	text, err := describeSchema(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func describeSchema(ctx context.Context, config *pgx.ConnConfig) (string, error) {
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, `
		SELECT format('column %s.%s %s null=%s default=%s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull, pg_get_expr(d.adbin, d.adrelid))
		  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p', 'v') AND c.relnamespace = 'public'::regnamespace
		  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum WHERE a.attnum > 0 AND NOT a.attisdropped
		UNION ALL SELECT format('constraint %s %s %s', conrelid::regclass, pg_get_constraintdef(oid), convalidated) FROM pg_constraint WHERE connamespace = 'public'::regnamespace
		UNION ALL SELECT format('index %s valid=%s', pg_get_indexdef(indexrelid), indisvalid) FROM pg_index WHERE indrelid::regclass::text !~ '^(pg_|information_schema)'
		UNION ALL SELECT format('trigger %s', pg_get_triggerdef(oid)) FROM pg_trigger WHERE NOT tgisinternal
		UNION ALL SELECT format('function %s', pg_get_functiondef(oid)) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
		UNION ALL SELECT format('partition %s of %s', inhrelid::regclass, inhparent::regclass) FROM pg_inherits
		UNION ALL SELECT format('record %s %s %s %s %s rows=%s', number, name, checksum, state, cardinality(hashes), rows) FROM public.migrate_history
		UNION ALL SELECT format('rows %s %s', relname, md5(query_to_xml(format('SELECT * FROM %I t ORDER BY t::text', relname), true, false, '')::text))
		            FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> 'migrate_history'
		ORDER BY 1`)
	if err != nil {
		return "", err
	}
	lines, err := collect(rows)
	return strings.Join(lines, "\n"), err
}

// taskOfProcess is what a runner in its own process does.
type taskOfProcess struct {
	DSN   string
	Files map[string]string
	// KillAt kills the process at that event, from 1, after KillAfter.
	KillAt    int
	KillAfter time.Duration
}

// runner returns a command that runs list on a database in a process of its
// own. Its output is one event a line.
func (task taskOfProcess) command(t *testing.T, config *pgx.ConnConfig, list []Migration) *exec.Cmd {
	t.Helper()
	task.DSN = fmt.Sprintf("host=%s port=%d user=%s password='%s' dbname=%s sslmode=disable", config.Host, config.Port, config.User, config.Password, config.Database)
	task.Files = map[string]string{}
	for _, m := range list {
		task.Files[m.File] = m.SQL
	}
	data, err := json.Marshal(task)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "RUNNER_CHILD="+string(data))
	return cmd
}

func process() int {
	var task taskOfProcess
	if err := json.Unmarshal([]byte(os.Getenv("RUNNER_CHILD")), &task); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	config, err := pgx.ParseConfig(task.DSN)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	list, err := Load(folder(task.Files))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	o := quick()
	n := 0
	o.Report = func(e Event) {
		n++
		fmt.Println(e.Kind, e.Migration, e.Statement)
		if n != task.KillAt {
			return
		}
		kill := func() { _ = syscall.Kill(os.Getpid(), syscall.SIGKILL) }
		if task.KillAfter == 0 {
			kill()
			select {} // until the signal arrives
		}
		time.AfterFunc(task.KillAfter, kill)
	}
	if _, err := Up(context.Background(), config, list, o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
