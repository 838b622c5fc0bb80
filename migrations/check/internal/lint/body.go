package lint

import (
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/specboard/platform/migrations"
	"github.com/specboard/platform/migrations/check/internal/catalog"
)

// The linter follows calls of functions by functions to this depth.
const maxCalls = 20

// do judges the body of a DO block as if every branch ran.
func (j bodyJudge) do(n *pg.DoStmt) {
	body, language := "", "plpgsql"
	for _, a := range n.GetArgs() {
		switch e := a.GetDefElem(); e.GetDefname() {
		case "as":
			body = e.GetArg().GetString_().GetSval()
		case "language":
			language = e.GetArg().GetString_().GetSval()
		}
	}
	if !strings.EqualFold(language, "plpgsql") {
		j.reportf(0, "not-judged", "DO in language %s: this linter reads PL/pgSQL", language)
		return
	}
	steps, err := catalog.Body("", body)
	if err != nil {
		j.report(0, migrations.RuleSyntax, "DO: "+err.Error())
		return
	}
	line, _ := j.position(0)
	if at := strings.Index(j.at.statement.SQL, body); j.at.line == 0 && at >= 0 {
		line += strings.Count(j.at.statement.SQL[:at], "\n")
	}
	j.steps(steps, func(s catalog.Step) place {
		return place{statement: j.at.statement, line: line + s.Line - 1, in: "in DO"}
	})
}

// steps judges the statements of a body, each at its own place.
func (j bodyJudge) steps(steps []catalog.Step, at func(catalog.Step) place) {
	outer := j.at
	defer func() { j.at = outer }()
	for _, s := range steps {
		j.at = outer
		j.at = at(s)
		j.at.loop = s.Loop || outer.loop
		switch {
		case s.Control != "":
			j.reportf(0, migrations.RuleTransaction, "%s ends the runner's transaction", s.Control)
		case s.Dynamic != "":
			j.execute(s.Dynamic)
		default:
			j.nested(s.SQL)
		}
	}
}

// execute judges EXECUTE of a text of which at most names and values are unknown until
// run time. Such a name counts as that of any object that was there. The text must
// parse with a name in the place of each unknown part, which shows that the part is one
// name or value.
func (j bodyJudge) execute(expression string) {
	node, err := catalog.Expression(expression)
	if err == nil {
		switch sql, open, ok := catalog.FoldOpen(node); {
		case ok && !open:
			j.nested(sql)
			return
		case ok && j.nestedOpen(sql):
			return
		}
	}
	j.reportf(0, "not-judged", "EXECUTE %s: the text is made at run time", shorten(expression))
}

// openPlaces are the places in which an unknown name or value does not matter for what
// the statement does to others: relations, which then count as full of rows, the names
// of new objects, roles, databases, and constants.
var openPlaces = map[string]bool{
	"RangeVar.relname": true, "RangeVar.schemaname": true, "ColumnDef.colname": true, "Constraint.conname": true, "IndexStmt.idxname": true,
	"RoleSpec.rolename": true, "AlterDatabaseSetStmt.dbname": true, "CreateTrigStmt.trigname": true, "CreatePolicyStmt.policy_name": true,
	"CreateSchemaStmt.schemaname": true, "CommentStmt.comment": true, "A_Const.sval": true, "AlterEnumStmt.new_val": true,
}

// nestedOpen judges a statement with placeholders; false if it cannot tell what
// the statement does.
func (j bodyJudge) nestedOpen(sql string) bool {
	nodes, err := catalog.ParseAll(sql)
	if err != nil {
		return false
	}
	complete := j.schema.Complete
	j.schema.Complete = false
	defer func() { j.schema.Complete = complete }()
	for _, node := range nodes {
		first, covered := len(j.findings), j.covered
		named := node.GetGrantStmt() != nil || node.GetCommentStmt() != nil || setsOptions(node)
		j.statement(node)
		said := j.covered > covered || slices.ContainsFunc(j.findings[first:], func(f Finding) bool { return f.Severity == Error })
		if !said && slices.ContainsFunc(catalog.OpenPlaces(node), func(place string) bool { return !openPlaces[place] && (place != "String.sval" || !named) }) {
			return false
		}
	}
	return true
}

// setsOptions reports whether a statement only sets storage parameters: whatever their
// values, its effect on others is the same.
func setsOptions(node *pg.Node) bool {
	commands := node.GetAlterTableStmt().GetCmds()
	return len(commands) > 0 && !slices.ContainsFunc(commands, func(c *pg.Node) bool {
		return c.GetAlterTableCmd().GetSubtype() != pg.AlterTableType_AT_SetRelOptions
	})
}

func shorten(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if r := []rune(text); len(r) > 60 {
		return string(r[:59]) + "…"
	}
	return text
}

// nested judges the SQL of one step.
func (j bodyJudge) nested(sql string) {
	nodes, err := catalog.ParseAll(sql)
	if err != nil {
		j.report(0, migrations.RuleSyntax, shorten(sql)+": "+err.Error())
		return
	}
	for _, node := range nodes {
		j.statement(node)
	}
}

