package lint

import (
	"fmt"
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/specboard/platform/migrations/check/internal/catalog"
)

var dropRules = map[pg.ObjectType]string{
	pg.ObjectType_OBJECT_TABLE: "drop-table", pg.ObjectType_OBJECT_FOREIGN_TABLE: "drop-table", pg.ObjectType_OBJECT_VIEW: "drop-view",
	pg.ObjectType_OBJECT_MATVIEW: "drop-materialized-view", pg.ObjectType_OBJECT_SEQUENCE: "drop-sequence", pg.ObjectType_OBJECT_SCHEMA: "drop-schema",
	pg.ObjectType_OBJECT_TYPE: "drop-type", pg.ObjectType_OBJECT_DOMAIN: "drop-type",
	pg.ObjectType_OBJECT_FUNCTION: "drop-function", pg.ObjectType_OBJECT_PROCEDURE: "drop-function", pg.ObjectType_OBJECT_ROUTINE: "drop-function",
	pg.ObjectType_OBJECT_AGGREGATE: "drop-function", pg.ObjectType_OBJECT_OPERATOR: "drop-function", pg.ObjectType_OBJECT_CAST: "drop-function",
	pg.ObjectType_OBJECT_TRIGGER: "drop-trigger", pg.ObjectType_OBJECT_RULE: "drop-trigger", pg.ObjectType_OBJECT_EXTENSION: "drop-extension",
	pg.ObjectType_OBJECT_POLICY: "drop-trigger", pg.ObjectType_OBJECT_COLLATION: "drop-type",
}

// replaceable are the kinds that a file may drop and create again.
var replaceable = map[pg.ObjectType]bool{pg.ObjectType_OBJECT_TRIGGER: true, pg.ObjectType_OBJECT_POLICY: true}

func (j nameJudge) drop(n *pg.DropStmt) {
	if n.GetRemoveType() == pg.ObjectType_OBJECT_INDEX {
		indexJudge(j).dropIndex(n)
		return
	}
	kind := strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(n.GetRemoveType().String(), "OBJECT_")), "matview", "materialized view")
	cascades := n.GetBehavior() == pg.DropBehavior_DROP_CASCADE
	for _, o := range n.GetObjects() {
		parts := catalog.ObjectParts(o)
		if j.ours(n.GetRemoveType(), parts) || j.uncalled(n.GetRemoveType(), parts) {
			continue
		}
		if n.GetRemoveType() == pg.ObjectType_OBJECT_TRIGGER {
			if t, name := j.schema.PartOf(parts); t != nil {
				d := j.gone(t)
				d.triggers = append(d.triggers, t.Triggers[name].Function)
			}
		}
		name := catalog.Name{Name: strings.Join(parts, ".")}.Name
		switch rule, breaking := dropRules[n.GetRemoveType()]; {
		case replaceable[n.GetRemoveType()] && len(parts) > 1 && j.recreated[partOf(j.schema, parts)]:
			if n.GetRemoveType() == pg.ObjectType_OBJECT_POLICY {
				j.replacePolicy(parts)
			}
		case n.GetMissingOk() && j.unknown(n.GetRemoveType(), parts, o):
			continue
		case dropRules[n.GetRemoveType()] == "drop-type" && j.given[n.GetRemoveType().String()+" "+name]: // the finding was about the table's name
			continue
		case breaking:
			j.unless(j.existsAtEnd(n.GetRemoveType(), rule, parts, o), func() { j.reportf(0, rule, "%s %s goes away", kind, name) })
		case n.GetRemoveType() == pg.ObjectType_OBJECT_STATISTIC_EXT, n.GetRemoveType() == pg.ObjectType_OBJECT_PUBLICATION,
			n.GetRemoveType() == pg.ObjectType_OBJECT_EVENT_TRIGGER, n.GetRemoveType() == pg.ObjectType_OBJECT_TRANSFORM,
			n.GetRemoveType() == pg.ObjectType_OBJECT_OPCLASS, n.GetRemoveType() == pg.ObjectType_OBJECT_OPFAMILY,
			n.GetRemoveType() == pg.ObjectType_OBJECT_CONVERSION:
		default:
			j.reportf(0, "not-judged", "DROP %s %s: this linter does not know what it breaks", strings.ToUpper(kind), name)
		}
		if cascades {
			j.reportf(0, "drop-cascade", "whatever depends on %s %s is dropped as well", kind, name)
		}
	}
}

