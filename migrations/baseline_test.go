package migrations

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// oldTableSQL is the table as older runners made it.
const oldTableSQL = `CREATE TABLE public.schema_migrations (number integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, phase text NOT NULL,
	unused_since text NOT NULL DEFAULT '', state text NOT NULL CHECK (state IN ('running', 'failed', 'applied')), statements integer NOT NULL, hashes text[] NOT NULL DEFAULT '{}',
	executing text NOT NULL DEFAULT '', cursor text, cursor_of text NOT NULL DEFAULT '', walked bigint NOT NULL DEFAULT 0, rows bigint NOT NULL DEFAULT 0,
	release text NOT NULL DEFAULT '', started_at timestamptz NOT NULL DEFAULT now(), finished_at timestamptz, duration_ms bigint NOT NULL DEFAULT 0,
	lock_waits integer NOT NULL DEFAULT 0, lock_wait_ms bigint NOT NULL DEFAULT 0, error text NOT NULL DEFAULT '')`

// TestRecordsOfAnOlderRunner: they are read where they are, move by themselves,
// and older runners still find and write them.
func TestRecordsOfAnOlderRunner(t *testing.T) {
	config := database(t, "")
	const table = "CREATE TABLE t (id int PRIMARY KEY, n int DEFAULT 0)"
	list := files(t, table, "-- backfill: table=t batch=100 pause=0s\nUPDATE t SET n = n + 1 WHERE id BETWEEN $1 AND $2")
	conn := dial(t, config)
	mustExec(t, conn, table+"; INSERT INTO t SELECT i FROM generate_series(1, 200) i; "+oldTableSQL)
	mustExec(t, conn, fmt.Sprintf("INSERT INTO schema_migrations (number, name, checksum, phase, state, statements) VALUES (1, 'step_1', '%s', 'expand', 'applied', 1)", sum([]byte(table))))
	mustExec(t, conn, "INSERT INTO schema_migrations (number, name, checksum, phase, state, statements, cursor, cursor_of, walked) VALUES (2, 'step_2', '', 'expand', 'failed', 1, '100', 't.id', 100)")
	status, err := Look(t.Context(), config, list)
	if err != nil || len(status.Pending()) != 1 || len(status.Mismatch) > 0 || len(status.Foreign) > 0 {
		t.Errorf("%+v, %v", status, err)
	}
	if r := mustUp(t, config, list, quick()).Applied[0]; *r.End != "200" || r.Walked != 200 || r.Rows != 100 {
		t.Errorf("%+v", r)
	}
	if kind := value[string](t, conn, "SELECT string_agg(relname || ' ' || relkind::text, ', ' ORDER BY relname) FROM pg_class WHERE relname ~ '^(schema_migrations|migrate_history)'"); kind != "migrate_history r, migrate_history_pkey i, schema_migrations v" {
		t.Error(kind)
	}
	mustExec(t, conn, strings.Replace(oldTableSQL, "TABLE", "TABLE IF NOT EXISTS", 1))
	mustExec(t, conn, `INSERT INTO public.schema_migrations (number, name, checksum, phase, state, statements) VALUES (3, 'step_3', 'x', 'expand', 'running', 1)
		ON CONFLICT (number) DO UPDATE SET (name, checksum) = (excluded.name, excluded.checksum)`)
	if n := value[int](t, conn, "SELECT count(*) FROM "+Table); n != 3 {
		t.Errorf("%d records", n)
	}
	mustUp(t, config, list, quick())
}

