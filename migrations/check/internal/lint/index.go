package lint

import (
	"cmp"
	"fmt"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/specboard/platform/migrations/check/internal/catalog"
)

func (j indexJudge) createIndex(node *pg.Node, n *pg.IndexStmt) {
	t := j.schema.Relation(n.GetRelation())
	if n.GetIfNotExists() && j.indexThere(n, t) {
		return
	}
	if n.GetNullsNotDistinct() {
		j.needs(15, "NULLS NOT DISTINCT")
	}
	j.refuseIndex(node, n, t)
	if n.GetConcurrent() {
		if t.Kind == catalog.Partitioned {
			j.report(0, "concurrently-on-partitioned", fmt.Sprintf("%s is partitioned: PostgreSQL refuses CONCURRENTLY on it", t.Name), j.partitionedIndex(node, n, t)...)
		}
		if n.GetIfNotExists() {
			j.report(0, "concurrently-if-not-exists", "an invalid index of that name would be passed over", deparse(node, func(n *pg.Node) { n.GetIndexStmt().IfNotExists = false }))
		}
		return
	}
	if j.schema.New(t) || t.Kind == catalog.MaterializedView {
		return // nobody writes to it
	}
	if n.GetIfNotExists() && j.schema.Find(t.Name.Schema, n.GetIdxname()) != nil {
		return
	}
	if t.Kind == catalog.Partitioned {
		if n.GetRelation().GetInh() {
			j.report(0, "index-not-concurrent", fmt.Sprintf("nobody can write to %s or its partitions until all the indexes are built", t.Name), j.partitionedIndex(node, n, t)...)
		}
		return // ON ONLY the parent reads nothing
	}
	j.report(0, "index-not-concurrent", fmt.Sprintf("nobody can write to %s until the index is built", t.Name),
		deparse(node, func(n *pg.Node) {
			n.GetIndexStmt().Concurrent = true
			if n.GetIndexStmt().Idxname == "" { // a name lets the runner find what is left of a build that failed
				n.GetIndexStmt().Idxname = indexName(t, n.GetIndexStmt())
			}
			n.GetIndexStmt().IfNotExists = false
		}))
}

func indexName(t *catalog.Relation, n *pg.IndexStmt) string {
	parts := []string{t.Name.Name}
	for _, p := range n.GetIndexParams() {
		if name := p.GetIndexElem().GetName(); name != "" {
			parts = append(parts, name)
		} else {
			parts = append(parts, "expr")
		}
	}
	return strings.Join(append(parts, "idx"), "_")
}

// deparse writes a changed copy of a statement.
func deparse(node *pg.Node, change func(*pg.Node)) string {
	sql, err := catalog.Deparse(node)
	if err != nil {
		return ""
	}
	copied, err := catalog.Parse(sql)
	if err != nil {
		return ""
	}
	change(copied)
	sql, err = catalog.Deparse(copied)
	if err != nil {
		return ""
	}
	return sql + ";"
}

// partitionedIndex is the recipe for an index on a partitioned table: the
// parent's alone, one for each partition, and then they are joined.
func (j indexJudge) partitionedIndex(node *pg.Node, n *pg.IndexStmt, t *catalog.Relation) []string {
	name := n.GetIdxname()
	if name == "" {
		name = indexName(t, n)
	}
	files := []string{deparse(node, func(n *pg.Node) {
		s := n.GetIndexStmt()
		s.Concurrent, s.IfNotExists, s.Idxname, s.Relation.Inh = false, false, name, false
	})}
	var attach []string
	for _, p := range t.Children {
		own := catalog.Name{Schema: p.Name.Schema, Name: p.Name.Name + strings.TrimPrefix(name, t.Name.Name)}
		if own.Name == p.Name.Name+name {
			own.Name = p.Name.Name + "_" + name
		}
		files = append(files, deparse(node, func(n *pg.Node) {
			s := n.GetIndexStmt()
			s.Concurrent, s.IfNotExists, s.Idxname, s.Relation.Inh = true, false, own.Name, true
			s.Relation.Schemaname, s.Relation.Relname = "", p.Name.Name
			if p.Name.Schema != "public" {
				s.Relation.Schemaname = p.Name.Schema
			}
		}))
		attach = append(attach, fmt.Sprintf("ALTER INDEX %s ATTACH PARTITION %s;", catalog.Name{Schema: t.Name.Schema, Name: name}, own))
	}
	if len(attach) > 0 {
		files = append(files, strings.Join(attach, "\n"))
	}
	return files
}

