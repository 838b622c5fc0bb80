package lint

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/specboard/platform/migrations/check/internal/catalog"
)

// A batch is safe if it can change only rows that the walk has reached: the
// condition on the key ($1 to $2) must hold for every row that is changed, and
// so it must be an AND term at the top of the statement, on the walked table
// itself or on one that an equality joins to the walked key.

// batch judges the statement of a backfill.
type batch struct {
	schema *catalog.Schema
	table  *catalog.Relation // the walked table
	key    string
	// bounded are the common table expressions that yield only rows of the batch, each
	// with the name of its column that holds the key; "" if none does.
	bounded map[string]string
}

// unbound says why a statement may change rows outside its batch, "" if it
// cannot; each part that writes is judged by itself.
func (b *batch) unbound(node *pg.Node) string {
	for _, c := range withClause(node) {
		e := c.GetCommonTableExpr()
		q := e.GetCtequery()
		if writes(q) {
			if why := b.unbound(q); why != "" {
				return why
			}
			b.bounded[e.GetCtename()] = returned(q, b.key)
			continue
		}
		if key, ok := b.selects(q.GetSelectStmt()); ok {
			b.bounded[e.GetCtename()] = key
		}
	}
	switch n := node.GetNode().(type) {
	case *pg.Node_UpdateStmt:
		return b.changes(n.UpdateStmt.GetRelation(), n.UpdateStmt.GetFromClause(), n.UpdateStmt.GetWhereClause())
	case *pg.Node_DeleteStmt:
		return b.changes(n.DeleteStmt.GetRelation(), n.DeleteStmt.GetUsingClause(), n.DeleteStmt.GetWhereClause())
	case *pg.Node_InsertStmt:
		query := n.InsertStmt.GetSelectStmt().GetSelectStmt()
		if _, ok := b.selects(query); !ok {
			return fmt.Sprintf("the rows that it inserts are not those of the batch: write … SELECT … FROM %s WHERE %s BETWEEN $1 AND $2", b.table.Name, catalog.Quote(b.key))
		}
		if len(query.GetFromClause()) > 0 {
			return b.scope(nil, query.GetFromClause(), query.GetWhereClause()).joined()
		}
	case *pg.Node_MergeStmt:
		return b.merges(n.MergeStmt)
	case *pg.Node_SelectStmt:
		if !slices.ContainsFunc(withClause(node), func(c *pg.Node) bool { return writes(c.GetCommonTableExpr().GetCtequery()) }) {
			return "it changes nothing that the batch bounds"
		}
	}
	return ""
}

func writes(node *pg.Node) bool {
	return node.GetUpdateStmt() != nil || node.GetDeleteStmt() != nil || node.GetInsertStmt() != nil || node.GetMergeStmt() != nil
}

// returned is the name of the column of RETURNING that holds the key.
func returned(node *pg.Node, key string) string {
	return outputs(slices.Concat(node.GetUpdateStmt().GetReturningList(), node.GetDeleteStmt().GetReturningList()), func(c column) bool { return c.name == key || c.name == "*" }, key)
}

// outputs returns the name of the result column that holds the wanted column.
func outputs(targets []*pg.Node, want func(column) bool, key string) string {
	for _, t := range targets {
		r := t.GetResTarget()
		c, ok := columnOf(r.GetVal())
		switch {
		case !ok || !want(c):
		case r.GetName() != "":
			return r.GetName()
		case c.name == "*":
			return key
		default:
			return c.name
		}
	}
	return ""
}

// column is a column as an expression names it; the table is "" where the expression
// does not name it.
type column struct{ table, name string }

func columnOf(expr *pg.Node) (column, bool) {
	fields := expr.GetColumnRef().GetFields()
	if len(fields) == 0 {
		return column{}, false
	}
	c := column{name: fields[len(fields)-1].GetString_().GetSval()}
	if fields[len(fields)-1].GetAStar() != nil {
		c.name = "*"
	}
	if len(fields) > 1 {
		c.table = fields[len(fields)-2].GetString_().GetSval()
	}
	return c, c.name != ""
}

