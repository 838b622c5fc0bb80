package lint_test

import (
	"bufio"
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/specboard/platform/migrations"
	"github.com/specboard/platform/migrations/check/internal/compat"
	"github.com/specboard/platform/migrations/check/internal/lint"
	"github.com/specboard/platform/migrations/check/internal/measure"
	"github.com/specboard/platform/migrations/internal/scratch"
)

// bench is a server with the base schema and its rows as a template, and one
// database of it for what can be rolled back.
type bench struct {
	server  *scratch.Server
	version int
	copies  int
	conn    *pgx.Conn
	watcher *pgx.Conn
	old     []migrations.Statement
}

func newBench(t *testing.T) *bench {
	t.Helper()
	if os.Getenv("E2E") != "1" {
		t.Skip("needs PostgreSQL; run with E2E=1")
	}
	ctx := t.Context()
	server, err := scratch.Start(ctx, "autovacuum=off", "allow_in_place_tablespaces=on", "timezone=Europe/Paris", "max_locks_per_transaction=256")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(context.WithoutCancel(ctx)); err != nil {
			t.Error(err)
		}
	})
	b := &bench{server: server}
	config, err := server.Create(ctx, "base", "")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"testdata/base.sql", "testdata/rows.sql"} {
		sql, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Exec(ctx, string(sql)); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
	}
	for _, sql := range []string{"CREATE ROLE clients", "GRANT ALL ON ALL TABLES IN SCHEMA public, app TO clients", "GRANT ALL ON ALL SEQUENCES IN SCHEMA public, app TO clients",
		"GRANT USAGE ON SCHEMA app TO clients", "CREATE ROLE release",
		"ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO clients", "ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO clients",
		"GRANT clients TO release",
		"CREATE TABLESPACE second LOCATION ''", "CREATE ACCESS METHOD heap2 TYPE TABLE HANDLER heap_tableam_handler"} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	if err := conn.QueryRow(ctx, "SELECT current_setting('server_version_num')::int / 10000").Scan(&b.version); err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(ctx); err != nil {
		t.Fatal(err)
	}
	old, err := os.ReadFile("testdata/old.sql")
	if err != nil {
		t.Fatal(err)
	}
	var wrong *migrations.SyntaxError
	if b.old, _, wrong = migrations.Split(string(old)); wrong != nil {
		t.Fatal(wrong)
	}
	b.conn, b.watcher = b.copy(t)
	return b
}

// copy makes a database for what cannot be rolled back.
func (b *bench) copy(t *testing.T) (conn, watcher *pgx.Conn) {
	t.Helper()
	ctx := t.Context()
	b.copies++
	config, err := b.server.Create(ctx, fmt.Sprintf("copy%d", b.copies), "base")
	if err != nil {
		t.Fatal(err)
	}
	var pair [2]*pgx.Conn
	for i := range pair {
		if pair[i], err = pgx.ConnectConfig(ctx, config); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { pair[i].Close(context.WithoutCancel(ctx)) })
	}
	return pair[0], pair[1]
}

