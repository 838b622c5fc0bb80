package migrations

import (
	"strings"
	"testing"
)

// TestChecksum: what does not run may change, what runs may not.
func TestChecksum(t *testing.T) {
	const base = "CREATE TABLE a (id int, t text DEFAULT 'x -- y'); SELECT $$ a\n -- b $$;"
	tests := []struct {
		name, a, b string
		same       bool
	}{
		{"header", base, "-- phase: contract\n-- unused-since: v1.4.0\n-- waive: drop-column nobody reads it\n\n" + base, true},
		{"comments", base, strings.Replace(base, "(id int,", "( -- the key\n id /* of /* a */ row */ int,", 1), true},
		{"comments at gaps", "CREATE TABLE a ( id int )", "-- one\nCREATE /* two */ TABLE\n  a ( -- three\n id int\n)\n-- four\n;\n", true},
		{"white space at the ends", base, "\n\t " + base + " \n\n", true},
		{"indentation", "UPDATE a SET t = 'x'\n WHERE id = 1", "UPDATE a\n   SET t = 'x'\n   WHERE id = 1", true},
		{"last semicolon", "SELECT 1", "SELECT 1;;", true},
		{"byte-order mark and line ends", "SELECT 1;\nSELECT 2", "\ufeffSELECT 1;\r\nSELECT 2", true},
		{"a pause", "-- backfill: table=a batch=10\nDELETE FROM a WHERE id BETWEEN $1 AND $2", "-- backfill: table=a batch=50 pause=1s\nDELETE FROM a WHERE id BETWEEN $1 AND $2", true},

		{"another walk", "-- backfill: table=a\nDELETE FROM a WHERE id BETWEEN $1 AND $2", "-- backfill: table=b\nDELETE FROM a WHERE id BETWEEN $1 AND $2", false},
		{"no transaction", "SELECT 1; SELECT 2", "-- transaction: none\nSELECT 1; SELECT 2", false},
		{"within a string", "SELECT 'a b'", "SELECT 'a  b'", false},
		{"a comment in a string", base, strings.Replace(base, "-- y", "-- z", 1), false},
		{"a comment in a body", base, strings.Replace(base, "-- b", "-- c", 1), false},
		{"within a quoted name", `SELECT "a b"`, `SELECT "a  b"`, false},
		{"a quoted name", `SELECT "A"`, "SELECT A", false},
		{"an operator cut", "SELECT 1 <> 2", "SELECT 1 < > 2", false},
		{"a number cut", "SELECT 1.5", "SELECT 1 .5", false},
		{"words joined", "SELECT a b", "SELECT ab", false},
		{"a comment between words", "SELECT a/**/b", "SELECT ab", false},
		{"statements cut", "SELECT 1; SELECT 2", "SELECT 1 SELECT 2", false},
		{"order", "SELECT 1; SELECT 2", "SELECT 2; SELECT 1", false},
		{"a statement more", "SELECT 1", "SELECT 1; SELECT 2", false},
		{"commented out", "SELECT 1; SELECT 2", "SELECT 1; -- SELECT 2", false},
	}
	for _, tt := range tests {
		a, _ := Parse("0001_a.sql", []byte(tt.a))
		b, _ := Parse("0001_a.sql", []byte(tt.b))
		if (a.Checksum == b.Checksum) != tt.same || !strings.HasPrefix(a.Checksum, "v2:") {
			t.Errorf("%s: %s and %s", tt.name, a.Checksum, b.Checksum)
		}
	}
}

// TestChecksumsOfAnOlderRunner: they are over the whole text, still hold, and
// are renewed by the next run.
func TestChecksumsOfAnOlderRunner(t *testing.T) {
	config := database(t, "")
	const first, second = "-- Old.\nCREATE TABLE a (id int)", "-- transaction: none\nCREATE TABLE b  (id int);\nCREATE TABLE a ()"
	if _, err := Up(t.Context(), config, files(t, first, second), quick()); err == nil {
		t.Fatal("the second file was applied")
	}
	conn := dial(t, config)
	mustExec(t, conn, "UPDATE "+Table+" SET checksum = '"+sum([]byte(first))+"' WHERE number = 1")
	mustExec(t, conn, "UPDATE "+Table+" SET hashes = '{"+sum([]byte("CREATE TABLE b  (id int)"))[:16]+"}' WHERE number = 2")

	edited := files(t, "-- New.\nCREATE TABLE a (id int)", second)
	if _, err := Up(t.Context(), config, edited, quick()); err == nil || !strings.Contains(err.Error(), "0001_step_1.sql was edited") {
		t.Errorf("a comment under an old checksum: %v", err)
	}
	if status, err := Look(t.Context(), config, files(t, first, second)); err != nil || len(status.Mismatch) > 0 {
		t.Errorf("%v, %v", status.Mismatch, err)
	}
	corrected := strings.Replace(second, "TABLE a", "TABLE c", 1)
	mustUp(t, config, files(t, first, corrected), quick())
	edited = files(t, "-- New.\nCREATE TABLE a (id int)", corrected)
	if r := mustUp(t, config, edited, quick()); len(r.Applied) != 0 {
		t.Errorf("%+v", r)
	}
	if got := value[string](t, conn, "SELECT checksum FROM "+Table+" WHERE number = 1"); got != edited[0].Checksum {
		t.Errorf("checksum %s", got)
	}
}
