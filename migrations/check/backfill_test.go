package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/specboard/platform/migrations"
	"github.com/specboard/platform/migrations/check/internal/lint"
	"github.com/specboard/platform/migrations/scratch"
)

// TestAnyBackfill makes tables and backfills at random. Either the linter
// refuses a backfill, or the runner changes each row at most once, ends, and
// changes no more rows a batch than it walked.
func TestAnyBackfill(t *testing.T) {
	if os.Getenv("E2E") != "1" {
		t.Skip("needs PostgreSQL; run with E2E=1")
	}
	cases := 150
	if os.Getenv("SOAK") != "" {
		cases = 10_000
	}
	server, err := scratch.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close(context.Background()) })
	config, err := server.Create(t.Context(), "backfills", "")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })

	var refused, stopped, applied int
	for i := range cases {
		b := randomBackfill(uint64(i))
		fsys := fstest.MapFS{"0001_tables.sql": {Data: []byte(b.tables)}, "0002_fill.sql": {Data: []byte(b.fill)}}
		findings, err := lint.Run{Postgres: lint.DefaultPostgres}.Folder(fsys)
		if err != nil {
			t.Fatalf("case %d: %v\n%s", i, err, b)
		}
		if lint.Failed(findings) {
			refused++
			continue
		}
		switch err := b.run(t.Context(), config, conn, fsys); {
		case err == nil:
			applied++
		case errors.As(err, new(*migrations.BatchError)):
			stopped++
		default:
			t.Errorf("case %d: %v\n%s", i, err, b)
		}
	}
	t.Logf("%d backfills: the linter refused %d, the runner stopped %d and applied %d", cases, refused, stopped, applied)
	if refused < cases/20 || applied < cases/20 {
		t.Error("too few of one kind: the generator shows nothing")
	}
}

// backfill is one random case. Every row has an identity that no statement
// touches, and triggers log each change with its transaction.
type backfill struct{ tables, fill string }

func (b backfill) String() string { return b.tables + "\n\n" + b.fill }

// run applies both files to an empty database and returns what breaks the
// promise, or why the runner stopped.
func (b backfill) run(ctx context.Context, config *pgx.ConnConfig, conn *pgx.Conn, fsys fstest.MapFS) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if _, err := conn.Exec(ctx, "DROP SCHEMA public CASCADE; CREATE SCHEMA public"); err != nil {
		return err
	}
	list, err := migrations.Load(fsys)
	if err != nil {
		return err
	}
	o := migrations.DefaultOptions()
	var problems []error
	var walked, logged int64
	o.Report = func(e migrations.Event) {
		if e.Kind != migrations.Batch {
			return
		}
		var changed, last int64
		if err := conn.QueryRow(ctx, "SELECT count(DISTINCT ident), coalesce(max(seq), $1) FROM log WHERE seq > $1 AND name = 'a'", logged).Scan(&changed, &last); err != nil {
			problems = append(problems, err)
		}
		if changed > e.Walked-walked {
			problems = append(problems, fmt.Errorf("the batch up to %s walked %d rows and changed %d", e.Cursor, e.Walked-walked, changed))
		}
		walked, logged = e.Walked, last
	}
	_, stopped := migrations.Up(ctx, config, list, o)
	if ctx.Err() != nil {
		return errors.New("it did not end")
	}
	if stopped != nil && !errors.As(stopped, new(*migrations.BatchError)) {
		// A value that the table cannot take is the statement's own failure.
		if partial, ok := errors.AsType[*migrations.PartialError](stopped); !ok || partial.Failed == list[0].ID() {
			problems = append(problems, stopped)
		}
	}
	// A row that moves to another partition is deleted there and inserted here.
	rows, err := conn.Query(ctx, `SELECT format('row %s of %s was changed in %s transactions: %s', ident, name, count(DISTINCT tx), string_agg(op, ' ' ORDER BY seq))
		FROM log GROUP BY ident, name HAVING count(DISTINCT tx) > 1 OR count(*) > 1 AND array_agg(op ORDER BY seq) <> '{DELETE,INSERT}'`)
	if err != nil {
		return err
	}
	twice, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, line := range twice {
		problems = append(problems, errors.New(line))
	}
	return errors.Join(append(problems, stoppedByItself(stopped))...)
}

