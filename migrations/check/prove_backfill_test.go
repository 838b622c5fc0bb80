package main

import (
	"os"
	"strings"
	"testing"
)

// TestProveBackfill holds the proof of a backfill to its batches: one that
// changes more of the walked table than it walked fails, and every walk ends.
func TestProveBackfill(t *testing.T) {
	if os.Getenv("E2E") == "" {
		t.Skip("needs PostgreSQL: run make e2e")
	}
	schema := write(t, "base.sql", "CREATE TABLE a (id bigint PRIMARY KEY, n int, t text);\nCREATE TABLE b (id bigint PRIMARY KEY, t text);\n"+
		"INSERT INTO a SELECT i, NULLIF(i % 3, 0), NULL FROM generate_series(1, 100) AS i;")
	const header = "-- backfill: table=a key=id batch=10 pause=1ms\n"
	for name, c := range map[string]struct{ sql, want string }{
		"bound":         {"UPDATE a SET t = 'none' WHERE (t IS NULL OR n IS NULL) AND id BETWEEN $1 AND $2;", ""},
		"precedence":    {"UPDATE a SET t = 'none' WHERE t IS NULL OR n IS NULL AND id BETWEEN $1 AND $2;", "a batch of 10 rows changes 100 rows of a"},
		"delete or":     {"DELETE FROM a WHERE t IS NULL OR id BETWEEN $1 AND $2;", "a batch of 10 rows changes 100 rows of a"},
		"self join":     {"UPDATE a SET t = 'x' FROM a AS w WHERE w.id BETWEEN $1 AND $2;", "a batch of 10 rows changes 100 rows of a"},
		"moves the key": {"UPDATE a SET id = id + 1000 WHERE id BETWEEN $1 AND $2;", ""}, // ends, since the end was fixed
		"inserts":       {"INSERT INTO a (id) SELECT id + 1000 FROM a WHERE id BETWEEN $1 AND $2;", ""},
		"doubles":       {"INSERT INTO a (id) SELECT id * 1000 + i FROM a, generate_series(1, 2) AS i WHERE id BETWEEN $1 AND $2;", "a batch of 10 rows changes 20 rows of a"},
	} {
		t.Run(name, func(t *testing.T) {
			out, stderr, code := check(t, "prove", "-schema", schema, write(t, "0001_x.sql", header+c.sql))
			switch {
			case c.want == "" && code != exitClean:
				t.Errorf("exit %d\n%s\n%s", code, out, stderr)
			case c.want != "" && (code != exitFound || !strings.Contains(out, c.want)):
				t.Errorf("exit %d, want %q\n%s\n%s", code, c.want, out, stderr)
			}
		})
	}
}
