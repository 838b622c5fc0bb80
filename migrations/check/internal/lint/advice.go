package lint

import (
	"fmt"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/specboard/platform/migrations/check/internal/catalog"
)

// The statements that more than one finding advises. Names are quoted already.

// asContract writes a file that declares a contract.
func asContract(sql string) string {
	return "-- phase: contract\n-- unused-since: v1.4.0\n\n" + sql
}

// addNotValid adds a check or foreign key that reads no rows.
func addNotValid(t *catalog.Relation, name, definition string) string {
	return fmt.Sprintf("ALTER TABLE %s ADD CONSTRAINT %s %s NOT VALID;", t.Name, name, definition)
}

// validate reads the rows for it, which stops nobody.
func validate(t *catalog.Relation, name string) string {
	return fmt.Sprintf("ALTER TABLE %s VALIDATE CONSTRAINT %s;", t.Name, name)
}

// checkNamed returns the name and definition of a check to be added.
func checkNamed(t *catalog.Relation, c *pg.Constraint) (name, definition string) {
	column := ""
	if columns := catalog.Columns(c.GetRawExpr()); len(columns) == 1 {
		column = columns[0]
	}
	return constraintName(c.GetConname(), t, column, "check"), fmt.Sprintf("CHECK (%s)%s", text(c.GetRawExpr()), when(c.GetIsNoInherit(), " NO INHERIT"))
}

// foreignNamed returns the name and definition of a foreign key to be added.
func foreignNamed(t, target *catalog.Relation, columns []string, c *pg.Constraint) (name, definition string) {
	return constraintName(c.GetConname(), t, strings.Join(columns, "_"), "fkey"), fmt.Sprintf("FOREIGN KEY (%s) REFERENCES %s", quoteAll(columns), references(target, c))
}

// uniqueNamed returns the name of a unique constraint to be added, and its index.
func uniqueNamed(t *catalog.Relation, c *pg.Constraint) (name, index string) {
	name = constraintName(c.GetConname(), t, strings.Join(catalog.Strings(c.GetKeys()), "_"), "key")
	return name, uniqueIndex(t, name, c)
}

// columnKept adds a column that a trigger keeps current: body is what the trigger does.
func columnKept(t *catalog.Relation, column, typ, function, body string) string {
	return fmt.Sprintf("ALTER TABLE %s ADD COLUMN %s %s;\n\nCREATE FUNCTION %s() RETURNS trigger LANGUAGE plpgsql AS $$\nBEGIN\n%s    RETURN NEW;\nEND\n$$;\n\nCREATE TRIGGER %s BEFORE INSERT OR UPDATE ON %s\n    FOR EACH ROW EXECUTE FUNCTION %s();",
		t.Name, column, typ, function, body, function, t.Name, function)
}
