package migrations

import (
	"fmt"
	"slices"
	"strings"
)

// work is what a statement asks of the runner beyond a plain transaction.
type work int

const (
	// plainWork runs inside a transaction, under the short lock_timeout.
	plainWork work = iota
	// longWork may run inside a transaction and takes no lock that stops
	// readers or writers, but for long: VALIDATE CONSTRAINT.
	longWork
	// buildIndex, dropIndex, reindex and detach are the CONCURRENTLY forms,
	// and outside is the rest of what PostgreSQL refuses in a transaction.
	buildIndex
	dropIndex
	reindex
	detach
	outside
	// limit is SET lock_timeout or SET statement_timeout: the runner applies
	// it by itself.
	limit
	// setting is any other SET: it changes the session and is run again when
	// a file resumes.
	setting
)

// alone reports whether PostgreSQL refuses the statement in a transaction.
func (w work) alone() bool { return w >= buildIndex && w <= outside }

// long reports whether the statement waits for locks and runs under the long
// limits, since nobody queues behind it.
func (w work) long() bool { return w == longWork || w.alone() }

// Long reports whether the statement takes its time without stopping readers
// or writers: CONCURRENTLY, VALIDATE CONSTRAINT, VACUUM.
func (s Statement) Long() bool { return s.work().long() }

// Alone reports whether PostgreSQL refuses the statement in a transaction.
func (s Statement) Alone() bool { return s.work().alone() }

func (s Statement) has(keyword string) bool {
	return slices.ContainsFunc(s.tokens, func(t token) bool { return t.is(keyword) })
}

// sequence returns the index behind the first place where the keywords follow
// one another, or -1.
func (s Statement) sequence(keywords ...string) int {
	for i := range s.tokens {
		if i+len(keywords) > len(s.tokens) {
			break
		}
		match := true
		for j, k := range keywords {
			match = match && s.tokens[i+j].is(k)
		}
		if match {
			return i + len(keywords)
		}
	}
	return -1
}

func (s Statement) work() work {
	begin := words(s.tokens, 4)
	starts := func(list ...string) bool {
		return slices.ContainsFunc(list, func(w string) bool { return strings.HasPrefix(begin, w+" ") })
	}
	switch {
	case starts("create index concurrently", "create unique index concurrently"):
		return buildIndex
	case starts("drop index concurrently"):
		return dropIndex
	case starts("reindex"):
		if s.has("concurrently") {
			return reindex
		}
		if s.has("schema") || s.has("database") || s.has("system") {
			return outside
		}
	case starts("alter table") && s.has("detach") && (s.has("concurrently") || s.has("finalize")):
		return detach
	case starts("alter table") && s.onlyValidates():
		return longWork
	case starts("refresh materialized view concurrently"):
		return longWork
	case starts("vacuum"):
		return outside
	case starts("cluster") && len(s.tokens) == 1:
		return outside
	case starts("set lock_timeout", "set statement_timeout", "set local lock_timeout", "set local statement_timeout",
		"set session lock_timeout", "set session statement_timeout"):
		return limit
	case starts("set", "reset"):
		return setting
	}
	return plainWork
}

// onlyValidates reports whether an ALTER TABLE does nothing but VALIDATE
// CONSTRAINT.
func (s Statement) onlyValidates() bool {
	return s.sequence("validate", "constraint") > 0 && !s.has(",")
}

const resetRefused = "the runner sets the limits of a session and resets them behind each file; take RESET out"