// uncalled reports whether a trigger function is known to have no trigger: nothing
// depends on it, and no release uses it.
func (j nameJudge) uncalled(kind pg.ObjectType, parts []string) bool {
	list := j.schema.FindFunctions(parts, -1)
	if !j.schema.Complete || len(list) == 0 || kind != pg.ObjectType_OBJECT_FUNCTION && kind != pg.ObjectType_OBJECT_ROUTINE {
		return false
	}
	for _, f := range list {
		if catalog.Last(catalog.Strings(f.Create.GetReturnType().GetNames())) != "trigger" {
			return false
		}
	}
	return len(j.schema.Calling(list[0].Name)) == 0
}

// existsAtEnd returns a function that reports, at the end of the transaction, whether
// the dropped object exists again.
func (j nameJudge) existsAtEnd(kind pg.ObjectType, rule string, parts []string, o *pg.Node) func() bool {
	switch kind {
	case pg.ObjectType_OBJECT_VIEW, pg.ObjectType_OBJECT_MATVIEW, pg.ObjectType_OBJECT_SEQUENCE:
		relation, _ := catalog.RelationKind(kind)
		return j.replaced(j.schema.RelationAs(parts, relation), rule)
	case pg.ObjectType_OBJECT_TYPE, pg.ObjectType_OBJECT_DOMAIN:
		name := j.schema.ObjectName(parts)
		return j.retyped(name, j.schema.Types[name])
	case pg.ObjectType_OBJECT_FUNCTION, pg.ObjectType_OBJECT_PROCEDURE, pg.ObjectType_OBJECT_ROUTINE:
		return j.recreatedFunction(parts, o.GetObjectWithArgs())
	case pg.ObjectType_OBJECT_POLICY:
		return j.otherPolicy(parts)
	}
	return func() bool { return false }
}

// ours reports whether the file itself made the object.
func (j *judge) ours(kind pg.ObjectType, parts []string) bool {
	switch kind {
	case pg.ObjectType_OBJECT_TYPE, pg.ObjectType_OBJECT_DOMAIN:
		t := j.schema.Types[j.schema.ObjectName(parts)]
		return t != nil && t.File == j.schema.File
	case pg.ObjectType_OBJECT_FUNCTION, pg.ObjectType_OBJECT_PROCEDURE, pg.ObjectType_OBJECT_ROUTINE:
		list := j.schema.FindFunctions(parts, -1)
		for _, f := range list {
			if f.File != j.schema.File {
				return false
			}
		}
		return len(list) > 0
	case pg.ObjectType_OBJECT_SCHEMA:
		file, ok := j.schema.Schemas[strings.Join(parts, "")]
		return ok && file == j.schema.File
	case pg.ObjectType_OBJECT_TRIGGER, pg.ObjectType_OBJECT_RULE, pg.ObjectType_OBJECT_POLICY:
		t, name := j.schema.PartOf(parts)
		if t == nil {
			return false
		}
		trigger, ok := t.Triggers[name]
		return j.schema.New(t) || ok && trigger.File == j.schema.File
	}
	relation, ok := catalog.RelationKind(kind)
	return ok && j.schema.New(j.schema.RelationAs(parts, relation))
}

// unknown reports whether an object dropped IF EXISTS is known not to exist.
func (j nameJudge) unknown(kind pg.ObjectType, parts []string, o *pg.Node) bool {
	if !j.schema.Complete {
		return false
	}
	switch kind {
	case pg.ObjectType_OBJECT_TRIGGER:
		t, name := j.schema.PartOf(parts)
		if t == nil {
			return false
		}
		_, there := t.Triggers[name]
		return (t.Known || j.absent(t)) && !there
	case pg.ObjectType_OBJECT_FUNCTION, pg.ObjectType_OBJECT_PROCEDURE, pg.ObjectType_OBJECT_ROUTINE:
		return !slices.ContainsFunc(j.schema.FindFunctions(parts, -1), func(f *catalog.Function) bool { return f.Dropped(o.GetObjectWithArgs()) })
	case pg.ObjectType_OBJECT_EXTENSION, pg.ObjectType_OBJECT_RULE, pg.ObjectType_OBJECT_AGGREGATE, pg.ObjectType_OBJECT_COLLATION,
		pg.ObjectType_OBJECT_CAST, pg.ObjectType_OBJECT_OPERATOR:
		return !j.schema.Others[j.schema.ObjectKey(kind, o)]
	case pg.ObjectType_OBJECT_TYPE, pg.ObjectType_OBJECT_DOMAIN:
		return j.schema.Types[j.schema.ObjectName(parts)] == nil
	case pg.ObjectType_OBJECT_SCHEMA:
		_, there := j.schema.Schemas[strings.Join(parts, "")]
		return !there
	case pg.ObjectType_OBJECT_POLICY:
		t, name := j.schema.PartOf(parts)
		return t != nil && (t.Known || j.absent(t)) && t.Policies[name] == nil
	}
	// ours has just registered an unknown relation as a stub
	if relation, ok := catalog.RelationKind(kind); ok {
		r := j.schema.RelationAs(parts, relation)
		return !r.Known && r.Columns == nil && r.File == 0 && j.schema.Stub(r)
	}
	return false
}

