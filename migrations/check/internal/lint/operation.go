package lint

import (
	"maps"
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/specboard/platform/migrations/check/internal/catalog"
)

// narrowingSettings are settings whose other default makes statements of the running
// release fail, or mean something else, once it connects anew. A time limit is one of
// them only if it is below shortLimit.
var narrowingSettings = []string{
	"default_transaction_read_only", "default_transaction_isolation", "default_transaction_deferrable", "search_path", "role",
	"session_authorization", "session_replication_role", "row_security", "timezone", "datestyle", "intervalstyle", "bytea_output",
	"client_encoding", "standard_conforming_strings", "backslash_quote", "transform_null_equals", "array_nulls",
	"temp_file_limit", "default_tablespace", "default_table_access_method", "check_function_bodies", "xmloption",
}

// shortLimit is in milliseconds: requests of an application take less.
const shortLimit = 10_000

// sessionDefault judges ALTER ROLE … SET and ALTER DATABASE … SET: they are defaults of
// sessions that begin later, and do not affect the runner's own. made says that the
// file makes the role, so that no release uses it.
func (j *judge) sessionDefault(of string, n *pg.VariableSetStmt, made bool) {
	name := strings.ToLower(n.GetName())
	set := n.GetKind() == pg.VariableSetKind_VAR_SET_VALUE
	narrows := slices.Contains(narrowingSettings, name)
	if _, limit := limits[name]; limit && set {
		d, ok := duration(constant(first(n.GetArgs())))
		narrows = !ok || d > 0 && d.Milliseconds() < shortLimit
	}
	if name == "lock_timeout" && set && !made {
		j.set(n) // the role may be the one that migrates by hand
	}
	if n.GetKind() == pg.VariableSetKind_VAR_RESET_ALL {
		name, narrows = "every setting", true
	}
	if narrows && !made {
		j.reportf(0, "session-default", "%s has another %s in sessions that begin after it", of, name)
	}
}

// alterRole judges what ALTER ROLE takes from a role, or asks of it.
func (j *judge) alterRole(n *pg.AlterRoleStmt) {
	j.password(n.GetOptions())
	role := roles([]*pg.Node{{Node: &pg.Node_RoleSpec{RoleSpec: n.GetRole()}}})
	if j.made[role] {
		return
	}
	for _, o := range n.GetOptions() {
		switch e := o.GetDefElem(); e.GetDefname() {
		case "connectionlimit":
			j.reportf(0, "narrow-role", "%s may have fewer connections", role)
		case "validUntil":
			j.reportf(0, "narrow-role", "the password of %s ends", role)
		case "password":
			j.reportf(0, "narrow-role", "%s has another password, and releases that connect have the old one", role)
		case "rolemembers":
		default:
			if b := e.GetArg().GetBoolean(); b != nil && !b.GetBoolval() {
				j.reportf(0, "narrow-role", "%s loses %s", role, map[string]string{"canlogin": "LOGIN", "bypassrls": "BYPASSRLS", "createdb": "CREATEDB",
					"createrole": "CREATEROLE", "inherit": "INHERIT", "isreplication": "REPLICATION", "superuser": "SUPERUSER"}[e.GetDefname()])
			}
		}
	}
}

// password reports one that stands in a file.
func (j *judge) password(options []*pg.Node) {
	for _, o := range options {
		if e := o.GetDefElem(); e.GetDefname() == "password" && e.GetArg().GetString_().GetSval() != "" {
			j.report(0, "password", "the password is in the file, and whoever reads the repository or a log has it")
		}
	}
}

// publishes judges a publication of updates or deletes: PostgreSQL refuses those on a
// published table without a key.
func (j *judge) publishes(objects []*pg.Node, all bool, options []*pg.Node) {
	for _, o := range options {
		e := o.GetDefElem()
		if value := e.GetArg().GetString_().GetSval(); e.GetDefname() == "publish" && !strings.Contains(value, "update") && !strings.Contains(value, "delete") {
			return
		}
	}
	var tables []*catalog.Relation
	for _, o := range objects {
		if v := o.GetPublicationObjSpec().GetPubtable().GetRelation(); v != nil {
			tables = append(tables, j.schema.Relation(v))
		}
	}
	if all {
		for _, name := range slices.SortedFunc(maps.Keys(j.schema.Relations), func(a, b catalog.Name) int { return strings.Compare(a.String(), b.String()) }) {
			if r := j.schema.Relations[name]; r.Kind == catalog.Table && !r.Temporary && !r.Unlogged {
				tables = append(tables, r)
			}
		}
	}
	for _, t := range tables {
		keyed := t.ReplicaIdentity || slices.ContainsFunc(t.Constraints, func(c *catalog.Constraint) bool { return c.Kind == catalog.Primary })
		if t.Known && !j.schema.New(t) && !keyed {
			j.reportf(0, "publication-without-key", "%s has neither a primary key nor a replica identity: its UPDATE and DELETE fail", t.Name)
		}
	}
}