// stoppedByItself keeps the error of a batch that was rolled back.
func stoppedByItself(err error) error {
	if batch, ok := errors.AsType[*migrations.BatchError](err); ok {
		return batch
	}
	return nil
}

// generator picks the parts of a case.
type generator struct {
	*rand.Rand
	key     keyType
	a, from string // how the key is written, and what stands before other columns
}

// keyType is how keys are declared, made from a number, and moved.
type keyType struct{ name, make, move string }

func randomBackfill(seed uint64) backfill {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 14))}
	g.key = pick(g, keyType{"int", "%s * 3", "%s + 7"}, keyType{"bigint", "%s * 1000 - 20", "%s + 1000"}, keyType{"text", "'k' || %s", "%s || 'z'"},
		keyType{"uuid", "md5((%s)::text)::uuid", "md5(%s::text)::uuid"}, keyType{"timestamptz", "timestamptz '2026-01-01' + (%s) * interval '1 hour'", "%s + interval '5 hours'"})
	rows := g.IntN(40)
	number := pick(g, "g", "g", "g / 3") // rows that share a key
	unique := number == "g"
	var b strings.Builder
	fmt.Fprintf(&b, "CREATE TABLE a (k %s NOT NULL, n int, t text NOT NULL, ident int NOT NULL)", g.key.name)
	switch g.IntN(4) {
	case 0:
		b.WriteString(" PARTITION BY LIST (t);\nCREATE TABLE a_old PARTITION OF a FOR VALUES IN ('old');\nCREATE TABLE a_rest PARTITION OF a DEFAULT;\nCREATE INDEX a_k ON a (k);\n")
		unique = false
	case 1:
		b.WriteString(" PARTITION BY HASH (k);\nCREATE TABLE a_0 PARTITION OF a FOR VALUES WITH (MODULUS 2, REMAINDER 0);\nCREATE TABLE a_1 PARTITION OF a FOR VALUES WITH (MODULUS 2, REMAINDER 1);\nCREATE INDEX a_k ON a (k);\n")
		unique = false
	default:
		fmt.Fprintf(&b, ";\nCREATE %s INDEX a_k ON a (k);\n", map[bool]string{true: "UNIQUE", false: ""}[unique])
	}
	fmt.Fprintf(&b, "CREATE TABLE b (id %s, n int, t text, ident int GENERATED ALWAYS AS IDENTITY);\n", g.key.name)
	fmt.Fprintf(&b, "INSERT INTO a SELECT %s, CASE WHEN g %% 3 > 0 THEN g END, CASE WHEN g %% 4 > 0 THEN 'old' ELSE 'x' END, g FROM generate_series(1, %d) g;\n", fmt.Sprintf(g.key.make, number), rows)
	fmt.Fprintf(&b, "INSERT INTO b (id, n, t) SELECT %s, g, 'old' FROM generate_series(1, %d) g;\n", fmt.Sprintf(g.key.make, pick(g, "g", "g / 2", "g + 10")), rows)
	b.WriteString(`CREATE TABLE log (seq bigint GENERATED ALWAYS AS IDENTITY, name text, ident int, op text, tx bigint);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO log (name, ident, op, tx) VALUES (TG_ARGV[0], CASE TG_OP WHEN 'DELETE' THEN OLD.ident ELSE NEW.ident END, TG_OP, txid_current());
    RETURN NULL;
END $$;
CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON a FOR EACH ROW EXECUTE FUNCTION note('a');
CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON b FOR EACH ROW EXECUTE FUNCTION note('b');
`)
	return backfill{tables: b.String(), fill: fmt.Sprintf("-- backfill: table=a key=k batch=%d pause=0s\n%s", 1+g.IntN(7), g.statement(unique))}
}

