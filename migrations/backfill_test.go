package migrations

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// TestBackfillKeys walks keys of several types, with gaps, and changes every
// row once and no row of later.
func TestBackfillKeys(t *testing.T) {
	tests := []struct{ name, table string }{
		{"bigint", "CREATE TABLE t (k bigint PRIMARY KEY, n int DEFAULT 0); INSERT INTO t SELECT i * 7 - 500 FROM generate_series(1, 1050) i"},
		{"uuid", "CREATE TABLE t (k uuid PRIMARY KEY DEFAULT gen_random_uuid(), n int DEFAULT 0); INSERT INTO t SELECT FROM generate_series(1, 1050) i"},
		{"text", "CREATE TABLE t (k text PRIMARY KEY, n int DEFAULT 0); INSERT INTO t SELECT 'it''s; ' || i FROM generate_series(1, 1050) i"},
		{"timestamptz", "CREATE TABLE t (k timestamptz PRIMARY KEY, n int DEFAULT 0); INSERT INTO t SELECT '2026-01-01'::timestamptz + i * '1.000001 s'::interval FROM generate_series(1, 1050) i"},
		{"not unique", "CREATE TABLE t (k int NOT NULL, n int DEFAULT 0); CREATE INDEX ON t (k); INSERT INTO t SELECT i / 10 FROM generate_series(1, 1050) i"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			config := database(t, "")
			o := quick()
			batches := 0
			o.Report = func(e Event) {
				if e.Kind == Batch {
					batches++
				}
			}
			list := files(t, tt.table, "-- backfill: table=public.t key=k batch=100 pause=0s\nUPDATE t SET n = n + 1 WHERE k BETWEEN $1 AND $2")
			r := mustUp(t, config, list, o).Applied[1]
			conn := dial(t, config)
			if once := value[int](t, conn, "SELECT count(*) FROM t WHERE n = 1"); once != 1050 {
				t.Errorf("%d rows changed once", once)
			}
			if r.Rows != 1050 || batches < 9 || r.Cursor == nil {
				t.Errorf("%d rows in %d batches, %+v", r.Rows, batches, r)
			}
		})
	}
}

// TestBackfillIsBound: a batch that reaches beyond its rows is rolled back,
// however few it reaches.
func TestBackfillIsBound(t *testing.T) {
	const head = "-- backfill: table=a key=id batch=10 pause=0s\n"
	const plain = "CREATE TABLE a (id bigint PRIMARY KEY, n int, t text); INSERT INTO a SELECT i * 10, i, CASE WHEN i % 50 > 0 THEN 'x' END FROM generate_series(1, 100) i;"
	tests := []struct{ name, table, sql, want string }{
		{"key moves away", plain, "UPDATE a SET id = id + 10000 WHERE id BETWEEN $1 AND $2", "changed 10 of 10 rows of a outside its keys"},
		{"key moves ahead", plain, "UPDATE a SET id = id + 95 WHERE id BETWEEN $1 AND $2", "outside its keys"},
		{"precedence", plain, "UPDATE a SET t = 'none' WHERE t = 'x' OR n IS NULL AND id BETWEEN $1 AND $2", "changed 98 rows of a, more than it walked"},
		{"precedence, few rows", plain, "UPDATE a SET t = 'none' WHERE t IS NULL OR n IS NULL AND id BETWEEN $1 AND $2", "changed 2 of 2 rows of a outside its keys"},
		{"delete, or", plain, "DELETE FROM a WHERE t IS NULL OR id BETWEEN $1 AND $2", "changed 12 rows of a, more than it walked"},
		{"delete, few rows", plain, "DELETE FROM a WHERE t IS NULL OR n IS NULL AND id BETWEEN $1 AND $2", "changed 2 of 2 rows of a outside its keys"},
		{"not", plain, "UPDATE a SET t = 'none' WHERE NOT id BETWEEN $1 AND $2", "more than it walked"},
		{"exists", plain, "DELETE FROM a WHERE EXISTS (SELECT FROM a x WHERE x.id BETWEEN $1 AND $2)", "more than it walked"},
		{"with", plain, "WITH u AS (UPDATE a SET t = 'none' WHERE n > 0 OR id BETWEEN $1 AND $2 RETURNING 1) SELECT count(*) FROM u", "more than it walked"},
		{"inserts", plain, "INSERT INTO a SELECT id + 1, n, t FROM a WHERE id BETWEEN $1 AND $2", "added 10 rows to a"},
		{"trigger", plain + `CREATE FUNCTION more() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO a VALUES (OLD.id + 1, 0, ''); RETURN NULL; END $$;
			CREATE TRIGGER more AFTER UPDATE ON a FOR EACH ROW EXECUTE FUNCTION more()`, "UPDATE a SET t = 'none' WHERE id BETWEEN $1 AND $2", "added 10 rows to a"},
		{"partitions", "CREATE TABLE a (id bigint PRIMARY KEY, t text) PARTITION BY RANGE (id); CREATE TABLE a1 PARTITION OF a FOR VALUES FROM (0) TO (500); CREATE TABLE a2 PARTITION OF a DEFAULT; INSERT INTO a SELECT i * 10 FROM generate_series(1, 100) i",
			"UPDATE a SET id = id + 5000 WHERE id BETWEEN $1 AND $2", "outside its keys"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			config := database(t, "")
			list := files(t, tt.table, head+tt.sql)
			mustUp(t, config, list[:1], quick())
			conn := dial(t, config)
			const content = "SELECT md5(string_agg(a::text, ',' ORDER BY id)) FROM a"
			before := value[string](t, conn, content)
			_, err := Up(t.Context(), config, list, quick())
			if _, ok := errors.AsType[*BatchError](err); !ok || !strings.Contains(err.Error(), tt.want) ||
				!strings.Contains(err.Error(), "left: nothing of it") || !strings.Contains(err.Error(), "AND id BETWEEN $1 AND $2") {
				t.Fatalf("error %v", err)
			}
			if value[string](t, conn, content) != before {
				t.Error("the batch was kept")
			}
		})
	}
}

