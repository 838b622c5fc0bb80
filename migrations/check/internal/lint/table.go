package lint

import (
	"fmt"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/specboard/platform/migrations/check/internal/catalog"
)

// createTable judges CREATE TABLE: it locks only what it refers to.
func (j tableJudge) createTable(n *pg.CreateStmt) {
	if n.GetIfNotExists() {
		j.tableThere(n)
	}
	for _, e := range n.GetTableElts() {
		if def := e.GetColumnDef(); def != nil {
			j.columnDesign(def)
		}
	}
	if n.GetPartbound() != nil && len(n.GetInhRelations()) > 0 {
		j.defaultPartition(j.schema.Relation(n.GetInhRelations()[0].GetRangeVar()), n.GetPartbound())
	}
}

// columnDesign judges a new column's type.
func (j tableJudge) columnDesign(def *pg.ColumnDef) {
	if t := j.schema.ResolveType(def.GetTypeName()); t.Builtin() == "json" {
		j.reportf(def.GetLocation(), "json-column", "column %s is json", catalog.Quote(def.GetColname()))
	}
	for _, c := range def.GetConstraints() {
		if con := c.GetConstraint(); con.GetContype() == pg.ConstrType_CONSTR_GENERATED {
			j.needs(12, "GENERATED … STORED")
		}
	}
}

// The longest name that PostgreSQL keeps whole, in bytes.
const maxName = 63

// longWord reports whether a text may hold a name that is too long.
func longWord(sql string) bool {
	word, quoted := 0, false
	for i := range len(sql) {
		switch c := sql[i]; {
		case c == '"':
			quoted, word = !quoted, 0
		case quoted || c == '_' || c == '$' || c >= 0x80 || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z':
			word++
		default:
			word = 0
		}
		if word > maxName {
			return true
		}
	}
	return false
}

// longNames reports names that are too long. The parser has cut them already,
// so they are looked for among the statement's words.
func (j *judge) longNames(sql string) {
	if !longWord(sql) {
		return
	}
	for _, name := range catalog.Names(sql) {
		if len(name.Text) > maxName {
			j.reportf(int32(name.Offset), "long-identifier", "%s has %d bytes; PostgreSQL keeps %d", catalog.Quote(name.Text), len(name.Text), maxName)
		}
	}
}

// wantIndex warns of a foreign key whose columns no index begins with; one that
// a later statement of the file creates counts.
func (j *judge) wantIndex(t *catalog.Relation, columns []string, at int32) {
	if !t.Known || leads(t, columns) || j.recreated["index "+t.Name.Name+" "+columns[0]] {
		return
	}
	j.report(at, "fk-without-index", fmt.Sprintf("no index of %s begins with %s", t.Name, quoteAll(columns)),
		fmt.Sprintf("CREATE INDEX CONCURRENTLY %s ON %s (%s);", catalog.Quote(t.Name.Name+"_"+strings.Join(columns, "_")+"_idx"), t.Name, quoteAll(columns)))
}

// lookAhead notes what later statements of the file make: a trigger or policy
// that is dropped to be replaced breaks nothing in one transaction.
func (j *judge) lookAhead(parsed []parsedStatement) {
	j.recreated = map[string]bool{}
	if j.alone() {
		return
	}
	for _, s := range parsed {
		if len(s.nodes) != 1 {
			continue
		}
		switch n := s.nodes[0].GetNode().(type) {
		case *pg.Node_CreateTrigStmt:
			j.recreated[partOf(j.schema, append(catalog.RangeParts(n.CreateTrigStmt.GetRelation()), n.CreateTrigStmt.GetTrigname()))] = true
		case *pg.Node_CreatePolicyStmt:
			j.recreated[partOf(j.schema, append(catalog.RangeParts(n.CreatePolicyStmt.GetTable()), n.CreatePolicyStmt.GetPolicyName()))] = true
		case *pg.Node_IndexStmt:
			if params := n.IndexStmt.GetIndexParams(); len(params) > 0 {
				j.recreated["index "+n.IndexStmt.GetRelation().GetRelname()+" "+params[0].GetIndexElem().GetName()] = true
			}
		}
	}
}

// partOf is the key of a table's trigger or policy.
func partOf(schema *catalog.Schema, parts []string) string {
	last := len(parts) - 1
	return "part " + schema.Resolve(parts[:last]).String() + "." + parts[last]
}
