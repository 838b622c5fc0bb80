package migrations

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
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

// Alone reports whether PostgreSQL refuses the statement in a transaction.
func (s Statement) Alone() bool { return s.work().alone() }

func (s Statement) has(keyword string) bool {
	return slices.ContainsFunc(s.tokens, func(t token) bool { return t.is(keyword) })
}

// sequence returns the index after the first place where the keywords follow
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

const resetRefused = "the runner sets the limits of a session and resets them after each file; take RESET out"

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

// The highest limits that a file may set. A longer wait for a lock would stop every
// client that queues behind the migration.
const (
	maxLockTimeout      = time.Second
	maxStatementTimeout = time.Hour
)

// limit returns the setting that a SET statement makes, such as
// "lock_timeout", and its value; the error says why it is refused.
func (s Statement) limit() (setting string, value time.Duration, err error) {
	tokens := s.tokens[1:]
	if tokens[0].is("local") || tokens[0].is("session") {
		tokens = tokens[1:]
	}
	setting = tokens[0].text
	most := maxLockTimeout
	if setting == "statement_timeout" {
		most = maxStatementTimeout
	}
	refuse := fmt.Errorf("a file may set %s to at most %v, and may not switch it off: SET %s = '100ms'", setting, most, setting)
	tokens = tokens[1:]
	if len(tokens) < 2 || !tokens[0].is("=") && !tokens[0].is("to") {
		return setting, 0, refuse
	}
	text := ""
	for _, t := range tokens[1:] {
		text += strings.Trim(t.text, "'")
	}
	value, ok := parseSetting(text)
	if !ok || value <= 0 || value > most {
		return setting, 0, refuse
	}
	return setting, value, nil
}

// parseSetting reads a time as PostgreSQL writes it in settings: a number and
// a unit, milliseconds without one.
func parseSetting(text string) (time.Duration, bool) {
	text = strings.TrimSpace(text)
	digits := strings.TrimRight(text, "abcdefghijklmnopqrstuvwxyz ")
	units := map[string]time.Duration{"": time.Millisecond, "us": time.Microsecond, "ms": time.Millisecond,
		"s": time.Second, "min": time.Minute, "h": time.Hour}
	unit, ok := units[strings.TrimSpace(text[len(digits):])]
	n, err := strconv.ParseFloat(digits, 64)
	if !ok || err != nil || n < 0 || n > 1e9 {
		return 0, false
	}
	value := time.Duration(n * float64(unit))
	// PostgreSQL rounds to whole milliseconds, and zero switches the limit off.
	return value.Round(time.Millisecond), true
}

// indexTarget is what CREATE INDEX CONCURRENTLY works on.
type indexTarget struct {
	// Index is the index's own name; it never has a schema.
	Index string
	// Table is quoted for SQL, with its schema if written.
	Table string
}

// target reads the names out of CREATE INDEX CONCURRENTLY; nil if the index
// has none.
func (s Statement) target() *indexTarget {
	i := s.sequence("index", "concurrently")
	if i < 0 {
		return nil
	}
	i = s.skip(i, "if", "not", "exists")
	if i >= len(s.tokens) || s.tokens[i].is("on") {
		return nil
	}
	name := s.tokens[i]
	if name.kind != wordToken && name.kind != quotedToken || i+1 >= len(s.tokens) || !s.tokens[i+1].is("on") {
		return nil
	}
	table, _ := s.name(s.skip(i+2, "only"))
	return &indexTarget{Index: name.text, Table: table}
}

// skip passes over optional keywords.
func (s Statement) skip(i int, keywords ...string) int {
	for _, k := range keywords {
		if i < len(s.tokens) && s.tokens[i].is(k) {
			i++
		}
	}
	return i
}

// name reads a name with optional schema at token i, quoted for SQL, and
// returns the index after it.
func (s Statement) name(i int) (string, int) {
	var parts []string
	for i < len(s.tokens) && (s.tokens[i].kind == wordToken || s.tokens[i].kind == quotedToken) {
		parts = append(parts, quote(s.tokens[i].text))
		i++
		if i >= len(s.tokens) || !s.tokens[i].is(".") {
			break
		}
		i++
	}
	return strings.Join(parts, "."), i
}

// names reads a list of names with commas between.
func (s Statement) names(i int) []string {
	var list []string
	for i < len(s.tokens) {
		var name string
		if name, i = s.name(i); name == "" {
			return list
		}
		list = append(list, name)
		if i >= len(s.tokens) || !s.tokens[i].is(",") {
			return list
		}
		i++
	}
	return list
}

// quote makes an identifier of any name.
func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