// TestBackfillOfPartitions: a row that moves to another partition is changed
// once, and is no row that was added.
func TestBackfillOfPartitions(t *testing.T) {
	config := database(t, "")
	list := files(t, `CREATE TABLE a (id bigint NOT NULL, kind text NOT NULL) PARTITION BY LIST (kind); CREATE TABLE a1 PARTITION OF a FOR VALUES IN ('old'); CREATE TABLE a2 PARTITION OF a FOR VALUES IN ('new');
		CREATE INDEX ON a (id); INSERT INTO a SELECT i, 'old' FROM generate_series(1, 100) i`,
		"-- backfill: table=a batch=30 pause=0s\nUPDATE a SET kind = 'new' WHERE kind = 'old' AND id BETWEEN $1 AND $2")
	if r := mustUp(t, config, list, quick()).Applied[1]; r.Rows != 100 || r.Walked != 100 {
		t.Errorf("%+v", r)
	}
}

// TestBackfillEnds: the end is the highest key when the backfill began, and a
// run that goes on keeps it.
func TestBackfillEnds(t *testing.T) {
	config := database(t, "")
	const table = "CREATE TABLE t (id int PRIMARY KEY, n int DEFAULT 0, bad boolean); INSERT INTO t SELECT i, 0, i = 150 FROM generate_series(1, 200) i"
	const fill = "-- backfill: table=t batch=100 pause=0s\nUPDATE t SET n = n + 1 / (CASE WHEN bad THEN 0 ELSE 1 END) WHERE id BETWEEN $1 AND $2"
	conn := dial(t, config)
	o := quick()
	insert := "INSERT INTO t SELECT g FROM generate_series((SELECT max(id) + 1 FROM t), (SELECT max(id) + 100 FROM t)) g"
	o.Report = func(e Event) {
		if e.Kind == Batch { // the application is as fast as the backfill
			if _, err := conn.Exec(context.Background(), insert); err != nil {
				t.Error(err)
			}
		}
	}
	if _, err := Up(t.Context(), config, files(t, table, fill), o); err == nil {
		t.Fatal("the bad row was passed over")
	}
	r := mustUp(t, config, files(t, table, strings.Replace(fill, "THEN 0", "THEN 1", 1)), o).Applied[0]
	if r.Walked != 200 || r.Rows != 200 || *r.End != "200" || *r.Cursor != "200" {
		t.Errorf("%+v", r)
	}
	if n := value[int](t, conn, "SELECT count(*) FROM t WHERE n = 1"); n != 200 {
		t.Errorf("%d rows changed once", n)
	}
}