func (j indexJudge) dropIndex(n *pg.DropStmt) {
	for _, o := range n.GetObjects() {
		parts := catalog.ObjectParts(o)
		r := j.schema.RelationAs(parts, catalog.IndexKind)
		if n.GetMissingOk() && j.absent(r) {
			continue
		}
		if j.schema.New(r) || r.Owner != nil && j.schema.New(r.Owner) {
			continue
		}
		index := j.schema.IndexOf(r)
		if index != nil {
			d := j.gone(index.Table)
			d.indexes = append(d.indexes, index)
		}
		if index != nil && index.Unique && index.Where == nil && !index.Table.UniqueOn(index.Columns, index) {
			t, columns := index.Table, index.Columns
			j.unless(func() bool { return t.UniqueOn(columns, nil) }, func() {
				j.reportf(0, "drop-unique", "unique index %s of %s goes away, and no other has its columns", r.Name, t.Name)
			})
		}
		partitioned := r.Owner != nil && r.Owner.Kind == catalog.Partitioned
		if n.GetConcurrent() {
			if partitioned {
				j.reportf(0, "concurrently-on-partitioned", "%s is partitioned: PostgreSQL refuses CONCURRENTLY on its index", r.Owner.Name)
			}
			continue
		}
		var instead []string
		if !partitioned {
			instead = []string{fmt.Sprintf("DROP INDEX CONCURRENTLY %s;", r.Name)}
		}
		on := "its table"
		if r.Owner != nil && r.Owner.Name.Name != "" {
			on = r.Owner.Name.String()
		}
		j.report(0, "drop-index-not-concurrent", fmt.Sprintf("%s is locked for readers and writers to drop index %s", on, r.Name), instead...)
	}
}

func (j indexJudge) reindex(n *pg.ReindexStmt) {
	if hasOption(n.GetParams(), "concurrently") {
		j.needs(12, "REINDEX CONCURRENTLY")
		return
	}
	what := n.GetName()
	var instead string
	switch n.GetKind() {
	case pg.ReindexObjectType_REINDEX_OBJECT_INDEX:
		index := j.schema.RelationAs(catalog.RangeParts(n.GetRelation()), catalog.IndexKind)
		if j.schema.New(index) || index.Owner != nil && j.schema.New(index.Owner) {
			return
		}
		what = index.Name.String()
		instead = "REINDEX INDEX CONCURRENTLY " + what + ";"
	case pg.ReindexObjectType_REINDEX_OBJECT_TABLE:
		t := j.schema.Relation(n.GetRelation())
		if j.schema.New(t) {
			return
		}
		what = t.Name.String()
		instead = "REINDEX TABLE CONCURRENTLY " + what + ";"
	default:
		kind := strings.TrimPrefix(n.GetKind().String(), "REINDEX_OBJECT_")
		instead = "REINDEX " + kind + " CONCURRENTLY " + catalog.Quote(what) + ";"
	}
	steps := []string{instead}
	if j.postgres < 12 {
		steps = nil
	}
	j.report(0, "reindex-not-concurrent", fmt.Sprintf("%s is rebuilt, and nobody can write meanwhile", what), steps...)
}

