package migrations

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// owned makes a database whose owner is what RDS's master user is: no superuser, but
// one who may create roles.
func owned(t *testing.T) (*pgx.ConnConfig, *pgx.Conn) {
	t.Helper()
	config := database(t, "")
	admin := dial(t, config)
	name := config.Database + "_owner"
	mustExec(t, admin, "CREATE ROLE "+name+" LOGIN CREATEROLE; ALTER DATABASE "+config.Database+" OWNER TO "+name+"; ALTER SCHEMA public OWNER TO "+name)
	config = config.Copy()
	config.User = name
	return config, admin
}

// as connects as another role.
func as(t *testing.T, config *pgx.ConnConfig, user string) *pgx.Conn {
	t.Helper()
	config = config.Copy()
	config.User = user
	return dial(t, config)
}

// A service that may only read is refused a write by PostgreSQL, also on a table that
// a later migration makes.
func TestRoles(t *testing.T) {
	config, _ := owned(t)
	prefix := config.Database // roles are the server's, which the tests share
	read := ServiceRole{Name: prefix + "_reports", Login: prefix + "_reports_v1", Password: "one"}
	write := ServiceRole{Name: prefix + "_mail", Write: true, Login: prefix + "_mail_v1", Password: "two"}
	o := DefaultOptions()
	o.Roles = []ServiceRole{read, write}
	const a = "CREATE TABLE a (id serial PRIMARY KEY, n int); CREATE SCHEMA extra; CREATE VIEW extra.v AS SELECT n FROM a;"
	mustUp(t, config, files(t, a), o)

	reader, writer := as(t, config, read.Login), as(t, config, write.Login)
	refused := func(conn *pgx.Conn, sql string) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), sql); err == nil || !strings.Contains(err.Error(), "42501") {
			t.Errorf("%s: %v, want PostgreSQL to refuse it", sql, err)
		}
	}
	mustExec(t, writer, "INSERT INTO a (n) VALUES (1); UPDATE a SET n = 2; DELETE FROM a; INSERT INTO a (n) VALUES (3)")
	mustExec(t, reader, "SELECT n FROM a; SELECT n FROM extra.v")
	for _, sql := range []string{"INSERT INTO a (n) VALUES (1)", "UPDATE a SET n = 1", "DELETE FROM a", "TRUNCATE a", "SELECT nextval('a_id_seq')"} {
		refused(reader, sql)
	}
	for _, conn := range []*pgx.Conn{reader, writer} {
		for _, sql := range []string{"DROP TABLE a", "CREATE TABLE own (id int)", "ALTER TABLE a ADD m int", "SELECT * FROM " + Table, "CREATE ROLE other", "SET ROLE " + config.User} {
			refused(conn, sql)
		}
	}
	refused(writer, "TRUNCATE a")

	// A table made between two runs is covered from its beginning, one in a schema that
	// an extension or a person made, too.
	owner := dial(t, config)
	mustExec(t, owner, "CREATE SCHEMA later; CREATE TABLE later.b (id int)")
	mustExec(t, reader, "SELECT * FROM later.b")
	mustExec(t, writer, "INSERT INTO later.b VALUES (1)")
	refused(reader, "INSERT INTO later.b VALUES (1)")
	second := files(t, a, "CREATE TABLE c (id int)")
	mustUp(t, config, second, o)
	mustExec(t, reader, "SELECT * FROM c")
	refused(reader, "DELETE FROM c")

	// What the role may do follows the struct.
	o.Roles[1].Write = false
	mustUp(t, config, second, o)
	refused(writer, "INSERT INTO c VALUES (1)")
	mustExec(t, owner, "CREATE TABLE d (id int)")
	refused(writer, "INSERT INTO d VALUES (1)")
	mustExec(t, writer, "SELECT * FROM c, d")
}

// A rotation makes a login besides the one that containers still use, connected or not.
// That is dropped after the next rotation, as soon as nobody is connected as it.
func TestRolesRotate(t *testing.T) {
	config, admin := owned(t)
	name := config.Database + "_reports"
	list := files(t, "CREATE TABLE a (id int)")
	up := func(roles ...ServiceRole) {
		t.Helper()
		o := DefaultOptions()
		o.Roles = roles
		mustUp(t, config, list, o)
	}
	there := func(want string) {
		t.Helper()
		var got string
		if err := admin.QueryRow(t.Context(), "SELECT coalesce(string_agg(rolname, ' ' ORDER BY rolname), '') FROM pg_roles WHERE rolname LIKE $1", name+"%").Scan(&got); err != nil {
			t.Fatal(err)
		}
		if want = strings.ReplaceAll(want, "R", name); got != want {
			t.Errorf("there are the roles %q, want %q", got, want)
		}
	}
	version := func(n string) ServiceRole {
		return ServiceRole{Name: name, Login: name + "_v" + n, Password: "of " + n}
	}
	one, two, three := version("1"), version("2"), version("3")
	up(one)
	there("R R_v1")
	before := as(t, config, one.Login)
	up(two)
	there("R R_v1 R_v2")
	mustExec(t, as(t, config, one.Login), "SELECT * FROM a") // a new connection of an old container
	up(three)
	there("R R_v1 R_v2 R_v3")
	up(three)
	there("R R_v1 R_v2 R_v3") // a container is connected
	_ = before.Close(t.Context())
	mustExec(t, admin, "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE usename = '"+one.Login+"'") // waits for the end
	up(three)
	there("R R_v2 R_v3")
	// The runner takes no login that it has not made.
	mustExec(t, admin, "CREATE ROLE "+name+"_v4")
	four := DefaultOptions()
	four.Roles = []ServiceRole{version("4")}
	if _, err := Up(t.Context(), config, list, four); err == nil || !strings.Contains(err.Error(), name+"_v4 already, which the migrations have not made") {
		t.Errorf("a login of somebody else's: %v", err)
	}
	mustExec(t, admin, "DROP ROLE "+name+"_v4")
	// The runner drops nothing that it has not made.
	mustExec(t, admin, "CREATE ROLE "+name+"_person")
	up()
	there("R_person")
	mustExec(t, admin, "DROP ROLE "+name+"_person; CREATE ROLE "+name)
	o := DefaultOptions()
	o.Roles = []ServiceRole{one}
	if _, err := Up(t.Context(), config, list, o); err == nil || !strings.Contains(err.Error(), "which the migrations have not made") {
		t.Errorf("a role of somebody else's: %v", err)
	}
	mustExec(t, admin, "DROP ROLE "+name)
}