// source is what stands in a FROM clause, or the target of the statement.
type source struct {
	alias    string
	relation *catalog.Relation // nil for a query or a function
	// key is the column that holds the walked key. bounded says that every row is
	// already known to be one of the batch.
	key     string
	bounded bool
	linked  bool // by a natural join
}

// scope is what a condition can name, and the terms that must hold for a row.
type scope struct {
	sources []source
	terms   []*pg.Node
	links   []*pg.Node // the conditions of outer joins
}

func (b *batch) scope(target *pg.RangeVar, from []*pg.Node, where *pg.Node) *scope {
	s := &scope{terms: catalog.Conjuncts(where)}
	if target != nil {
		s.sources = append(s.sources, b.named(target, false))
	}
	for _, f := range from {
		b.from(s, f, true)
	}
	return s
}

func (b *batch) named(v *pg.RangeVar, expression bool) source {
	x := source{alias: calledAs(v)}
	if key, ok := b.bounded[v.GetRelname()]; expression && ok && v.GetSchemaname() == "" {
		x.key, x.bounded = key, true
		return x
	}
	x.relation = b.schema.Relation(v)
	if slices.Contains(b.table.Family(), x.relation) {
		x.key = b.key
	}
	return x
}

// from adds an item of a FROM clause; inner says that its rows must match.
func (b *batch) from(s *scope, item *pg.Node, inner bool) {
	switch n := item.GetNode().(type) {
	case *pg.Node_RangeVar:
		s.sources = append(s.sources, b.named(n.RangeVar, true))
	case *pg.Node_RangeSubselect:
		x := source{alias: n.RangeSubselect.GetAlias().GetAliasname()}
		x.key, x.bounded = b.selects(n.RangeSubselect.GetSubquery().GetSelectStmt())
		s.sources = append(s.sources, x)
	case *pg.Node_RangeFunction:
		s.sources = append(s.sources, source{alias: n.RangeFunction.GetAlias().GetAliasname()})
	case *pg.Node_JoinExpr:
		j := n.JoinExpr
		outerLeft := j.GetJointype() == pg.JoinType_JOIN_RIGHT || j.GetJointype() == pg.JoinType_JOIN_FULL
		outerRight := j.GetJointype() == pg.JoinType_JOIN_LEFT || j.GetJointype() == pg.JoinType_JOIN_FULL
		left := len(s.sources)
		b.from(s, j.GetLarg(), inner && !outerLeft)
		right := len(s.sources)
		b.from(s, j.GetRarg(), inner && !outerRight)
		terms := catalog.Conjuncts(j.GetQuals())
		for _, u := range catalog.Strings(j.GetUsingClause()) {
			for _, l := range s.sources[left:right] {
				for _, r := range s.sources[right:] {
					terms = append(terms, equality(column{l.alias, u}, column{r.alias, u}))
				}
			}
		}
		if j.GetIsNatural() {
			for i := range s.sources[left:] {
				s.sources[left+i].linked = true
			}
		}
		if inner && !outerLeft && !outerRight {
			s.terms = append(s.terms, terms...)
		} else {
			s.links = append(s.links, terms...)
		}
		for i := left; i < len(s.sources); i++ {
			if i < right && outerLeft || i >= right && outerRight {
				s.sources[i].bounded = false
			}
		}
	}
}

func equality(a, b column) *pg.Node {
	ref := func(c column) *pg.Node {
		return &pg.Node{Node: &pg.Node_ColumnRef{ColumnRef: &pg.ColumnRef{Fields: []*pg.Node{pg.MakeStrNode(c.table), pg.MakeStrNode(c.name)}}}}
	}
	return &pg.Node{Node: &pg.Node_AExpr{AExpr: &pg.A_Expr{Kind: pg.A_Expr_Kind_AEXPR_OP, Name: []*pg.Node{pg.MakeStrNode("=")}, Lexpr: ref(a), Rexpr: ref(b)}}}
}

