package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/specboard/platform/migrations"
	"github.com/specboard/platform/migrations/check/internal/lint"
	"github.com/specboard/platform/migrations/check/internal/report"
)

const lintHelp = `Lint reads migrations with PostgreSQL's own grammar and reports each statement
that would stop readers or writers, break the running release, or fail.

Usage: go run ./migrations/check lint [flags] [FILE.sql …]

Without files the project's own migrations are judged, in order, from an empty
database on. With files, each is judged as the next migration after the schema
that -schema gives; "-" is the standard input. Without -schema nothing is known
of the database, and whatever a file does not create is taken to be full of rows.

In a workflow of GitHub (GITHUB_ACTIONS=true) findings become annotations of the
pull request's lines; -github=false writes them as text there too.

  exit 0   no errors (there may be warnings)
  exit 1   at least one error
  exit 2   wrong usage, or a file that cannot be read

Examples:
  go run ./migrations/check lint
  pg_dump --schema-only … >deployed.sql
  go run ./migrations/check lint -schema deployed.sql new.sql
  go run ./migrations/check lint -json | jq 'select(.severity == "error")'

Flags:
`

func runLint(_ context.Context, args []string, std stdio) int {
	flags := flag.NewFlagSet("lint", flag.ContinueOnError)
	flags.SetOutput(std.errout)
	schema := flags.String("schema", "", "the deployed state as plain SQL, such as pg_dump --schema-only writes: `FILE.sql`")
	asJSON := flags.Bool("json", false, "write one JSON object a line for each finding")
	asGitHub := flags.Bool("github", false, "write annotations for GitHub's pull requests; the default in its workflows")
	postgres := flags.Int("postgres", lint.DefaultPostgres, "the server's major `version`")
	if code, done := parse(flags, args, lintHelp, std); done {
		return code
	}
	if !given(flags, "github") {
		*asGitHub = !*asJSON && std.getenv("GITHUB_ACTIONS") == "true"
	}
	if *asJSON && *asGitHub {
		fmt.Fprintln(std.errout, "lint: -json and -github exclude each other")
		return exitTrouble
	}
	if *postgres < lint.OldestPostgres || *postgres > lint.NewestPostgres {
		fmt.Fprintf(std.errout, "lint: -postgres %d: known are %d to %d\n", *postgres, lint.OldestPostgres, lint.NewestPostgres)
		return exitTrouble
	}
	findings, files, err := judge(*schema, flags.Args(), *postgres, std.in)
	if err != nil {
		fmt.Fprintf(std.errout, "lint: %v\n", err)
		return exitTrouble
	}
	switch {
	case *asJSON:
		err = report.JSON(std.out, findings)
	case *asGitHub:
		err = report.GitHub(std.out, findings, files)
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
const projectFolder = "migrations/"

// judge lints the named files, or the project's own.
func judge(schemaFile string, names []string, postgres int, stdin io.Reader) ([]lint.Finding, int, error) {
	base, err := readBase(schemaFile)
	if err != nil {
		return nil, 0, err
	}
	if len(names) == 0 {
		list, _, err := migrations.Read(migrations.Files())
		if err != nil {
			return nil, 0, err
		}
		findings, err := lint.Folder(migrations.Files(), base, postgres)
		for i := range findings {
			findings[i].File = projectFolder + findings[i].File
		}
		return findings, len(list), err
	}
	files, err := readFiles(names, stdin)
	if err != nil {
		return nil, 0, err
	}
	findings, err := lint.Files(files, base, postgres)
	return findings, len(files), err
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
