package config

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// What a database role may do with the tables of the migrations.
const (
	// GrantRead is SELECT.
	GrantRead = "read"
	// GrantWrite is SELECT, INSERT, UPDATE and DELETE, and the use of sequences.
	GrantWrite = "write"
)

// RolesVariable tells the task migrate which roles the database has and what they
// may do: a JSON object. It finds the secret of each in RoleVariable.
const RolesVariable = "DB_ROLES"

// DatabaseRoles lists the secrets that are roles of the database, as declared.
func (p Platform) DatabaseRoles() (all []Secret) {
	for _, s := range p.Secrets {
		if s.Kind == DatabaseRole {
			all = append(all, s)
		}
	}
	return all
}

// LoginSecret is the secret with which a container logs in to the database, given
// the names of those that it receives: its role's, or else the database's own.
func (p Platform) LoginSecret(secrets []string) (Secret, bool) {
	for _, s := range p.DatabaseRoles() {
		if slices.Contains(secrets, s.Name) {
			return s, true
		}
	}
	return p.DatabaseSecret()
}

// RoleName is the role in PostgreSQL that holds the grants. Nobody logs in as it.
func (s Secret) RoleName() string { return strings.ReplaceAll(s.Name, "-", "_") }

// LoginName is the role in PostgreSQL that containers log in as. Each version of the
// secret has its own, so that after a rotation, containers that still use the previous
// version keep working.
func (s Secret) LoginName() string { return s.RoleName() + "_v" + strconv.Itoa(max(1, s.Version)) }

// RoleVariable is the environment variable in which the task migrate finds the
// secret: its user and password as JSON.
func (s Secret) RoleVariable() string { return "DB_ROLE_" + strings.ToUpper(s.RoleName()) }

// RoleGrants is the value of RolesVariable: grants by the names of roles.
func (p Platform) RoleGrants() string {
	var grants []string
	for _, s := range p.DatabaseRoles() {
		grants = append(grants, strconv.Quote(s.RoleName())+":"+strconv.Quote(s.Grants))
	}
	slices.Sort(grants)
	return "{" + strings.Join(grants, ",") + "}"
}

// mostRoleName leaves room for "_v" and the version in the 63 bytes of a login's name.
const mostRoleName = 50

var loginSuffix = regexp.MustCompile(`-v[0-9]+$`)

// databaseRole checks a secret that is a role of the database.
func (c *checker) databaseRole(path string, s Secret) {
	c.absent(c.HasDatabase(), true, path+".kind", s.Kind, noDatabase, Generated)
	c.must(s.Grants == GrantRead || s.Grants == GrantWrite, path+".grants", s.Grants, "is not what a role may do in the database: "+show(GrantRead)+" or "+show(GrantWrite), GrantRead)
	c.must(s.Variable == "", path+".variable", s.Variable, "has no effect: a container finds its password where the database's own would be", "")
	const example = "reports-login"
	name := s.RoleName()
	c.must(len(name) <= mostRoleName, path+".name", s.Name, "is longer than 50 characters, and PostgreSQL names a role by it", example)
	c.must(!reservedWord(name) && name != c.DatabaseUser() && !strings.HasPrefix(name, "pg_") && !strings.HasPrefix(name, "rds"),
		path+".name", s.Name, "is what PostgreSQL or RDS calls a role of its own", example)
	c.must(!loginSuffix.MatchString(s.Name), path+".name", s.Name, "ends as the login of another role could, with its version", example)
}

// databaseLogin checks the role with which a container logs in to the database.
func (c *checker) databaseLogin(path string, database bool, secrets []string) {
	first := ""
	for i, name := range secrets {
		s, ok := c.Secret(name)
		if !ok || s.Kind != DatabaseRole || slices.Index(secrets, name) != i {
			continue
		}
		at := indexed(path+".secrets", i)
		c.must(database, at, name, "is a role of the database, to which the container has no way: it lacks the field database", nil)
		c.must(first == "", at, name, "is a second role of the database, and a container logs in with one: "+show(first), nil)
		first = name
	}
}