// TestForeignTables: a database that another tool has migrated is told apart
// by its table, and left alone.
func TestForeignTables(t *testing.T) {
	tests := []struct{ tool, sql, last string }{
		{"golang-migrate", "CREATE TABLE schema_migrations (version bigint PRIMARY KEY, dirty boolean NOT NULL); INSERT INTO schema_migrations VALUES (2, false)", "2"},
		{"Rails", "CREATE TABLE schema_migrations (version varchar PRIMARY KEY); CREATE TABLE ar_internal_metadata (key varchar, value varchar); INSERT INTO schema_migrations VALUES ('20240102030405')", "20240102030405"},
		{"dbmate", "CREATE TABLE schema_migrations (version varchar(128) PRIMARY KEY); INSERT INTO schema_migrations VALUES ('20240102030405')", "20240102030405"},
		{"Specboard's own runner", "CREATE TABLE schema_migrations (name varchar(255) PRIMARY KEY, applied_at timestamptz DEFAULT now()); INSERT INTO schema_migrations VALUES ('001_step_1.sql'), ('002_step_2.sql')", "002_step_2.sql"},
		{"goose", "CREATE TABLE goose_db_version (id serial, version_id bigint, is_applied boolean, tstamp timestamp); INSERT INTO goose_db_version (version_id) VALUES (0), (7)", "7"},
		{"an unknown tool", "CREATE SCHEMA ops; CREATE TABLE ops.schema_migrations (what text); INSERT INTO ops.schema_migrations VALUES ('x')", ""},
	}
	for _, tt := range tests {
		t.Run(tt.tool, func(t *testing.T) {
			config := database(t, "")
			conn := dial(t, config)
			mustExec(t, conn, tt.sql)
			list := files(t, "CREATE TABLE a ()", "CREATE TABLE b ()")
			_, err := Up(t.Context(), config, list, quick())
			foreign, ok := errors.AsType[*ForeignError](err)
			if !ok || foreign.Foreign.Tool != tt.tool || foreign.Foreign.Last != tt.last || !strings.Contains(err.Error(), "next: migrate baseline") {
				t.Fatalf("error %v", err)
			}
			if tt.tool == "Specboard's own runner" && !strings.Contains(err.Error(), "migrate baseline 0002, if 0002_step_2 is the last") {
				t.Errorf("error %v", err)
			}
			status, err := Look(t.Context(), config, list)
			if err != nil || len(status.Foreign) != 1 || status.Foreign[0] != foreign.Foreign {
				t.Errorf("%+v, %v", status.Foreign, err)
			}
			if value[bool](t, conn, "SELECT to_regclass('a') IS NOT NULL OR to_regclass('migrate_history') IS NOT NULL") {
				t.Error("something was made")
			}
			o := BaselineOptions{Options: quick()}
			if _, _, err := Baseline(t.Context(), config, list, 0, o); err != nil {
				t.Fatal(err)
			}
			if r := mustUp(t, config, list, quick()); len(r.Applied) != 2 {
				t.Errorf("%+v", r)
			}
		})
	}
}

