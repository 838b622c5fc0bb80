package lint_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/specboard/platform/migrations/check/internal/lint"
	"github.com/specboard/platform/migrations/scratch"
)

// columnTypes are changed into one another, each into each.
var columnTypes = strings.Split(`smallint|integer|bigint|oid|real|double precision|numeric|numeric(10)|numeric(10,2)|numeric(12,2)|numeric(12,4)|money|boolean|
text|varchar|varchar(20)|varchar(50)|char(10)|char(20)|name|bytea|citext|bit(3)|bit(8)|varbit|varbit(5)|varbit(9)|uuid|json|jsonb|xml|inet|cidr|macaddr|
date|time|time(0)|time(3)|timetz|timestamp|timestamp(0)|timestamp(3)|timestamp(6)|timestamptz|timestamptz(3)|interval|interval(0)|interval(3)|interval day to second|
text[]|varchar[]|varchar(20)[]|varchar(50)[]|integer[]|bigint[]|int4range|tsvector|free|free_varchar|small|user_status`, "|")

// TestTypeChanges asks a server for every pair of types whether the table is
// rewritten or an index on it rebuilt, and holds the linter to the answer.
func TestTypeChanges(t *testing.T) {
	if os.Getenv("E2E") != "1" {
		t.Skip("needs PostgreSQL; run with E2E=1")
	}
	for _, zone := range []string{"Europe/Paris", "UTC"} {
		t.Run(strings.ReplaceAll(zone, "/", "-"), func(t *testing.T) { typeChanges(t, zone) })
	}
}

const typeSetup = `CREATE EXTENSION citext;
CREATE TYPE user_status AS ENUM ('active');
CREATE DOMAIN free AS text;
CREATE DOMAIN free_varchar AS varchar(20);
CREATE DOMAIN small AS integer CHECK (VALUE < 10);`

func typeChanges(t *testing.T, zone string) {
	ctx := t.Context()
	server, err := scratch.Start(ctx, "timezone="+zone)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := server.Close(context.WithoutCancel(ctx)); err != nil {
			t.Error(err)
		}
	}()
	config, err := server.Create(ctx, "types", "")
	if err != nil {
		t.Fatal(err)
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, typeSetup); err != nil {
		t.Fatal(err)
	}
	pairs, rewritten, rebuilt := 0, 0, 0
	for _, from := range columnTypes {
		for _, to := range columnTypes {
			from, to := strings.TrimSpace(from), strings.TrimSpace(to)
			rewrite, rebuild, err := changeOnServer(ctx, conn, from, to)
			if err != nil {
				continue // no such cast
			}
			pairs++
			sql := fmt.Sprintf("ALTER TABLE t ALTER COLUMN c TYPE %s;", to)
			if zone == "UTC" {
				sql = "SET LOCAL TimeZone = 'UTC';\n" + sql
			}
			base := &lint.Base{Name: "base", SQL: typeSetup + fmt.Sprintf("CREATE TABLE t (id int, c %s);", from) + map[bool]string{true: "CREATE INDEX t_c_idx ON t (c);"}[rebuild != nil]}
			findings, err := lint.Run{Base: base, Postgres: lint.DefaultPostgres}.Files([]lint.File{{Name: "x.sql", Data: []byte(sql)}})
			if err != nil {
				t.Fatal(err)
			}
			if got := has(findings, "type-change-rewrite"); got != rewrite {
				t.Errorf("%s → %s: rewritten %v; the linter says %v", from, to, rewrite, got)
			}
			if got := has(findings, "type-change-index-rebuild"); rebuild != nil && !rewrite && got != *rebuild {
				t.Errorf("%s → %s: index rebuilt %v; the linter says %v", from, to, *rebuild, got)
			}
			if rewrite {
				rewritten++
			} else if rebuild != nil && *rebuild {
				rebuilt++
			}
		}
	}
	t.Logf("%d pairs: %d rewrite the table, %d rebuild the index", pairs, rewritten, rebuilt)
	if pairs < 300 {
		t.Errorf("only %d pairs could be changed", pairs)
	}
}

// changeOnServer tells whether a change of type rewrites the table and, if the
// type can be indexed, whether it rebuilds an index.
func changeOnServer(ctx context.Context, conn *pgx.Conn, from, to string) (rewrite bool, rebuild *bool, err error) {
	defer func() {
		if _, failed := conn.Exec(ctx, "ROLLBACK"); failed != nil && err == nil {
			err = failed
		}
	}()
	if _, err := conn.Exec(ctx, "BEGIN; CREATE TABLE t (id int, c "+from+"); SAVEPOINT unindexed"); err != nil {
		return false, nil, err
	}
	indexed := true
	if _, err := conn.Exec(ctx, "CREATE INDEX t_c_idx ON t (c)"); err != nil {
		indexed = false
		if _, err := conn.Exec(ctx, "ROLLBACK TO SAVEPOINT unindexed"); err != nil {
			return false, nil, err
		}
	}
	files := func() (table, index uint32, err error) {
		err = conn.QueryRow(ctx, "SELECT pg_relation_filenode('t'), coalesce(pg_relation_filenode(to_regclass('t_c_idx')), 0)").Scan(&table, &index)
		return
	}
	table, index, err := files()
	if err != nil {
		return false, nil, err
	}
	if _, err := conn.Exec(ctx, "ALTER TABLE t ALTER COLUMN c TYPE "+to); err != nil {
		return false, nil, err
	}
	after, indexAfter, err := files()
	if err != nil {
		return false, nil, err
	}
	if indexed {
		changed := index != indexAfter
		rebuild = &changed
	}
	return table != after, rebuild, nil
}
