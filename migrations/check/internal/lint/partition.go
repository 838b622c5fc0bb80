package lint

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/specboard/platform/migrations/check/internal/catalog"
)

func (j tableJudge) attachPartition(parent *catalog.Relation, cmd *pg.PartitionCmd) {
	if parent.Kind == catalog.IndexKind {
		return
	}
	child := j.schema.Relation(cmd.GetName())
	bound := cmd.GetBound()
	if !j.schema.New(child) && !bound.GetIsDefault() && !j.provesBound(parent, child, bound) {
		j.report(0, "attach-partition-scan", fmt.Sprintf("every row of %s is read to be sure that it belongs there", child.Name), boundSteps(parent, child, bound)...)
	}
	if bound.GetIsDefault() && !j.schema.New(child) && len(parent.Children) > 0 {
		j.reportf(0, "attach-partition-scan", "every row of %s is read to be sure that it belongs into no other partition", child.Name)
	}
	if !j.schema.New(child) && parent.Known && child.Known {
		j.partitionIndexes(parent, child)
	}
	j.defaultPartition(parent, bound)
}

// partitionIndexes reports the indexes of a partitioned table that ATTACH has to
// build, since the table to be attached has none like them.
func (j tableJudge) partitionIndexes(parent, child *catalog.Relation) {
	for _, i := range parent.Indexes {
		like := func(own *catalog.Index) bool {
			return own.Unique == i.Unique && slices.Equal(own.Columns, i.Columns) && (own.Where == nil) == (i.Where == nil)
		}
		if slices.ContainsFunc(child.Indexes, like) {
			continue
		}
		var steps []string
		if len(i.Exprs) == 0 && i.Where == nil {
			unique := when(i.Unique, "UNIQUE ")
			steps = []string{fmt.Sprintf("CREATE %sINDEX CONCURRENTLY %s ON %s (%s);", unique,
				catalog.Quote(child.Name.Name+"_"+strings.Join(i.Columns, "_")+"_idx"), child.Name, quoteAll(i.Columns))}
		}
		j.report(0, "index-not-concurrent", fmt.Sprintf("%s has no index like %s: ATTACH PARTITION builds one, and nobody can use the table meanwhile", child.Name, i.Relation.Name), steps...)
	}
}

// defaultPartition reports that a new partition makes PostgreSQL read the
// default one.
func (j tableJudge) defaultPartition(parent *catalog.Relation, bound *pg.PartitionBoundSpec) {
	d := parent.DefaultPartition()
	if d == nil || j.schema.New(d) || bound.GetIsDefault() {
		return
	}
	j.reportf(0, "attach-partition-scan", "every row of the default partition %s is read to be sure that none belongs into the new one", d.Name)
}

func (j tableJudge) detachPartition(parent *catalog.Relation, cmd *pg.PartitionCmd) {
	if child := j.schema.Relation(cmd.GetName()); !j.schema.New(child) {
		j.reportf(0, "partition-leaves", "rows of %s leave %s", child.Name, parent.Name)
	}
	if cmd.GetConcurrent() {
		j.needs(14, "DETACH PARTITION CONCURRENTLY")
		if parent.DefaultPartition() != nil {
			j.reportf(0, "concurrently-on-partitioned", "%s has a default partition: PostgreSQL refuses DETACH CONCURRENTLY", parent.Name)
		}
		return
	}
	child := j.schema.Relation(cmd.GetName())
	if j.schema.New(child) {
		return
	}
	var steps []string
	if j.postgres >= 14 && parent.DefaultPartition() == nil {
		steps = []string{fmt.Sprintf("ALTER TABLE %s DETACH PARTITION %s CONCURRENTLY;", parent.Name, child.Name)}
	}
	j.report(0, "detach-partition", fmt.Sprintf("%s and %s are locked for readers and writers", parent.Name, child.Name), steps...)
}

// provesBound reports whether validated checks and NOT NULL imply the bounds of a
// partition. Only then PostgreSQL does not read the table.
func (j tableJudge) provesBound(parent, child *catalog.Relation, bound *pg.PartitionBoundSpec) bool {
	if parent.Strategy == "hash" || len(parent.Key) != 1 || parent.Key[0] == "" {
		return false
	}
	column := parent.Key[0]
	var facts []*pg.Node
	for _, c := range child.Constraints {
		if c.Kind == catalog.Check && c.Valid {
			facts = append(facts, catalog.Conjuncts(c.Expr)...)
		}
	}
	allowsNull := false
	for _, d := range bound.GetListdatums() {
		allowsNull = allowsNull || catalog.IsNull(d)
	}
	if !allowsNull && !j.provenNotNull(child, column) {
		return false
	}
	if parent.Strategy == "list" {
		return provesList(facts, column, bound.GetListdatums())
	}
	return provesRange(facts, column, ">=", first(bound.GetLowerdatums())) && provesRange(facts, column, "<", first(bound.GetUpperdatums()))
}

func first(list []*pg.Node) *pg.Node {
	if len(list) == 0 {
		return nil
	}
	return list[0]
}

// provesRange looks for column OP value among the facts. MINVALUE and MAXVALUE
// demand nothing.
func provesRange(facts []*pg.Node, column, operator string, value *pg.Node) bool {
	if names := catalog.Columns(value); value.GetColumnRef() != nil && len(names) == 1 && (names[0] == "minvalue" || names[0] == "maxvalue") {
		return true
	}
	for _, f := range facts {
		e := f.GetAExpr()
		if e == nil || !isColumn(e.GetLexpr(), column) || len(e.GetName()) == 0 {
			continue
		}
		given := e.GetName()[0].GetString_().GetSval()
		switch by, ok := compareConstants(e.GetRexpr(), value); {
		case !ok:
		case operator == ">=" && (given == ">=" || given == ">" || given == "=") && by >= 0,
			operator == "<" && (given == "<" && by <= 0 || (given == "<=" || given == "=") && by < 0):
			return true
		}
	}
	return false
}

