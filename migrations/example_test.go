package migrations_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing/fstest"

	"github.com/jackc/pgx/v5"

	"github.com/specboard/platform/migrations"
)

// A folder is loaded as a whole: all that is wrong with it is said at once.
func ExampleLoad() {
	_, err := migrations.Load(fstest.MapFS{
		"0001_create_users.sql": {Data: []byte("CREATE TABLE users (id bigint PRIMARY KEY);")},
		"0003_drop_users.sql":   {Data: []byte("-- phase: contract\n\nBEGIN;\nDROP TABLE users;")},
	})
	fmt.Println(err)
	// Output:
	// 3 problems in the migrations:
	//   0003_drop_users.sql:1: header: a contract needs the first release that does without what it takes away: -- unused-since: v1.4.0
	//   0003_drop_users.sql:3: transaction: the runner opens and commits transactions; take BEGIN out
	//   0003_drop_users.sql: numbering: 0002 is missing before it
}

// How a file becomes transactions follows from its header and its statements.
func ExampleParse() {
	for _, text := range []string{
		"ALTER TABLE users ADD COLUMN age int;",
		"CREATE INDEX CONCURRENTLY users_age_idx ON users (age);",
		"-- backfill: table=users key=id batch=500 pause=0s\nUPDATE users SET age = 0 WHERE age IS NULL AND id BETWEEN $1 AND $2;",
	} {
		m, problems := migrations.Parse("0001_example.sql", []byte(text))
		fmt.Println(m.Mode, len(m.Statements), len(problems))
	}
	// Output:
	// transaction 1 0
	// statements 1 0
	// backfill 1 0
}

// A contract waits until no release that may still use what it takes away runs
// or can be rolled back to.
func ExampleGate() {
	contract, _ := migrations.Parse("0002_drop_name.sql", []byte("-- phase: contract\n-- unused-since: v2\n\nALTER TABLE users DROP COLUMN name;"))
	contract.Number, contract.Name = 2, "drop_name"
	v1, v2, v3 := migrations.Release{Tag: "v1"}, migrations.Release{Tag: "v2"}, migrations.Release{Tag: "v3"}
	order := []migrations.Release{v1, v2, v3}
	for _, running := range []migrations.Release{v1, v2} {
		refusals := migrations.Gate([]migrations.Migration{contract}, migrations.Situation{Order: order, Running: []migrations.Release{running}})
		fmt.Println(running, refusals)
	}
	// Output:
	// v1 [contract 0002_drop_name takes away what v1 (running) may still use: it is older than v2]
	// v2 []
}

// A run that stops says where, what is left of the file, and what to do.
func ExampleUp() {
	config, err := pgx.ParseConfig(os.Getenv("DATABASE_URL"))
	if err != nil {
		fmt.Println(err)
		return
	}
	list, err := migrations.Load(os.DirFS("migrations"))
	if err != nil {
		fmt.Println(err)
		return
	}
	o := migrations.DefaultOptions()
	o.Release = "v1.4.0"
	result, err := migrations.Up(context.Background(), config, list, o)
	if partial, ok := errors.AsType[*migrations.PartialError](err); ok {
		fmt.Println("stopped at", partial.Failed, "statement", partial.Statement)
	}
	fmt.Println("applied", len(result.Applied))
}