func (j *judge) refresh(n *pg.RefreshMatViewStmt) {
	v := j.schema.RelationAs(catalog.RangeParts(n.GetRelation()), catalog.MaterializedView)
	if j.schema.New(v) {
		return
	}
	if n.GetConcurrent() && !n.GetSkipData() {
		return
	}
	message := fmt.Sprintf("nobody can read %s until its query is done", v.Name)
	if n.GetSkipData() {
		message = fmt.Sprintf("nobody can read %s until it is filled again", v.Name)
	}
	var steps []string
	if v.Known && len(v.Indexes) == 0 {
		steps = append(steps, fmt.Sprintf("CREATE UNIQUE INDEX CONCURRENTLY %s ON %s (…);", catalog.Quote(v.Name.Name+"_idx"), v.Name))
	}
	j.report(0, "refresh-matview", message, append(steps, fmt.Sprintf("REFRESH MATERIALIZED VIEW CONCURRENTLY %s;", v.Name))...)
}

func (j *judge) cluster(n *pg.ClusterStmt) {
	if n.GetRelation() == nil {
		j.report(0, "cluster", "every clustered table is rewritten")
		return
	}
	if t := j.schema.Relation(n.GetRelation()); !j.schema.New(t) {
		j.reportf(0, "cluster", "%s is rewritten", t.Name)
	}
}

func (j *judge) vacuum(n *pg.VacuumStmt) {
	if !n.GetIsVacuumcmd() || !hasOption(n.GetOptions(), "full") {
		return
	}
	tables := "every table"
	for i, r := range n.GetRels() {
		name := j.schema.Relation(r.GetVacuumRelation().GetRelation()).Name.String()
		if i == 0 {
			tables = name
		} else {
			tables += ", " + name
		}
	}
	steps := []string{"VACUUM;"}
	if tables != "every table" {
		steps = []string{"VACUUM " + tables + ";"}
	}
	j.report(0, "vacuum-full", tables+" is rewritten", steps...)
}

func (j *judge) lockTable(n *pg.LockStmt) {
	mode := catalog.Mode(n.GetMode())
	if !mode.BlocksWriters() {
		return
	}
	for _, r := range n.GetRelations() {
		if t := j.schema.Relation(r.GetRangeVar()); !j.schema.New(t) {
			j.reportf(0, "lock-table", "%s is locked in %s mode until the transaction ends", t.Name, mode)
		}
	}
}

func (j *judge) alterDomain(n *pg.AlterDomainStmt) {
	d := j.schema.DomainOf(n)
	if d != nil && d.File == j.schema.File {
		return
	}
	name := j.schema.ObjectName(catalog.Strings(n.GetTypeName()))
	con := n.GetDef().GetConstraint()
	j.refuseDomain(n, d, name)
	what := ""
	switch {
	case n.GetSubtype() == "C" && con.GetContype() == pg.ConstrType_CONSTR_CHECK && !con.GetSkipValidation():
		what = "the check is tested against"
	case n.GetSubtype() == "O" || n.GetSubtype() == "C" && con.GetContype() == pg.ConstrType_CONSTR_NOTNULL:
		what = "NOT NULL is tested against"
	case n.GetSubtype() == "V":
		what = "the constraint is tested against"
	case n.GetSubtype() == "N":
		j.reportf(0, "drop-not-null", "values of domain %s may be NULL from now on", name)
	case n.GetSubtype() == "T" && !catalog.Given(n.GetDef()):
		j.dropDomainDefault(n, d, name)
	}
	if what == "" {
		return
	}
	users := j.schema.DomainUsers(n)
	tables := make([]string, len(users))
	for i, u := range users {
		tables[i] = u.Name.String()
	}
	in := strings.Join(tables, ", ")
	switch {
	case in == "" && j.schema.Complete:
		return
	case in == "":
		in = "every table that uses it"
	}
	var steps []string
	if n.GetSubtype() == "C" {
		steps = []string{domainCheck(name, con)}
	}
	j.report(0, "domain-constraint", fmt.Sprintf("%s every row of %s, and nobody can write meanwhile", what, in), steps...)
}

// domainCheck writes the check of an ALTER DOMAIN so that it reads no rows.
func domainCheck(domain catalog.Name, con *pg.Constraint) string {
	name := catalog.Quote(cmp.Or(con.GetConname(), domain.Name+"_check"))
	return fmt.Sprintf("ALTER DOMAIN %s ADD CONSTRAINT %s CHECK (%s) NOT VALID;", domain, name, text(con.GetRawExpr()))
}
