package migrations

import (
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// ServiceRole is a role of the database that may do only what it is granted, and a login
// that is a member of it.
type ServiceRole struct {
	// Name holds the grants, in lower-case letters, digits and underscores. Nobody
	// logs in as it.
	Name string
	// Write grants INSERT, UPDATE and DELETE besides SELECT.
	Write bool
	// Login is Name and "_v" with a number. That of the number before stays; others
	// stay until this one exists when a run begins and nobody is connected as them.
	Login string
	// Password is that of Login, in ASCII.
	Password string
}

var rolePattern = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

func (r ServiceRole) validate() error {
	switch {
	case !rolePattern.MatchString(r.Name):
		return fmt.Errorf("role %q: a name has lower-case letters, digits and underscores, such as reports", r.Name)
	case !regexp.MustCompile("^" + r.Name + "_v[0-9]+$").MatchString(r.Login):
		return fmt.Errorf("role %s: its login is %q; it must be %s_v and a number, such as %s_v1", r.Name, r.Login, r.Name, r.Name)
	case r.Password == "":
		return fmt.Errorf("role %s: its login has no password", r.Name)
	}
	return nil
}

// roleComment marks the roles that the runner has made, so that it drops no others.
const roleComment = "made by migrate for a service"

// makeRoles makes the roles that are wanted as they are wanted, and takes away what an
// earlier run has made and is no longer wanted. All of it happens in one transaction.
func (r *runner) makeRoles(ctx context.Context) error {
	made, err := r.roles(ctx, "SELECT rolname FROM pg_roles WHERE shobj_description(oid, 'pg_authid') = $1", roleComment)
	if err != nil || len(made)+len(r.options.Roles) == 0 {
		return err
	}
	if err := r.prepare(ctx); err != nil {
		return err
	}
	if err := r.limit(ctx, limits{r.options.LockTimeout, r.options.StatementTimeout}); err != nil {
		return err
	}
	_, err = retry(ctx, r.options.LockWait, func(int, time.Duration) {}, func() error {
		return r.inTransaction(ctx, func() error {
			for _, role := range r.options.Roles {
				if err := r.makeRole(ctx, role, slices.Contains(made, role.Name)); err != nil {
					return fmt.Errorf("make role %s of the database: %w", role.Name, err)
				}
			}
			for _, name := range made {
				if slices.ContainsFunc(r.options.Roles, func(role ServiceRole) bool { return role.Name == name }) {
					continue
				}
				if err := r.dropRole(ctx, name); err != nil {
					return fmt.Errorf("drop role %s of the database, which no service has any more: %w", name, err)
				}
			}
			return nil
		})
	})
	return err
}

// makeRole makes a role, its login and its grants.
func (r *runner) makeRole(ctx context.Context, role ServiceRole, made bool) error {
	there, err := r.roles(ctx, "SELECT rolname FROM pg_roles WHERE rolname IN ($1, $2)", role.Name, role.Login)
	if err != nil {
		return err
	}
	name, login := pgx.Identifier{role.Name}.Sanitize(), pgx.Identifier{role.Login}.Sanitize()
	sql := ""
	switch {
	case slices.Contains(there, role.Name) && !made:
		return fmt.Errorf("there is a role of that name already, which the migrations have not made: rename the secret, or drop the role")
	case !made:
		sql = "CREATE ROLE " + name + " NOLOGIN; COMMENT ON ROLE " + name + " IS '" + roleComment + "';"
	}
	verifier, err := scram(role.Password)
	if err != nil {
		return err
	}
	// The server never sees the password, which it might log.
	if slices.Contains(there, role.Login) {
		if ours, err := r.roles(ctx, loginsSQL, role.Name, []string{}); err != nil || !slices.Contains(ours, role.Login) {
			return errors.Join(err, fmt.Errorf("there is a role %s already, which the migrations have not made: rename the secret, or drop the role", role.Login))
		}
		sql += "ALTER ROLE " + login + " LOGIN PASSWORD '" + verifier + "'"
	} else {
		sql += "CREATE ROLE " + login + " LOGIN PASSWORD '" + verifier + "' IN ROLE " + name
	}
	if r.version < 160000 {
		// Later servers give this to whoever makes a role, and ask for it.
		sql += "; GRANT " + name + ", " + login + " TO CURRENT_USER WITH ADMIN OPTION"
	}
	if err := r.run(ctx, sql); err != nil {
		return err
	}
	tables, sequences := []string{"SELECT"}, []string{"SELECT"}
	if role.Write {
		tables, sequences = []string{"DELETE", "INSERT", "SELECT", "UPDATE"}, []string{"SELECT", "USAGE"}
	}
	if err := r.grant(ctx, role.Name, tables, sequences); err != nil {
		return err
	}
	if r.version < 150000 {
		// Later servers let nobody but the owner create tables in public.
		if err := r.run(ctx, "REVOKE CREATE ON SCHEMA public FROM PUBLIC"); err != nil {
			return err
		}
	}
	if !slices.Contains(there, role.Login) {
		return nil // whoever runs now has the login from before
	}
	// Containers may run with the version before until they are replaced, whether they
	// are connected now or not.
	number, _ := strconv.Atoi(strings.TrimPrefix(role.Login, role.Name+"_v")) // validated
	return r.dropLogins(ctx, role.Name, role.Login, role.Name+"_v"+strconv.Itoa(number-1))
}

// dropRole drops a role that nobody is connected as, with its logins.
func (r *runner) dropRole(ctx context.Context, name string) error {
	if err := r.dropLogins(ctx, name); err != nil {
		return err
	}
	left, err := r.roles(ctx, loginsSQL, name, []string{})
	if err != nil || len(left) > 0 {
		return err
	}
	if err := r.grant(ctx, name, nil, nil); err != nil {
		return err
	}
	return r.drop(ctx, name)
}

// loginsSQL lists the logins of a role but for some.
const loginsSQL = `SELECT m.rolname FROM pg_auth_members g JOIN pg_roles m ON m.oid = g.member JOIN pg_roles r ON r.oid = g.roleid
	WHERE r.rolname = $1 AND m.rolname ~ ('^' || $1 || '_v[0-9]+$') AND m.rolname <> ALL ($2::text[])`

// dropLogins drops the logins of a role that nobody is connected as, but for some.
func (r *runner) dropLogins(ctx context.Context, role string, but ...string) error {
	old, err := r.roles(ctx, loginsSQL+" AND m.rolname NOT IN (SELECT usename FROM pg_stat_activity WHERE usename IS NOT NULL)", role, append([]string{}, but...))
	if err != nil {
		return err
	}
	for _, login := range old {
		if err := r.drop(ctx, login); err != nil {
			return err
		}
	}
	return nil
}

// drop drops a role. One that somebody has granted more by hand stays, and cannot log
// in.
func (r *runner) drop(ctx context.Context, role string) error {
	name := pgx.Identifier{role}.Sanitize()
	if err := r.run(ctx, "SAVEPOINT whole"); err != nil {
		return err
	}
	err := r.run(ctx, "DROP ROLE "+name)
	if code(err) == "2BP01" { // something depends on it
		return r.run(ctx, "ROLLBACK TO whole; ALTER ROLE "+name+" NOLOGIN PASSWORD NULL")
	}
	return err
}

// grant gives a role these privileges, and no others, on what the owner has and will
// have. The tables of migration tools stay closed.
func (r *runner) grant(ctx context.Context, role string, tables, sequences []string) error {
	statements, err := r.roles(ctx, grantsSQL, role, tables, sequences, append(knownTables(), strings.TrimPrefix(Table, "public.")))
	if err != nil {
		return err
	}
	name := pgx.Identifier{role}.Sanitize()
	for kind, privileges := range map[string][]string{"TABLES": tables, "SEQUENCES": sequences} {
		statements = append(statements, "ALTER DEFAULT PRIVILEGES REVOKE ALL ON "+kind+" FROM "+name)
		if len(privileges) > 0 {
			statements = append(statements, "ALTER DEFAULT PRIVILEGES GRANT "+strings.Join(privileges, ", ")+" ON "+kind+" TO "+name)
		}
	}
	verb, preposition := "GRANT", " TO "
	if len(tables) == 0 {
		verb, preposition = "REVOKE", " FROM "
	}
	statements = append(statements, "ALTER DEFAULT PRIVILEGES "+verb+" USAGE ON SCHEMAS"+preposition+name)
	return r.run(ctx, strings.Join(statements, ";"))
}

// grantsSQL lists the statements after which a role has given privileges on the
// owner's tables and sequences, and may look into their schemas.
const grantsSQL = `
WITH role AS (SELECT oid, quote_ident(rolname) AS name FROM pg_roles WHERE rolname = $1),
spaces AS (SELECT oid, nspname, nspacl FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema$)' AND pg_has_role(nspowner, 'USAGE')),
things AS (
	SELECT format('%s %I.%I', CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, n.nspname, c.relname) AS thing,
		CASE WHEN c.relname = ANY ($4::text[]) THEN '{}' WHEN c.relkind = 'S' THEN coalesce($3::text[], '{}') ELSE coalesce($2::text[], '{}') END AS wanted,
		ARRAY (SELECT a.privilege_type FROM aclexplode(c.relacl) a JOIN role ON role.oid = a.grantee ORDER BY 1) AS has
	FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND n.nspname !~ '^(pg_|information_schema$)' AND pg_has_role(c.relowner, 'USAGE'))
SELECT 'REVOKE ALL ON ' || thing || ' FROM ' || name FROM things, role WHERE has <> wanted AND has <> '{}'
UNION ALL SELECT 'GRANT ' || array_to_string(wanted, ', ') || ' ON ' || thing || ' TO ' || name FROM things, role WHERE has <> wanted AND wanted <> '{}'
UNION ALL SELECT format('GRANT USAGE ON SCHEMA %I TO %s', nspname, name) FROM spaces, role WHERE cardinality($2::text[]) > 0
	AND NOT has_schema_privilege(role.oid, spaces.oid, 'USAGE')
UNION ALL SELECT format('REVOKE ALL ON SCHEMA %I FROM %s', nspname, name) FROM spaces, role WHERE $2::text[] IS NULL
	AND EXISTS (SELECT FROM aclexplode(nspacl) a WHERE a.grantee = role.oid)`

// roles reads a column of text.
func (r *runner) roles(ctx context.Context, sql string, arguments ...any) ([]string, error) {
	rows, err := r.Query(ctx, sql, arguments...)
	if err != nil {
		return nil, fmt.Errorf("look at the database's roles: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("look at the database's roles: %w", err)
	}
	return found, nil
}

// scram is what PostgreSQL keeps of a password, by RFC 5802 and RFC 7677.
func scram(password string) (string, error) {
	const iterations = 4096
	salt := make([]byte, 16)
	rand.Read(salt)
	salted, err := pbkdf2.Key(sha256.New, password, salt, iterations, sha256.Size)
	if err != nil {
		return "", fmt.Errorf("derive the verifier of a password: %w", err)
	}
	sum := func(text string) []byte {
		h := hmac.New(sha256.New, salted)
		h.Write([]byte(text))
		return h.Sum(nil)
	}
	stored, encode := sha256.Sum256(sum("Client Key")), base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", iterations, encode(salt), encode(stored[:]), encode(sum("Server Key"))), nil
}
