package migrations

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Foreign is the table in which another tool records its migrations.
type Foreign struct {
	// Tool is its name, such as "golang-migrate".
	Tool string `json:"tool"`
	// Table is quoted for SQL, with its schema.
	Table string `json:"table"`
	// Entries is how many rows it has, Last the greatest of them.
	Entries int64  `json:"entries"`
	Last    string `json:"last,omitempty"`
}

func (f Foreign) String() string {
	text := fmt.Sprintf("%s (%s, %d entries", f.Tool, f.Table, f.Entries)
	if f.Last != "" {
		text += ", last " + f.Last
	}
	return text + ")"
}

// ForeignError means that another tool has migrated the database, and nothing
// says which files are in it.
type ForeignError struct {
	Foreign Foreign
	// Likely is the file that is probably the last; empty if that is open.
	Likely string
}

func (e *ForeignError) Error() string {
	number := "NNNN, the number of the last file whose work is there"
	if e.Likely != "" {
		number = fmt.Sprintf("%.4s, if %s is the last file whose work is there", e.Likely, e.Likely)
	}
	return fmt.Sprintf("another tool has migrated this database: %s; there is no record of these files, and nothing was run\nnext: migrate baseline %s", e.Foreign, number)
}

// tool is how another tool's table is known: by its name and its columns.
// Those with more columns come first.
type tool struct {
	name, table string
	columns     []string
	last        string // the column whose greatest value is the last migration
	others      string // another table that tells it from a tool with the same
}

var tools = []tool{
	{"golang-migrate", "schema_migrations", []string{"version", "dirty"}, "version", ""},
	{"Ecto", "schema_migrations", []string{"version", "inserted_at"}, "version", ""},
	{"Rails", "schema_migrations", []string{"version"}, "version", "ar_internal_metadata"},
	{"dbmate", "schema_migrations", []string{"version"}, "version", ""},
	{"Specboard's own runner", "schema_migrations", []string{"name", "applied_at"}, "name", ""},
	{"an unknown tool", "schema_migrations", nil, "", ""},
	{"goose", "goose_db_version", []string{"version_id", "is_applied"}, "version_id", ""},
	{"Flyway", "flyway_schema_history", []string{"installed_rank", "version"}, "version", ""},
	{"Liquibase", "databasechangelog", []string{"id", "orderexecuted"}, "id", ""},
	{"Prisma", "_prisma_migrations", []string{"migration_name"}, "migration_name", ""},
	{"Knex", "knex_migrations", []string{"name", "batch"}, "name", ""},
	{"node-pg-migrate", "pgmigrations", []string{"name", "run_on"}, "name", ""},
	{"Sequelize", "SequelizeMeta", []string{"name"}, "name", ""},
	{"Drizzle", "__drizzle_migrations", []string{"hash", "created_at"}, "created_at", ""},
	{"SQLx", "_sqlx_migrations", []string{"version", "success"}, "version", ""},
	{"tern", "schema_version", []string{"version"}, "version", ""},
	{"Atlas", "atlas_schema_revisions", []string{"version", "applied"}, "version", ""},
	{"Alembic", "alembic_version", []string{"version_num"}, "version_num", ""},
	{"Django", "django_migrations", []string{"app", "name"}, "name", ""},
}

// knownTables are the names of the tables of all tools, which are no part of
// the schema that migrations make.
func knownTables() []string {
	list := []string{"ar_internal_metadata", "knex_migrations_lock", "databasechangeloglock"}
	for _, t := range tools {
		list = append(list, t.table)
	}
	return list
}

// RecordsMigrations reports whether a table of that name is where a tool, or this
// runner, records its migrations: it has one row for each.
func RecordsMigrations(table string) bool {
	return table == "migrate_history" || slices.Contains(knownTables(), table)
}

// recognise picks the tool whose table has that name and those columns; nil if
// it is none's.
func recognise(table string, columns, tables []string) *tool {
	for i, t := range tools {
		lacks := func(column string) bool { return !slices.Contains(columns, column) }
		if t.table == table && !slices.ContainsFunc(t.columns, lacks) && (t.others == "" || slices.Contains(tables, t.others)) {
			return &tools[i]
		}
	}
	return nil
}

// foreign returns the tables of other tools.
func (s *session) foreign(ctx context.Context) ([]Foreign, error) {
	type table struct {
		Name, Quoted string
		Columns      []string
	}
	rows, err := s.Query(ctx, `
		SELECT c.relname, format('%I.%I', n.nspname, c.relname), array_agg(a.attname::text)
		  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
		 WHERE c.relkind = 'r' AND c.relname = ANY ($1) AND n.nspname NOT LIKE 'pg\_%' AND has_table_privilege(c.oid, 'SELECT')
		 GROUP BY n.nspname, c.relname ORDER BY 2`, knownTables())
	if err != nil {
		return nil, fmt.Errorf("look for the tables of other tools: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[table])
	if err != nil {
		return nil, fmt.Errorf("look for the tables of other tools: %w", err)
	}
	var names []string
	for _, t := range list {
		names = append(names, t.Name)
	}
	var found []Foreign
	for _, t := range list {
		known := recognise(t.Name, t.Columns, names)
		if known == nil || t.Quoted == oldTable && slices.Contains(t.Columns, "hashes") {
			continue
		}
		f := Foreign{Tool: known.name, Table: t.Quoted}
		last := "NULL"
		if known.last != "" {
			last = "max(" + quote(known.last) + ")"
		}
		if err := s.QueryRow(ctx, fmt.Sprintf("SELECT count(*), coalesce((%s)::text, '') FROM %s", last, t.Quoted)).Scan(&f.Entries, &f.Last); err != nil {
			return nil, fmt.Errorf("read %s: %w", t.Quoted, err)
		}
		found = append(found, f)
	}
	return found, nil
}

// refuseForeign returns a *ForeignError if another tool has been at work.
func (s *session) refuseForeign(ctx context.Context, list []Migration) error {
	found, err := s.foreign(ctx)
	if err != nil {
		return err
	}
	for _, f := range found {
		if f.Entries > 0 {
			return &ForeignError{Foreign: f, Likely: likely(f, list)}
		}
	}
	return nil
}

// likely guesses the file that the other tool calls its last.
func likely(f Foreign, list []Migration) string {
	last := strings.TrimSuffix(f.Last, ".sql")
	for _, m := range list {
		if _, name, ok := strings.Cut(last, "_"); ok && name == m.Name {
			return m.ID()
		}
	}
	return ""
}
