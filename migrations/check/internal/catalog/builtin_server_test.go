package catalog

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/specboard/platform/migrations/scratch"
)

var update = flag.Bool("update", false, "write builtin.txt from the server's catalogue")

// functions gives each built-in function once per volatility, with the numbers
// of arguments that it takes; without them where all of that name agree.
const functions = `
WITH f AS (
	SELECT proname, provolatile = 'v' AS volatile,
		pronargs - pronargdefaults AS least, CASE WHEN provariadic <> 0 THEN 1000 ELSE pronargs END AS most
	FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace AND prokind IN ('f', 'a', 'w')
		AND prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype, 'internal'::regtype, 'language_handler'::regtype)
		AND NOT 'internal'::regtype = ANY (proargtypes)
), n AS (SELECT proname, count(DISTINCT volatile) > 1 AS mixed FROM f GROUP BY proname)
SELECT DISTINCT volatile, proname || CASE
	WHEN NOT mixed THEN ''
	WHEN most = 1000 THEN '/' || least || '+'
	WHEN least < most THEN '/' || least || '-' || most
	ELSE '/' || least END AS entry
FROM f JOIN n USING (proname) ORDER BY volatile, entry`

// Arrays and the row types of catalogue tables are left out.
const types = `SELECT typname FROM pg_type WHERE typnamespace = 'pg_catalog'::regnamespace
	AND typtype IN ('b', 'r', 'm', 'p') AND typelem = 0 AND typrelid = 0 OR typname IN ('name', 'point', 'box', 'lseg', 'line', 'int2vector', 'oidvector')
	ORDER BY typname`

const casts = `SELECT s.typname || '>' || t.typname FROM pg_cast c JOIN pg_type s ON s.oid = castsource JOIN pg_type t ON t.oid = casttarget
	WHERE castmethod = 'b' AND castcontext IN ('a', 'i') ORDER BY 1`

const opclasses = `SELECT t.typname || '=' || opcname FROM pg_opclass o JOIN pg_type t ON t.oid = opcintype
	WHERE opcmethod = (SELECT oid FROM pg_am WHERE amname = 'btree') AND opcdefault ORDER BY 1`

// TestBuiltin compares builtin.txt with the catalogue of a server of the same
// major version; -update writes it anew from any.
func TestBuiltin(t *testing.T) {
	if os.Getenv("E2E") == "" {
		t.Skip("needs PostgreSQL: run make e2e")
	}
	ctx := t.Context()
	server, err := scratch.Start(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(context.WithoutCancel(ctx)); err != nil {
			t.Error(err)
		}
	})
	config, err := server.Create(ctx, "builtin", "")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var version int
	if err := conn.QueryRow(ctx, "SELECT current_setting('server_version_num')::int / 10000").Scan(&version); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# Read from the catalogue of PostgreSQL %d; DO NOT EDIT: TestBuiltin -update writes it.\n", version)
	for _, part := range []struct{ kind, query string }{
		{"steady", "SELECT entry FROM (" + functions + ") AS x WHERE NOT volatile"},
		{"volatile", "SELECT entry FROM (" + functions + ") AS x WHERE volatile"},
		{"types", types}, {"same", casts}, {"opclass", opclasses},
	} {
		rows, err := conn.Query(ctx, part.query)
		if err != nil {
			t.Fatal(err)
		}
		list, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		fold(&b, part.kind, list)
	}
	head, _, _ := strings.Cut(generated, ";")
	switch same := strings.HasPrefix(b.String(), head); {
	case *update:
		if err := os.WriteFile("builtin.txt", []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	case same && b.String() != generated:
		t.Error("builtin.txt is not what the server says: run the test with -update")
	case !same:
		t.Logf("%q says another version than this server's %d", head, version)
	}
}

// fold writes entries in lines of readable length, each headed by the kind.
func fold(b *strings.Builder, kind string, entries []string) {
	line := kind
	for _, e := range entries {
		if len(line)+len(e) > 118 {
			b.WriteString(line + "\n")
			line = kind
		}
		line += " " + e
	}
	b.WriteString(line + "\n")
}
