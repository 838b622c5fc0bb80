package catalog

import (
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// ApplyAt is Apply, for a statement whose text and first line are kept with the
// functions that it makes.
func (s *Schema) ApplyAt(node *pg.Node, sql string, line int) {
	s.source = statementSource{sql, line}
	s.Apply(node)
}

// Apply changes the schema as the statement would. What has no bearing on the
// schema changes nothing.
func (s *Schema) Apply(node *pg.Node) { change{s}.statement(node) }

// AlterTable applies one action of an ALTER TABLE.
func (s *Schema) AlterTable(t *Relation, cmd *pg.AlterTableCmd) { change{s}.action(t, cmd) }

// change is a statement at work. It can do what a Schema itself cannot: change it.
type change struct{ *Schema }

func (s change) statement(node *pg.Node) {
	switch n := node.GetNode().(type) {
	case *pg.Node_CreateStmt:
		s.createTable(n.CreateStmt, Table)
	case *pg.Node_CreateForeignTableStmt:
		s.createTable(n.CreateForeignTableStmt.GetBaseStmt(), ForeignTable)
	case *pg.Node_CreateTableAsStmt:
		s.createTableAs(n.CreateTableAsStmt)
	case *pg.Node_SelectStmt:
		s.selectStatement(n.SelectStmt)
	case *pg.Node_ViewStmt:
		s.createView(n.ViewStmt)
	case *pg.Node_IndexStmt:
		s.createIndex(n.IndexStmt)
	case *pg.Node_AlterTableStmt:
		s.alterTable(n.AlterTableStmt)
	case *pg.Node_CreateSeqStmt:
		s.create(s.newName(n.CreateSeqStmt.GetSequence()), Sequence, n.CreateSeqStmt.GetIfNotExists()).Start = starts(n.CreateSeqStmt.GetOptions())
	case *pg.Node_AlterSeqStmt:
		s.alterSequence(n.AlterSeqStmt)
	case *pg.Node_CreateSchemaStmt:
		s.createSchema(n.CreateSchemaStmt)
	case *pg.Node_CreateEnumStmt:
		s.addType(&UserType{Name: s.newObject(n.CreateEnumStmt.GetTypeName()), Kind: "enum", Labels: Strings(n.CreateEnumStmt.GetVals())})
	case *pg.Node_AlterEnumStmt:
		s.alterEnum(n.AlterEnumStmt)
	case *pg.Node_CompositeTypeStmt:
		s.addType(&UserType{Name: s.newName(n.CompositeTypeStmt.GetTypevar()), Kind: "composite"})
	case *pg.Node_CreateRangeStmt:
		s.addType(&UserType{Name: s.newObject(n.CreateRangeStmt.GetTypeName()), Kind: "range"})
	case *pg.Node_DefineStmt:
		if n.DefineStmt.GetKind() == pg.ObjectType_OBJECT_TYPE {
			s.addType(&UserType{Name: s.newObject(n.DefineStmt.GetDefnames()), Kind: "base"})
		} else {
			s.Others[s.otherKey(n.DefineStmt.GetKind(), n.DefineStmt.GetDefnames())] = true
		}
	case *pg.Node_CreateExtensionStmt:
		s.Others["extension "+n.CreateExtensionStmt.GetExtname()] = true
	case *pg.Node_CreateCastStmt:
		s.Others[s.castKey(n.CreateCastStmt.GetSourcetype(), n.CreateCastStmt.GetTargettype())] = true
	case *pg.Node_RuleStmt:
		s.Others["rule "+s.Relation(n.RuleStmt.GetRelation()).Name.String()+"."+n.RuleStmt.GetRulename()] = true
	case *pg.Node_CreateDomainStmt:
		s.createDomain(n.CreateDomainStmt)
	case *pg.Node_AlterDomainStmt:
		s.alterDomain(n.AlterDomainStmt)
	case *pg.Node_CreateFunctionStmt:
		s.createFunction(n.CreateFunctionStmt)
	case *pg.Node_CreatePolicyStmt:
		r := s.Relation(n.CreatePolicyStmt.GetTable())
		if r.Policies == nil {
			r.Policies = map[string]*pg.CreatePolicyStmt{}
		}
		r.Policies[n.CreatePolicyStmt.GetPolicyName()] = n.CreatePolicyStmt
	case *pg.Node_AlterOwnerStmt:
		s.Owners[s.ObjectKey(n.AlterOwnerStmt.GetObjectType(), n.AlterOwnerStmt.GetObject())] = n.AlterOwnerStmt.GetNewowner().GetRolename()
	case *pg.Node_GrantStmt:
		s.grant(n.GrantStmt)
	case *pg.Node_AlterDefaultPrivilegesStmt:
		s.DefaultRights = true
	case *pg.Node_CreateTrigStmt:
		s.Relation(n.CreateTrigStmt.GetRelation()).trigger(n.CreateTrigStmt.GetTrigname(), Trigger{s.File, s.ObjectName(Strings(n.CreateTrigStmt.GetFuncname())), fills(n.CreateTrigStmt), triggerColumns(n.CreateTrigStmt)})
	case *pg.Node_RenameStmt:
		s.renameObject(n.RenameStmt)
	case *pg.Node_AlterObjectSchemaStmt:
		s.setSchema(n.AlterObjectSchemaStmt)
	case *pg.Node_DropStmt:
		s.drop(n.DropStmt)
	case *pg.Node_VariableSetStmt:
		s.setPath(n.VariableSetStmt)
	}
}

// fills reports whether a trigger can change a row that is inserted.
func fills(n *pg.CreateTrigStmt) bool {
	const before, insert = 1 << 1, 1 << 2 // TRIGGER_TYPE_BEFORE and _INSERT of PostgreSQL
	return n.GetRow() && n.GetTiming()&before != 0 && n.GetEvents()&insert != 0
}

func (r *Relation) trigger(name string, t Trigger) {
	if r.Triggers == nil {
		r.Triggers = map[string]Trigger{}
	}
	r.Triggers[name] = t
}

func (s change) create(name Name, kind Kind, tolerant bool) *Relation {
	if r := s.Relations[name]; r != nil {
		return r
	}
	r := &Relation{Name: name, Kind: kind, File: s.maker(tolerant), Known: true, Temporary: name.Schema == "pg_temp"}
	s.Relations[name] = r
	return r
}

// maker is the file that made the object; 0 if IF NOT EXISTS or OR REPLACE allows for
// an older one of which nothing is known.
func (s change) maker(tolerant bool) int {
	if tolerant && !s.Complete {
		return 0
	}
	return s.File
}

// selectStatement applies SELECT … INTO and the functions that change settings.
func (s change) selectStatement(n *pg.SelectStmt) {
	if rel := n.GetIntoClause().GetRel(); rel != nil {
		name := s.newName(rel)
		s.Relations[name] = &Relation{Name: name, Kind: Table, File: s.File, Temporary: rel.GetRelpersistence() == "t"}
	}
	for _, target := range n.GetTargetList() {
		call := target.GetResTarget().GetVal().GetFuncCall()
		names := Strings(call.GetFuncname())
		if Last(names) != "set_config" || len(call.GetArgs()) < 2 {
			continue
		}
		setting, _ := Text(call.GetArgs()[0])
		value, ok := Text(call.GetArgs()[1])
		if setting == "search_path" && ok {
			s.Path = nil
			for part := range strings.SplitSeq(value, ",") {
				if part = strings.Trim(strings.TrimSpace(part), `"`); part != "" {
					s.Path = append(s.Path, part)
				}
			}
		}
	}
}

func (s change) alterTable(n *pg.AlterTableStmt) {
	t := s.AlterTarget(n)
	for _, c := range n.GetCmds() {
		if cmd := c.GetAlterTableCmd(); cmd != nil {
			s.action(t, cmd)
		}
	}
}

// AlterTarget returns what an ALTER TABLE, INDEX, VIEW … works on.
func (s *Schema) AlterTarget(n *pg.AlterTableStmt) *Relation {
	kind := map[pg.ObjectType]Kind{
		pg.ObjectType_OBJECT_INDEX: IndexKind, pg.ObjectType_OBJECT_VIEW: View, pg.ObjectType_OBJECT_SEQUENCE: Sequence,
		pg.ObjectType_OBJECT_MATVIEW: MaterializedView, pg.ObjectType_OBJECT_TYPE: Composite,
	}[n.GetObjtype()]
	if kind == "" {
		kind = Table
	}
	return s.relation(n.GetRelation().GetSchemaname(), n.GetRelation().GetRelname(), kind)
}

func (s change) alterSequence(n *pg.AlterSeqStmt) {
	r := s.relation(n.GetSequence().GetSchemaname(), n.GetSequence().GetRelname(), Sequence)
	for _, o := range n.GetOptions() {
		if e := o.GetDefElem(); e.GetDefname() == "owned_by" {
			names := Strings(e.GetArg().GetList().GetItems())
			if len(names) > 1 {
				schema, table := splitName(names[:len(names)-1])
				r.Owner = s.Find(schema, table)
			}
		}
	}
}

func (s change) createSchema(n *pg.CreateSchemaStmt) {
	name := n.GetSchemaname()
	if _, ok := s.Schemas[name]; !ok {
		s.Schemas[name] = s.maker(n.GetIfNotExists())
	}
	path := s.Path
	s.Path = []string{name}
	for _, e := range n.GetSchemaElts() {
		s.statement(e)
	}
	s.Path = path
}

func (s change) newObject(parts []*pg.Node) Name {
	schema, name := splitName(Strings(parts))
	if schema == "" {
		return s.inPath(name)
	}
	return Name{schema, name}
}

func (s change) addType(t *UserType) {
	t.File = s.File
	s.Types[t.Name] = t
}

func (s change) alterEnum(n *pg.AlterEnumStmt) {
	t := s.Types[s.ObjectName(Strings(n.GetTypeName()))]
	if t == nil {
		return
	}
	if n.GetOldVal() != "" {
		if i := slices.Index(t.Labels, n.GetOldVal()); i >= 0 {
			t.Labels[i] = n.GetNewVal()
		}
		return
	}
	t.Labels = append(t.Labels, n.GetNewVal())
}

func (s change) createDomain(n *pg.CreateDomainStmt) {
	t := &UserType{Name: s.newObject(n.GetDomainname()), Kind: "domain", Base: s.ResolveType(n.GetTypeName())}
	for _, c := range n.GetConstraints() {
		con := c.GetConstraint()
		switch con.GetContype() {
		case pg.ConstrType_CONSTR_NOTNULL:
			t.NotNull = true
		case pg.ConstrType_CONSTR_DEFAULT:
			t.Default = con.GetRawExpr()
		case pg.ConstrType_CONSTR_CHECK:
			t.Checks = append(t.Checks, &Constraint{Name: con.GetConname(), Kind: Check, Expr: con.GetRawExpr(), Valid: true, File: s.File})
		}
	}
	s.addType(t)
}
