package migrations

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDryRun shows locks and rows, and changes nothing.
func TestDryRun(t *testing.T) {
	config := database(t, "")
	texts := []string{
		"CREATE TABLE users (id bigint PRIMARY KEY, name text); CREATE TABLE posts (id bigint PRIMARY KEY, author bigint)",
		"ALTER TABLE users ADD COLUMN age int;\nALTER TABLE posts ADD CONSTRAINT f FOREIGN KEY (author) REFERENCES users NOT VALID;\nCREATE TABLE tags (x int);\nCREATE INDEX ON tags (x)",
		"-- backfill: table=users batch=100 pause=1s\nUPDATE users SET age = 0 WHERE id BETWEEN $1 AND $2",
		"CREATE INDEX CONCURRENTLY users_age ON users (age)",
		"INSERT INTO users VALUES (1, 'x')",
	}
	list := files(t, texts...)
	mustUp(t, config, list[:1], quick())
	conn := dial(t, config)
	mustExec(t, conn, "INSERT INTO users SELECT i FROM generate_series(1, 1050) i")
	mustExec(t, conn, "ANALYZE users")
	before := snapshot(t, config)
	steps, err := DryRun(t.Context(), config, list, quick())
	if err != nil {
		t.Fatal(err)
	}
	users := Lock{"public.users", "ACCESS EXCLUSIVE", 1050}
	want := []Step{
		{Migration: "0002_step_2", Mode: Whole, Statement: 1, Line: 1, Locks: []Lock{users}},
		{Migration: "0002_step_2", Mode: Whole, Statement: 2, Line: 2, Locks: []Lock{{"public.posts", "SHARE ROW EXCLUSIVE", 0}, users}},
		{Migration: "0002_step_2", Mode: Whole, Statement: 3, Line: 3, Locks: []Lock{{"public.posts", "SHARE ROW EXCLUSIVE", 0}, users}},
		{Migration: "0002_step_2", Mode: Whole, Statement: 4, Line: 4, Locks: []Lock{{"public.posts", "SHARE ROW EXCLUSIVE", 0}, users}},
		{Migration: "0003_step_3", Mode: Batched, Statement: 1, Line: 2, Batches: 11, Pauses: Duration(11e9)},
		{Migration: "0004_step_4", Mode: Single, Statement: 1, Line: 1, Alone: true},
		{Migration: "0005_step_5", Mode: Whole, Statement: 1, Line: 1},
	}
	for i := range steps {
		if steps[i].SQL == "" {
			t.Errorf("%+v has no SQL", steps[i])
		}
		steps[i].SQL = ""
		if len(steps[i].Locks) == 0 {
			steps[i].Locks = nil
		}
	}
	if diff := cmp.Diff(want, steps); diff != "" {
		t.Error(diff)
	}
	if after := snapshot(t, config); after != before {
		t.Error("the database was changed")
	}
	if n := value[int](t, conn, "SELECT count(*) FROM pg_database WHERE datname LIKE 'migrate_compare%'"); n != 0 {
		t.Error("the database of the dry run is left")
	}

	texts[4] = "ALTER TABLE nowhere ADD COLUMN x int"
	steps, err = DryRun(t.Context(), config, files(t, texts...), quick())
	if partial, ok := errors.AsType[*PartialError](err); !ok || partial.Failed != "0005_step_5" || len(steps) != 6 {
		t.Errorf("%d steps, %v", len(steps), err)
	}
}
