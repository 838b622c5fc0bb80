package migrations

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// LoadError lists everything that is wrong with a folder of migrations.
type LoadError struct{ Problems []Problem }

func (e *LoadError) Error() string {
	if len(e.Problems) == 1 {
		return e.Problems[0].String()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d problems in the migrations:", len(e.Problems))
	for _, p := range e.Problems {
		b.WriteString("\n  " + p.String())
	}
	return b.String()
}

// Load reads every .sql file at the top of fsys, in order. If anything is
// wrong with any of them, it fails with a *LoadError that names all of it.
func Load(fsys fs.FS) ([]Migration, error) {
	list, problems, err := Read(fsys)
	if err != nil {
		return nil, err
	}
	if len(problems) > 0 {
		return nil, &LoadError{problems}
	}
	return list, nil
}

// Read is Load for tools that report for themselves: it returns the files that
// have a number, in order, and apart from them what is wrong. The error is
// that of fsys.
func Read(fsys fs.FS) ([]Migration, []Problem, error) {
	// A file that ends in .SQL is a mistake, and not to be passed over.
	names, err := fs.Glob(fsys, "*.[sS][qQ][lL]")
	if err != nil {
		return nil, nil, fmt.Errorf("list migrations: %w", err)
	}
	var list []Migration
	var problems []Problem
	for _, name := range names {
		if name == Placeholder {
			continue
		}
		data, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, nil, fmt.Errorf("read migration: %w", err)
		}
		m, found := Parse(name, data)
		number, title, ok := parseName(name)
		if !ok {
			problems = append(problems, Problem{File: name, Rule: RuleFileName,
				Message: fmt.Sprintf("%q is not a migration's name; four digits from 0001, an underscore, words in lower case: 0007_add_due_date.sql", name)})
			problems = append(problems, found...)
			continue
		}
		m.Number, m.Name = number, title
		list = append(list, m)
		problems = append(problems, found...)
	}
	slices.SortStableFunc(list, func(a, b Migration) int { return a.Number - b.Number })
	problems = append(problems, numbering(list)...)
	return list, problems, nil
}

// FileName returns the name of a migration's file, such as
// "0007_add_due_date.sql".
func FileName(number int, name string) (string, error) {
	file := id(number, name) + ".sql"
	if _, _, ok := parseName(file); !ok {
		return "", fmt.Errorf("%q is not a migration's name; words in lower case with underscores between: add_due_date", name)
	}
	return file, nil
}

var fileName = regexp.MustCompile(`^([0-9]{4})_([a-z][a-z0-9]*(?:_[a-z0-9]+)*)\.sql$`)

func parseName(file string) (number int, name string, ok bool) {
	m := fileName.FindStringSubmatch(file)
	if m == nil {
		return 0, "", false
	}
	number, err := strconv.Atoi(m[1])
	return number, m[2], err == nil && number > 0
}

// numbering finds duplicates and gaps in a sorted list.
func numbering(list []Migration) []Problem {
	var problems []Problem
	next := 1
	for i, m := range list {
		switch {
		case i > 0 && m.Number == list[i-1].Number:
			problems = append(problems, Problem{File: m.File, Rule: RuleNumbering,
				Message: fmt.Sprintf("number %04d is taken by %s; the next free one is %04d", m.Number, list[i-1].File, list[len(list)-1].Number+1)})
			continue
		case m.Number > next+1:
			problems = append(problems, Problem{File: m.File, Rule: RuleNumbering,
				Message: fmt.Sprintf("%04d to %04d are missing before it", next, m.Number-1)})
		case m.Number > next:
			problems = append(problems, Problem{File: m.File, Rule: RuleNumbering,
				Message: fmt.Sprintf("%04d is missing before it", next)})
		}
		next = m.Number + 1
	}
	return problems
}

var byteOrderMark = []byte("\xef\xbb\xbf")

// Parse reads one file whatever its name: Number and Name stay zero. What it
// could read is there even if there are problems.
func Parse(file string, data []byte) (Migration, []Problem) {
	m := Migration{File: file, Header: Header{Phase: Expand}}
	data = bytes.TrimPrefix(data, byteOrderMark)
	data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
	m.SQL = string(data)
	if line, ok := badText(m.SQL); !ok {
		return m, []Problem{{File: file, Line: line, Rule: RuleEncoding, Message: "not UTF-8 text; save the file as UTF-8 without zero bytes"}}
	}
	statements, comments, err := Split(m.SQL)
	m.Statements = statements
	var problems []Problem
	if err != nil {
		problems = append(problems, Problem{File: file, Line: err.Line, Rule: RuleSyntax, Message: err.Message})
	}
	first := len(m.SQL)
	if len(statements) > 0 {
		first = statements[0].Offset
	} else if err != nil {
		first = err.Offset
	}
	header, wrong := parseHeader(comments, first)
	m.Header = header
	problems = append(problems, wrong...)
	if err == nil {
		mode, wrong := plan(m)
		m.Mode = mode
		problems = append(problems, wrong...)
	}
	m.Checksum = m.checksum()
	for i := range problems {
		problems[i].File = file
	}
	slices.SortStableFunc(problems, func(a, b Problem) int { return a.Line - b.Line })
	return m, problems
}

// checksumKind begins the checksums that leave out what does not run. Those of
// older runners have no such mark and are over the whole text.
const checksumKind = "v2:"

func (m Migration) checksum() string {
	h := sha256.New()
	fmt.Fprintln(h, m.Mode)
	if m.Backfill != nil {
		fmt.Fprintln(h, m.Backfill.walks())
	}
	for _, s := range m.Statements {
		fmt.Fprintf(h, "%s\x00", s.text())
	}
	return checksumKind + hex.EncodeToString(h.Sum(nil))
}

// ran reports whether a recorded checksum, of either kind, is the file's.
func (m Migration) ran(checksum string) bool {
	return checksum == m.Checksum || checksum == sum([]byte(m.SQL))
}

func sum(data []byte) string {
	s := sha256.Sum256(data)
	return hex.EncodeToString(s[:])
}

// badText returns the first line that is not text a server would take.
func badText(s string) (line int, ok bool) {
	for i, r := range s {
		if r == 0 || r == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(s[i:]); r == 0 || size == 1 {
				return 1 + strings.Count(s[:i], "\n"), false
			}
		}
	}
	return 0, true
}
