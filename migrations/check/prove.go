package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/specboard/platform/migrations"
	"github.com/specboard/platform/migrations/check/internal/prove"
	"github.com/specboard/platform/migrations/check/internal/report"
	"github.com/specboard/platform/migrations/scratch"
)

const proveHelp = `Prove runs migrations on copies of a scratch database, statement by statement as
the runner would, and measures: the strongest lock on each relation that was
there before, what is rewritten, how many rows are read while others are kept
out, and how long a reader and a writer waited at worst. Then it compares what
the catalogue promised before and after, and, with -queries, runs the queries of
the deployed release on both.

Usage: go run ./migrations/check prove [flags] [FILE.sql …]

Without files the project's own migrations are proved, one behind the other,
from an empty database on. With files, each is proved as the next migration
after the state that -schema makes. Tables without rows get some, so that work
shows.

PostgreSQL's programs are found on PATH or where its packages put them. With
` + scratch.URLVariable + ` a running server is used, in databases that are made
and dropped; the role must be allowed to create them.

  exit 0   proved: nothing blocks, nothing breaks but what a contract declares
  exit 1   a statement works while it keeps clients out, fails, or breaks the
           deployed release
  exit 2   wrong usage, or nothing could be measured

Examples:
  go run ./migrations/check prove
  pg_dump --schema-only … >deployed.sql
  go run ./migrations/check prove -schema deployed.sql -queries queries.sql new.sql
  go run ./migrations/check prove -markdown >> $GITHUB_STEP_SUMMARY

Flags:
`

func runProve(ctx context.Context, args []string, std stdio) int {
	flags := flag.NewFlagSet("prove", flag.ContinueOnError)
	flags.SetOutput(std.errout)
	schema := flags.String("schema", "", "the deployed state as plain SQL, with rows or without: `FILE.sql`")
	queries := flags.String("queries", "", "what the deployed release runs, with $1, $2 … for parameters: `FILE.sql`")
	rows := flags.Int("rows", 2000, "how many `rows` an empty table gets")
	asJSON := flags.Bool("json", false, "write one JSON object")
	asMarkdown := flags.Bool("markdown", false, "write Markdown for a pull request")
	if code, done := parse(flags, args, proveHelp, std); done {
		return code
	}
	if *asJSON && *asMarkdown {
		fmt.Fprintln(std.errout, "prove: -json and -markdown exclude each other")
		return exitTrouble
	}
	proof, err := measured(ctx, *schema, *queries, *rows, flags.Args(), std)
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

// measured runs the proof on a scratch server.
func measured(ctx context.Context, schema, queries string, rows int, names []string, std stdio) (proof prove.Report, err error) {
	o := prove.Options{Rows: rows, Together: len(names) == 0,
		Progress: func(file string) { fmt.Fprintf(std.errout, "proving %s\n", file) }}
	base, err := readBase(schema)
	if err != nil {
		return proof, err
	}
	if base != nil {
		o.Schema = base.SQL
	}
	if o.Queries, err = readQueries(queries); err != nil {
		return proof, err
	}
	if o.Pending, err = readPending(names, std); err != nil {
		return proof, err
	}
	server, err := scratch.Start(ctx, "autovacuum=off", "fsync=off")
	if err != nil {
		return proof, err
	}
	defer func() { err = errors.Join(err, server.Close(context.WithoutCancel(ctx))) }()
	return prove.Run(ctx, server, o)
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

// readPending reads the named migrations, or the project's own. A file that the
// runner would refuse cannot be run here either.
func readPending(names []string, std stdio) ([]migrations.Migration, error) {
	if len(names) == 0 {
		return migrations.Load(migrations.Files())
	}
	files, err := readFiles(names, std.in)
	if err != nil {
		return nil, err
	}
	var list []migrations.Migration
	var all []migrations.Problem
	for _, f := range files {
		m, problems := migrations.Parse(f.Name, f.Data)
		for _, p := range problems {
			// A file on its way to the folder may still be called anything.
			if p.Rule != migrations.RuleFileName && p.Rule != migrations.RuleNumbering {
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
