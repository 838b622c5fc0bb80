// Package lint judges migrations by what PostgreSQL would do: which statement
// stops readers or writers, takes away what the running release uses, or
// cannot run. It reads SQL with PostgreSQL's own grammar and carries the schema
// along from file to file, and needs no server.
package lint

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	pg "github.com/pganalyze/pg_query_go/v6"
	"golang.org/x/sync/errgroup"

	"github.com/specboard/platform/migrations"
	"github.com/specboard/platform/migrations/check/internal/catalog"
)

// The PostgreSQL versions that can be asked for.
const (
	OldestPostgres  = 10
	DefaultPostgres = 16
	NewestPostgres  = 18
)

// File is one migration to judge.
type File struct {
	Name string
	Data []byte
}

// Base is the state that is already deployed, as plain SQL.
type Base struct {
	Name string
	SQL  string
}

// Run says how files are judged.
type Run struct {
	// Base is nil if nothing is known of the database.
	Base     *Base
	Postgres int
	// Applied are the contents of files that were judged before, by name. A file that
	// still runs the same statements is applied to the schema and not judged again.
	Applied map[string][]byte
	// Foreign is set for files that another tool runs. What only this project's runner
	// demands of a file is then no finding.
	Foreign bool
	// Empty says that the first file is applied to an empty database.
	Empty bool
	// Rows are how many rows tables have, by name with schema, where that is
	// known; one of at most Small rows may be locked for as long as it takes.
	Rows  map[string]int64
	Small int64

	// pending are the numbers of files that are known not to be deployed.
	pending map[int]bool
}

// Folder judges the migrations at the top of fsys in their order, from an empty
// database on, or after the base if there is one. The error says what could not be
// read.
func (r Run) Folder(fsys fs.FS) ([]Finding, error) {
	list, problems, err := migrations.Read(fsys)
	if err != nil {
		return nil, err
	}
	r.Empty = true
	findings, err := r.judge(list, problems)
	judged := map[string]bool{}
	for _, m := range list {
		judged[m.File] = true
	}
	for _, p := range problems {
		if !judged[p.File] {
			findings = append(findings, order([]Finding{fromProblem(p)})...)
		}
	}
	return findings, err
}

// Files judges files in the order given, each as the next migration after the base and
// the files before it. Without a base nothing is known of the database, and everything
// that no file creates is assumed to exist and to be full of rows.
func (r Run) Files(files []File) ([]Finding, error) {
	list, found := make([]migrations.Migration, len(files)), make([][]migrations.Problem, len(files))
	var work errgroup.Group
	work.SetLimit(runtime.GOMAXPROCS(0))
	for i, f := range files {
		work.Go(func() error {
			list[i], found[i] = r.parse(f.Name, f.Data)
			return nil
		})
	}
	_ = work.Wait() // none of it fails
	return r.judge(list, slices.Concat(found...))
}

// parsedStatement is what the grammar makes of one statement.
type parsedStatement struct {
	nodes []*pg.Node
	err   error
}

// parseAhead parses the statements of all files in parallel. The channels are in the
// order of the files, and each gets its file's result once; stop ends the work.
func parseAhead(list []migrations.Migration) (files []<-chan []parsedStatement, stop func()) {
	var next atomic.Int64
	results := make([]chan []parsedStatement, len(list))
	for i := range results {
		results[i] = make(chan []parsedStatement, 1)
		files = append(files, results[i])
	}
	var work sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		work.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(list); i = int(next.Add(1)) - 1 {
				var parsed []parsedStatement
				for _, s := range list[i].Statements {
					nodes, err := catalog.ParseAll(s.SQL)
					parsed = append(parsed, parsedStatement{nodes, err})
				}
				results[i] <- parsed
			}
		})
	}
	return files, func() {
		next.Store(int64(len(list)))
		work.Wait()
	}
}

// parse reads a file. Of the problems in another tool's file it keeps those that would
// stop any server.
func (r Run) parse(name string, data []byte) (migrations.Migration, []migrations.Problem) {
	if !r.Foreign {
		return migrations.Parse(name, data)
	}
	m, problems := migrations.Parse(name, []byte(catalog.CleanDump(string(data))))
	return m, slices.DeleteFunc(problems, func(p migrations.Problem) bool {
		return p.Rule == migrations.RuleHeader || p.Rule == migrations.RuleUnsupported
	})
}

