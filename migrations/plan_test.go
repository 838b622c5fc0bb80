package migrations

import (
	"strings"
	"testing"
	"time"
)

func TestMode(t *testing.T) {
	tests := []struct {
		sql     string
		mode    Mode
		problem string
	}{
		{"CREATE TABLE a ()", Whole, ""},
		{"SET lock_timeout = '50ms'; CREATE TABLE a ()", Whole, ""},
		{"CREATE INDEX CONCURRENTLY i ON a (x)", Single, ""},
		{"create unique index concurrently if not exists I on only public.A using btree (x); drop index concurrently j", Single, ""},
		{"SET search_path = app; CREATE INDEX CONCURRENTLY i ON a (x)", Single, ""},
		{"REINDEX TABLE CONCURRENTLY a", Single, ""},
		{"REINDEX (CONCURRENTLY, VERBOSE) TABLE a", Single, ""},
		{"REINDEX SCHEMA app", Single, ""},
		{"REINDEX TABLE a", Whole, ""},
		{"VACUUM (ANALYZE) a", Single, ""},
		{"ALTER TABLE p DETACH PARTITION p1 CONCURRENTLY", Single, ""},
		{"ALTER TABLE p DETACH PARTITION p1", Whole, ""},
		{"REFRESH MATERIALIZED VIEW CONCURRENTLY v", Whole, ""},
		{"CREATE TABLE concurrently (x int); INSERT INTO a VALUES ('CREATE INDEX CONCURRENTLY')", Whole, ""},
		{`CREATE INDEX "concurrently" ON a (x)`, Whole, ""},
		{"-- transaction: none\nCREATE TABLE a (); CREATE INDEX CONCURRENTLY i ON a (x)", Single, ""},
		{"-- transaction: none\nALTER TYPE t ADD VALUE 'x'", Single, ""},
		{"CREATE TABLE a (); CREATE INDEX CONCURRENTLY i ON a (x)", Single, "give it a file of its own, or declare -- transaction: none"},
		{"CREATE INDEX CONCURRENTLY ON a (x)", Single, "name the index"},
		{"START TRANSACTION; SELECT 1; COMMIT", Whole, "START TRANSACTION out"},
		{"BEGIN; SELECT 1", Whole, "take BEGIN out"},
		{"ROLLBACK", Whole, "take ROLLBACK out"},
		{"COPY a FROM STDIN", Whole, "use INSERT"},
		{"ALTER SYSTEM SET work_mem = '1GB'", Whole, "parameter group"},
		{"RESET ALL", Whole, "take RESET out"},
		{"DISCARD ALL", Whole, "DISCARD"},
		{"-- backfill: table=a\nUPDATE a SET x = 1 WHERE id BETWEEN $1 AND $2", Batched, ""},
		{"-- backfill: table=a\nSET lock_timeout = 50; WITH b AS (SELECT 1) UPDATE a SET x = 1 WHERE id BETWEEN $1 AND $2", Batched, ""},
		{"-- backfill: table=a\nUPDATE a SET x = 1 WHERE id BETWEEN $1 AND $2; SELECT 1", Batched, "one statement, not 2"},
		{"-- backfill: table=a\nSELECT $1, $2", Batched, "an UPDATE, INSERT or DELETE"},
		{"-- backfill: table=a\n-- transaction: none\nDELETE FROM a WHERE id BETWEEN $1 AND $2", Batched, "take -- transaction: none out"},
	}
	for _, tt := range tests {
		m, problems := Parse("x.sql", []byte(tt.sql))
		if m.Mode != tt.mode {
			t.Errorf("%s: mode %s, want %s", tt.sql, m.Mode, tt.mode)
		}
		var text strings.Builder
		for _, p := range problems {
			text.WriteString(p.String() + "\n")
		}
		if tt.problem == "" && text.Len() > 0 || !strings.Contains(text.String(), tt.problem) {
			t.Errorf("%s: problems %q, want %q", tt.sql, &text, tt.problem)
		}
	}
}