func (g *generator) statement(unique bool) string {
	g.a, g.from = "k", ""
	n := g.IntN(10)
	if n >= 6 {
		g.a, g.from = "a.k", "a."
	}
	where := " WHERE " + g.condition()
	join := pick(g, "b.id = a.k AND ", "b.id = a.k AND ", "a.k = b.id AND ", "b.id > a.k AND ", "b.n = a.n AND ", "")
	switch n {
	case 0, 1, 2:
		return "UPDATE a SET " + g.assignments() + where
	case 3:
		return "DELETE FROM a" + where
	case 4:
		return "WITH u AS (" + pick(g, "UPDATE a SET "+g.assignments(), "DELETE FROM a") + where + " RETURNING 1) SELECT count(*) FROM u"
	case 5:
		if unique && g.IntN(2) == 0 {
			return "INSERT INTO a SELECT k, n, t, ident FROM a" + where + " ON CONFLICT (k) DO UPDATE SET n = 7"
		}
		return "INSERT INTO a SELECT " + fmt.Sprintf(g.key.move, "k") + ", n, t, ident + 1000 FROM a" + where
	case 6:
		return "INSERT INTO b (id, n, t) SELECT a.k, a.n, 'new' FROM a" + where
	case 7:
		return "UPDATE b SET t = 'new' FROM a WHERE " + join + g.condition()
	case 8:
		return "DELETE FROM b USING a WHERE " + join + g.condition()
	}
	return "UPDATE a SET t = b.t FROM b WHERE " + join + g.condition()
}

func (g *generator) assignments() string {
	list := []string{pick(g, "n = 5", "n = coalesce(n, 0) + 1", "t = 'x'", "t = t || '!'")}
	if g.IntN(5) == 0 {
		list = append(list, "k = "+fmt.Sprintf(g.key.move, "k"))
	}
	return strings.Join(list, ", ")
}

// condition is a sound one half of the time, and else anything.
func (g *generator) condition() string {
	if g.IntN(2) == 0 {
		parts := []string{g.batch()}
		for range g.IntN(3) {
			parts = append(parts, pick(g, g.other(), "("+g.other()+" OR "+g.other()+")", "NOT "+g.other()))
		}
		g.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		return strings.Join(parts, " AND ")
	}
	return g.anything(2)
}

func (g *generator) anything(depth int) string {
	if depth == 0 || g.IntN(4) == 0 {
		return pick(g, g.batch(), g.batch(), g.other(), g.inside())
	}
	left, right := g.anything(depth-1), g.anything(depth-1)
	return pick(g, left+" AND "+right, left+" OR "+right, "("+left+" OR "+right+")", "("+left+") AND ("+right+")", "NOT ("+left+")")
}

func (g *generator) batch() string {
	return strings.ReplaceAll(pick(g, "KEY BETWEEN $1 AND $2", "KEY BETWEEN $1 AND $2", "KEY >= $1 AND KEY <= $2", "$1 <= KEY AND $2 >= KEY"), "KEY", g.a)
}

func (g *generator) other() string {
	return g.from + pick(g, "n IS NULL", "n > 5", "t = 'old'", "t <> 'x'", "n % 2 = 0")
}

// inside binds the batch where it binds no row of the statement.
func (g *generator) inside() string {
	return pick(g, "EXISTS (SELECT FROM a x WHERE x.k BETWEEN $1 AND $2)", "EXISTS (SELECT FROM b WHERE b.id BETWEEN $1 AND $2)",
		g.a+" IN (SELECT x.k FROM a x WHERE x.k BETWEEN $1 AND $2)", g.a+" IN (SELECT x.id FROM b x WHERE x.id >= $1 AND x.id <= $2)")
}

func pick[T any](g *generator, list ...T) T { return list[g.IntN(len(list))] }
