package main

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"

	"github.com/specboard/platform/migrations/scratch"
)

// TestLayouts reads folders as other tools lay them out: what runs, in which
// order.
func TestLayouts(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  string // NAME=SQL, in order
		own   bool
	}{
		"ours":           {map[string]string{"0001_a.sql": "SELECT 1;", "0002_b.sql": "SELECT 2;"}, "0001_a.sql=SELECT 1; 0002_b.sql=SELECT 2;", true},
		"three digits":   {map[string]string{"010_b.sql": "SELECT 2;", "002_a.sql": "SELECT 1;"}, "002_a.sql=SELECT 1; 010_b.sql=SELECT 2;", false},
		"no zeros":       {map[string]string{"10_b.sql": "SELECT 2;", "9_a.sql": "SELECT 1;"}, "9_a.sql=SELECT 1; 10_b.sql=SELECT 2;", false},
		"golang-migrate": {map[string]string{"000001_a.up.sql": "BEGIN;\nSELECT 1;\nCOMMIT;", "000001_a.down.sql": "DROP TABLE a;"}, "000001_a.up.sql=SELECT 1;", false},
		"time stamps":    {map[string]string{"20240102030405_b.sql": "SELECT 2;", "20231231000000-a.sql": "SELECT 1;", "schema.sql": "x"}, "20231231000000-a.sql=SELECT 1; 20240102030405_b.sql=SELECT 2;", false},
		"goose": {map[string]string{"0001_a.sql": "-- +goose NO TRANSACTION\n-- +goose Up\n-- +goose StatementBegin\nSELECT 1;\n-- +goose StatementEnd\n-- +goose Down\nDROP TABLE a;"},
			"0001_a.sql=-- transaction: none -- +goose StatementBegin SELECT 1; -- +goose StatementEnd", false},
		"dbmate":      {map[string]string{"20240101_a.sql": "-- migrate:up transaction:false\nSELECT 1;\n\n-- migrate:down\nDROP TABLE a;"}, "20240101_a.sql=-- transaction: none SELECT 1;", false},
		"sql-migrate": {map[string]string{"1_a.sql": "-- +migrate Up\nSELECT 1;\n-- +migrate Down\nDROP TABLE a;"}, "1_a.sql=SELECT 1;", false},
		"tern":        {map[string]string{"001_a.sql": "SELECT 1;\n---- create above / drop below ----\nDROP TABLE a;"}, "001_a.sql=SELECT 1;", false},
		"flyway":      {map[string]string{"V1.10__b.sql": "SELECT 2;", "V1.9__a.sql": "SELECT 1;", "U1.9__a.sql": "DROP TABLE a;"}, "V1.9__a.sql=SELECT 1; V1.10__b.sql=SELECT 2;", false},
		"prisma":      {map[string]string{"20240102_b/migration.sql": "SELECT 2;", "20240101_a/migration.sql": "SELECT 1;"}, "20240101_a/migration.sql=SELECT 1; 20240102_b/migration.sql=SELECT 2;", false},
		"diesel":      {map[string]string{"2024-01-01-000000_a/up.sql": "SELECT 1;", "2024-01-01-000000_a/down.sql": "DROP TABLE a;"}, "2024-01-01-000000_a/up.sql=SELECT 1;", false},
		"diesel's stamps": {map[string]string{"2017-09-23-182408_c/up.sql": "SELECT 3;", "20140924113530_b/up.sql": "SELECT 2;", "00000000000000_a/up.sql": "SELECT 1;",
			"2026-03-19-234307-0000_e/up.sql": "SELECT 5;", "2025-08-01-000055_d/up.sql": "SELECT 4;"},
			"00000000000000_a/up.sql=SELECT 1; 20140924113530_b/up.sql=SELECT 2; 2017-09-23-182408_c/up.sql=SELECT 3; 2025-08-01-000055_d/up.sql=SELECT 4; 2026-03-19-234307-0000_e/up.sql=SELECT 5;", false},
		"drizzle": {map[string]string{"0000_a.sql": "SELECT 1;--> statement-breakpoint\nSELECT 2;", "meta/_journal.json": "{}"}, "0000_a.sql=SELECT 1;--> statement-breakpoint SELECT 2;", false},
		"a body":  {map[string]string{"1_a.up.sql": "DO $$\nBEGIN\n  NULL;\nEND;\n$$;"}, "1_a.up.sql=DO $$ BEGIN NULL; END; $$;", false},
	} {
		t.Run(name, func(t *testing.T) {
			fsys := fstest.MapFS{}
			for n, sql := range c.files {
				fsys[n] = &fstest.MapFile{Data: []byte(sql)}
			}
			l, err := readLayout(fsys)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range l.files {
				if want := strings.Count(c.files[f.Name], "\n"); strings.Count(string(f.Data), "\n") != want {
					t.Errorf("%s: lines moved:\n%s", f.Name, f.Data)
				}
				got = append(got, f.Name+"="+strings.Join(strings.Fields(string(f.Data)), " "))
			}
			if strings.Join(got, " ") != c.want || l.own != c.own {
				t.Errorf("own %v\ngot  %s\nwant %s", l.own, strings.Join(got, " "), c.want)
			}
		})
	}
}

