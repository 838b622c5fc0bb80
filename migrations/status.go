package migrations

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Status compares a database with a list of migrations.
type Status struct {
	Database string `json:"database"`
	// Server is PostgreSQL's version, such as "16.4".
	Server string `json:"server"`
	// Migrations are those of the list, then those of the database with higher numbers.
	Migrations []Record `json:"migrations"`
	// Mismatch says why Up would refuse to run.
	Mismatch []string `json:"mismatch,omitempty"`
	// Holder is the run that is at work.
	Holder *Backend `json:"holder,omitempty"`
	// Foreign are the tables of other tools, if these migrations have no
	// record here.
	Foreign []Foreign `json:"foreign,omitempty"`
	// InvalidIndexes are indexes that serve no query and slow every write.
	InvalidIndexes []string `json:"invalid_indexes,omitempty"`
}

// Pending are the migrations that Up would run.
func (s Status) Pending() []Record {
	var list []Record
	for _, r := range s.Migrations {
		if r.State != Done {
			list = append(list, r)
		}
	}
	return list
}

// Look returns the status of a database. It changes nothing and takes no lock.
func Look(ctx context.Context, config *pgx.ConnConfig, list []Migration) (status Status, err error) {
	s, err := openSession(ctx, config, "status")
	if err != nil {
		return status, err
	}
	defer func() { err = errors.Join(err, s.close(ctx)) }()
	if err := s.QueryRow(ctx, "SELECT current_database(), current_setting('server_version')").Scan(&status.Database, &status.Server); err != nil {
		return status, fmt.Errorf("ask for the database's name: %w", err)
	}
	records, err := s.read(ctx)
	if err != nil {
		return status, err
	}
	p, err := s.place(ctx)
	if err != nil {
		return status, err
	}
	if p.table == "" {
		if status.Foreign, err = s.foreign(ctx); err != nil {
			return status, err
		}
	}
	if status.Holder, err = s.holder(ctx); err != nil {
		return status, err
	}
	if status.InvalidIndexes, err = s.invalidIndexes(ctx); err != nil {
		return status, err
	}
	if _, err := verify(list, records, false); err != nil {
		mismatch, ok := errors.AsType[*MismatchError](err)
		if !ok {
			return status, err
		}
		status.Mismatch = mismatch.Problems
	}
	status.Migrations = merge(list, records)
	return status, nil
}

// merge lists the migrations of the files, then those of the database with higher
// numbers, in order. It leaves out an applied migration with a lower number whose file is
// missing: Mismatch names that.
func merge(list []Migration, records []Record) []Record {
	var all []Record
	for _, m := range list {
		r := find(records, m)
		if r == nil {
			r = &Record{Number: m.Number, Name: m.Name, Phase: m.Phase, UnusedSince: m.UnusedSince, State: Pending, Statements: len(m.Statements)}
		}
		all = append(all, *r)
	}
	for _, r := range records {
		if len(list) == 0 || r.Number > list[len(list)-1].Number {
			all = append(all, r)
		}
	}
	return all
}

func (s *session) invalidIndexes(ctx context.Context) ([]string, error) {
	rows, err := s.Query(ctx, `
		SELECT format('%I.%I', n.nspname, c.relname)
		  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
		 WHERE NOT i.indisvalid AND c.relkind = 'i' AND n.nspname NOT LIKE 'pg\_%' ORDER BY 1`)
	if err != nil {
		return nil, fmt.Errorf("look for invalid indexes: %w", err)
	}
	list, err := collect(rows)
	if err != nil {
		return nil, fmt.Errorf("look for invalid indexes: %w", err)
	}
	return list, nil
}

// MismatchError means that the files and what the database has applied do not
// belong together.
type MismatchError struct{ Problems []string }

func (e *MismatchError) Error() string {
	return "the files do not match what is applied; nothing was run:\n  " + strings.Join(e.Problems, "\n  ")
}

// verify compares files with records. It returns the migrations that are left
// to run, in order, or a *MismatchError with everything that forbids it.
func verify(list []Migration, records []Record, allowAhead bool) ([]Migration, error) {
	var problems []string
	fail := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	last, release := 0, ""
	if len(list) > 0 {
		last = list[len(list)-1].Number
	}
	var ahead []string
	applied := map[int]bool{}
	newest := 0
	for _, r := range records {
		i := slices.IndexFunc(list, func(m Migration) bool { return m.Number == r.Number })
		began := r.State == Done || len(r.Hashes) > 0 || r.Cursor != nil
		switch {
		case !began: // nothing of it is in the database: its file may change
			continue
		case i < 0 && r.Number > last:
			ahead, release = append(ahead, r.ID()), r.Release
		case i < 0:
			fail("%s is applied, and its file is gone; bring %s.sql back", r.ID(), r.ID())
		default:
			problems = append(problems, compare(list[i], r)...)
		}
		if r.State == Done {
			applied[r.Number] = true
			newest = max(newest, r.Number)
		}
	}
	if len(ahead) > 0 && !allowAhead {
		by := ""
		if release != "" {
			by = " by release " + release
		}
		fail("the database is ahead: %s applied%s, and the last file here is %04d; run the migrations of the newer release, or bring the missing file back; to run an older release on purpose, use -allow-ahead",
			several(ahead)+map[bool]string{true: " is", false: " are"}[len(ahead) == 1], by, last)
	}
	var pending []Migration
	for _, m := range list {
		if applied[m.Number] {
			continue
		}
		if m.Number < newest {
			fail("%s is not applied, but %04d is: files run in order; give it the next free number", m.ID(), newest)
		}
		pending = append(pending, m)
	}
	if len(problems) > 0 {
		return nil, &MismatchError{problems}
	}
	return pending, nil
}

// compare checks a file that is applied, wholly or partly, against its record.
func compare(m Migration, r Record) []string {
	switch {
	case m.Name != r.Name:
		return []string{fmt.Sprintf("%s is applied as %s; an applied file keeps its name", m.File, r.ID())}
	case r.State == Done && !m.ran(r.Checksum):
		return []string{fmt.Sprintf("%s was edited after it was applied (its checksum is %.12s, applied was %.12s); put the text back, and write the change as a new migration", m.File, m.Checksum, r.Checksum)}
	case r.State == Done:
		return nil
	case m.Mode == Batched && r.Cursor != nil && r.CursorOf != m.Backfill.walks():
		return []string{fmt.Sprintf("%s stopped inside %s and now walks %s.%s; its table and key must stay until it is applied", m.File, r.CursorOf, m.Backfill.Table, m.Backfill.Key)}
	case (m.Mode == Single) != (len(r.Hashes) > 0) || (m.Mode == Batched) != (r.Cursor != nil):
		return []string{fmt.Sprintf("%s is applied in part and has become a file of another kind (%s); restore the part that is applied", m.File, m.Mode)}
	}
	for i, hash := range r.Hashes {
		if i >= len(m.Statements) {
			return []string{fmt.Sprintf("%s has %d statements, but %d are applied; put those back, and change only what follows them", m.File, len(m.Statements), len(r.Hashes))}
		}
		if !m.Statements[i].ran(hash) {
			return []string{fmt.Sprintf("%s:%d: statement %d is applied and was edited; put it back, and change only what follows the first %d", m.File, m.Statements[i].Line, i+1, len(r.Hashes))}
		}
	}
	return nil
}