// refused names what no migration may hold, by the words it begins with.
var refused = []struct{ begin, rule, message string }{
	{"begin", RuleTransaction, "the runner opens and commits transactions; take BEGIN out"},
	{"start transaction", RuleTransaction, "the runner opens and commits transactions; take START TRANSACTION out"},
	{"commit", RuleTransaction, "the runner opens and commits transactions; take COMMIT out"},
	{"end", RuleTransaction, "the runner opens and commits transactions; take END out"},
	{"rollback", RuleTransaction, "files run forward only; take ROLLBACK out"},
	{"abort", RuleTransaction, "files run forward only; take ABORT out"},
	{"savepoint", RuleTransaction, "the runner opens and commits transactions; take SAVEPOINT out"},
	{"release", RuleTransaction, "the runner opens and commits transactions; take RELEASE out"},
	{"prepare transaction", RuleTransaction, "a prepared transaction outlives the runner; take it out"},
	{"reset all", RuleTimeout, resetRefused},
	{"reset lock_timeout", RuleTimeout, resetRefused},
	{"reset statement_timeout", RuleTimeout, resetRefused},
	{"reset idle_in_transaction_session_timeout", RuleTimeout, resetRefused},
	{"reset transaction_timeout", RuleTimeout, resetRefused},
	{"discard", RuleTimeout, "DISCARD would drop the runner's lock and limits; take it out"},
	{"copy", RuleUnsupported, "COPY needs a client or a file on the server; use INSERT"},
	{"create database", RuleUnsupported, "a migration works inside one database"},
	{"drop database", RuleUnsupported, "a migration works inside one database"},
	{"create tablespace", RuleUnsupported, "a migration works inside one database"},
	{"drop tablespace", RuleUnsupported, "a migration works inside one database"},
	{"alter system", RuleUnsupported, "the server's settings belong to its parameter group"},
	{"create subscription", RuleUnsupported, "replication belongs to the server's operation"},
	{"drop subscription", RuleUnsupported, "replication belongs to the server's operation"},
}

// plan decides how a file's statements become transactions and finds what the
// runner could not run, or not safely.
func plan(m Migration) (Mode, []Problem) {
	var problems []Problem
	fail := func(line int, rule, format string, args ...any) {
		problems = append(problems, Problem{Line: line, Rule: rule, Message: fmt.Sprintf(format, args...)})
	}
	alone, together := -1, -1
	for i, s := range m.Statements {
		begin := words(s.tokens, 4)
		for _, r := range refused {
			if strings.HasPrefix(begin, r.begin+" ") {
				fail(s.Line, r.rule, "%s", r.message)
			}
		}
		switch w := s.work(); {
		case w == limit:
			if _, _, err := s.limit(); err != nil {
				fail(s.Line, RuleTimeout, "%v", err)
			}
		case w == setting:
		case w.alone():
			alone = i
			if w == buildIndex && s.target() == nil {
				fail(s.Line, RuleUnsupported, "name the index: a build that failed is found and dropped by its name: CREATE INDEX CONCURRENTLY documents_title_idx ON documents (title)")
			}
		default:
			together = i
		}
	}
	if m.Backfill != nil {
		if m.NoTransaction {
			fail(1, RuleHeader, "a backfill runs batch by batch; take -- transaction: none out")
		}
		problems = append(problems, planBackfill(m)...)
		return Batched, problems
	}
	if alone >= 0 && together >= 0 && !m.NoTransaction {
		fail(m.Statements[alone].Line, RuleTransaction,
			"PostgreSQL refuses this in a transaction, and the file holds other statements (line %d): give it a file of its own, or declare -- transaction: none",
			m.Statements[together].Line)
	}
	if alone >= 0 || m.NoTransaction {
		return Single, problems
	}
	return Whole, problems
}

// planBackfill finds what a batched file may not be.
func planBackfill(m Migration) []Problem {
	var problems []Problem
	var main []Statement
	for _, s := range m.Statements {
		if w := s.work(); w != limit && w != setting {
			main = append(main, s)
		}
	}
	if len(main) != 1 {
		return []Problem{{Rule: RuleHeader, Message: fmt.Sprintf("a backfill is one statement, not %d", len(main))}}
	}
	s := main[0]
	if !slices.Contains([]string{"update", "insert", "delete", "with"}, s.tokens[0].text) {
		problems = append(problems, Problem{Line: s.Line, Rule: RuleHeader, Message: "a backfill is an UPDATE, INSERT or DELETE"})
	}
	if !s.has("$1") || !s.has("$2") {
		problems = append(problems, Problem{Line: s.Line, Rule: RuleHeader,
			Message: fmt.Sprintf("a backfill takes its batch from $1 and $2, the first and last key: … WHERE %s BETWEEN $1 AND $2", m.Backfill.Key)})
	}
	return problems
}
