package catalog

import (
	"slices"

	pg "github.com/pganalyze/pg_query_go/v6"
)

func (s change) createTable(n *pg.CreateStmt, kind Kind) {
	name := s.newName(n.GetRelation())
	if n.GetIfNotExists() {
		if s.Relations[name] != nil {
			return
		}
		if !s.Complete {
			// It may have been there before: then nothing was made.
			s.relation(name.Schema, name.Name, kind)
			return
		}
	}
	t := &Relation{Name: name, Kind: kind, File: s.File, Known: true, Triggers: map[string]Trigger{},
		Temporary: n.GetRelation().GetRelpersistence() == "t", Unlogged: n.GetRelation().GetRelpersistence() == "u"}
	if spec := n.GetPartspec(); spec != nil {
		t.Kind = Partitioned
		t.Strategy = map[pg.PartitionStrategy]string{
			pg.PartitionStrategy_PARTITION_STRATEGY_LIST:  "list",
			pg.PartitionStrategy_PARTITION_STRATEGY_RANGE: "range",
			pg.PartitionStrategy_PARTITION_STRATEGY_HASH:  "hash",
		}[spec.GetStrategy()]
		for _, e := range spec.GetPartParams() {
			t.Key = append(t.Key, e.GetPartitionElem().GetName())
		}
	}
	s.Relations[name] = t
	for _, p := range n.GetInhRelations() {
		parent := s.Relation(p.GetRangeVar())
		s.inherit(t, parent)
		t.Known = t.Known && parent.Known
	}
	t.Bound = n.GetPartbound()
	s.tableElements(t, append(slices.Clone(n.GetTableElts()), n.GetConstraints()...))
	if t.Bound != nil {
		s.partitionIndexes(t)
	}
}

func (s change) inherit(child, parent *Relation) {
	parent.Children = append(parent.Children, child)
	child.Parents = append(child.Parents, parent)
	for _, c := range parent.Columns {
		if child.Column(c.Name) == nil {
			own := *c
			own.File = s.File
			child.Columns = append(child.Columns, &own)
		}
	}
	for _, c := range parent.Constraints {
		if c.Kind == Check && child.Constraint(c.Name) == nil {
			own := *c
			child.Constraints = append(child.Constraints, &own)
		}
	}
}

// partitionIndexes gives a new partition the indexes of its parent.
func (s change) partitionIndexes(t *Relation) {
	for _, p := range t.Parents {
		for _, i := range p.Indexes {
			s.copyIndex(t, i)
		}
	}
}

func named(columns []string) []string {
	list := make([]string, 0, len(columns))
	for _, c := range columns {
		if c == "" {
			c = "expr"
		}
		list = append(list, c)
	}
	return list
}

func (s change) tableElements(t *Relation, elements []*pg.Node) {
	for _, e := range elements {
		switch e := e.GetNode().(type) {
		case *pg.Node_ColumnDef:
			s.addColumn(t, e.ColumnDef)
		case *pg.Node_TableLikeClause:
			s.like(t, e.TableLikeClause)
		}
	}
	for _, e := range elements {
		if c := e.GetConstraint(); c != nil {
			s.addConstraint(t, c)
		}
	}
}

// Options of LIKE, as PostgreSQL numbers them.
const (
	likeConstraints = 1 << 2
	likeDefaults    = 1 << 3
	likeGenerated   = 1 << 4
	likeIdentity    = 1 << 5
	likeIndexes     = 1 << 6
)

func (s change) like(t *Relation, l *pg.TableLikeClause) {
	source := s.Relation(l.GetRelation())
	t.Known = t.Known && source.Known
	options := l.GetOptions()
	for _, c := range source.Columns {
		own := &Column{Name: c.Name, Type: c.Type, NotNull: c.NotNull, Collation: c.Collation, File: s.File}
		if options&likeDefaults != 0 && !c.Generated {
			own.Default = c.Default
		}
		if options&likeGenerated != 0 && c.Generated {
			own.Default, own.Generated = c.Default, true
		}
		own.Identity = options&likeIdentity != 0 && c.Identity
		t.Columns = append(t.Columns, own)
	}
	if options&likeConstraints != 0 {
		for _, c := range source.Constraints {
			if c.Kind == Check {
				own := *c
				own.File, own.Valid = s.File, true
				t.Constraints = append(t.Constraints, &own)
			}
		}
	}
	if options&likeIndexes != 0 {
		for _, i := range source.Indexes {
			s.copyIndex(t, i)
		}
	}
}

