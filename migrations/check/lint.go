package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode"

	"github.com/jackc/pgx/v5"

	"github.com/specboard/platform/migrations"
	"github.com/specboard/platform/migrations/check/internal/lint"
	"github.com/specboard/platform/migrations/check/internal/report"
)

const lintHelp = `Lint reads migrations with PostgreSQL's own grammar and reports statements that
would stop readers or writers or break the running release, and many that would
fail. What else a server refuses, such as a name that is taken, prove finds.

Usage: go run ./migrations/check lint [flags] [FILE.sql …]

Without files the project's own migrations are judged, in order, from an empty
database on. Files are one sequence: each is judged as the next migration after
the schema that -schema gives and the files before it; "-" is the standard input.
Without -schema nothing is known of the database, and whatever no file creates is
taken to be full of rows. -dir judges any folder in its order, also as golang-migrate,
goose, dbmate, sqlx, Flyway, Diesel, Prisma and their like lay it out.

With -base only files that are not in that commit are judged: a rule that became
stricter says nothing of what is applied, since that cannot be changed any more.

In a workflow of GitHub (GITHUB_ACTIONS=true) findings become annotations of the
pull request's lines; -github=false writes them as text there too.

  exit 0   no errors (there may be warnings)
  exit 1   at least one error
  exit 2   wrong usage, or a file that cannot be read

Examples:
  go run ./migrations/check lint
  go run ./migrations/check lint -base origin/main
  go run ./migrations/check lint -dir ../other/db/migrations
  pg_dump --schema-only … >deployed.sql
  go run ./migrations/check lint -schema deployed.sql new.sql
  go run ./migrations/check lint -json | jq 'select(.severity == "error")'

Flags:
`

func runLint(ctx context.Context, args []string, std stdio) int {
	flags := flag.NewFlagSet("lint", flag.ContinueOnError)
	flags.SetOutput(std.errout)
	var o lintOptions
	flags.StringVar(&o.schema, "schema", "", "the deployed state as plain SQL, such as pg_dump --schema-only writes: `FILE.sql`")
	flags.StringVar(&o.dir, "dir", "", "judge a `folder` in its order, from an empty database on; other tools' layouts are read too")
	flags.StringVar(&o.base, "base", "", "judge only what is not in a `commit`, such as origin/main; what is there is applied and not judged again")
	flags.StringVar(&o.sizes, "sizes", "", "how many rows tables have: `FILE` of lines \"schema.table rows\"")
	flags.StringVar(&o.database, "database", "", "ask a database how many rows its tables have: `URL`")
	flags.Int64Var(&o.small, "small", 10_000, "a table of at most so many `rows` may be locked, where its size is known")
	flags.IntVar(&o.postgres, "postgres", lint.DefaultPostgres, "the server's major `version`")
	asJSON := flags.Bool("json", false, "write one JSON object a line for each finding")
	asGitHub := flags.Bool("github", false, "write annotations for GitHub's pull requests; the default in its workflows")
	asGitLab := flags.Bool("gitlab", false, "write a report of code quality for GitLab's merge requests")
	asSARIF := flags.Bool("sarif", false, "write a SARIF report for code scanning")
	if code, done := parse(flags, args, lintHelp, std); done {
		return code
	}
	if !given(flags, "github") {
		*asGitHub = !*asJSON && !*asGitLab && !*asSARIF && std.getenv("GITHUB_ACTIONS") == "true"
	}
	chosen := 0
	for _, yes := range []bool{*asJSON, *asGitHub, *asGitLab, *asSARIF} {
		if yes {
			chosen++
		}
	}
	var err error
	switch {
	case chosen > 1:
		err = errors.New("-json, -github, -gitlab and -sarif exclude each other")
	case o.postgres < lint.OldestPostgres || o.postgres > lint.NewestPostgres:
		err = fmt.Errorf("-postgres %d: known are %d to %d", o.postgres, lint.OldestPostgres, lint.NewestPostgres)
	case o.dir != "" && flags.NArg() > 0:
		err = errors.New("-dir and files exclude each other")
	}
	var findings []lint.Finding
	var files int
	if err == nil {
		findings, files, err = o.judge(ctx, flags.Args(), std)
	}
	switch {
	case err != nil:
	case *asJSON:
		err = report.JSON(std.out, findings)
	case *asGitHub:
		err = report.GitHub(std.out, findings, files)
	case *asGitLab:
		err = report.GitLab(std.out, findings)
	case *asSARIF:
		err = report.SARIF(std.out, findings)
	default:
		err = report.Text(std.out, findings, files, report.Colours(std.colours()))
	}
	if err != nil {
		fmt.Fprintf(std.errout, "lint: %v\n", err)
		return exitTrouble
	}
	if lint.Failed(findings) {
		return exitFound
	}
	return exitClean
}

// given reports whether a flag stands in the command line.
func given(flags *flag.FlagSet, name string) bool {
	found := false
	flags.Visit(func(f *flag.Flag) { found = found || f.Name == name })
	return found
}

// parse reads a command's flags, which may also follow files; done says that
// there is nothing left to do.
func parse(flags *flag.FlagSet, args []string, help string, std stdio) (code int, done bool) {
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), help)
		flags.PrintDefaults()
	}
	var files []string
	for {
		for _, a := range args {
			if a == "-h" || a == "-help" || a == "--help" {
				flags.SetOutput(std.out)
			}
		}
		if err := flags.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return exitClean, true
			}
			return exitTrouble, true
		}
		if flags.NArg() == 0 {
			break
		}
		rest := flags.Args()
		if len(args) > len(rest) && args[len(args)-len(rest)-1] == "--" {
			files = append(files, rest...)
			break
		}
		files, args = append(files, rest[0]), rest[1:]
	}
	if err := flags.Parse(append([]string{"--"}, files...)); err != nil {
		return exitTrouble, true
	}
	return 0, false
}