// outcome runs what the deployed release runs, each query undone.
func (b *bench) outcome(t *testing.T, conn *pgx.Conn) []compat.Outcome {
	t.Helper()
	ctx := t.Context()
	run := func(sql string) {
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	const idle = 'I'
	if conn.PgConn().TxStatus() == idle {
		run("BEGIN")
		defer run("ROLLBACK")
	}
	run("SET LOCAL search_path TO DEFAULT")
	run("SET LOCAL ROLE release") // as the application: not the tables' owner
	list, err := compat.Observe(ctx, conn, b.old)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// exceptions reads testdata/differences.txt: where what the server shows and
// what the linter says differ, and why. A line is KIND RULE-OR-CASE: reason.
func exceptions(t *testing.T) map[string]map[string]bool {
	t.Helper()
	file, err := os.Open("testdata/differences.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	all := map[string]map[string]bool{}
	for scan := bufio.NewScanner(file); scan.Scan(); {
		line := strings.TrimSpace(scan.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		head, reason, ok := strings.Cut(line, ": ")
		kind, what, named := strings.Cut(head, " ")
		if !ok || !named || reason == "" {
			t.Fatalf("differences.txt: %q; write KIND WHAT: reason", line)
		}
		if all[kind] == nil {
			all[kind] = map[string]bool{}
		}
		all[kind][what] = false // true once it was needed
	}
	return all
}

// TestServer runs every case on a real server and holds the linter to it.
func TestServer(t *testing.T) {
	b := newBench(t)
	allowed := exceptions(t)
	excused := func(kind string, names ...string) bool {
		for _, n := range names {
			if _, ok := allowed[kind][n]; ok {
				allowed[kind][n] = true
				return true
			}
		}
		return false
	}
	before := b.outcome(t, b.conn)
	compat.Steady(before, b.outcome(t, b.conn))
	for _, o := range before {
		if o.Error != "" {
			t.Fatalf("old.sql:%d fails before anything happens: %s", o.Line, o.Error)
		}
	}
	cases := loadCases(t)
	for _, rule := range slices.Sorted(maps.Keys(cases)) {
		for _, c := range cases[rule] {
			name := rule + "/" + strings.TrimSuffix(c.name, ".sql")
			t.Run(name, func(t *testing.T) {
				if excused("skip", name) {
					return
				}
				if versioned.MatchString(c.name) {
					t.Skipf("for PostgreSQL %d; this is %d", c.postgres, b.version)
				}
				b.hold(t, name, c, before, excused)
			})
		}
	}
	for kind, list := range allowed {
		for what, used := range list {
			if !used {
				t.Errorf("differences.txt: %s %s is not needed", kind, what)
			}
		}
	}
}

// hold compares one case's findings with what the server does.
func (b *bench) hold(t *testing.T, name string, c ruleCase, before []compat.Outcome, excused func(string, ...string) bool) {
	findings := c.judge(t)
	m, problems := migrations.Parse(c.name, c.sql)
	for _, p := range problems {
		if p.Rule != migrations.RuleTransaction && p.Rule != migrations.RuleTimeout {
			return // the runner never sees it
		}
	}
	claims, err := lint.Claims(lint.File{Name: c.name, Data: c.sql}, base(t), c.postgres)
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	conn, watcher := b.conn, b.watcher
	// Copied files and a stray COMMIT outlive a rollback.
	own := m.Mode != migrations.Whole || c.rule == "set-tablespace" || c.rule == migrations.RuleTransaction
	if own {
		conn, watcher = b.copy(t)
	}
	if c.rule == migrations.RuleTransaction && m.NoTransaction == false {
		m.Mode = migrations.Whole
	}
	effects, err := measure.File(ctx, conn, watcher, m)
	if err != nil {
		t.Fatal(err)
	}
	failed := false
	const idle = 'I'
	if m.Mode == migrations.Whole && conn.PgConn().TxStatus() == idle {
		failed = true // it ended the runner's transaction
	}
	for i, e := range effects {
		failed = failed || e.Error != ""
		if e.Error == "" {
			b.holdStatement(t, name, m.Statements[i], e, findings, excused)
		}
		if i < len(claims) && e.Error == "" && c.rule != migrations.RuleTransaction {
			compareLocks(t, name, claims[:i+1], e, m, excused)
		}
	}
	expectFailure(t, name, c, findings, effects, failed, excused)
	if !failed {
		breaking := slices.ContainsFunc(findings, func(f lint.Finding) bool { return classOf(f.Rule) == lint.Breaking && f.Severity == lint.Error })
		contract := m.Phase == migrations.Contract || len(m.Waivers) > 0
		broken, refused := "", ""
		for _, change := range compat.Compare(before, b.outcome(t, conn)) {
			broken += fmt.Sprintf("\n%s\n  %s", change.SQL, change.What)
			if strings.HasPrefix(change.What, "fails") || strings.Contains(change.What, "lacks") {
				refused = broken
			}
		}
		switch {
		case breaking && broken == "" && !excused("unbroken", name, rulesOf(findings, lint.Breaking)):
			t.Errorf("breaking by the linter, but every query of the deployed release goes on:\n%s", golden(findings))
		case len(findings) == 0 && !contract && refused != "" && !excused("broken", name):
			t.Errorf("nothing found by the linter, but:%s", refused)
		}
	}
	if _, err := conn.Exec(ctx, "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
}

func classOf(rule string) lint.Class {
	for _, r := range lint.Rules() {
		if r.ID == rule {
			return r.Class
		}
	}
	return ""
}

func rulesOf(findings []lint.Finding, class lint.Class) string {
	for _, f := range findings {
		if classOf(f.Rule) == class {
			return f.Rule
		}
	}
	return ""
}

// holdStatement: what blocks by measurement the linter calls an error, and what
// it calls blocking does block.
func (b *bench) holdStatement(t *testing.T, name string, s migrations.Statement, e measure.Effect, findings []lint.Finding, excused func(string, ...string) bool) {
	t.Helper()
	last := s.Line + strings.Count(s.SQL, "\n")
	var said []string
	for _, f := range findings {
		if f.Severity == lint.Error && f.Line >= s.Line && f.Line <= last {
			said = append(said, f.Rule)
		}
	}
	lock, _ := e.KeepsOut()
	blocking := func(rule string) bool {
		class := classOf(rule)
		return class == lint.Blocking || rule == "lock-held" || rule == "backfill-with-ddl"
	}
	flagged := slices.ContainsFunc(said, func(r string) bool { return blocking(r) || classOf(r) == lint.Data })
	if e.Blocks() && !flagged && !excused("blocks", name) {
		t.Errorf("%s\nmeasured: %s on %s, %v; the linter says %v", s.SQL, lock.Mode, lock.Relation, e.Works(), said)
	}
	for _, rule := range said {
		if e.Alone && len(e.Works()) > 0 {
			continue // its locks are polled, and may be too short to be seen
		}
		if blocking(rule) && !e.Blocks() && !excused("idle", name, rule) {
			t.Errorf("%s\nthe linter says %s; measured: %v, works %v", s.SQL, rule, e.Locks, e.Works())
		}
	}
}

// compareLocks: what the linter takes the transaction to have locked so far is
// what the server shows, for everything from SHARE up and of tables and views.
func compareLocks(t *testing.T, name string, claims []lint.Claim, e measure.Effect, m migrations.Migration, excused func(string, ...string) bool) {
	t.Helper()
	if e.Alone || m.Mode == migrations.Batched {
		return // polled, too short to be sure of
	}
	if m.Mode == migrations.Single {
		claims = claims[len(claims)-1:]
	}
	want := map[string]measure.Mode{}
	for _, c := range claims {
		for relation, mode := range c.Locks {
			for m := measure.ShareUpdateExclusive; m <= measure.AccessExclusive; m++ {
				if m.String() == mode {
					want[relation] = max(want[relation], m)
				}
			}
		}
	}
	got := map[string]measure.Mode{}
	kinds := map[string]string{}
	for _, l := range e.Locks {
		got[l.Relation], kinds[l.Relation] = l.Mode, l.Kind
	}
	for relation := range maps.Keys(got) {
		if k := kinds[relation]; (k == "i" || k == "I" || k == "S" || k == "c") && want[relation] == 0 {
			delete(got, relation) // follow their table
		}
	}
	if !maps.Equal(want, got) && !excused("locks", name) {
		t.Errorf("%s\nclaimed  %v\nmeasured %v", e.SQL, want, got)
	}
}

// expectFailure: what the linter says PostgreSQL refuses is refused, and what
// it passes runs.
func expectFailure(t *testing.T, name string, c ruleCase, findings []lint.Finding, effects []measure.Effect, failed bool, excused func(string, ...string) bool) {
	t.Helper()
	refused := []string{"concurrently-on-partitioned", "not-valid-on-partitioned", "enum-value-used", migrations.RuleTransaction, migrations.RuleSyntax, "add-required-column"}
	expected := slices.ContainsFunc(findings, func(f lint.Finding) bool { return slices.Contains(refused, f.Rule) })
	last := ""
	if len(effects) > 0 {
		last = effects[len(effects)-1].Error
	}
	switch {
	case expected && !failed && !excused("runs", name):
		t.Errorf("the server runs it; the linter says\n%s", golden(findings))
	case failed && !expected && !excused("fails", name):
		t.Errorf("the server refuses it: %s; the linter says\n%s", last, golden(findings))
	}
}