func (r Run) judge(list []migrations.Migration, problems []migrations.Problem) ([]Finding, error) {
	schema, statements, err := baseSchema(r.Base, r.Postgres)
	if err != nil {
		return nil, err
	}
	schema.Complete = schema.Complete || r.Empty
	apply(schema, statements)
	of := map[string][]migrations.Problem{}
	for _, p := range problems {
		of[p.File] = append(of[p.File], p)
	}
	var findings []Finding
	parsed, stop := parseAhead(list)
	defer stop()
	r.pending = map[int]bool{}
	for i, m := range list {
		schema.File = i + 1
		applied := r.applied(m)
		r.pending[schema.File] = !applied && (r.Applied != nil || r.Base != nil)
		found := r.judgeFile(schema, m, <-parsed[i], of[m.File])
		if applied {
			found = ofApplied(found)
		}
		findings = append(findings, found...)
	}
	return findings, nil
}

// applied reports whether a file was judged before and still runs the same statements.
func (r Run) applied(m migrations.Migration) bool {
	data, ok := r.Applied[m.File]
	if !ok {
		return false
	}
	before, _ := r.parse(m.File, data)
	return before.Checksum == m.Checksum
}

// ofApplied keeps the findings that matter for a file which can no longer change: a
// number that a new file uses again, and waivers that waive nothing.
func ofApplied(found []Finding) []Finding {
	var kept []Finding
	for _, f := range found {
		switch f.Rule {
		case "unused-waiver":
			f.Severity = Warning
			kept = append(kept, f)
		case migrations.RuleNumbering:
			kept = append(kept, f)
		}
	}
	return kept
}

type baseStatement struct {
	node *pg.Node
	sql  string
	line int
}

// baseSchema parses the deployed state, and returns an empty schema to apply it to.
func baseSchema(base *Base, postgres int) (*catalog.Schema, []baseStatement, error) {
	schema := catalog.New(postgres, base != nil)
	if base == nil {
		return schema, nil, nil
	}
	list, _, wrong := migrations.Split(catalog.CleanDump(base.SQL))
	if wrong != nil {
		return nil, nil, fmt.Errorf("read the schema: %s:%d: %s", base.Name, wrong.Line, wrong.Message)
	}
	var statements []baseStatement
	for _, s := range list {
		nodes, err := catalog.ParseAll(s.SQL)
		if err != nil {
			return nil, nil, fmt.Errorf("read the schema: %s:%d: %w", base.Name, s.Line, err)
		}
		for _, node := range nodes {
			statements = append(statements, baseStatement{node, s.SQL, s.Line})
		}
	}
	return schema, statements, nil
}

func apply(schema *catalog.Schema, statements []baseStatement) {
	for _, s := range statements {
		schema.ApplyAt(s.node, s.sql, s.line)
	}
	schema.ResetPath()
}

func fromProblem(p migrations.Problem) Finding {
	f := Finding{File: p.File, Line: p.Line, Rule: p.Rule, Severity: Error, Message: p.Message}
	if r, ok := findRule(p.Rule); ok {
		f.Why, f.Lock = r.Why, r.Lock
	}
	return f
}

// judgeFile judges one migration and applies it to the schema.
func (r Run) judgeFile(schema *catalog.Schema, m migrations.Migration, parsed []parsedStatement, problems []migrations.Problem) []Finding {
	j := newJudge(r, schema, m)
	for _, p := range problems {
		j.findings = append(j.findings, fromProblem(p))
	}
	j.refused = slices.Clone(j.findings)
	j.lookAhead(parsed)
	for i, s := range m.Statements {
		j.enter(s)
		nodes, err := parsed[i].nodes, parsed[i].err
		if e, ok := errors.AsType[*catalog.SyntaxError](err); ok {
			if !reportedAt(j.refused, s) {
				j.report(syntaxPlace(e), migrations.RuleSyntax, e.Message+rowHint(e))
			}
			continue
		}
		if err != nil {
			j.report(0, migrations.RuleSyntax, err.Error())
			continue
		}
		j.longNames(s.SQL)
		for _, node := range nodes {
			j.statement(node)
			if node.GetVariableSetStmt() == nil {
				j.last = node
			}
		}
	}
	j.endTransaction()
	schema.ResetPath()
	schema.ForgetOpen()
	j.backfill()
	return order(j.settle())
}

// reportedAt reports whether the file's reader has already refused the
// statement, so that saying it cannot be parsed would add nothing.
func reportedAt(found []Finding, s migrations.Statement) bool {
	last := s.Line + strings.Count(s.SQL, "\n")
	return slices.ContainsFunc(found, func(f Finding) bool { return f.Line >= s.Line && f.Line <= last })
}

func syntaxPlace(e *catalog.SyntaxError) int32 {
	if e.Offset < 0 {
		return 0
	}
	return int32(e.Offset)
}

func rowHint(e *catalog.SyntaxError) string {
	if strings.Contains(e.Message, "syntax error") {
		return fmt.Sprintf(" (by the grammar of PostgreSQL %d)", catalog.GrammarVersion)
	}
	return ""
}