// projectFolder is where the project's own migrations stand in the repository.
const projectFolder = "migrations"

type lintOptions struct {
	schema, dir, base, sizes, database string
	small                              int64
	postgres                           int
}

// judge lints the named files, a folder, or the project's own migrations.
func (o lintOptions) judge(ctx context.Context, names []string, std stdio) (findings []lint.Finding, files int, err error) {
	r := lint.Run{Postgres: o.postgres, Small: o.small}
	if r.Base, err = readBase(o.schema); err != nil {
		return nil, 0, err
	}
	if r.Rows, err = o.rows(ctx); err != nil {
		return nil, 0, err
	}
	if len(names) > 0 {
		list, err := readFiles(names, std.in)
		if err != nil {
			return nil, 0, err
		}
		if o.base != "" {
			r.Applied = map[string][]byte{}
			for _, f := range list {
				there, err := applied(ctx, filepath.Dir(f.Name), o.base, []lint.File{{Name: filepath.Base(f.Name), Data: f.Data}})
				if err != nil {
					return nil, 0, err
				}
				if data, ok := there[filepath.Base(f.Name)]; ok {
					r.Applied[f.Name] = data
				}
			}
		}
		findings, err = r.Files(list)
		return findings, len(list), err
	}
	dir, fsys := o.dir, os.DirFS(o.dir)
	if dir == "" {
		dir, fsys = projectFolder, migrations.Files()
	}
	l, err := readLayout(fsys)
	if err != nil {
		return nil, 0, err
	}
	if len(l.files) == 0 {
		if _, err := fs.Stat(fsys, migrations.Placeholder); err == nil {
			return nil, 0, nil // none yet
		}
		return nil, 0, fmt.Errorf("no migrations in %s", dir)
	}
	if len(l.passed) > 0 {
		fmt.Fprintf(std.errout, "lint: passed over, since they have no number: %s\n", strings.Join(l.passed, ", "))
	}
	if o.base != "" {
		if r.Applied, err = applied(ctx, dir, o.base, l.files); err != nil {
			return nil, 0, err
		}
	}
	if l.own {
		findings, err = r.Folder(fsys)
	} else {
		for name, data := range r.Applied {
			r.Applied[name], _ = forward(data)
		}
		r.Foreign, r.Empty = true, true
		findings, err = r.Files(l.files)
		findings = append(findings, twice(l.files)...)
	}
	for i := range findings {
		findings[i].File = filepath.ToSlash(filepath.Join(dir, findings[i].File))
	}
	return findings, len(l.files), err
}

// rows reads how many rows tables have.
func (o lintOptions) rows(ctx context.Context) (map[string]int64, error) {
	rows := map[string]int64{}
	if o.sizes != "" {
		data, err := os.ReadFile(o.sizes)
		if err != nil {
			return nil, fmt.Errorf("read the sizes: %w", err)
		}
		number := 0
		for line := range strings.Lines(string(data)) {
			number++
			fields := strings.FieldsFunc(line, func(r rune) bool { return unicode.IsSpace(r) || r == '|' || r == ',' })
			if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
				continue
			}
			var n int64
			if _, err := fmt.Sscan(fields[len(fields)-1], &n); err != nil || len(fields) != 2 {
				return nil, fmt.Errorf("read the sizes: %s:%d: %q; write schema.table and its rows: public.users 1200", o.sizes, number, strings.TrimSpace(line))
			}
			if !strings.Contains(fields[0], ".") {
				fields[0] = "public." + fields[0]
			}
			rows[fields[0]] = n
		}
	}
	if o.database == "" {
		return rows, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	config, err := pgx.ParseConfig(o.database)
	if err != nil {
		return nil, errors.New("read the sizes: -database is no URL of PostgreSQL: postgres://user@host/database")
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("read the sizes: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // only what was read counts, so an error of closing does not matter
	// A table that was never analysed says -1: its size is not known.
	list, err := conn.Query(ctx, `SELECT n.nspname || '.' || relname, reltuples::bigint FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
		WHERE relkind IN ('r', 'm') AND reltuples >= 0 AND n.nspname NOT IN ('pg_catalog', 'information_schema')`)
	if err != nil {
		return nil, fmt.Errorf("read the sizes: %w", err)
	}
	var name string
	var n int64
	if _, err := pgx.ForEachRow(list, []any{&name, &n}, func() error { rows[name] = n; return nil }); err != nil {
		return nil, fmt.Errorf("read the sizes: %w", err)
	}
	return rows, nil
}

func readBase(name string) (*lint.Base, error) {
	if name == "" {
		return nil, nil
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read the schema: %w", err)
	}
	return &lint.Base{Name: name, SQL: strings.ReplaceAll(string(data), "\r\n", "\n")}, nil
}

// readFiles reads all files, and names all that cannot be read.
func readFiles(names []string, stdin io.Reader) ([]lint.File, error) {
	var files []lint.File
	var problems []error
	for _, name := range names {
		var data []byte
		var err error
		if name == "-" {
			data, err = io.ReadAll(stdin)
		} else {
			data, err = os.ReadFile(name)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("read a migration: %w", err))
			continue
		}
		files = append(files, lint.File{Name: name, Data: data})
	}
	return files, errors.Join(problems...)
}