func TestLong(t *testing.T) {
	for sql, want := range map[string]bool{
		"ALTER TABLE a VALIDATE CONSTRAINT c":                       true,
		"ALTER TABLE IF EXISTS ONLY app.a VALIDATE CONSTRAINT c":    true,
		"ALTER TABLE a VALIDATE CONSTRAINT c, ADD COLUMN x int":     false,
		"ALTER TABLE a ADD CONSTRAINT c CHECK (x > 0) NOT VALID":    false,
		"CREATE INDEX CONCURRENTLY i ON a (x)":                      true,
		"CREATE INDEX i ON a (x)":                                   false,
		"REFRESH MATERIALIZED VIEW CONCURRENTLY v":                  true,
		"REFRESH MATERIALIZED VIEW v":                               false,
		"SELECT 'ALTER TABLE a VALIDATE CONSTRAINT c'":              false,
		"ALTER TABLE a ADD COLUMN note text DEFAULT 'concurrently'": false,
	} {
		m, _ := Parse("x.sql", []byte(sql))
		if got := m.Statements[0].work().long(); got != want {
			t.Errorf("%s: long %v", sql, got)
		}
	}
}

func TestLimit(t *testing.T) {
	tests := []struct {
		sql  string
		want time.Duration // 0 is refused
	}{
		{"SET lock_timeout = 50", 50 * time.Millisecond},
		{"SET lock_timeout TO '50ms'", 50 * time.Millisecond},
		{"set local Lock_Timeout = '0.5s'", 500 * time.Millisecond},
		{"SET SESSION lock_timeout = '1 s'", time.Second},
		{"SET lock_timeout = '900000us'", 900 * time.Millisecond},
		{"SET statement_timeout = '5min'", 5 * time.Minute},
		{"SET statement_timeout = 1.5", 2 * time.Millisecond},
		{"SET lock_timeout = 0", 0},
		{"SET lock_timeout = '0'", 0},
		{"SET lock_timeout = '100us'", 0},
		{"SET lock_timeout = 1001", 0},
		{"SET lock_timeout = '1min'", 0},
		{"SET lock_timeout = DEFAULT", 0},
		{"SET lock_timeout = -1", 0},
		{"SET lock_timeout TO", 0},
		{"SET lock_timeout", 0},
		{"SET lock_timeout = '1 fortnight'", 0},
		{"SET statement_timeout = 0", 0},
		{"SET statement_timeout = '2h'", 0},
	}
	for _, tt := range tests {
		m, problems := Parse("x.sql", []byte(tt.sql+"; SELECT 1"))
		_, value, err := m.Statements[0].limit()
		if (err == nil) != (tt.want > 0) || err == nil && value != tt.want {
			t.Errorf("%s: %v, %v, want %v", tt.sql, value, err, tt.want)
		}
		if (len(problems) == 0) != (tt.want > 0) {
			t.Errorf("%s: problems %v", tt.sql, problems)
		}
	}
}

func TestTarget(t *testing.T) {
	tests := []struct {
		sql  string
		want indexTarget
	}{
		{"CREATE INDEX CONCURRENTLY i ON a (x)", indexTarget{"i", `"a"`}},
		{"CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS Big_Idx ON ONLY App.Orders USING gin (x)", indexTarget{"big_idx", `"app"."orders"`}},
		{`CREATE INDEX CONCURRENTLY "I ""x""" ON "App"."on" (x)`, indexTarget{`I "x"`, `"App"."on"`}},
	}
	for _, tt := range tests {
		m, _ := Parse("x.sql", []byte(tt.sql))
		if got := m.Statements[0].target(); got == nil || *got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.sql, got, tt.want)
		}
	}
	m, _ := Parse("x.sql", []byte(`DROP INDEX CONCURRENTLY IF EXISTS a, App.b, "C"`))
	if got := strings.Join(m.Statements[0].names(5), " "); got != `"a" "app"."b" "C"` {
		t.Errorf("names %s", got)
	}
}
