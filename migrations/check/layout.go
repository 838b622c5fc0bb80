package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/specboard/platform/migrations"
	"github.com/specboard/platform/migrations/check/internal/lint"
)

// Folders of other tools are read as they are: numbers of any length and time
// stamps before the name, V1__name of Flyway, .up.sql beside .down.sql, a
// folder with migration.sql or up.sql for each, and files whose way back stands
// behind a mark of goose, dbmate, sql-migrate or tern.

var (
	ownName = regexp.MustCompile(`^[0-9]{4}_[a-z][a-z0-9_]*\.sql$`)
	version = regexp.MustCompile(`^[Vv]?([0-9]+(?:[._-][0-9]+)*)`)
	// dashedDate is Diesel's stamp, which also sorts among stamps without dashes.
	dashedDate = regexp.MustCompile(`^([0-9]{4})-([0-9]{2})-([0-9]{2})-([0-9]{6})`)
	wayBack    = regexp.MustCompile(`(?i)(^down\.sql|[._]down\.sql|^U[0-9][^/]*\.sql)$`)
	upMark     = regexp.MustCompile(`(?i)^--\s*(?:\+(?:goose|migrate)\s+up|migrate:up)\b(.*)$`)
	downMark   = regexp.MustCompile(`(?i)^(?:--\s*(?:\+(?:goose|migrate)\s+down|migrate:down)\b.*|---- create above / drop below ----\s*)$`)
	alone      = regexp.MustCompile(`(?i)^--\s*(?:\+goose\s+no\s+transaction|no-transaction|atlas:txmode\s+none|disable_ddl_transaction.*)\s*$`)
	brackets   = regexp.MustCompile(`(?i)^\s*(?:begin|start\s+transaction|commit|end)(?:\s+(?:work|transaction))?\s*;?\s*$`)
)

// layout is a folder's migrations in their order.
type layout struct {
	files []lint.File
	// own says that the folder is laid out as this project's; passed are files
	// that are no migrations.
	own    bool
	passed []string
}

// readLayout reads a folder. Names of files are relative to it.
func readLayout(fsys fs.FS) (layout, error) {
	var l layout
	names, err := fs.Glob(fsys, "*.sql")
	if err != nil {
		return l, fmt.Errorf("list migrations: %w", err)
	}
	for _, pattern := range []string{"*/migration.sql", "*/up.sql"} {
		more, err := fs.Glob(fsys, pattern)
		if err != nil {
			return l, fmt.Errorf("list migrations: %w", err)
		}
		names = append(names, more...)
	}
	marked, own := false, 0
	for _, name := range names {
		if wayBack.MatchString(name) || name == migrations.Placeholder {
			continue
		}
		data, err := fs.ReadFile(fsys, name)
		if err != nil {
			return l, fmt.Errorf("read migration: %w", err)
		}
		if ownName.MatchString(name) && !strings.HasPrefix(name, "0000") {
			own++
		}
		up, mark := forward(data)
		marked = marked || mark
		l.files = append(l.files, lint.File{Name: name, Data: up})
	}
	_, err = fs.Stat(fsys, "meta/_journal.json") // drizzle's
	if l.own = own > 0 && 2*own >= len(l.files) && !marked && err != nil; l.own {
		return l, nil
	}
	numbered := slices.ContainsFunc(l.files, func(f lint.File) bool { return version.MatchString(f.Name) })
	l.files = slices.DeleteFunc(l.files, func(f lint.File) bool {
		pass := numbered && !version.MatchString(f.Name)
		if pass {
			l.passed = append(l.passed, f.Name)
		}
		return pass
	})
	slices.SortStableFunc(l.files, func(a, b lint.File) int { return byVersion(a.Name, b.Name) })
	return l, nil
}

// byVersion orders names by their numbers, part by part.
func byVersion(a, b string) int {
	split := func(name string) []string {
		m := version.FindStringSubmatch(dashedDate.ReplaceAllString(path.Clean(name), "$1$2$3$4"))
		if m == nil {
			return nil
		}
		return strings.FieldsFunc(m[1], func(r rune) bool { return r == '.' || r == '_' || r == '-' })
	}
	return cmp.Or(slices.CompareFunc(split(a), split(b), func(x, y string) int {
		x, y = strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
		return cmp.Or(cmp.Compare(len(x), len(y)), cmp.Compare(x, y))
	}), cmp.Compare(a, b))
}

// forward blanks what a file holds for the way back, and the BEGIN and COMMIT
// around it; lines keep their numbers. marked says that a tool's mark was found.
func forward(data []byte) (up []byte, marked bool) {
	data = bytes.ReplaceAll(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")), []byte("\r\n"), []byte("\n"))
	var b strings.Builder
	begun := !regexp.MustCompile(`(?im)^--\s*(?:\+(?:goose|migrate)\s+up|migrate:up)\b`).Match(data)
	for line := range strings.Lines(string(data)) {
		text := strings.TrimRight(line, "\n")
		end := line[len(text):]
		trimmed := strings.TrimSpace(text)
		switch m := upMark.FindStringSubmatch(trimmed); {
		case m != nil:
			begun, marked = true, true
			if mode := strings.ToLower(m[1]); strings.Contains(mode, "notransaction") || strings.Contains(mode, "transaction:false") {
				b.WriteString("-- transaction: none")
			}
		case downMark.MatchString(trimmed):
			begun, marked = false, true
		case alone.MatchString(trimmed):
			marked = true
			b.WriteString("-- transaction: none")
		case begun:
			b.WriteString(text)
		}
		b.WriteString(end)
	}
	sql := []byte(b.String())
	list, _, _ := migrations.Split(string(sql))
	for _, s := range list {
		if brackets.MatchString(s.SQL) {
			for i := s.Offset; i < len(sql) && i < s.Offset+len(s.SQL); i++ {
				if sql[i] != '\n' {
					sql[i] = ' '
				}
			}
			if end := s.Offset + len(s.SQL); end < len(sql) && sql[end] == ';' {
				sql[end] = ' '
			}
		}
	}
	return sql, marked
}

// twice finds numbers that two files have.
func twice(files []lint.File) []lint.Finding {
	var list []lint.Finding
	for i := 1; i < len(files); i++ {
		a, b := version.FindStringSubmatch(files[i-1].Name), version.FindStringSubmatch(files[i].Name)
		if a != nil && b != nil && a[1] == b[1] {
			list = append(list, lint.Finding{File: files[i].Name, Rule: migrations.RuleNumbering, Severity: lint.Warning,
				Message: fmt.Sprintf("number %s is taken by %s", b[1], files[i-1].Name)})
		}
	}
	return list
}