var renameRules = map[pg.ObjectType]string{
	pg.ObjectType_OBJECT_COLUMN: "rename-column", pg.ObjectType_OBJECT_TABLE: "rename-table", pg.ObjectType_OBJECT_FOREIGN_TABLE: "rename-table",
	pg.ObjectType_OBJECT_VIEW: "rename-view", pg.ObjectType_OBJECT_MATVIEW: "rename-view", pg.ObjectType_OBJECT_SEQUENCE: "rename-sequence",
	pg.ObjectType_OBJECT_SCHEMA: "rename-schema", pg.ObjectType_OBJECT_TYPE: "rename-type", pg.ObjectType_OBJECT_DOMAIN: "rename-type",
	pg.ObjectType_OBJECT_ATTRIBUTE: "rename-type",
	pg.ObjectType_OBJECT_FUNCTION:  "rename-function", pg.ObjectType_OBJECT_PROCEDURE: "rename-function", pg.ObjectType_OBJECT_ROUTINE: "rename-function",
	pg.ObjectType_OBJECT_AGGREGATE: "rename-function",
}

// renamedHere reports whether the file itself introduced the old name, so that no
// release uses it.
func (j nameJudge) renamedHere(n *pg.RenameStmt) bool {
	parts := catalog.ObjectParts(n.GetObject())
	if n.GetRelation() != nil {
		parts = catalog.RangeParts(n.GetRelation())
	}
	if n.GetSubname() != "" {
		parts = append(parts, n.GetSubname())
	}
	if len(parts) == 0 {
		return false
	}
	key := func() string { return n.GetRenameType().String() + " " + strings.Join(parts, ".") }
	mine := j.given[key()]
	parts[len(parts)-1] = n.GetNewname()
	j.given[key()] = true
	return mine
}

func (j nameJudge) rename(n *pg.RenameStmt) {
	old := n.GetSubname()
	if j.renamedHere(n) {
		return
	}
	rule, breaking := renameRules[n.GetRenameType()]
	if !breaking {
		switch n.GetRenameType() {
		case pg.ObjectType_OBJECT_INDEX, pg.ObjectType_OBJECT_TABCONSTRAINT:
			j.renameConstraint(n)
		case pg.ObjectType_OBJECT_DOMCONSTRAINT, pg.ObjectType_OBJECT_TRIGGER,
			pg.ObjectType_OBJECT_POLICY, pg.ObjectType_OBJECT_RULE, pg.ObjectType_OBJECT_STATISTIC_EXT, pg.ObjectType_OBJECT_PUBLICATION,
			pg.ObjectType_OBJECT_EVENT_TRIGGER:
		default:
			j.reportf(0, "not-judged", "RENAME of %s: this linter does not know what it breaks", strings.ToLower(strings.TrimPrefix(n.GetRenameType().String(), "OBJECT_")))
		}
		return
	}
	settled := func() bool { return false }
	if n.GetRelation() != nil {
		kind, ok := catalog.RelationKind(n.GetRenameType())
		if !ok {
			kind = catalog.Table
		}
		t := j.schema.RelationAs(catalog.RangeParts(n.GetRelation()), kind)
		if j.schema.New(t) || n.GetMissingOk() && j.absent(t) {
			return
		}
		if n.GetRenameType() == pg.ObjectType_OBJECT_COLUMN {
			j.renameColumn(n, t, old)
			return
		}
		old = t.Name.String()
		if rule == "rename-table" {
			j.unless(j.replaced(t, rule), func() { j.renameTable(n, t) })
			return
		}
		if rule == "rename-view" || rule == "rename-sequence" {
			settled = j.replaced(t, rule)
		}
	} else if object := n.GetObject(); object != nil {
		parts := catalog.ObjectParts(object)
		if j.ours(n.GetRenameType(), parts) {
			return
		}
		old = strings.Join(parts, ".")
		if rule == "rename-type" {
			name := j.schema.ObjectName(parts)
			settled = j.retyped(name, j.schema.Types[name])
		} else if f := object.GetObjectWithArgs(); f != nil {
			settled = j.recreatedFunction(parts, f)
		}
	} else if n.GetRenameType() == pg.ObjectType_OBJECT_SCHEMA && j.ours(n.GetRenameType(), []string{old}) {
		return
	}
	j.unless(settled, func() { j.reportf(0, rule, "%s gets the name %s", old, catalog.Quote(n.GetNewname())) })
}