// TestLintFolder judges a folder of another tool from an empty database on.
func TestLintFolder(t *testing.T) {
	dir := folder(t, map[string]string{"001_a.up.sql": "CREATE TABLE a (id int PRIMARY KEY, n text);", "001_a.down.sql": "DROP TABLE a;",
		"002_b.up.sql": "BEGIN;\n-- Phase: two\nALTER TABLE a DROP COLUMN n;\nCOMMIT;", "002_c.up.sql": "DROP TABLE IF EXISTS never;"})
	stdout, stderr, code := lintWith(t, nil, "lint", "-json", "-dir", dir)
	if code != exitFound || strings.Count(stdout, "\n") != 2 || !strings.Contains(stdout, `002_b.up.sql","line":3,`) || !strings.Contains(stdout, "number 002 is taken by 002_b.up.sql") {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
	if _, stderr, code := lintWith(t, nil, "lint", "-dir", t.TempDir()); code != exitTrouble || !strings.Contains(stderr, "no migrations in ") {
		t.Errorf("exit %d\n%s", code, stderr)
	}
}

func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestLintBase: what a commit holds is applied and never an error again, as long
// as it runs the same.
func TestLintBase(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Fatal("needs git")
	}
	dir := folder(t, map[string]string{"0001_a.sql": "CREATE TABLE a (id bigint PRIMARY KEY, n text, m text);", "0002_b.sql": "ALTER TABLE a DROP COLUMN n;"})
	run := func(args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "git", append([]string{"-C", dir, "-c", "user.name=a", "-c", "user.email=a@example.com"}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	run("init", "-q")
	run("add", ".")
	run("commit", "-q", "-m", "applied")
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	lint := func(want string, code int, args ...string) {
		t.Helper()
		stdout, stderr, got := lintWith(t, nil, append([]string{"lint", "-base", "HEAD"}, args...)...)
		if got != code || !strings.Contains(stdout+stderr, want) {
			t.Errorf("exit %d, want %d with %q\n%s%s", got, code, want, stdout, stderr)
		}
	}
	lint("2 files judged: 0 errors, 0 warnings", exitClean, "-dir", dir)
	lint("0 errors", exitClean, filepath.Join(dir, "0001_a.sql"), filepath.Join(dir, "0002_b.sql"))
	write("0002_b.sql", "-- A reason.\n-- waive: drop-table no release uses it\nALTER TABLE a\n  DROP COLUMN n; -- gone\n")
	lint("warning: unused-waiver: no finding of drop-table", exitClean, "-dir", dir)
	write("0003_c.sql", "ALTER TABLE a DROP COLUMN m;\nALTER TABLE a DROP COLUMN IF EXISTS n;")
	lint("3 files judged: 1 error, 1 warning", exitFound, "-dir", dir)
	write("0002_b.sql", "ALTER TABLE a DROP COLUMN n, DROP COLUMN m;")
	lint("column m of a goes away", exitFound, "-dir", dir) // edited: judged as new
	write("0002_a.sql", "SELECT 1;")
	lint("number 0002 is taken", exitFound, "-dir", dir)
	stdout, stderr, code := lintWith(t, nil, "lint", "-base", "nowhere", "-dir", dir)
	if code != exitTrouble || !strings.Contains(stderr, "read what is applied: git ls-tree") {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
}

// TestLintSizes: a table that is known to be small may be locked.
func TestLintSizes(t *testing.T) {
	schema := write(t, "deployed.sql", "CREATE TABLE few (id bigint PRIMARY KEY, n int);\nCREATE TABLE many (id bigint PRIMARY KEY, n int);")
	sizes := write(t, "sizes.txt", "# psql -At\npublic.few|200\nmany 5000000\n")
	file := write(t, "0003_x.sql", "CREATE INDEX few_n ON few (n);\nCREATE INDEX many_n ON many (n);\nALTER TABLE few DROP COLUMN n;\n")
	stdout, _, code := lintWith(t, nil, "lint", "-schema", schema, "-sizes", sizes, file)
	if code != exitFound || !strings.Contains(stdout, "warning: index-not-concurrent: nobody can write to few until the index is built (few has about 200 rows; up to 10000 may be locked)") ||
		!strings.Contains(stdout, "error: index-not-concurrent: nobody can write to many") || !strings.Contains(stdout, "error: drop-column") {
		t.Errorf("exit %d\n%s", code, stdout)
	}
	if stdout, _, _ := lintWith(t, nil, "lint", "-schema", schema, "-sizes", sizes, "-small", "100", file); !strings.Contains(stdout, "error: index-not-concurrent: nobody can write to few") {
		t.Errorf("%s", stdout)
	}
	if _, stderr, code := lintWith(t, nil, "lint", "-sizes", write(t, "x.txt", "few lots\n"), file); code != exitTrouble || !strings.Contains(stderr, "write schema.table and its rows") {
		t.Errorf("exit %d\n%s", code, stderr)
	}
}

// TestLintDatabase asks a database for the sizes.
func TestLintDatabase(t *testing.T) {
	if os.Getenv("E2E") == "" {
		t.Skip("needs PostgreSQL: run make e2e")
	}
	serve(t)
	config, err := pgx.ParseConfig(os.Getenv(scratch.URLVariable))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.WithoutCancel(t.Context())) })
	schema := "CREATE TABLE few (id int); CREATE TABLE many (id int); CREATE TABLE unknown (id int);"
	if _, err := conn.Exec(t.Context(), schema+"INSERT INTO few VALUES (1), (2); INSERT INTO many SELECT generate_series(1, 300); ANALYZE few, many"); err != nil {
		t.Fatal(err)
	}
	file := write(t, "0003_x.sql", "CREATE INDEX few_i ON few (id);\nCREATE INDEX many_i ON many (id);\nCREATE INDEX unknown_i ON unknown (id);\n")
	stdout, stderr, code := lintWith(t, nil, "lint", "-schema", write(t, "deployed.sql", schema), "-database", os.Getenv(scratch.URLVariable), "-small", "100", file)
	for _, want := range []string{"warning: index-not-concurrent: nobody can write to few until the index is built (few has about 2 rows; up to 100 may be locked)",
		"error: index-not-concurrent: nobody can write to many until", "error: index-not-concurrent: nobody can write to unknown until"} {
		if !strings.Contains(stdout, want) || code != exitFound {
			t.Errorf("exit %d without %q\n%s%s", code, want, stdout, stderr)
		}
	}
	for url, want := range map[string]string{"postgres://127.0.0.1:1/x": "read the sizes: failed to connect", "nonsense ": "-database is no URL of PostgreSQL"} {
		if _, stderr, code := lintWith(t, nil, "lint", "-database", url, file); code != exitTrouble || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit %d\n%s", url, code, stderr)
		}
	}
}

