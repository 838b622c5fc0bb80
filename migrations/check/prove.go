package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/specboard/platform/migrations"
	"github.com/specboard/platform/migrations/check/internal/lint"
	"github.com/specboard/platform/migrations/check/internal/prove"
	"github.com/specboard/platform/migrations/check/internal/report"
	"github.com/specboard/platform/migrations/scratch"
)

const proveHelp = `Prove runs migrations on copies of a scratch database, statement by statement as
the runner would, and measures: the strongest lock on each relation that was
there before, what is rewritten, how many rows are read while others are kept
out, and how long a reader and a writer waited at worst. Then it compares what
the catalogue promised before and after, who owns and may do what, which rows
policies show, and where sequences stand, and, with -queries, runs the queries of
the deployed release on both.

Usage: go run ./migrations/check prove [flags] [FILE.sql …]

Without files the project's own migrations are proved. Files, or those of the
folder that -dir names, in its order, are one sequence, too: each is proved as
the next migration after the state that -schema makes and those before it.
Tables without rows get some, so that work shows; sequences without numbers
give some.

What a statement does under its lock is judged by counted rows. The clients' waits
are shown and not judged: they are times of this machine, and nobody here holds a
lock for long. Behind a short statement that queues for its lock, clients wait for
no longer than the runner's lock_timeout, 150 ms; lint keeps a file from raising it
above 1 s.

PostgreSQL's programs are found on PATH or where its packages put them. With
` + scratch.URLVariable + ` a running server is used, in databases that are made
and dropped; the role must be allowed to create them.

  exit 0   proved: nothing blocks, nothing breaks but what a contract declares
  exit 1   a statement works while it keeps clients out, fails, or breaks the
           deployed release
  exit 2   wrong usage, or nothing could be measured

Examples:
  go run ./migrations/check prove
  go run ./migrations/check prove -dir ../other/db/migrations
  pg_dump --schema-only … >deployed.sql
  go run ./migrations/check prove -schema deployed.sql -queries queries.sql new.sql
  go run ./migrations/check prove -markdown >> $GITHUB_STEP_SUMMARY

Flags:
`

func runProve(ctx context.Context, args []string, std stdio) int {
	flags := flag.NewFlagSet("prove", flag.ContinueOnError)
	flags.SetOutput(std.errout)
	var o proveOptions
	flags.StringVar(&o.schema, "schema", "", "the deployed state as plain SQL, with rows or without: `FILE.sql`")
	flags.StringVar(&o.queries, "queries", "", "what the deployed release runs, with $1, $2 … for parameters: `FILE.sql`")
	flags.StringVar(&o.dir, "dir", "", "prove a `folder` in its order; other tools' layouts are read too")
	flags.IntVar(&o.rows, "rows", 2000, "how many `rows` an empty table gets")
	asJSON := flags.Bool("json", false, "write one JSON object")
	asMarkdown := flags.Bool("markdown", false, "write Markdown for a pull request")
	if code, done := parse(flags, args, proveHelp, std); done {
		return code
	}
	var proof prove.Report
	var err error
	switch {
	case *asJSON && *asMarkdown:
		err = errors.New("-json and -markdown exclude each other")
	case o.dir != "" && flags.NArg() > 0:
		err = errors.New("-dir and files exclude each other")
	default:
		proof, err = o.measured(ctx, flags.Args(), std)
	}
	switch {
	case err != nil:
	case *asJSON:
		err = report.ProofJSON(std.out, proof)
	case *asMarkdown:
		err = report.ProofMarkdown(std.out, proof)
	default:
		err = report.ProofText(std.out, proof, report.Colours(std.colours()))
	}
	if err != nil {
		fmt.Fprintf(std.errout, "prove: %v\n", err)
		return exitTrouble
	}
	if !proof.Proved() {
		return exitFound
	}
	return exitClean
}

type proveOptions struct {
	schema, queries, dir string
	rows                 int
}

// measured runs the proof on a scratch server.
func (o proveOptions) measured(ctx context.Context, names []string, std stdio) (proof prove.Report, err error) {
	options := prove.Options{Rows: o.rows, Progress: func(file string) { fmt.Fprintf(std.errout, "proving %s\n", file) }}
	base, err := readBase(o.schema)
	if err != nil {
		return proof, err
	}
	if base != nil {
		options.Schema = base.SQL
	}
	if options.Queries, err = readQueries(o.queries); err != nil {
		return proof, err
	}
	if options.Pending, err = o.pending(names, std); err != nil {
		return proof, err
	}
	server, err := scratch.Start(ctx, "autovacuum=off", "fsync=off")
	if err != nil {
		return proof, err
	}
	defer func() { err = errors.Join(err, server.Close(context.WithoutCancel(ctx))) }()
	return prove.Run(ctx, server, options)
}

func readQueries(name string) ([]migrations.Statement, error) {
	if name == "" {
		return nil, nil
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read the queries: %w", err)
	}
	list, _, wrong := migrations.Split(strings.ReplaceAll(string(data), "\r\n", "\n"))
	if wrong != nil {
		return nil, fmt.Errorf("read the queries of %s: %w", name, wrong)
	}
	return list, nil
}

// pending reads the named migrations, those of the folder, or the project's
// own. A file that the runner would refuse cannot be run here either.
func (o proveOptions) pending(names []string, std stdio) ([]migrations.Migration, error) {
	var files []lint.File
	var err error
	switch {
	case o.dir != "":
		l, err := readLayout(os.DirFS(o.dir))
		switch {
		case err != nil:
			return nil, err
		case len(l.files) == 0:
			return nil, fmt.Errorf("no migrations in %s", o.dir)
		case l.own:
			return migrations.Load(os.DirFS(o.dir))
		}
		files = l.files
	case len(names) == 0:
		return migrations.Load(migrations.Files())
	default:
		if files, err = readFiles(names, std.in); err != nil {
			return nil, err
		}
	}
	var list []migrations.Migration
	var all []migrations.Problem
	for _, f := range files {
		m, problems := migrations.Parse(f.Name, f.Data)
		for _, p := range problems {
			// A file on its way to the folder may still be called anything.
			foreign := o.dir != "" && (p.Rule == migrations.RuleHeader || p.Rule == migrations.RuleUnsupported)
			if p.Rule != migrations.RuleFileName && p.Rule != migrations.RuleNumbering && !foreign {
				all = append(all, p)
			}
		}
		list = append(list, m)
	}
	if len(all) > 0 {
		return nil, &migrations.LoadError{Problems: all}
	}
	return list, nil
}
