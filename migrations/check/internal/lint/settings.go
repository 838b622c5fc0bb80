package lint

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/specboard/platform/migrations"
	"github.com/specboard/platform/migrations/check/internal/catalog"
)

// limits are the runner's settings and the most that a file may set them to.
var limits = map[string]time.Duration{
	"lock_timeout": time.Second, "statement_timeout": time.Hour,
	"idle_in_transaction_session_timeout": time.Hour, "transaction_timeout": time.Hour,
}

// set judges SET wherever it stands: the runner reads a file's own SET lock_timeout,
// and not those in bodies.
func (j *judge) set(n *pg.VariableSetStmt) {
	name := strings.ToLower(n.GetName())
	if n.GetKind() == pg.VariableSetKind_VAR_RESET_ALL {
		j.limit(migrations.RuleTimeout, "RESET ALL switches the runner's limits off")
		return
	}
	if name == "timezone" {
		if n.GetIsLocal() && j.alone() {
			return // SET LOCAL ends with its own statement
		}
		value, _ := catalog.Text(first(n.GetArgs()))
		j.utc = strings.EqualFold(value, "utc") || strings.EqualFold(value, "gmt") || strings.EqualFold(value, "etc/utc")
		return
	}
	if _, ok := limits[name]; !ok {
		return
	}
	if n.GetKind() != pg.VariableSetKind_VAR_SET_VALUE {
		j.limit(migrations.RuleTimeout, "the runner's "+name+" is given up")
		return
	}
	j.limitTo(name, constant(first(n.GetArgs())))
}

// limit reports a limit that is too high, unless the file's reader has done so.
func (j *judge) limit(rule, message string) {
	if j.at.line == 0 && reportedAt(j.refused, j.at.statement) {
		return
	}
	j.report(0, rule, message)
}

func (j *judge) limitTo(name, value string) {
	d, ok := duration(value)
	if most := limits[name]; !ok || d <= 0 || d > most {
		j.limit(migrations.RuleTimeout, fmt.Sprintf("a file may set %s to at most %v, and may not switch it off; this sets it to %q", name, most, value))
	}
}

// setConfig judges set_config('lock_timeout', …).
func (j *judge) setConfig(f *pg.FuncCall) {
	args := f.GetArgs()
	if len(args) < 2 {
		return
	}
	name, ok := catalog.Fold(args[0])
	name = strings.ToLower(name)
	if !ok {
		j.report(0, "not-judged", "set_config of a setting that is known at run time only")
		return
	}
	if _, limited := limits[name]; !limited {
		return
	}
	value, ok := catalog.Fold(args[1])
	if !ok {
		value = "a value known at run time only"
	}
	j.limitTo(name, value)
}

// setOptions judges the SET clauses of a function, which last while that runs.
func (j *judge) setOptions(options []*pg.Node) {
	utc := j.utc
	defer func() { j.utc = utc }()
	for _, o := range options {
		if e := o.GetDefElem(); e.GetDefname() == "set" && e.GetArg().GetVariableSetStmt() != nil {
			j.set(e.GetArg().GetVariableSetStmt())
		}
	}
}

// duration reads a time as PostgreSQL writes it: a number and a unit,
// milliseconds without one.
func duration(text string) (time.Duration, bool) {
	text = strings.TrimSpace(text)
	digits := strings.TrimRight(text, "abcdefghijklmnopqrstuvwxyz ")
	unit, ok := map[string]time.Duration{"": time.Millisecond, "us": time.Microsecond, "ms": time.Millisecond,
		"s": time.Second, "min": time.Minute, "h": time.Hour, "d": 24 * time.Hour}[strings.TrimSpace(text[len(digits):])]
	n, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
	if !ok || err != nil || !(n >= 0 && n <= 1e9) {
		return 0, false
	}
	return time.Duration(n * float64(unit)), true
}

// grant judges REVOKE; GRANT only adds.
func (j *judge) grant(n *pg.GrantStmt) {
	if n.GetIsGrant() {
		return
	}
	all := true
	for _, o := range n.GetObjects() {
		if v := o.GetRangeVar(); v == nil || !j.schema.New(j.schema.Relation(v)) {
			all = all && j.ours(n.GetObjtype(), catalog.ObjectParts(o))
		}
	}
	if len(n.GetObjects()) > 0 && all {
		return
	}
	j.unless(j.rightsKept(n), func() { j.report(0, "revoke", "a right is taken away from "+roles(n.GetGrantees())) })
}

// rightsKept reports whether roles have, in the end, what a REVOKE takes away.
func (j *judge) rightsKept(n *pg.GrantStmt) func() bool {
	type right struct{ key, role, what string }
	var taken []right
	for _, key := range j.schema.GrantKeys(n) {
		for _, role := range catalog.Roles(n.GetGrantees()) {
			for _, p := range n.GetPrivileges() {
				taken = append(taken, right{key, role, p.GetAccessPriv().GetPrivName()})
			}
			if len(n.GetPrivileges()) > 0 {
				continue
			}
			known := false
			for r := range j.schema.Rights[key] {
				if what, ok := strings.CutPrefix(r, role+" "); ok {
					taken, known = append(taken, right{key, role, what}), true
				}
			}
			if !known {
				taken = append(taken, right{key, role, "all"})
			}
		}
	}
	return func() bool {
		return len(taken) > 0 && !slices.ContainsFunc(taken, func(r right) bool {
			now := j.schema.Rights[r.key]
			return !now[r.role+" "+r.what] && !now[r.role+" all"]
		})
	}
}
