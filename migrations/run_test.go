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

func TestUpOwnMigrations(t *testing.T) {
	config := database(t, "")
	list, err := Load(Files())
	if err != nil {
		t.Fatal(err)
	}
	result := mustUp(t, config, list, quick())
	if len(result.Applied) != len(list) || result.Before != 0 {
		t.Errorf("applied %d of %d, %d before", len(result.Applied), len(list), result.Before)
	}
	again := mustUp(t, config, list, quick())
	if len(again.Applied) != 0 || again.Before != len(list) {
		t.Errorf("the second run applied %d", len(again.Applied))
	}
	status, err := Look(t.Context(), config, list)
	if err != nil {
		t.Fatal(err)
	}
	if len(status.Pending()) != 0 || len(status.Mismatch) != 0 || status.Holder != nil || len(status.InvalidIndexes) != 0 {
		t.Errorf("%+v", status)
	}
	for _, r := range status.Migrations {
		if r.State != Done || r.Release != "v1" || r.FinishedAt == nil || r.Checksum == "" {
			t.Errorf("%+v", r)
		}
	}
}

// TestNotices: what the server says about a file's statements is passed on.
func TestNotices(t *testing.T) {
	config := database(t, "")
	o := quick()
	var said []string
	o.Report = func(e Event) {
		if e.Kind == Notice {
			said = append(said, fmt.Sprintf("%s %d %s", e.Migration, e.Statement, e.Message))
		}
	}
	mustUp(t, config, files(t, "CREATE TABLE a (id int PRIMARY KEY); INSERT INTO a VALUES (1);\nCREATE TABLE IF NOT EXISTS a ();\nDO $$ BEGIN RAISE WARNING 'look: %', 7; END $$",
		"-- backfill: table=a\nUPDATE a SET id = id WHERE id BETWEEN $1 AND $2"), o)
	if diff := cmp.Diff([]string{`0001_step_1 3 NOTICE: relation "a" already exists, skipping`, "0001_step_1 4 WARNING: look: 7"}, said); diff != "" {
		t.Error(diff)
	}
}

func TestLookBeforeTheFirstRun(t *testing.T) {
	config := database(t, "")
	list := files(t, "CREATE TABLE a ()", "CREATE TABLE b ()")
	status, err := Look(t.Context(), config, list)
	if err != nil {
		t.Fatal(err)
	}
	if len(status.Pending()) != 2 || status.Migrations[0].State != Pending {
		t.Errorf("%+v", status)
	}
	if value[bool](t, dial(t, config), "SELECT to_regclass('migrate_history') IS NOT NULL") {
		t.Error("looking made the table")
	}
}

