package migrations

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// DifferenceError means that a database is not what the files would make.
type DifferenceError struct {
	// Last is the ID of the last file that was run for the comparison.
	Last        string
	Differences []Difference
}

func (e *DifferenceError) Error() string {
	return fmt.Sprintf("the database is not what the files up to %s make (differences: %d)", e.Last, len(e.Differences))
}

// BaselineOptions are how Baseline behaves.
type BaselineOptions struct {
	Options
	// AcceptDifferences records even if the schemas differ.
	AcceptDifferences bool
	// WithoutComparison records without comparing schemas.
	WithoutComparison bool
}

// Baseline records the migrations up to a number as applied without running
// them, for a database that was made in another way. Before that it compares
// the schema with the one that the files make in a database of their own on
// the same server, which it drops again. It returns what it recorded and what
// differs. If anything differs and AcceptDifferences is not set, it returns a
// *DifferenceError and records nothing. With number 0 it only makes the table, so that
// Up can run beside another tool.
func Baseline(ctx context.Context, config *pgx.ConnConfig, list []Migration, number int, o BaselineOptions) (recorded []Record, differences []Difference, err error) {
	if err := o.Validate(); err != nil {
		return nil, nil, fmt.Errorf("check the options: %w", err)
	}
	part, err := upTo(list, number)
	if err != nil {
		return nil, nil, err
	}
	r, err := open(ctx, config, o.Options)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, r.close(ctx)) }()
	records, err := r.read(ctx)
	if err != nil {
		return nil, nil, err
	}
	pending, err := verify(list, records, false)
	if err != nil {
		return nil, nil, err
	}
	pending = slices.DeleteFunc(pending, func(m Migration) bool { return m.Number > number })
	for _, m := range pending {
		if old := find(records, m); old != nil && (len(old.Hashes) > 0 || old.Cursor != nil) {
			return nil, nil, fmt.Errorf("record %s: it is applied in part; finish it with migrate up", m.ID())
		}
	}
	if len(part) > 0 && len(pending) > 0 && !o.WithoutComparison {
		if differences, err = r.compare(ctx, config, part); err != nil {
			return nil, nil, err
		}
		if len(differences) > 0 && !o.AcceptDifferences {
			return nil, differences, &DifferenceError{part[len(part)-1].ID(), differences}
		}
	}
	p, err := r.place(ctx)
	if err != nil {
		return nil, differences, err
	}
	if err := r.makeTable(ctx, p); err != nil {
		return nil, differences, err
	}
	err = r.inTransaction(ctx, func() error {
		for _, m := range pending {
			record := newRecord(m, o.Release)
			now := time.Now()
			record.State, record.StartedAt, record.FinishedAt, record.Baseline = Done, now, &now, true
			if err := r.write(ctx, record); err != nil {
				return err
			}
			recorded = append(recorded, record)
		}
		return nil
	})
	if err != nil {
		return nil, differences, err
	}
	return recorded, differences, nil
}

// upTo returns the migrations up to a number.
func upTo(list []Migration, number int) ([]Migration, error) {
	if number == 0 {
		return nil, nil
	}
	i := slices.IndexFunc(list, func(m Migration) bool { return m.Number == number })
	if i < 0 {
		last := "there are none"
		if len(list) > 0 {
			last = "the last is " + list[len(list)-1].ID()
		}
		return nil, fmt.Errorf("no migration has the number %04d; %s", number, last)
	}
	return list[:i+1], nil
}

// Drift compares a database with what the migrations that it has applied make
// in a database of their own on the same server. It changes nothing.
func Drift(ctx context.Context, config *pgx.ConnConfig, list []Migration, o Options) (differences []Difference, err error) {
	r, err := open(ctx, config, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.close(ctx)) }()
	records, err := r.read(ctx)
	if err != nil {
		return nil, err
	}
	pending, err := verify(list, records, o.AllowAhead)
	if err != nil {
		return nil, err
	}
	return r.compare(ctx, config, list[:len(list)-len(pending)])
}

// compare runs the files in a database of their own and lists how the
// session's differs from it.
func (r *runner) compare(ctx context.Context, config *pgx.ConnConfig, list []Migration) (differences []Difference, err error) {
	other, drop, err := r.scratch(ctx, config)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, drop()) }()
	o := r.options
	o.Report = nil
	if _, err := Up(ctx, other, unpaused(list), o); err != nil {
		return nil, fmt.Errorf("run the files in a database of their own: %w", err)
	}
	s, err := openSession(ctx, other, r.options.Release)
	if err != nil {
		return nil, err
	}
	want, err := s.schema(ctx)
	if err := errors.Join(err, s.close(ctx)); err != nil {
		return nil, err
	}
	have, err := r.schema(ctx)
	if err != nil {
		return nil, err
	}
	return difference(want, have), nil
}

// unpaused returns copies whose backfills do not pause: nobody else works on a scratch
// database.
func unpaused(list []Migration) []Migration {
	list = slices.Clone(list)
	for i, m := range list {
		if m.Backfill != nil {
			b := *m.Backfill
			b.Pause = 0
			list[i].Backfill = &b
		}
	}
	return list
}

// scratch makes an empty database on the same server, with the same encoding,
// locale and search_path, and returns how to drop it.
func (r *runner) scratch(ctx context.Context, config *pgx.ConnConfig) (*pgx.ConnConfig, func() error, error) {
	name := fmt.Sprintf("migrate_compare_%d", r.PgConn().PID())
	var create, path string
	err := r.QueryRow(ctx, `SELECT current_setting('search_path'), format('CREATE DATABASE %I TEMPLATE template0 ENCODING %L LC_COLLATE %L LC_CTYPE %L', $1::text,
		pg_encoding_to_char(encoding), datcollate, datctype) FROM pg_database WHERE datname = current_database()`, name).Scan(&path, &create)
	if err != nil {
		return nil, nil, fmt.Errorf("look at the database: %w", err)
	}
	drop := func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
		defer cancel()
		if err := r.run(ctx, "DROP DATABASE IF EXISTS "+quote(name)+" WITH (FORCE)"); err != nil {
			return fmt.Errorf("drop the database %s that was made for the comparison: %w", name, err)
		}
		return nil
	}
	if err := r.limit(ctx, limits{r.options.LongLockTimeout, 0}); err != nil {
		return nil, nil, err
	}
	// A run that was killed may have left its database.
	if err := drop(); err != nil {
		return nil, nil, err
	}
	if err := r.run(ctx, create); err != nil {
		if strings.HasPrefix(code(err), "42501") {
			return nil, nil, fmt.Errorf("make a database for the comparison: %s; give the role CREATEDB for as long as this runs, or go without the comparison: -without-comparison", Explain(err))
		}
		return nil, nil, fmt.Errorf("make a database for the comparison: %w", err)
	}
	other := config.Copy()
	other.Database = name
	if other.RuntimeParams == nil {
		other.RuntimeParams = map[string]string{}
	}
	other.RuntimeParams["search_path"] = path
	return other, drop, nil
}
