package migrations

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// TestFilesAreAlone: nothing that one file leaves in the session reaches the
// next, whichever way it runs.
func TestFilesAreAlone(t *testing.T) {
	const leave = `SET search_path = other, public; SET work_mem = '1MB'; SELECT pg_advisory_lock(42), pg_advisory_lock(42), pg_advisory_lock_shared(-1), pg_advisory_lock(-7, 9), pg_advisory_lock(2000000000, -2);
		CREATE TEMP TABLE left_table (x int); CREATE FUNCTION pg_temp.left_function() RETURNS int LANGUAGE sql AS 'SELECT 1'; PREPARE left_plan AS SELECT 1;
		LISTEN left_channel; DECLARE left_cursor CURSOR WITH HOLD FOR SELECT 1; SELECT nextval('s'); SELECT set_config('app.tenant', '7', false);
		SET ROLE helper;`
	const look = `DO $$ BEGIN
		IF to_regclass('left_table') IS NOT NULL OR EXISTS (SELECT FROM pg_proc WHERE proname = 'left_function') THEN RAISE 'a temporary object'; END IF;
		IF EXISTS (SELECT FROM pg_prepared_statements WHERE name = 'left_plan') THEN RAISE 'a prepared statement'; END IF;
		IF EXISTS (SELECT FROM pg_listening_channels()) THEN RAISE 'a channel'; END IF;
		IF EXISTS (SELECT FROM pg_cursors WHERE name = 'left_cursor') THEN RAISE 'a cursor'; END IF;
		IF current_setting('work_mem') = '1MB' OR current_setting('search_path') ~ 'other' OR current_setting('app.tenant', true) = '7' THEN RAISE 'a setting'; END IF;
		IF current_user = 'helper' OR session_user = 'helper' THEN RAISE 'a role'; END IF;
		IF (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()) <> 1 THEN RAISE 'a lock'; END IF;
		PERFORM lastval();
		RAISE 'the last value of a sequence';
	EXCEPTION WHEN object_not_in_prerequisite_state THEN NULL; END $$`
	config := database(t, "")
	role(t, config, "helper")
	list := files(t, "CREATE SEQUENCE s; CREATE SCHEMA other; GRANT helper TO CURRENT_USER",
		leave, look, "-- transaction: none\n"+leave+"SET SESSION AUTHORIZATION helper", look, leave+"SET SESSION AUTHORIZATION helper", look)
	mustUp(t, config, list, quick())
}

