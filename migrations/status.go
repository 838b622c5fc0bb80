package migrations

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Status is where a database stands against a list of migrations.
type Status struct {
	Database string `json:"database"`
	// Server is PostgreSQL's version, such as "16.4".
	Server string `json:"server"`
	// Migrations are those of the list, and of the database beyond it.
	Migrations []Record `json:"migrations"`
	// Mismatch is what Up would refuse to run for.
	Mismatch []string `json:"mismatch,omitempty"`
	// Holder is a run that is at work.
	Holder *Backend `json:"holder,omitempty"`
	// Foreign are the tables of other tools, if these migrations have no
	// record here.
	Foreign []Foreign `json:"foreign,omitempty"`
	// InvalidIndexes serve no query and slow every write.
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

// merge lists every migration of the files and of the database once, in order.
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
