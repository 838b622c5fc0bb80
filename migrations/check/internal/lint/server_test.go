package lint_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/specboard/platform/migrations"
	"github.com/specboard/platform/migrations/check/internal/catalog"
	"github.com/specboard/platform/migrations/check/internal/lint"
	"github.com/specboard/platform/migrations/check/internal/prove"
)

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
	prove.Steady(before, b.outcome(t, b.conn))
	for _, o := range before {
		if o.Error != "" {
			t.Fatalf("old.sql:%d fails before anything happens: %s", o.Line, o.Error)
		}
	}
	cases := loadCases(t)
	shown := map[string]bool{}
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
				if b.compare(t, name, c, before, excused) && c.bad {
					shown[rule] = true
				}
			})
		}
	}
	for _, r := range lint.Rules() {
		if r.Class != lint.Format && !shown[r.ID] && !excused("unshown", r.ID) {
			t.Errorf("%s: the server ran no bad case of it", r.ID)
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

// compare compares one case's findings with what the server does; false means that
// the runner refuses the file, so that no server sees it.
func (b *bench) compare(t *testing.T, name string, c ruleCase, before []prove.Outcome, excused func(string, ...string) bool) bool {
	findings := c.judge(t)
	m, problems := migrations.Parse(c.name, c.sql)
	for _, p := range problems {
		if p.Rule != migrations.RuleTransaction && p.Rule != migrations.RuleTimeout {
			return false
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
	effects, err := prove.Measure(ctx, conn, watcher, m)
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
			b.compareStatement(t, name, m.Statements[i], e, findings, excused)
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
		for _, change := range prove.Compare(before, b.outcome(t, conn)) {
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
	return true
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

// compareStatement: what blocks by measurement the linter calls an error, and what
// it calls blocking does block.
func (b *bench) compareStatement(t *testing.T, name string, s migrations.Statement, e prove.Effect, findings []lint.Finding, excused func(string, ...string) bool) {
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
func compareLocks(t *testing.T, name string, claims []lint.AssumedLocks, e prove.Effect, m migrations.Migration, excused func(string, ...string) bool) {
	t.Helper()
	if e.Alone || m.Mode == migrations.Batched {
		return // polled, too short to be sure of
	}
	if m.Mode == migrations.Single {
		claims = claims[len(claims)-1:]
	}
	want := map[string]catalog.Mode{}
	for _, c := range claims {
		for relation, mode := range c.Locks {
			for m := catalog.ShareUpdateExclusive; m <= catalog.AccessExclusive; m++ {
				if m.String() == mode {
					want[relation] = max(want[relation], m)
				}
			}
		}
	}
	got := map[string]catalog.Mode{}
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
func expectFailure(t *testing.T, name string, c ruleCase, findings []lint.Finding, effects []prove.Effect, failed bool, excused func(string, ...string) bool) {
	t.Helper()
	refused := []string{"concurrently-on-partitioned", "not-valid-on-partitioned", "enum-value-used", "column-in-use", migrations.RuleTransaction, migrations.RuleSyntax, "add-required-column"}
	if has(findings, "backfill-unbound") || has(findings, "backfill-moves-key") {
		return // the proof refuses those that change too much of the walked table here; see prove_test.go
	}
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