// createFunction judges the definition of a function. The body is judged where the
// migration calls it.
func (j bodyJudge) createFunction(n *pg.CreateFunctionStmt) {
	j.setOptions(n.GetOptions())
	language, body := catalog.FunctionSource(n)
	j.refuseFunction(n, language, body)
	switch {
	case language == "plpgsql" && j.at.line == 0:
		if _, err := catalog.Body(j.at.statement.SQL, body); err != nil {
			j.report(0, migrations.RuleSyntax, "in the function: "+err.Error())
		}
	case language == "sql" && body != "":
		if _, err := catalog.ParseAll(body); err != nil {
			j.report(0, migrations.RuleSyntax, "in the function: "+err.Error())
		}
	}
}

func (j bodyJudge) selectStatement(node *pg.Node, n *pg.SelectStmt) {
	for _, cte := range n.GetWithClause().GetCtes() {
		if q := cte.GetCommonTableExpr().GetCtequery(); writes(q) {
			j.write(q)
		}
	}
	j.rowLocks(node)
	j.calledFunctions(node)
	table := func(from *pg.Node) bool { return from.GetRangeFunction() == nil }
	if slices.ContainsFunc(n.GetFromClause(), table) {
		return
	}
	// The statement is written for the sake of what its functions do.
	catalog.Walk(node, func(n *pg.Node) bool {
		if f := n.GetFuncCall(); f != nil {
			j.unknownFunction(f)
		}
		return true
	})
}

// unknownFunction reports one that neither PostgreSQL nor the schema has: a rare
// extension's, or one of a database that is not known here. It may do anything.
func (j bodyJudge) unknownFunction(f *pg.FuncCall) {
	names := catalog.Strings(f.GetFuncname())
	if len(names) == 0 || names[0] == "pg_catalog" || len(j.schema.FindFunctions(names, len(f.GetArgs()))) > 0 {
		return
	}
	if name := names[len(names)-1]; catalog.VolatilityOf(name, len(f.GetArgs())) == catalog.NotBuiltin && catalog.ExtensionVolatility(name) == catalog.NotBuiltin {
		j.reportf(0, "not-judged", "%s() is neither PostgreSQL's nor the schema's: what it locks or breaks is not known", strings.Join(names, "."))
	}
}

// calledFunctions judges the bodies of functions that a statement calls.
func (j bodyJudge) calledFunctions(node *pg.Node) {
	catalog.Walk(node, func(n *pg.Node) bool {
		if f := n.GetFuncCall(); f != nil {
			j.call(f)
		}
		return true
	})
}

// call judges the body of a function that runs now, or its effect on settings.
func (j bodyJudge) call(f *pg.FuncCall) {
	names := catalog.Strings(f.GetFuncname())
	if len(names) == 0 {
		return
	}
	switch names[len(names)-1] {
	case "set_config":
		j.setConfig(f)
		return
	case "setval":
		j.setval(f)
		return
	case "pg_advisory_unlock_all":
		j.report(0, migrations.RuleTransaction, "pg_advisory_unlock_all() gives up the lock that keeps a second run of the migrations out")
		return
	}
	if j.calls >= maxCalls {
		return
	}
	j.calls++
	defer func() { j.calls-- }()
	for _, fn := range j.schema.FindFunctions(names, len(f.GetArgs())) {
		j.functionBody(fn)
	}
}

func (j bodyJudge) functionBody(fn *catalog.Function) {
	line, _ := j.position(0)
	here := place{statement: j.at.statement, line: line, in: "in " + fn.Name.String() + "()", loop: j.at.loop}
	at := func(catalog.Step) place { return here }
	switch fn.Language {
	case "plpgsql":
		steps, err := catalog.Body(fn.SQL, fn.Body)
		if err != nil {
			j.reportf(0, "not-judged", "the body of %s() cannot be read: %v", fn.Name, err)
			return
		}
		j.steps(steps, at)
	case "sql":
		outer := j.at
		j.at = here
		defer func() { j.at = outer }()
		if body := fn.Create.GetSqlBody(); body != nil {
			for _, n := range atomicBody(body) {
				j.statement(n)
			}
			return
		}
		j.nested(fn.Body)
	case "internal", "c":
	default:
		j.reportf(0, "not-judged", "%s() is in language %s: this linter reads SQL and PL/pgSQL", fn.Name, fn.Language)
	}
}

// atomicBody returns the statements of a BEGIN ATOMIC body.
func atomicBody(body *pg.Node) []*pg.Node {
	if list := body.GetList(); list != nil {
		var out []*pg.Node
		for _, item := range list.GetItems() {
			out = append(out, atomicBody(item)...)
		}
		return out
	}
	if body.GetReturnStmt() != nil {
		return nil
	}
	return []*pg.Node{body}
}
