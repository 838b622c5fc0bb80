package lint

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/specboard/platform/migrations/check/internal/catalog"
)

// Nobody sees a state inside a transaction. What a statement takes away is
// therefore judged by what is there when its transaction ends.

// provisional are findings that stand only if the end of the transaction does not
// make up for them.
type provisional struct {
	from, to, covered int
	// settled reports whether it does; it may report what differs instead.
	settled func() bool
	at      place
}

// unless reports what the transaction's end may make up for.
func (j *judge) unless(settled func() bool, report func()) {
	d := provisional{from: len(j.findings), covered: j.covered, settled: settled, at: j.at}
	report()
	d.to, d.covered = len(j.findings), j.covered-d.covered
	j.provisional = append(j.provisional, d)
}

// endTransaction settles what was provisional.
func (j *judge) endTransaction() {
	at := j.at
	for _, d := range j.provisional {
		j.at = d.at
		if !d.settled() {
			continue
		}
		for i := d.from; i < d.to; i++ {
			j.findings[i].Rule = "" // taken out by settle
		}
		j.covered -= d.covered
	}
	j.at, j.provisional = at, nil
}

// warn reports what a person has to weigh.
func (j *judge) warn(rule, format string, args ...any) {
	n := len(j.findings)
	j.reportf(0, rule, format, args...)
	for i := n; i < len(j.findings); i++ {
		j.findings[i].Severity = Warning
	}
}

// absent reports whether a relation is known not to exist.
func (j *judge) absent(r *catalog.Relation) bool {
	return j.schema.Complete && (r == nil || j.schema.Stub(r))
}

// replaced reports whether another relation has the name afterwards and can stand in
// for the old one. Each difference between the two is a finding of its own.
func (j nameJudge) replaced(old *catalog.Relation, rule string) func() bool {
	name, columns, rights := old.Name, columnsNow(old), j.rights("relation "+old.Name.String())
	return func() bool {
		now := j.schema.Relations[name]
		if now == nil || now != old && j.schema.Stub(now) {
			return false
		}
		switch {
		case now == old: // under its name once more
			return true
		case old.IsTable() && now.IsTable() && j.schema.New(now):
			return false // without its rows
		case old.Kind == catalog.Sequence || now.Kind == catalog.Sequence:
			if old.Kind == now.Kind && j.schema.New(now) && !j.ahead(now) {
				j.reportf(0, "sequence-set-back", "%s is made again and begins anew", name)
			}
			return old.Kind == now.Kind
		case (columns == nil || now.Columns == nil) && !strings.HasPrefix(rule, "drop-"): // the query is over the table itself
		case columns == nil || now.Columns == nil:
			j.warn(rule, "%s %s is made again: the linter cannot tell whether it has every column that it had", old.Kind, name)
		default:
			if lost := lost(columns, now.Columns); lost != "" {
				j.report(0, "view-columns", fmt.Sprintf("%s %s is made again, and %s", old.Kind, name, lost))
			}
		}
		rights.kept(j.judge, name.String())
		return true
	}
}

func columnsNow(r *catalog.Relation) []catalog.Column {
	if !r.Known && r.Columns == nil {
		return nil
	}
	list := []catalog.Column{}
	for _, c := range r.Columns {
		list = append(list, *c)
	}
	return list
}

// lost names what a query written for the old columns no longer finds.
func lost(old []catalog.Column, now []*catalog.Column) string {
	at := -1
	for _, o := range old {
		i := slices.IndexFunc(now, func(c *catalog.Column) bool { return c.Name == o.Name })
		switch {
		case i < 0:
			return fmt.Sprintf("column %s is gone", catalog.Quote(o.Name))
		case o.Type.Name.Name != "" && now[i].Type.Name.Name != "" && !wider(o.Type, now[i].Type):
			return fmt.Sprintf("column %s is %s and was %s", catalog.Quote(o.Name), now[i].Type, o.Type)
		case i < at:
			return fmt.Sprintf("column %s has another place in the order", catalog.Quote(o.Name))
		}
		at = i
	}
	return ""
}

// wider reports whether a client that knows the old type can read the new one.
func wider(old, now catalog.Type) bool {
	if old.Equal(now) || old.Name == now.Name && old.Array == now.Array && widens(old, now) {
		return true
	}
	text := func(t catalog.Type) bool {
		return t.Builtin() == "text" || t.Builtin() == "varchar" && len(t.Mods) == 0
	}
	return text(now) && (text(old) || old.Builtin() == "varchar")
}

// rights are an object's owner and grants before a statement.
type rights struct {
	key, owner string
	grants     map[string]bool
}

func (j nameJudge) rights(key string) rights {
	return rights{key, j.schema.Owners[key], maps.Clone(j.schema.Rights[key])}
}