func TestBackfillOfAnEmptyTable(t *testing.T) {
	config := database(t, "")
	list := files(t, "CREATE TABLE t (id int PRIMARY KEY, n int)", "-- backfill: table=t\nUPDATE t SET n = 1 WHERE id BETWEEN $1 AND $2")
	if r := mustUp(t, config, list, quick()).Applied[1]; r.State != Done || r.Walked != 0 || r.Cursor != nil {
		t.Errorf("%+v", r)
	}
}

func TestBackfillRefusesKeys(t *testing.T) {
	tests := []struct{ table, header, want string }{
		{"CREATE TABLE t (id int PRIMARY KEY)", "table=nowhere", "there is no such table"},
		{"CREATE TABLE t (id int PRIMARY KEY)", "table=t key=other", "there is no such column"},
		{"CREATE TABLE t (id int UNIQUE)", "table=t", "the column may be NULL"},
		{"CREATE TABLE t (id int NOT NULL)", "table=t", "no index begins with it"},
		{"CREATE TABLE t (id int NOT NULL, x int); CREATE INDEX ON t (x, id); CREATE INDEX ON t (id) WHERE x = 1", "table=t", "no index begins with it"},
	}
	for _, tt := range tests {
		config := database(t, "")
		list := files(t, tt.table, "-- backfill: "+tt.header+"\nDELETE FROM t WHERE id BETWEEN $1 AND $2")
		if _, err := Up(t.Context(), config, list, quick()); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s, %s: %v", tt.table, tt.header, err)
		}
	}
}

// TestBackfillGoesOn stops a backfill at a row that it cannot change, corrects
// the statement, and goes on behind the last committed batch.
func TestBackfillGoesOn(t *testing.T) {
	config := database(t, "")
	const table = "CREATE TABLE t (id int PRIMARY KEY, n int DEFAULT 0, bad boolean); INSERT INTO t SELECT i, 0, i = 250 FROM generate_series(1, 400) i"
	const fill = "-- backfill: table=t batch=100 pause=0s\nUPDATE t SET n = n + 1 / (CASE WHEN bad THEN 0 ELSE 1 END) WHERE id BETWEEN $1 AND $2"
	_, err := Up(t.Context(), config, files(t, table, fill), quick())
	if err == nil || !strings.Contains(err.Error(), "left: its batches up to key 200 are committed") || !strings.Contains(err.Error(), "goes on behind that key") {
		t.Fatalf("error %v", err)
	}
	moved := strings.Replace(fill, "table=t", "table=t key=n", 1)
	if _, err := Up(t.Context(), config, files(t, table, moved), quick()); err == nil || !strings.Contains(err.Error(), "its table and key must stay") {
		t.Errorf("another key: %v", err)
	}
	gone := "ALTER TABLE t ADD COLUMN x int"
	if _, err := Up(t.Context(), config, files(t, table, gone), quick()); err == nil || !strings.Contains(err.Error(), "file of another kind") {
		t.Errorf("no backfill any more: %v", err)
	}
	corrected := strings.Replace(fill, "THEN 0", "THEN 1", 1)
	r := mustUp(t, config, files(t, table, corrected), quick()).Applied[0]
	if r.Rows != 400 || r.Walked != 400 {
		t.Errorf("%+v", r)
	}
	if n := value[int](t, dial(t, config), "SELECT count(*) FROM t WHERE n = 1"); n != 400 {
		t.Errorf("%d rows changed once", n)
	}
}

// TestBackfillYields: a batch that meets a locked row lets go and tries again.
func TestBackfillYields(t *testing.T) {
	config := database(t, "")
	list := files(t, "CREATE TABLE t (id int PRIMARY KEY, n int DEFAULT 0); INSERT INTO t SELECT i FROM generate_series(1, 200) i",
		"-- backfill: table=t batch=100 pause=0s\nUPDATE t SET n = n + 1 WHERE id BETWEEN $1 AND $2")
	mustUp(t, config, list[:1], quick())
	holder := dial(t, config)
	mustExec(t, holder, "BEGIN")
	mustExec(t, holder, "UPDATE t SET n = 0 WHERE id = 150")
	o := quick()
	o.Report = func(e Event) {
		if e.Kind == Retrying && e.Attempt == 2 {
			if _, err := holder.Exec(context.Background(), "COMMIT"); err != nil {
				t.Error(err)
			}
		}
	}
	r := mustUp(t, config, list, o).Applied[0]
	if r.LockWaits < 2 || r.Rows != 200 {
		t.Errorf("%+v", r)
	}
}
