// Package catalog knows PostgreSQL without a server: its grammar, what every
// server brings along, and a database's schema as statements change it. It
// follows PostgreSQL's own rules for names, search path and defaults. All calls
// of the C parser go through it. Input is checked first, so that hostile text gives an
// error and not a crash.
package catalog

import (
	"slices"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// Name is an object's name with its schema.
type Name struct{ Schema, Name string }

// String writes the name as SQL, without the schema public.
func (n Name) String() string {
	if n.Schema == "" || n.Schema == "public" {
		return Quote(n.Name)
	}
	return Quote(n.Schema) + "." + Quote(n.Name)
}

// Kind is what a relation is.
type Kind string

const (
	Table            Kind = "table"
	Partitioned      Kind = "partitioned table"
	ForeignTable     Kind = "foreign table"
	View             Kind = "view"
	MaterializedView Kind = "materialized view"
	Sequence         Kind = "sequence"
	IndexKind        Kind = "index"
	Composite        Kind = "composite type"
)

// Relation is a table, view, sequence, index or composite type.
type Relation struct {
	Name Name
	Kind Kind
	// File is the number of the file that made it; 0 if it existed before the
	// first file.
	File int
	// Known is false for a relation that was used, but created by no file: its
	// columns and indexes are then not known.
	Known       bool
	Temporary   bool
	Unlogged    bool
	Columns     []*Column
	Constraints []*Constraint
	Indexes     []*Index
	Triggers    map[string]Trigger // by name
	// Parents and Children are those of inheritance and partitioning.
	Parents, Children []*Relation
	// Strategy is list, range or hash and Key its columns ("" for an
	// expression), for a partitioned table.
	Strategy string
	Key      []string
	// Bound is a partition's; nil for others.
	Bound *pg.PartitionBoundSpec
	// Owner is the table that a sequence or an index belongs to.
	Owner *Relation
	// Start is set for a sequence that was told where to begin.
	Start bool
	// Reads are the relations that a view's query names.
	Reads []*Relation
	// Uses are the columns of other relations that a view's query names.
	Uses map[*Relation][]string
	// stub is set for one that was only named.
	stub bool
	// RowSecurity is set where row security is enabled.
	RowSecurity bool
	Policies    map[string]*pg.CreatePolicyStmt
	// ReplicaIdentity is set where replication finds rows otherwise than by the
	// primary key.
	ReplicaIdentity bool
}

// Column is a column of a table.
type Column struct {
	Name      string
	Type      Type
	NotNull   bool
	Default   *pg.Node
	Generated bool
	Identity  bool
	Collation string
	File      int
}

// ConstraintKind is what a constraint demands.
type ConstraintKind string

const (
	Check   ConstraintKind = "check"
	Unique  ConstraintKind = "unique"
	Primary ConstraintKind = "primary key"
	Foreign ConstraintKind = "foreign key"
	Exclude ConstraintKind = "exclusion"
)

// Constraint is a constraint of a table or a domain.
type Constraint struct {
	Name    string
	Kind    ConstraintKind
	Valid   bool
	Columns []string
	Expr    *pg.Node
	// Target is what a foreign key refers to.
	Target *Relation
	// Index is what a unique constraint or primary key stands on.
	Index *Index
	File  int
}

// Index is an index of a table.
type Index struct {
	Relation *Relation // the index's own
	Table    *Relation
	Unique   bool
	Method   string
	// Columns are its keys; "" stands for an expression.
	Columns []string
	// Opclasses and Collations are those written, "" for the default.
	Opclasses, Collations []string
	// Exprs are the expressions among the keys, Where a partial one's predicate.
	Exprs []*pg.Node
	Where *pg.Node
}

// Uses reports whether an index has a column among its keys, expressions or
// predicate.
func (i *Index) Uses(column string) bool {
	return slices.Contains(i.Columns, column) || slices.ContainsFunc(append([]*pg.Node{i.Where}, i.Exprs...), func(e *pg.Node) bool {
		return slices.Contains(Columns(e), column)
	})
}

// UserType is a type that the database defines.
type UserType struct {
	Name Name
	// Kind is enum, domain, composite or range.
	Kind string
	File int
	// For a domain: Base is its base type, NotNull and Checks are its constraints,
	// Default its default.
	Base    Type
	Default *pg.Node
	NotNull bool
	Checks  []*Constraint
	Labels  []string
}

// Constrained reports whether a domain demands anything of its values.
func (t *UserType) Constrained() bool {
	return t != nil && t.Kind == "domain" && (t.NotNull || len(t.Checks) > 0)
}

// Trigger is a trigger of a relation: the file that made it, and what it calls.
type Trigger struct {
	File     int
	Function Name
	// Fills is set for one before INSERT, which can change the row.
	Fills bool
	// Columns are those that its definition names.
	Columns []string
}

// Function is a function or procedure that the database defines.
type Function struct {
	Name     Name
	Args     int
	Required int // arguments without a default
	Volatile bool
	Language string
	// Body is the text of its body, Create the statement's syntax tree, and SQL
	// the statement's text.
	Body   string
	Create *pg.CreateFunctionStmt
	SQL    string
	File   int
	// Line is where the body begins in File, from 1.
	Line int
}

// Schema is the state of a database.
type Schema struct {
	// Complete says that the schema lacks nothing: what is not here does not exist.
	// Otherwise it may have been made before the first statement.
	Complete  bool
	Relations map[Name]*Relation
	Types     map[Name]*UserType
	Functions map[Name][]*Function
	Schemas   map[string]int // name → file
	// Owners and Rights are what OWNER TO, GRANT and REVOKE said, by object: see
	// ObjectKey. A right is a role and what it may do.
	Owners map[string]string
	Rights map[string]map[string]bool
	// Others are extensions, rules, aggregates, collations, casts and operators,
	// by ObjectKey.
	Others map[string]bool
	// DefaultRights is set once ALTER DEFAULT PRIVILEGES was seen: new objects
	// then come with rights.
	DefaultRights bool
	// Path is the search path.
	Path []string
	// File numbers the file whose statements are applied; 0 is the state before.
	File int
	// Postgres is the major version.
	Postgres int

	source statementSource
}

type statementSource struct {
	sql  string
	line int
}

// New returns an empty database.
func New(postgres int, complete bool) *Schema {
	return &Schema{
		Complete: complete, Postgres: postgres, Path: []string{"public"},
		Relations: map[Name]*Relation{}, Types: map[Name]*UserType{}, Functions: map[Name][]*Function{},
		Schemas: map[string]int{"public": 0}, Owners: map[string]string{}, Rights: map[string]map[string]bool{},
		Others: map[string]bool{"extension plpgsql": true},
	}
}

// New reports whether the file at hand made the relation, so that no other
// session can be waiting for it.
func (s *Schema) New(r *Relation) bool {
	return r != nil && (r.Temporary || r.File == s.File && s.File > 0)
}

// Column returns a relation's column, or nil.
func (r *Relation) Column(name string) *Column {
	for _, c := range r.Columns {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// Constraint returns a relation's constraint, or nil.
func (r *Relation) Constraint(name string) *Constraint {
	for _, c := range r.Constraints {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// IsTable reports whether it holds rows that clients write.
func (r *Relation) IsTable() bool {
	return r.Kind == Table || r.Kind == Partitioned || r.Kind == ForeignTable
}

// Family returns the relation and all that inherit from it.
func (r *Relation) Family() []*Relation {
	list := []*Relation{r}
	for _, c := range r.Children {
		list = append(list, c.Family()...)
	}
	return list
}

// DefaultPartition returns a partitioned table's default partition, or nil.
func (r *Relation) DefaultPartition() *Relation {
	for _, c := range r.Children {
		if c.Bound.GetIsDefault() {
			return c
		}
	}
	return nil
}

// UniqueOn reports whether a unique index stands on exactly these columns,
// none partial; except is left out.
func (r *Relation) UniqueOn(columns []string, except *Index) bool {
	for _, i := range r.Indexes {
		if i != except && i.Unique && i.Where == nil && SameSet(i.Columns, columns) {
			return true
		}
	}
	return false
}

// SameSet reports whether two lists hold the same, in any order.
func SameSet(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}