// provesList looks for column = value, column IN (values) or column = ANY
// (values).
func provesList(facts []*pg.Node, column string, values []*pg.Node) bool {
	for _, f := range facts {
		e := f.GetAExpr()
		if e == nil || !isColumn(e.GetLexpr(), column) || len(e.GetName()) == 0 || e.GetName()[0].GetString_().GetSval() != "=" {
			continue
		}
		given := listed(e)
		if given == nil {
			given = []*pg.Node{e.GetRexpr()}
		}
		all := true
		for _, g := range given {
			found := false
			for _, v := range values {
				found = found || sameConstant(g, v)
			}
			all = all && found
		}
		if all {
			return true
		}
	}
	return false
}

// listed returns the values of … IN (values) and … = ANY (ARRAY[values]), as pg_dump
// writes it; nil for anything else.
func listed(e *pg.A_Expr) []*pg.Node {
	switch e.GetKind() {
	case pg.A_Expr_Kind_AEXPR_IN:
		return e.GetRexpr().GetList().GetItems()
	case pg.A_Expr_Kind_AEXPR_OP_ANY:
		return e.GetRexpr().GetAArrayExpr().GetElements()
	}
	return nil
}

func isColumn(n *pg.Node, column string) bool {
	if c := n.GetTypeCast(); c != nil {
		n = c.GetArg()
	}
	names := catalog.Columns(n)
	return n.GetColumnRef() != nil && len(names) == 1 && names[0] == column
}

func sameConstant(a, b *pg.Node) bool {
	p, pok := moment(constant(a))
	q, qok := moment(constant(b))
	return constant(a) != "" && constant(a) == constant(b) || pok && qok && p.Equal(q)
}

// compareConstants orders a check's constant and a bound's: numbers, dates and
// times as such, other texts only if they are the same.
func compareConstants(a, b *pg.Node) (by int, ok bool) {
	x, y := constant(a), constant(b)
	if x == "" || y == "" {
		return 0, false
	}
	if x == y {
		return 0, true
	}
	if p, err := strconv.ParseFloat(strings.ReplaceAll(x, " ", ""), 64); err == nil && !textual(a) {
		if q, err := strconv.ParseFloat(strings.ReplaceAll(y, " ", ""), 64); err == nil {
			return cmp.Compare(p, q), true
		}
	}
	p, pok := moment(x)
	q, qok := moment(y)
	return p.Compare(q), pok && qok
}

// textual reports whether a constant may be a text, which orders otherwise than
// the number that it looks like.
func textual(n *pg.Node) bool {
	if c := n.GetTypeCast(); c != nil {
		names := catalog.Strings(c.GetTypeName().GetNames())
		return slices.Contains([]string{"text", "varchar", "bpchar"}, names[len(names)-1])
	}
	_, text := n.GetAConst().GetVal().(*pg.A_Const_Sval)
	return text
}

// moment reads a date or a time as a server in UTC understands it. pg_dump writes it in
// full: 2026-01-01 is 2026-01-01 00:00:00+00.
func moment(text string) (time.Time, bool) {
	for _, layout := range []string{"2006-01-02", "2006-01-02 15:04:05", "2006-01-02 15:04:05-07", "2006-01-02 15:04:05-07:00", time.RFC3339, "2006-01"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// constant writes a constant without its cast.
func constant(n *pg.Node) string {
	if c := n.GetTypeCast(); c != nil {
		return constant(c.GetArg())
	}
	if given, ok := catalog.Text(n); ok {
		return given
	}
	if !catalog.Constant(n) {
		return ""
	}
	return text(n)
}

// boundSteps is the safe way to attach: a check that says the same first.
func boundSteps(parent, child *catalog.Relation, bound *pg.PartitionBoundSpec) []string {
	if len(parent.Key) != 1 || parent.Key[0] == "" || parent.Strategy == "hash" || parent.Strategy == "" {
		return nil
	}
	column := catalog.Quote(parent.Key[0])
	parts := []string{column + " IS NOT NULL"}
	var clause string
	if parent.Strategy == "list" {
		values := make([]string, len(bound.GetListdatums()))
		for i, d := range bound.GetListdatums() {
			values[i] = text(d)
		}
		parts = append(parts, fmt.Sprintf("%s IN (%s)", column, strings.Join(values, ", ")))
		clause = fmt.Sprintf("IN (%s)", strings.Join(values, ", "))
	} else {
		low, high := first(bound.GetLowerdatums()), first(bound.GetUpperdatums())
		if low.GetColumnRef() == nil {
			parts = append(parts, column+" >= "+text(low))
		}
		if high.GetColumnRef() == nil {
			parts = append(parts, column+" < "+text(high))
		}
		clause = fmt.Sprintf("FROM (%s) TO (%s)", text(low), text(high))
	}
	name := catalog.Quote(child.Name.Name + "_bounds")
	return []string{
		addNotValid(child, name, "CHECK ("+strings.Join(parts, " AND ")+")"),
		validate(child, name),
		fmt.Sprintf("ALTER TABLE %s ATTACH PARTITION %s FOR VALUES %s;\nALTER TABLE %s DROP CONSTRAINT %s;", parent.Name, child.Name, clause, child.Name, name),
	}
}