// role makes a role that the whole server has.
func role(t *testing.T, config *pgx.ConnConfig, name string) {
	t.Helper()
	mustExec(t, dial(t, config), "DO $$ BEGIN CREATE ROLE "+name+"; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
}

// TestTemporaryTableOfTheSameName: a file that means a table of the schema gets
// it, and not the temporary one of the file before.
func TestTemporaryTableOfTheSameName(t *testing.T) {
	config := database(t, "")
	mustUp(t, config, files(t, "CREATE TABLE a (id bigint PRIMARY KEY, t text)",
		"CREATE TEMP TABLE a AS SELECT * FROM a WHERE false; INSERT INTO public.a SELECT * FROM a", "ALTER TABLE a ADD COLUMN later int"), quick())
	if n := value[int](t, dial(t, config), "SELECT count(*) FROM pg_attribute WHERE attrelid = 'public.a'::regclass AND attname = 'later'"); n != 1 {
		t.Error("the column is not in the schema's table")
	}
}

// TestRecordsAsItself: a file may take another role, also for longer than one
// statement, and the record is still the runner's to write.
func TestRecordsAsItself(t *testing.T) {
	for _, take := range []string{"SET ROLE poor", "SET SESSION AUTHORIZATION poor", "SELECT set_config('role', 'poor', false)"} {
		config := database(t, "")
		role(t, config, "poor")
		list := files(t, "CREATE TABLE parcels (id int PRIMARY KEY, weight int); INSERT INTO parcels SELECT i, i FROM generate_series(1, 50) i; GRANT SELECT, UPDATE ON parcels TO poor; CREATE SCHEMA own AUTHORIZATION poor",
			"-- transaction: none\n"+take+";\nCREATE TABLE own.t (x int);\nCREATE INDEX CONCURRENTLY p3 ON own.t (x);\nCREATE TABLE own.u (x int)",
			take+";\nCREATE TABLE own.v (x int)",
			"-- backfill: table=parcels batch=20 pause=0s\nSET ROLE poor;\nUPDATE parcels SET weight = 0 WHERE id BETWEEN $1 AND $2")
		mustUp(t, config, list, quick())
		conn := dial(t, config)
		if n := value[int](t, conn, "SELECT count(*) FROM pg_class WHERE relnamespace = 'own'::regnamespace AND relowner = 'poor'::regrole"); n != 4 {
			t.Errorf("%s: %d things belong to the role, want 3 tables and an index", take, n)
		}
		mustExec(t, conn, "DROP OWNED BY poor")
	}
}

// TestRoleOfTheConnection: where the role's own setting makes it act as
// another, records are that one's too.
func TestRoleOfTheConnection(t *testing.T) {
	config := database(t, "")
	conn := dial(t, config)
	mustExec(t, conn, "DROP ROLE IF EXISTS acting; DROP ROLE IF EXISTS acted; CREATE ROLE acted; CREATE ROLE acting LOGIN NOINHERIT IN ROLE acted; ALTER ROLE acting SET role = 'acted'; GRANT CREATE, USAGE ON SCHEMA public TO acted")
	acting := config.Copy()
	acting.User = "acting"
	mustUp(t, acting, files(t, "CREATE TABLE a ()", "-- transaction: none\nSET ROLE NONE;\nCREATE TEMP TABLE b ();\nSET ROLE acted;\nCREATE TABLE c ()"), quick())
	if owners := value[string](t, conn, "SELECT string_agg(relowner::regrole::text, ' ') FROM pg_class WHERE relname IN ('a', 'c', 'migrate_history')"); owners != "acted acted acted" {
		t.Error(owners)
	}
	mustExec(t, conn, "DROP OWNED BY acted, acting; DROP ROLE acting; DROP ROLE acted")
}

// TestLockIsReleasedByAFile: such a file is rolled back, since another run
// could be at work from then on.
func TestLockIsReleasedByAFile(t *testing.T) {
	for _, header := range []string{"", "-- transaction: none\n"} {
		config := database(t, "")
		list := files(t, header+"CREATE TABLE a (); SELECT pg_advisory_unlock_all()")
		_, err := Up(t.Context(), config, list, quick())
		if !errors.Is(err, errLockLost) || !strings.Contains(err.Error(), "next: correct the file") {
			t.Fatalf("error %v", err)
		}
		mustUp(t, config, files(t, header+"CREATE TABLE a (); SELECT pg_advisory_unlock(42)"), quick())
	}
}

// TestLimitsOfTheDatabase: what the database sets for applications ends no run.
func TestLimitsOfTheDatabase(t *testing.T) {
	config := database(t, "")
	conn := dial(t, config)
	list := files(t, "CREATE TABLE a (id int PRIMARY KEY, x int); INSERT INTO a SELECT i FROM generate_series(1, 3) i",
		"-- backfill: table=a batch=2 pause=2500ms\nUPDATE a SET x = 1 WHERE id BETWEEN $1 AND $2")
	settings := []string{"idle_in_transaction_session_timeout = '50ms'"}
	if value[bool](t, conn, "SELECT current_setting('server_version_num')::int >= 140000") {
		// A session has this long to begin, on however slow a machine.
		settings = append(settings, "idle_session_timeout = '2s'")
	}
	for _, s := range settings {
		mustExec(t, conn, "ALTER DATABASE "+quote(config.Database)+" SET "+s)
	}
	o := quick()
	o.Report = func(e Event) {
		if e.Kind == Executing {
			_ = rest(t.Context(), 100*time.Millisecond) // inside the transaction
		}
	}
	mustUp(t, config, list, o)
}