// TestBaseline adopts a database that another runner has made: the files that
// are in it are recorded, and the next one runs, once.
func TestBaseline(t *testing.T) {
	config := database(t, "")
	texts := []string{
		"CREATE TYPE mood AS ENUM ('glad', 'sad'); CREATE TABLE users (id bigserial PRIMARY KEY, email text NOT NULL, mood mood DEFAULT 'glad'); CREATE UNIQUE INDEX users_email ON users (lower(email))",
		"CREATE TABLE posts (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), author bigint REFERENCES users ON DELETE CASCADE); CREATE VIEW authors AS SELECT DISTINCT author FROM posts; INSERT INTO users (email) VALUES ('a')",
		"CREATE INDEX CONCURRENTLY posts_author ON posts (author)",
		"ALTER TABLE users ADD COLUMN name text; INSERT INTO users (email) VALUES ('b')",
	}
	conn := dial(t, config)
	mustExec(t, conn, "CREATE TABLE schema_migrations (name varchar(255) PRIMARY KEY, applied_at timestamptz DEFAULT now()); INSERT INTO schema_migrations VALUES ('001_a.sql'), ('002_b.sql'), ('002_c.sql')")
	for _, text := range texts[:3] {
		mustExec(t, conn, strings.ReplaceAll(text, "CONCURRENTLY ", ""))
	}
	list := files(t, texts...)
	recorded, differences, err := Baseline(t.Context(), config, list, 3, BaselineOptions{Options: quick()})
	if err != nil || len(recorded) != 3 || len(differences) > 0 {
		t.Fatalf("%+v, %v, %v", recorded, differences, err)
	}
	if again, _, err := Baseline(t.Context(), config, list, 3, BaselineOptions{Options: quick()}); err != nil || len(again) != 0 {
		t.Errorf("a second time: %+v, %v", again, err)
	}
	if r := mustUp(t, config, list, quick()); len(r.Applied) != 1 || r.Applied[0].Number != 4 || r.Before != 3 {
		t.Errorf("%+v", r)
	}
	status, err := Look(t.Context(), config, list)
	if err != nil || !status.Migrations[2].Baseline || status.Migrations[3].Baseline || len(status.Pending()) > 0 || len(status.Foreign) > 0 {
		t.Errorf("%+v, %v", status, err)
	}
	if n := value[int](t, conn, "SELECT count(*) * 10 + (SELECT count(*) FROM schema_migrations) FROM users"); n != 23 {
		t.Errorf("rows of users and of the other tool: %d", n)
	}
	if n := value[int](t, conn, "SELECT count(*) FROM pg_database WHERE datname LIKE 'migrate_compare%'"); n != 0 {
		t.Error("the database of the comparison is left")
	}
	if differences, err := Drift(t.Context(), config, list, quick()); err != nil || len(differences) > 0 {
		t.Errorf("drift %v, %v", differences, err)
	}
	mustExec(t, conn, "DROP INDEX posts_author; CREATE TABLE extra (x int); ALTER TABLE users ALTER email TYPE varchar(90), ADD CONSTRAINT c CHECK (id > 0) NOT VALID; DROP VIEW authors")
	differences, err = Drift(t.Context(), config, list, quick())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range differences {
		got = append(got, d.String())
	}
	want := []string{
		"differs  column public.users.email\n           files:    text NOT NULL\n           database: character varying(90) NOT NULL",
		"extra    constraint public.users.c: CHECK ((id > 0)) NOT VALID",
		"missing  index public.posts.posts_author: CREATE INDEX posts_author ON public.posts USING btree (author)",
		"differs  index public.users.users_email\n           files:    CREATE UNIQUE INDEX users_email ON public.users USING btree (lower(email))\n           database: CREATE UNIQUE INDEX users_email ON public.users USING btree (lower((email)::text))",
		"extra    table public.extra: a table",
		"missing  view public.authors: SELECT DISTINCT posts.author\n   FROM public.posts;",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestBaselineUnderASearchPath: the files make their tables where the
// database's own search_path says, and rest for no batch.
func TestBaselineUnderASearchPath(t *testing.T) {
	config := database(t, "")
	conn := dial(t, config)
	mustExec(t, conn, "CREATE SCHEMA app; CREATE TABLE app.a (id int PRIMARY KEY); INSERT INTO app.a VALUES (1); ALTER DATABASE "+quote(config.Database)+" SET search_path = app, public")
	list := files(t, "CREATE SCHEMA IF NOT EXISTS app; CREATE TABLE a (id int PRIMARY KEY); INSERT INTO a VALUES (1)", "-- backfill: table=a pause=1m\nDELETE FROM a WHERE id BETWEEN $1 AND $2 AND id > 5")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Second)
	defer cancel()
	if recorded, _, err := Baseline(ctx, config, list, 2, BaselineOptions{Options: quick()}); err != nil || len(recorded) != 2 {
		t.Errorf("%v, %v", recorded, err)
	}
}

// TestBaselineOfADifferentSchema records nothing unless it is told to.
func TestBaselineOfADifferentSchema(t *testing.T) {
	config := database(t, "")
	list := files(t, "CREATE TABLE a (x int)", "ALTER TABLE a ADD COLUMN y int")
	conn := dial(t, config)
	mustExec(t, conn, "CREATE TABLE a (x bigint)")
	o := BaselineOptions{Options: quick()}
	_, differences, err := Baseline(t.Context(), config, list, 1, o)
	if _, ok := errors.AsType[*DifferenceError](err); !ok || len(differences) != 1 || differences[0].Thing != "column public.a.x" {
		t.Fatalf("%v, %v", differences, err)
	}
	if value[bool](t, conn, "SELECT to_regclass('migrate_history') IS NOT NULL") {
		t.Error("the table was made")
	}
	if _, _, err := Baseline(t.Context(), config, list, 3, o); err == nil || !strings.Contains(err.Error(), "no migration has the number 0003; the last is 0002_step_2") {
		t.Errorf("error %v", err)
	}
	o.AcceptDifferences = true
	if recorded, _, err := Baseline(t.Context(), config, list, 1, o); err != nil || len(recorded) != 1 {
		t.Errorf("%v, %v", recorded, err)
	}
	mustUp(t, config, list, quick())

	role(t, config, "owner_only LOGIN")
	mustExec(t, conn, "GRANT CREATE, USAGE ON SCHEMA public TO owner_only; DROP TABLE migrate_history, a; CREATE TABLE a (x int)")
	poor := config.Copy()
	poor.User = "owner_only"
	o.AcceptDifferences = false
	if _, _, err := Baseline(t.Context(), poor, list, 1, o); err == nil || !strings.Contains(err.Error(), "give the role CREATEDB") {
		t.Errorf("error %v", err)
	}
	o.WithoutComparison = true
	if _, _, err := Baseline(t.Context(), poor, list, 1, o); err != nil {
		t.Error(err)
	}
	mustExec(t, conn, "DROP OWNED BY owner_only")
}

func TestSchemaHasEveryKind(t *testing.T) {
	config := database(t, "")
	mustUp(t, config, files(t, `CREATE SCHEMA app; CREATE TYPE app.e AS ENUM ('a'); CREATE DOMAIN app.d AS int CHECK (VALUE > 0); CREATE TYPE app.c AS (x int); CREATE SEQUENCE app.s;
		CREATE TABLE app.t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, d app.d DEFAULT 1, twice int GENERATED ALWAYS AS (2 * 2) STORED) PARTITION BY RANGE (id); CREATE TABLE app.p PARTITION OF app.t DEFAULT;
		CREATE FUNCTION app.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE TRIGGER g AFTER INSERT ON app.p FOR EACH ROW EXECUTE FUNCTION app.f();
		CREATE AGGREGATE app.total(int) (SFUNC = int4pl, STYPE = int); CREATE RULE r AS ON DELETE TO app.p DO NOTHING; ALTER TABLE app.p ENABLE ROW LEVEL SECURITY; CREATE POLICY o ON app.p USING (true);
		CREATE VIEW app.v AS SELECT 1 AS x; CREATE MATERIALIZED VIEW app.m AS SELECT 1 AS x`), quick())
	s, err := openSession(t.Context(), config, "")
	if err != nil {
		t.Fatal(err)
	}
	defer s.close(t.Context())
	things, err := s.schema(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, thing := range []string{"schema app", "type app.e", "type app.d", "type app.c", "column app.c.x", "sequence app.s", "table app.t", "table app.p", "column app.t.d", "column app.t.twice",
		"constraint app.t.t_pkey", "index app.p.p_pkey", "function app.f()", "trigger app.p.g", "function app.total(integer)", "rule app.p.r", "policy app.p.o", "view app.v", "materialized view app.m", "extension plpgsql"} {
		if things[thing] == "" {
			t.Errorf("%s is not there", thing)
		}
		delete(things, thing)
	}
	var left []string
	for thing := range things {
		left = append(left, thing)
	}
	slices.Sort(left)
	if want := "[column app.p.d column app.p.id column app.p.twice column app.t.id constraint app.p.p_pkey index app.t.t_pkey schema public]"; fmt.Sprint(left) != want {
		t.Errorf("besides: %v", left)
	}
}
