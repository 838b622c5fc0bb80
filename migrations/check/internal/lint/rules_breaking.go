package lint

const contractInstead = "make sure that no running release uses it, then drop it in a contract: -- phase: contract and -- unused-since: v1.4.0"

const renameInstead = "add the new one, write both, let the code change over release by release, then drop the old one in a contract"

func breaks(id, title, why, instead string) Rule {
	return Rule{ID: id, Class: Breaking, Severity: Error, Title: title, Why: why, Instead: instead, Lock: "ACCESS EXCLUSIVE, for a moment"}
}

func breaksUnlocked(id, title, why, instead string) Rule {
	r := breaks(id, title, why, instead)
	r.Lock = ""
	return r
}

var breakingRules = []Rule{
	breaks("add-required-column", "ADD COLUMN … NOT NULL without a default",
		"It fails on a table that has rows, and every INSERT of the running release, which knows nothing of the column, fails after it.",
		"give it a DEFAULT, or add it as NULL and require it once every running release writes it"),
	breaks("drop-column", "DROP COLUMN", "The running release still reads or writes it; indexes and constraints on it go as well.", contractInstead),
	breaks("drop-table", "DROP TABLE", "The running release still uses it.", contractInstead),
	breaks("drop-view", "DROP VIEW", "The running release still reads it.", contractInstead),
	breaks("drop-materialized-view", "DROP MATERIALIZED VIEW", "The running release still reads it.", contractInstead),
	breaks("drop-sequence", "DROP SEQUENCE", "The running release, or a default, still takes numbers from it.", contractInstead),
	breaks("drop-schema", "DROP SCHEMA", "The running release still uses what is in it.", contractInstead),
	breaksUnlocked("drop-type", "DROP TYPE or DROP DOMAIN", "The running release still casts to it or sends it as a parameter.", contractInstead),
	breaksUnlocked("drop-function", "DROP FUNCTION, PROCEDURE or AGGREGATE", "The running release still calls it.", contractInstead),
	breaks("drop-trigger", "DROP TRIGGER", "The running release relies on what it does, such as filling a column.", contractInstead),
	breaksUnlocked("drop-extension", "DROP EXTENSION", "The running release still uses its functions and types.", contractInstead),
	breaks("drop-owned", "DROP OWNED", "It drops whatever a role owns and takes its rights away; nobody can see here what that is.",
		"drop each object by name, in a contract"),
	breaks("drop-cascade", "DROP … CASCADE", "It drops whatever depends on the object: views, foreign keys, columns. The statement hides how much.",
		"drop each dependent object by name first, then the object without CASCADE"),
	breaks("drop-unique", "dropping a unique index or constraint, or the last one on those columns",
		"INSERT … ON CONFLICT of the running release fails without it, and duplicates come in.",
		"build the index that replaces it CONCURRENTLY first; or make sure that no running release relies on it, and drop it in a contract"),
	breaks("rename-column", "RENAME COLUMN", "The running release uses the old name.", renameInstead),
	breaks("rename-table", "ALTER TABLE … RENAME TO", "The running release uses the old name.", "rename it and create a view of the old name in the same file as an interim (a simple view takes writes), or add a new table and write both"),
	breaks("rename-view", "ALTER VIEW … RENAME TO, also of a materialized view", "The running release uses the old name.", "create a second view of the new name, and drop the old one in a contract"),
	breaks("rename-sequence", "ALTER SEQUENCE … RENAME TO", "The running release uses the old name in nextval().", "leave the name, or add a second sequence and let the code change over"),
	breaksUnlocked("rename-schema", "ALTER SCHEMA … RENAME TO", "The running release uses the old name, also through search_path.", "create the new schema, move by views, let the code change over"),
	breaksUnlocked("rename-type", "ALTER TYPE or DOMAIN … RENAME TO, or of an attribute", "The running release casts to the old name.", "add a new type, and let the code change over"),
	breaksUnlocked("rename-enum-value", "ALTER TYPE … RENAME VALUE", "The running release reads and writes the old value.", "add the new value, change the rows in batches, and leave the old value"),
	breaksUnlocked("rename-function", "ALTER FUNCTION … RENAME TO", "The running release calls the old name.", "create a second function of the new name, and drop the old one in a contract"),
	breaks("rename-constraint", "another name for a unique constraint, primary key or exclusion constraint, or for its index",
		"INSERT … ON CONFLICT ON CONSTRAINT of the running release names it.", "leave the name; or let every running release write ON CONFLICT (columns) first, then declare a contract"),
	breaks("view-columns", "a view that is created again with fewer columns, another order of columns, or a column of another type",
		"The running release reads the column, or reads by position. CREATE OR REPLACE refuses it, DROP and CREATE do not.", "add new columns at the end; make sure that no running release uses the old one, then take it out in a contract"),
	breaksUnlocked("change-owner", "OWNER TO another role, or an object made again under another",
		"The previous owner loses an owner's rights, which the running release may need.", "grant the old owner what its releases need in the same file, then waive this with the reason"),
	breaksUnlocked("sequence-set-back", "ALTER SEQUENCE … RESTART, or setval() to a fixed number",
		"The sequence gives numbers that are taken: INSERT of the running release fails.", "SELECT setval(sequence, (SELECT max(id) FROM t))"),
	breaks("narrow-policy", "a restrictive policy, or another condition or role for a policy that is there",
		"Rows vanish from the running release, or its writes are refused.", "try the policy with the application's role; then waive this with the reason"),
	breaks("set-schema", "ALTER … SET SCHEMA", "The running release looks for it in the old schema.", "create a view in the old schema in the same file as an interim, or add a new one and write both"),
	breaks("drop-default", "DROP DEFAULT or DROP IDENTITY on a NOT NULL column",
		"The running release leaves the column out of its INSERT, which fails after it.", "drop it in a contract, once every running release writes the column"),
	breaks("drop-not-null", "DROP NOT NULL", "The running release meets a NULL that it never expected.",
		"let every running release accept NULL first; then declare a contract, or waive this with the reason"),
	{ID: "type-change", Class: Breaking, Severity: Warning, Lock: "ACCESS EXCLUSIVE, for a moment",
		Title: "ALTER COLUMN … TYPE that keeps the rows as they are", Why: "It is quick, but the running release may meet values that it cannot hold: longer texts, larger numbers.",
		Instead: "be sure that every running release takes the wider type; prepared statements with SELECT * fail once"},
	{ID: "refuses-rows", Class: Breaking, Severity: Warning,
		Title:   "what refuses rows that the running release may write: a check, NOT NULL, a unique index, an exclusion or foreign key constraint, a narrower type, a trigger that raises",
		Why:     "The running release fails at its next such write: NOT VALID spares only the rows that are there. The linter assumes that no release writes NULL into a column that has a default, or that a trigger fills.",
		Instead: "first a release that writes no such rows; then, once no older one runs or may be rolled back to, this in a contract: -- phase: contract and -- unused-since: v1.4.0, the release that stopped writing them"},
	breaks("enable-row-security", "ENABLE ROW LEVEL SECURITY, or FORCE", "Without a policy that lets them through, the rows vanish for every role but the owner.",
		"create the policies in the same file first, and try them with the application's role; then waive this with the reason"),
	breaksUnlocked("revoke", "REVOKE from a role", "The running release may no longer do what it does.", "make sure that no running release needs the right, then revoke it in a contract"),
	breaks("identity-always", "an existing column becomes GENERATED ALWAYS AS IDENTITY", "INSERT of the running release that gives the column a value fails.",
		"GENERATED BY DEFAULT AS IDENTITY"),
	breaksUnlocked("session-default", "ALTER ROLE or ALTER DATABASE … SET, of what statements depend on",
		"The running release has it from its next connection on: its statements fail, or mean something else.",
		"set it in the application's own sessions, release by release; or try it with the application's role, then waive this with the reason"),
	breaksUnlocked("narrow-role", "ALTER ROLE that takes something away, or changes the password",
		"The running release can no longer connect, or no longer do what it does.",
		"make a second role, let every running release use it, and change the old one in a contract"),
	breaksUnlocked("publication-without-key", "a publication of a table without a primary key or replica identity",
		"PostgreSQL refuses UPDATE and DELETE of the running release on it.",
		"ALTER TABLE … REPLICA IDENTITY FULL, or USING INDEX, before; or WITH (publish = 'insert')"),
	{ID: "partition-leaves", Class: Breaking, Severity: Warning, Title: "DETACH PARTITION", Why: "Its rows vanish at once from the running release, which reads them through the parent.",
		Instead: "be sure that no running release reads those rows"},
}