// TestFailedTransaction: nothing of a failed file stays; once corrected it runs.
func TestFailedTransaction(t *testing.T) {
	config := database(t, "")
	list := files(t, "CREATE TABLE a (x int)", "ALTER TABLE a ADD COLUMN y int;\nINSERT INTO a VALUES (1, 1);\nINSERT INTO nowhere VALUES (1)")
	_, err := Up(t.Context(), config, list, quick())
	partial, ok := errors.AsType[*PartialError](err)
	if !ok {
		t.Fatalf("no *PartialError: %v", err)
	}
	want := PartialError{Applied: []string{"0001_step_1"}, Failed: "0002_step_2", Mode: Whole, Statement: 3, Statements: 3, Line: 3, Err: partial.Err}
	if diff := cmp.Diff(want, *partial, cmp.Comparer(func(a, b error) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
	for _, part := range []string{`0002_step_2 failed at statement 3 of 3 (line 3): relation "nowhere" does not exist (SQLSTATE 42P01)`,
		"left: nothing of it; before it this run applied 0001_step_1", "next: correct the file or the data, then run migrate up again"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("missing %q in:\n%v", part, err)
		}
	}
	conn := dial(t, config)
	if n := value[int](t, conn, "SELECT count(*) FROM pg_attribute WHERE attrelid = 'a'::regclass AND attname = 'y'"); n != 0 {
		t.Error("a part of the failed file stays")
	}
	status, err := Look(t.Context(), config, list)
	if err != nil {
		t.Fatal(err)
	}
	if r := status.Migrations[1]; r.State != Failed || !strings.Contains(r.Error, "nowhere") {
		t.Errorf("%+v", r)
	}
	list = files(t, list[0].SQL, "ALTER TABLE a ADD COLUMN y int")
	mustUp(t, config, list, quick())
	status, err = Look(t.Context(), config, list)
	if err != nil {
		t.Fatal(err)
	}
	if r := status.Migrations[1]; r.State != Done || r.Error != "" {
		t.Errorf("%+v", r)
	}
}

// TestResumeAtStatement: what is applied statement by statement stays, must
// not be edited, and the next run goes on behind it.
func TestResumeAtStatement(t *testing.T) {
	config := database(t, "")
	const head = "CREATE TABLE a (x int, y int); INSERT INTO a VALUES (1, 1), (1, 2)"
	const second = "SET search_path = public;\nCREATE INDEX CONCURRENTLY a_y_idx ON a (y);\nCREATE UNIQUE INDEX CONCURRENTLY a_x_idx ON a (x);\nCREATE INDEX CONCURRENTLY a_xy_idx ON a (x, y)"
	_, err := Up(t.Context(), config, files(t, head, second), quick())
	partial, ok := errors.AsType[*PartialError](err)
	if !ok || partial.Kept != 2 || partial.Statement != 3 || partial.Line != 3 {
		t.Fatalf("%+v", err)
	}
	if strings.Contains(err.Error(), "(1)") || !strings.Contains(err.Error(), "goes on at statement 3") {
		t.Errorf("the error shows a user's row, or not where to go on: %v", err)
	}
	status, err := Look(t.Context(), config, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(status.InvalidIndexes) != 0 {
		t.Errorf("invalid indexes are left: %v", status.InvalidIndexes)
	}
	commented := strings.Replace(second, "INDEX CONCURRENTLY a_y_idx", "INDEX /* of y */ CONCURRENTLY\n a_y_idx", 1)
	edited := strings.Replace(commented, "ON a (y)", "ON a (y, x)", 1)
	_, err = Up(t.Context(), config, files(t, head, edited), quick())
	if _, ok := errors.AsType[*MismatchError](err); !ok || !strings.Contains(err.Error(), "0002_step_2.sql:2: statement 2 is applied and was edited") {
		t.Fatalf("edited what is applied: %v", err)
	}
	corrected := strings.Replace(commented, "UNIQUE INDEX", "INDEX", 1)
	result := mustUp(t, config, files(t, head, corrected), quick())
	if len(result.Applied) != 1 || len(result.Applied[0].Hashes) != 4 {
		t.Errorf("%+v", result)
	}
	if n := value[int](t, dial(t, config), "SELECT count(*) FROM pg_index WHERE indrelid = 'a'::regclass AND indisvalid"); n != 3 {
		t.Errorf("%d indexes", n)
	}
}

// TestForeignIndex: an index of the same name that somebody else made is never
// taken for the migration's own.
func TestForeignIndex(t *testing.T) {
	config := database(t, "")
	list := files(t, "CREATE TABLE a (x int, y int)", "CREATE INDEX CONCURRENTLY a_idx ON a (x)")
	mustUp(t, config, list[:1], quick())
	conn := dial(t, config)
	mustExec(t, conn, "CREATE INDEX a_idx ON a (y)")
	for range 2 {
		if _, err := Up(t.Context(), config, list, quick()); code(err) != "42P07" {
			t.Fatalf("error %v, want that it already exists", err)
		}
	}
	mustExec(t, conn, "DROP INDEX a_idx")
	mustUp(t, config, list, quick())
}

// TestInvalidIndexBehindIfNotExists: IF NOT EXISTS must not pass over an index
// that a failed build left.
func TestInvalidIndexBehindIfNotExists(t *testing.T) {
	config := database(t, "")
	list := files(t, "CREATE TABLE a (x int)", `CREATE INDEX CONCURRENTLY IF NOT EXISTS "A idx" ON public.a (x)`)
	mustUp(t, config, list[:1], quick())
	conn := dial(t, config)
	mustExec(t, conn, "INSERT INTO a VALUES (1), (1)")
	if _, err := conn.Exec(t.Context(), `CREATE UNIQUE INDEX CONCURRENTLY "A idx" ON a (x)`); err == nil {
		t.Fatal("the unique index was built")
	}
	o := quick()
	var repaired []string
	o.Report = func(e Event) {
		if e.Kind == Repaired {
			repaired = append(repaired, e.Message)
		}
	}
	mustUp(t, config, list, o)
	if len(repaired) != 1 || !strings.Contains(repaired[0], `public."A idx"`) {
		t.Errorf("repaired %q", repaired)
	}
	if !value[bool](t, conn, `SELECT indisvalid AND NOT indisunique FROM pg_index WHERE indexrelid = '"A idx"'::regclass`) {
		t.Error("the index is invalid or the old one")
	}
}

func TestMismatch(t *testing.T) {
	config := database(t, "")
	list := files(t, "CREATE TABLE a ()", "CREATE TABLE b ()", "CREATE TABLE c ()")
	mustUp(t, config, list, quick())
	before := snapshot(t, config)
	edited, renamed := slices.Clone(list), slices.Clone(list)
	edited[1], _ = Parse(list[1].File, []byte("CREATE TABLE b (x int)"))
	edited[1].Number, edited[1].Name = 2, list[1].Name
	renamed[1].Name, renamed[1].File = "other", "0002_other.sql"
	more := files(t, "CREATE TABLE a ()", "CREATE TABLE b ()", "CREATE TABLE c ()", "CREATE TABLE d ()")
	tests := []struct {
		name string
		list []Migration
		want string
	}{
		{"edited", edited, "0002_step_2.sql was edited after it was applied"},
		{"renamed", renamed, "0002_other.sql is applied as 0002_step_2"},
		{"vanished", []Migration{list[0], list[2]}, "0002_step_2 is applied, and its file is gone"},
		{"vanished at the end", list[:2], "the database is ahead: 0003_step_3 is applied by release v1, and the last file here is 0002"},
		{"edited and more to do", append(edited, more[3]), "0002_step_2.sql was edited"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Up(t.Context(), config, tt.list, quick())
			mismatch, ok := errors.AsType[*MismatchError](err)
			if !ok || len(mismatch.Problems) != 1 || !strings.Contains(mismatch.Problems[0], tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
			status, err := Look(t.Context(), config, tt.list)
			if err != nil || len(status.Mismatch) != 1 {
				t.Errorf("status: %v, %v", status.Mismatch, err)
			}
		})
	}
	if diff := cmp.Diff(before, snapshot(t, config)); diff != "" {
		t.Errorf("a refused run changed something: %s", diff)
	}
	o := quick()
	o.AllowAhead = true
	if result := mustUp(t, config, list[:2], o); result.Before != 2 {
		t.Errorf("%+v", result)
	}
}

// TestInterrupted ends the run inside a statement of each mode, and then lets
// it go on.
func TestInterrupted(t *testing.T) {
	const head = "CREATE TABLE a (id int PRIMARY KEY, x int); INSERT INTO a SELECT i, 0 FROM generate_series(1, 100) i"
	const slow = "SELECT pg_sleep(60)"
	tests := []struct {
		name, text, fixed string
		want              PartialError
	}{
		{"transaction", "ALTER TABLE a ADD COLUMN y int; " + slow, "", PartialError{Mode: Whole, Statement: 2, Statements: 2, Line: 1}},
		{"statements", "-- transaction: none\nALTER TABLE a ADD COLUMN y int;\n" + slow, "", PartialError{Mode: Single, Statement: 2, Statements: 2, Line: 3, Kept: 1}},
		{"backfill", "-- backfill: table=a key=id batch=40 pause=0s\nUPDATE a SET x = 1 WHERE id BETWEEN $1 AND $2 AND (id < 41 OR (SELECT true FROM pg_sleep(60)))", "",
			PartialError{Mode: Batched, Statement: 1, Statements: 1, Line: 2, Cursor: "40"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			config := database(t, "")
			ctx, cancel := context.WithCancel(t.Context())
			o := quick()
			conn := dial(t, config)
			done := make(chan struct{})
			defer func() { cancel(); <-done }()
			go func() {
				defer close(done)
				for rest(ctx, 20*time.Millisecond) == nil {
					var n int
					if conn.QueryRow(ctx, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()").Scan(&n) == nil && n > 0 {
						cancel()
					}
				}
			}()
			_, err := Up(ctx, config, files(t, head, tt.text), o)
			partial, ok := errors.AsType[*PartialError](err)
			if !ok || !partial.Interrupted() {
				t.Fatalf("error: %v", err)
			}
			tt.want.Applied, tt.want.Failed, tt.want.Err = []string{"0001_step_1"}, "0002_step_2", partial.Err
			if diff := cmp.Diff(tt.want, *partial, cmp.Comparer(func(a, b error) bool { return a == b })); diff != "" {
				t.Error(diff)
			}
			if !strings.Contains(err.Error(), "interrupted at statement") || !strings.Contains(err.Error(), "next: run migrate up again") {
				t.Errorf("error: %v", err)
			}
			after := dial(t, config)
			columns := value[int](t, after, "SELECT count(*) FROM pg_attribute WHERE attrelid = 'a'::regclass AND attname = 'y'")
			if want := partial.Kept; columns != want {
				t.Errorf("%d columns, want %d", columns, want)
			}
			if n := value[int](t, after, "SELECT count(*) FROM a WHERE x = 1"); (tt.want.Cursor != "") != (n == 40) {
				t.Errorf("%d rows changed", n)
			}
			fixed := strings.ReplaceAll(tt.text, "pg_sleep(60)", "pg_sleep(0)")
			mustUp(t, config, files(t, head, fixed), quick())
			if n := value[int](t, after, "SELECT count(*) FROM a WHERE x = 1"); tt.want.Cursor != "" && n != 100 {
				t.Errorf("%d rows changed in all", n)
			}
		})
	}
}