// kept reports the owner and the grants that a new object of the same name lacks.
func (r rights) kept(j *judge, name string) {
	if r.owner != "" && j.schema.Owners[r.key] != r.owner && r.owner != usualOwner(j.schema) {
		j.reportf(0, "change-owner", "%s is made again and no longer belongs to %s", name, catalog.Quote(r.owner))
	}
	if j.schema.DefaultRights {
		return
	}
	for _, right := range slices.Sorted(maps.Keys(r.grants)) {
		role, what, _ := strings.Cut(right, " ")
		if now := j.schema.Rights[r.key]; !now[right] && !now[role+" all"] && !now["PUBLIC "+what] && !now["PUBLIC all"] {
			j.reportf(0, "revoke", "%s is made again without what was granted to %s (%s)", name, catalog.Quote(role), what)
			return
		}
	}
}

// usualOwner is the role that owns the most objects: as far as a dump can tell, the one
// that runs the migrations.
func usualOwner(schema *catalog.Schema) string {
	count := map[string]int{}
	best := ""
	for _, owner := range schema.Owners {
		if count[owner]++; count[owner] > count[best] || count[owner] == count[best] && owner < best {
			best = owner
		}
	}
	if len(count) == 1 && count[best] < 2 {
		return ""
	}
	return best
}

// retyped reports whether the name belongs afterwards to a type of the same kind with
// every value of the old one.
func (j nameJudge) retyped(name catalog.Name, old *catalog.UserType) func() bool {
	if old == nil {
		return func() bool {
			now := j.schema.Types[name]
			if now == nil {
				return false
			}
			j.warn("drop-type", "type %s is made again: the linter cannot tell whether it has every value that it had", name)
			return true
		}
	}
	was := *old
	was.Labels = slices.Clone(old.Labels)
	return func() bool {
		now := j.schema.Types[name]
		if now == nil || now == old || now.Kind != was.Kind || was.Kind == "domain" && !now.Base.Equal(was.Base) || was.Kind == "composite" {
			return false
		}
		for _, r := range j.schema.Relations { // a column of the old type takes no value of the new one
			if r.IsTable() && slices.ContainsFunc(r.Columns, func(c *catalog.Column) bool { return c.Type.Name == old.Name }) && old.Name != name {
				return false
			}
		}
		return !slices.ContainsFunc(was.Labels, func(l string) bool { return !slices.Contains(now.Labels, l) })
	}
}

// recreatedFunction reports whether every dropped function is there afterwards
// and can be called as before.
func (j nameJudge) recreatedFunction(parts []string, o *pg.ObjectWithArgs) func() bool {
	name := j.schema.ObjectName(parts)
	var old []*catalog.Function
	for _, f := range j.schema.Functions[name] {
		if o.GetArgsUnspecified() || f.Dropped(o) {
			old = append(old, f)
		}
	}
	rights := j.rights("function " + name.String())
	return func() bool {
		now := j.schema.Functions[name]
		if len(now) == 0 {
			return false
		}
		if len(old) == 0 {
			if !slices.ContainsFunc(now, func(f *catalog.Function) bool { return f.Dropped(o) }) {
				return false
			}
			j.warn("drop-function", "function %s is made again: the linter cannot tell whether it returns what it returned", name)
			return true
		}
		for _, f := range old {
			why := "none takes the arguments that it took"
			for _, n := range now {
				if d := differs(f, n); d == "" || why != "" && d != "none takes the arguments that it took" {
					why = d
				}
			}
			if why != "" {
				j.report(0, "drop-function", fmt.Sprintf("function %s is made again, and %s", name, why))
				return true
			}
		}
		rights.kept(j.judge, name.String()+"()")
		return true
	}
}

// differs says why calls of one function fail on another; "" if they do not.
func differs(old, now *catalog.Function) string {
	was, gave := catalog.Parameters(old.Create)
	is, gives := catalog.Parameters(now.Create)
	if len(is) < len(was) {
		return "none takes the arguments that it took"
	}
	for i, p := range was {
		if typeText(p.GetArgType()) != typeText(is[i].GetArgType()) || p.GetDefexpr() != nil && is[i].GetDefexpr() == nil {
			return "none takes the arguments that it took"
		}
	}
	for _, p := range is[len(was):] {
		if p.GetDefexpr() == nil {
			return "none takes the arguments that it took"
		}
	}
	for i, p := range was {
		if p.GetName() != "" && p.GetName() != is[i].GetName() {
			return fmt.Sprintf("its argument %s is now called %s", catalog.Quote(p.GetName()), catalog.Quote(is[i].GetName()))
		}
	}
	if a, b := typeText(old.Create.GetReturnType()), typeText(now.Create.GetReturnType()); a != b {
		return fmt.Sprintf("it returns %s and returned %s", b, a)
	}
	for i, p := range gave {
		if i >= len(gives) || gives[i].GetName() != p.GetName() || typeText(gives[i].GetArgType()) != typeText(p.GetArgType()) {
			return "its result columns are others"
		}
	}
	return ""
}

func typeText(t *pg.TypeName) string {
	names := catalog.Strings(t.GetNames())
	if len(names) == 0 {
		return "nothing"
	}
	text := catalog.Type{Name: catalog.Name{Schema: "pg_catalog", Name: names[len(names)-1]}}.String() + strings.Repeat("[]", len(t.GetArrayBounds()))
	return when(t.GetSetof(), "setof ") + text
}