// resolve returns the index of the source that a column belongs to; -1 if that cannot
// be told.
func (s *scope) resolve(c column) int {
	unknown, found := -1, -1
	for i, x := range s.sources {
		switch {
		case c.table != "" && c.table == x.alias, c.table == "" && x.relation != nil && x.relation.Known && x.relation.Column(c.name) != nil,
			c.table == "" && x.key != "" && x.key == c.name:
			if found < 0 {
				found = i
			}
		case c.table == "" && x.relation != nil && !x.relation.Known && unknown < 0:
			unknown = i
		}
	}
	if found < 0 {
		return unknown
	}
	return found
}

// walked returns the columns that equal the key of a row of the batch, as the
// equalities among the terms show.
func (s *scope) walked() map[column]bool {
	equal := map[column][]column{}
	set := map[column]bool{}
	var queue []column
	reach := func(c column) {
		if !set[c] {
			set[c] = true
			queue = append(queue, c)
		}
	}
	place := func(n *pg.Node) (column, bool) {
		c, ok := columnOf(n)
		i := s.resolve(c)
		if !ok || i < 0 {
			return c, false
		}
		return column{s.sources[i].alias, c.name}, true
	}
	low, high := map[column]bool{}, map[column]bool{}
	for _, t := range s.terms {
		e := t.GetAExpr()
		if e == nil {
			continue
		}
		left, lok := place(e.GetLexpr())
		right, rok := place(e.GetRexpr())
		operator := strings.Join(catalog.Strings(e.GetName()), ".")
		switch {
		case (e.GetKind() == pg.A_Expr_Kind_AEXPR_BETWEEN || e.GetKind() == pg.A_Expr_Kind_AEXPR_BETWEEN_SYM) && lok:
			ends := e.GetRexpr().GetList().GetItems()
			if len(ends) == 2 && parameter(ends[0]) == 1 && parameter(ends[1]) == 2 {
				low[left], high[left] = true, true
			}
		case e.GetKind() != pg.A_Expr_Kind_AEXPR_OP:
		case operator == "=" && lok && rok:
			equal[left], equal[right] = append(equal[left], right), append(equal[right], left)
		case operator == ">=" && lok && parameter(e.GetRexpr()) == 1, operator == "<=" && rok && parameter(e.GetLexpr()) == 1:
			low[pick(lok, left, right)] = true
		case operator == "<=" && lok && parameter(e.GetRexpr()) == 2, operator == ">=" && rok && parameter(e.GetLexpr()) == 2:
			high[pick(lok, left, right)] = true
		}
	}
	for _, x := range s.sources {
		if at := (column{x.alias, x.key}); x.key != "" && (x.bounded || low[at] && high[at]) {
			reach(at)
		}
	}
	for len(queue) > 0 {
		next := queue[0]
		queue = queue[1:]
		for _, c := range equal[next] {
			reach(c)
		}
	}
	return set
}

func pick(first bool, a, b column) column {
	if first {
		return a
	}
	return b
}

// changes judges an UPDATE or DELETE.
func (b *batch) changes(target *pg.RangeVar, from []*pg.Node, where *pg.Node) string {
	s := b.scope(target, from, where)
	if why := s.pinned(b); why != "" {
		return why
	}
	return s.joined()
}

// pinned says why the first source is not bound to the walked key.
func (s *scope) pinned(b *batch) string {
	set := s.walked()
	t := s.sources[0]
	for c := range set {
		if c.table == t.alias && (t.relation != b.table && !slices.Contains(b.table.Family(), t.relation) || c.name == b.key) {
			return ""
		}
	}
	if len(set) == 0 {
		return fmt.Sprintf("the batch is not bound to its keys: AND %s BETWEEN $1 AND $2 must hold for every row, beside no OR and outside any sub-query", catalog.Quote(b.key))
	}
	return fmt.Sprintf("nothing joins %s to the key of %s: every row may change in each batch", t.relation.Name, b.table.Name)
}