// addColumn adds a column with what its definition demands.
func (s change) addColumn(t *Relation, def *pg.ColumnDef) {
	if c := t.Column(def.GetColname()); c != nil {
		s.columnConstraints(t, c, def.GetConstraints())
		return
	}
	c := &Column{Name: def.GetColname(), Type: s.ResolveType(def.GetTypeName()), File: s.File, Default: def.GetRawDefault(),
		Collation: collation(def.GetCollClause())}
	if def.GetTypeName() == nil { // CREATE TABLE … PARTITION OF (column WITH OPTIONS …)
		return
	}
	if _, ok := Serial(def.GetTypeName()); ok {
		c.NotNull = true
		c.Default = &pg.Node{Node: &pg.Node_FuncCall{FuncCall: &pg.FuncCall{Funcname: []*pg.Node{pg.MakeStrNode("nextval")}}}}
		s.ownSequence(t, c, nil)
	}
	t.Columns = append(t.Columns, c)
	s.columnConstraints(t, c, def.GetConstraints())
	for _, child := range t.Children {
		if child.Column(c.Name) == nil {
			own := *c
			child.Columns = append(child.Columns, &own)
		}
	}
}

// starts reports whether a sequence's options say where it begins, other than
// at 1.
func starts(options []*pg.Node) bool {
	return slices.ContainsFunc(options, func(o *pg.Node) bool {
		e := o.GetDefElem()
		return (e.GetDefname() == "start" || e.GetDefname() == "restart") && e.GetArg().GetInteger().GetIval() != 1
	})
}

func (s change) ownSequence(t *Relation, c *Column, options []*pg.Node) {
	name := Name{t.Name.Schema, s.indexName(t, []string{c.Name}, "seq")}
	s.Relations[name] = &Relation{Name: name, Kind: Sequence, File: s.File, Known: true, Owner: t, Temporary: t.Temporary, Start: starts(options)}
}

func collation(c *pg.CollateClause) string { return Last(Strings(c.GetCollname())) }

func (s change) columnConstraints(t *Relation, c *Column, list []*pg.Node) {
	for _, n := range list {
		con := n.GetConstraint()
		switch con.GetContype() {
		case pg.ConstrType_CONSTR_NOTNULL:
			c.NotNull = true
		case pg.ConstrType_CONSTR_DEFAULT:
			c.Default = con.GetRawExpr()
		case pg.ConstrType_CONSTR_GENERATED:
			c.Default, c.Generated = con.GetRawExpr(), true
		case pg.ConstrType_CONSTR_IDENTITY:
			c.Identity, c.NotNull = true, true
			s.ownSequence(t, c, con.GetOptions())
		default:
			s.constrain(t, con, []string{c.Name})
		}
	}
}

// createTableAs makes a table or materialised view out of a query.
func (s change) createTableAs(n *pg.CreateTableAsStmt) {
	rel := n.GetInto().GetRel()
	name := s.newName(rel)
	if s.Relations[name] != nil && n.GetIfNotExists() {
		return
	}
	kind := Table
	if n.GetObjtype() == pg.ObjectType_OBJECT_MATVIEW {
		kind = MaterializedView
	}
	s.Relations[name] = &Relation{Name: name, Kind: kind, File: s.maker(n.GetIfNotExists()), Temporary: rel.GetRelpersistence() == "t", Triggers: map[string]Trigger{}}
	if kind == MaterializedView {
		s.shape(s.Relations[name], n.GetQuery(), n.GetInto().GetColNames())
	}
}