// TestLintReports: what GitLab and code scanning read.
func TestLintReports(t *testing.T) {
	file := write(t, "0002_x.sql", "-- transaction: none\nDROP TABLE users;\nDROP TABLE users;\n")
	stdout, _, code := lintWith(t, nil, "lint", "-gitlab", file)
	var quality []struct {
		CheckName   string `json:"check_name"`
		Fingerprint string
		Severity    string
		Location    struct {
			Path  string
			Lines struct{ Begin int }
		}
	}
	if err := json.Unmarshal([]byte(stdout), &quality); err != nil || code != exitFound {
		t.Fatalf("exit %d: %v\n%s", code, err, stdout)
	}
	if len(quality) != 2 || quality[0].CheckName != "drop-table" || quality[0].Severity != "critical" || quality[0].Location.Path != file ||
		quality[1].Location.Lines.Begin != 3 || quality[0].Fingerprint == quality[1].Fingerprint {
		t.Errorf("%+v", quality)
	}
	stdout, _, _ = lintWith(t, nil, "lint", "-sarif", file)
	var sarif struct {
		Version string
		Runs    []struct {
			Tool struct {
				Driver struct{ Rules []struct{ ID string } }
			}
			Results []struct {
				RuleID    string
				RuleIndex int
				Level     string
			}
		}
	}
	if err := json.Unmarshal([]byte(stdout), &sarif); err != nil {
		t.Fatalf("%v\n%s", err, stdout)
	}
	if r := sarif.Runs[0]; sarif.Version != "2.1.0" || len(r.Results) != 2 || r.Results[1].Level != "error" || r.Tool.Driver.Rules[r.Results[1].RuleIndex].ID != "drop-table" {
		t.Errorf("%s", stdout)
	}
	if stdout, _, code := lintWith(t, nil, "lint", "-gitlab", write(t, "0003_y.sql", "SELECT 1;")); code != exitClean || strings.TrimSpace(stdout) != "[]" {
		t.Errorf("exit %d\n%s", code, stdout)
	}
}