// joined names a table of FROM that no term joins to the others.
func (s *scope) joined() string {
	group := make([]int, len(s.sources))
	for i := range group {
		group[i] = i
	}
	for _, t := range slices.Concat(s.terms, s.links) {
		first := -1
		catalog.Walk(t, func(n *pg.Node) bool {
			if c, ok := columnOf(n); ok {
				if i := s.resolve(c); i >= 0 && first < 0 {
					first = group[i]
				} else if i >= 0 && group[i] != first {
					old := group[i]
					for k := range group {
						if group[k] == old {
							group[k] = first
						}
					}
				}
			}
			return true
		})
	}
	for _, t := range s.terms { // a single row may match all the rows of such a table
		if e := t.GetAExpr(); e.GetKind() == pg.A_Expr_Kind_AEXPR_OP && catalog.Constant(e.GetRexpr()) {
			if c, ok := columnOf(e.GetLexpr()); ok && s.resolve(c) >= 0 {
				s.sources[s.resolve(c)].linked = true
			}
		}
	}
	for i, x := range s.sources {
		if x.relation != nil && !x.linked && group[i] != group[0] {
			return fmt.Sprintf("no condition joins %s: each of its rows meets every row of the batch", x.relation.Name)
		}
	}
	return ""
}

// selects reports whether a query yields rows of the batch only, and under
// which name their key.
func (b *batch) selects(q *pg.SelectStmt) (key string, ok bool) {
	if q == nil || q.GetLimitCount() != nil || q.GetLimitOffset() != nil {
		return "", false
	}
	if q.GetLarg() != nil {
		left, ok := b.selects(q.GetLarg())
		right, also := b.selects(q.GetRarg())
		if left != right {
			left = ""
		}
		return left, ok && also
	}
	inner := &batch{schema: b.schema, table: b.table, key: b.key, bounded: maps.Clone(b.bounded)}
	for _, c := range q.GetWithClause().GetCtes() {
		e := c.GetCommonTableExpr()
		if k, ok := inner.selects(e.GetCtequery().GetSelectStmt()); ok {
			inner.bounded[e.GetCtename()] = k
		}
	}
	s := inner.scope(nil, q.GetFromClause(), q.GetWhereClause())
	set := s.walked()
	if len(set) == 0 && !slices.ContainsFunc(s.sources, func(x source) bool { return x.bounded }) {
		return "", false
	}
	key = outputs(q.GetTargetList(), func(c column) bool {
		if c.name == "*" {
			return slices.ContainsFunc(s.sources, func(x source) bool { return (c.table == "" || c.table == x.alias) && set[column{x.alias, b.key}] })
		}
		i := s.resolve(c)
		return i >= 0 && set[column{s.sources[i].alias, c.name}]
	}, b.key)
	return key, true
}

// merges judges a MERGE: rows that match nothing are inserted, whatever the
// condition says of the batch.
func (b *batch) merges(n *pg.MergeStmt) string {
	s := b.scope(n.GetRelation(), []*pg.Node{n.GetSourceRelation()}, n.GetJoinCondition())
	if why := s.pinned(b); why != "" {
		return why
	}
	for _, w := range n.GetMergeWhenClauses() {
		switch w.GetMergeWhenClause().GetMatchKind() {
		case pg.MergeMatchKind_MERGE_WHEN_MATCHED:
		case pg.MergeMatchKind_MERGE_WHEN_NOT_MATCHED_BY_TARGET:
			if !slices.ContainsFunc(s.sources[1:], func(x source) bool { return x.bounded }) {
				return "WHEN NOT MATCHED takes every row of the source: bound it in a sub-query, USING (SELECT … BETWEEN $1 AND $2)"
			}
		default:
			return "WHEN NOT MATCHED BY SOURCE takes every other row of the table"
		}
	}
	return ""
}