func (j nameJudge) renameColumn(n *pg.RenameStmt, t *catalog.Relation, old string) {
	c := t.Column(old)
	if c != nil && c.File == j.schema.File {
		return
	}
	if c == nil || t.Kind == catalog.View || t.Kind == catalog.MaterializedView {
		j.reportf(0, "rename-column", "column %s of %s gets the name %s", catalog.Quote(old), t.Name, catalog.Quote(n.GetNewname()))
		return
	}
	from, to := catalog.Quote(old), catalog.Quote(n.GetNewname())
	j.unless(j.otherColumn(t, c), func() { j.reportRename(n, t, c, from, to) })
}

// otherColumn returns a function that reports, at the end of the transaction, whether a
// column that is older than the file has a column's name and can hold what that one
// held.
func (j *judge) otherColumn(t *catalog.Relation, c *catalog.Column) func() bool {
	was := *c
	return func() bool {
		now := t.Column(was.Name)
		return now != nil && now.File != j.schema.File && (now == c || wider(was.Type, now.Type))
	}
}

func (j nameJudge) reportRename(n *pg.RenameStmt, t *catalog.Relation, c *catalog.Column, from, to string) {
	function := catalog.Quote("sync_" + t.Name.Name + "_" + n.GetNewname())
	j.report(0, "rename-column", fmt.Sprintf("column %s of %s gets the name %s", from, t.Name, to),
		columnKept(t, to, c.Type.String(), function, fmt.Sprintf("    IF TG_OP = 'INSERT' THEN\n        NEW.%s := coalesce(NEW.%s, NEW.%s);\n    ELSIF NEW.%s IS DISTINCT FROM OLD.%s THEN\n        NEW.%s := NEW.%s;\n    END IF;\n    NEW.%s := NEW.%s;\n", to, to, from, from, from, to, from, from, to)),
		fill(t, to, from),
		asContract(fmt.Sprintf("DROP TRIGGER %s ON %s;\nDROP FUNCTION %s();\nALTER TABLE %s DROP COLUMN %s;", function, t.Name, function, t.Name, from)))
}

func (j nameJudge) renameTable(n *pg.RenameStmt, t *catalog.Relation) {
	j.report(0, "rename-table", fmt.Sprintf("%s gets the name %s", t.Name, catalog.Quote(n.GetNewname())),
		fmt.Sprintf("ALTER TABLE %s RENAME TO %s;\nCREATE VIEW %s AS SELECT * FROM %s;", t.Name, catalog.Quote(n.GetNewname()), t.Name, catalog.Name{Schema: t.Name.Schema, Name: n.GetNewname()}))
}

func (j nameJudge) setSchema(n *pg.AlterObjectSchemaStmt) {
	if n.GetRelation() == nil {
		parts := catalog.ObjectParts(n.GetObject())
		if !j.ours(n.GetObjectType(), parts) {
			j.reportf(0, "set-schema", "%s moves to schema %s", strings.Join(parts, "."), catalog.Quote(n.GetNewschema()))
		}
		return
	}
	kind, ok := catalog.RelationKind(n.GetObjectType())
	if !ok {
		kind = catalog.Table
	}
	t := j.schema.RelationAs(catalog.RangeParts(n.GetRelation()), kind)
	moved := j.given["moved "+t.Name.String()]
	j.given["moved "+catalog.Name{Schema: n.GetNewschema(), Name: t.Name.Name}.String()] = true
	if !moved && !j.schema.New(t) && (!n.GetMissingOk() || !j.absent(t)) {
		j.unless(j.replaced(t, "set-schema"), func() { j.reportf(0, "set-schema", "%s moves to schema %s", t.Name, catalog.Quote(n.GetNewschema())) })
	}
}
