package lint_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/specboard/platform/migrations"
	"github.com/specboard/platform/migrations/check/internal/prove"
	"github.com/specboard/platform/migrations/scratch"
)

// bench is a server with the base schema and its rows as a template, and one
// database of it for what can be rolled back.
type bench struct {
	server  *scratch.Server
	version int
	copies  int
	conn    *pgx.Conn
	watcher *pgx.Conn
	old     []migrations.Statement
}

func newBench(t *testing.T) *bench {
	t.Helper()
	if os.Getenv("E2E") != "1" {
		t.Skip("needs PostgreSQL; run with E2E=1")
	}
	ctx := t.Context()
	server, err := scratch.Start(ctx, "autovacuum=off", "allow_in_place_tablespaces=on", "timezone=Europe/Paris", "max_locks_per_transaction=256")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(context.WithoutCancel(ctx)); err != nil {
			t.Error(err)
		}
	})
	b := &bench{server: server}
	config, err := server.Create(ctx, "base", "")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"testdata/base.sql", "testdata/rows.sql"} {
		sql, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Exec(ctx, string(sql)); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
	}
	for _, sql := range []string{"CREATE ROLE clients", "GRANT ALL ON ALL TABLES IN SCHEMA public, app TO clients", "GRANT ALL ON ALL SEQUENCES IN SCHEMA public, app TO clients",
		"GRANT USAGE ON SCHEMA app TO clients", "CREATE ROLE release",
		"ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO clients", "ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO clients",
		"GRANT clients TO release",
		"CREATE TABLESPACE second LOCATION ''", "CREATE ACCESS METHOD heap2 TYPE TABLE HANDLER heap_tableam_handler"} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	if err := conn.QueryRow(ctx, "SELECT current_setting('server_version_num')::int / 10000").Scan(&b.version); err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(ctx); err != nil {
		t.Fatal(err)
	}
	old, err := os.ReadFile("testdata/old.sql")
	if err != nil {
		t.Fatal(err)
	}
	var wrong *migrations.SyntaxError
	if b.old, _, wrong = migrations.Split(string(old)); wrong != nil {
		t.Fatal(wrong)
	}
	b.conn, b.watcher = b.copy(t)
	return b
}

// copy makes a database for what cannot be rolled back.
func (b *bench) copy(t *testing.T) (conn, watcher *pgx.Conn) {
	t.Helper()
	ctx := t.Context()
	b.copies++
	config, err := b.server.Create(ctx, fmt.Sprintf("copy%d", b.copies), "base")
	if err != nil {
		t.Fatal(err)
	}
	var pair [2]*pgx.Conn
	for i := range pair {
		if pair[i], err = pgx.ConnectConfig(ctx, config); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { pair[i].Close(context.WithoutCancel(ctx)) })
	}
	return pair[0], pair[1]
}

// outcome runs what the deployed release runs, each query undone.
func (b *bench) outcome(t *testing.T, conn *pgx.Conn) []prove.Outcome {
	t.Helper()
	ctx := t.Context()
	run := func(sql string) {
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	const idle = 'I'
	if conn.PgConn().TxStatus() == idle {
		run("BEGIN")
		defer run("ROLLBACK")
	}
	run("SET LOCAL search_path TO DEFAULT")
	run("SET LOCAL ROLE release") // as the application: not the tables' owner
	list, err := prove.Observe(ctx, conn, b.old)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// exceptions reads testdata/differences.txt: where what the server shows and
// what the linter says differ, and why. A line is KIND RULE-OR-CASE: reason.
func exceptions(t *testing.T) map[string]map[string]bool {
	t.Helper()
	file, err := os.Open("testdata/differences.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	all := map[string]map[string]bool{}
	for scan := bufio.NewScanner(file); scan.Scan(); {
		line := strings.TrimSpace(scan.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		head, reason, ok := strings.Cut(line, ": ")
		kind, what, named := strings.Cut(head, " ")
		if !ok || !named || reason == "" {
			t.Fatalf("differences.txt: %q; write KIND WHAT: reason", line)
		}
		if all[kind] == nil {
			all[kind] = map[string]bool{}
		}
		all[kind][what] = false // true once it was needed
	}
	return all
}