// moves says how a statement changes the walk itself: it gives a row another
// key, or adds rows to the walked table. "" if it does neither.
func (b *batch) moves(node *pg.Node) string {
	for _, c := range withClause(node) {
		if why := b.moves(c.GetCommonTableExpr().GetCtequery()); why != "" {
			return why
		}
	}
	sets := func(list []*pg.Node) bool {
		return slices.ContainsFunc(list, func(t *pg.Node) bool {
			same, ok := columnOf(t.GetResTarget().GetVal())
			return t.GetResTarget().GetName() == b.key && (!ok || same.name != b.key || same.table != "")
		})
	}
	rekeys := fmt.Sprintf("it changes %s, the key that is walked: a row that moves ahead is met again in every batch", catalog.Quote(b.key))
	adds := fmt.Sprintf("it inserts into %s, the table that is walked: each batch makes work for the next", b.table.Name)
	switch n := node.GetNode().(type) {
	case *pg.Node_UpdateStmt:
		if b.walks(n.UpdateStmt.GetRelation()) && sets(n.UpdateStmt.GetTargetList()) {
			return rekeys
		}
	case *pg.Node_InsertStmt:
		if b.walks(n.InsertStmt.GetRelation()) {
			return adds
		}
	case *pg.Node_MergeStmt:
		if !b.walks(n.MergeStmt.GetRelation()) {
			return ""
		}
		for _, w := range n.MergeStmt.GetMergeWhenClauses() {
			switch c := w.GetMergeWhenClause(); {
			case c.GetCommandType() == pg.CmdType_CMD_INSERT:
				return adds
			case c.GetCommandType() == pg.CmdType_CMD_UPDATE && sets(c.GetTargetList()):
				return rekeys
			}
		}
	}
	return ""
}

// walks reports whether a name means the walked table, a partition of it, or
// what it is a partition of.
func (b *batch) walks(v *pg.RangeVar) bool {
	r := b.schema.Relation(v)
	return related(r, b.table) || r.Kind == catalog.View && slices.Contains(r.Reads, b.table)
}

// backfill judges what a batched file declares, once its statement is known.
func (j *judge) backfill() {
	d := j.migration.Backfill
	if d == nil || j.last == nil {
		return
	}
	t := j.schema.RelationAs(strings.Split(d.Table, "."), catalog.Table)
	if t.Known {
		column := t.Column(d.Key)
		switch {
		case column == nil:
			j.report(0, "backfill-key", t.Name.String()+" has no column "+d.Key)
		case !column.NotNull:
			j.report(0, "backfill-key", d.Key+" of "+t.Name.String()+" may be NULL: such rows are never reached")
		case !leads(t, []string{d.Key}):
			j.report(0, "backfill-key", "no index of "+t.Name.String()+" begins with "+d.Key+": every batch reads the whole table")
		}
	}
	b := &batch{schema: j.schema, table: t, key: d.Key, bounded: map[string]string{}}
	if why := b.moves(j.last); why != "" {
		j.report(0, "backfill-moves-key", why)
	}
	if why := b.unbound(j.last); why != "" {
		j.report(0, "backfill-unbound", why)
	}
}

// leads reports whether an index begins with these columns in any order.
func leads(t *catalog.Relation, columns []string) bool {
	return slices.ContainsFunc(t.Indexes, func(i *catalog.Index) bool {
		if len(i.Columns) < len(columns) || i.Where != nil || i.Method != "" && i.Method != "btree" && i.Method != "hash" {
			return false
		}
		return !slices.ContainsFunc(i.Columns[:len(columns)], func(c string) bool { return !slices.Contains(columns, c) })
	})
}

func parameter(n *pg.Node) int {
	if c := n.GetTypeCast(); c != nil {
		return parameter(c.GetArg())
	}
	return int(n.GetParamRef().GetNumber())
}
