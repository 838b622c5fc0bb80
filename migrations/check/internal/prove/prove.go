// Package prove runs pending migrations on copies of a database and reports what
// they do to those who use it meanwhile and afterwards: which statements work
// while they keep clients out, how long a client waited at worst, and what a
// release that is deployed no longer finds.
package prove

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/specboard/platform/migrations"
	"github.com/specboard/platform/migrations/check/internal/lint"
	"github.com/specboard/platform/migrations/scratch"
)

// Options say what is proved.
type Options struct {
	// Schema is the deployed state as plain SQL, which may hold rows.
	Schema string
	// Queries are what the deployed release runs; none are known if empty.
	Queries []migrations.Statement
	// Pending are the migrations, each run behind Schema and the ones before it.
	Pending []migrations.Migration
	// Rows is how many rows a table without any gets, so that work shows.
	Rows int
	// Progress is told what begins.
	Progress func(string)
}

// Report is the proof.
type Report struct {
	// Postgres is the version of the server that measured.
	Postgres string   `json:"postgres"`
	Files    []Result `json:"files"`
}

// Proved reports whether every file is safe to run beside the deployed release.
func (r Report) Proved() bool {
	for _, f := range r.Files {
		if len(f.Problems()) > 0 {
			return false
		}
	}
	return true
}

// Result is what one migration did.
type Result struct {
	File  string           `json:"file"`
	Phase migrations.Phase `json:"phase"`
	// Effects are those of its statements, in order.
	Effects []Effect `json:"effects"`
	// Breaks are differences of the catalogue, Failing the deployed release's
	// queries that go wrong.
	Breaks  []Break  `json:"breaks"`
	Failing []Change `json:"failing"`
	// Queries is how many of the deployed release's queries were run.
	Queries int `json:"queries"`
	// Reader and Writer are the longest that a client waited for one answer
	// while the file ran; Undisturbed the longest before it began.
	Reader      time.Duration `json:"reader_ns"`
	Writer      time.Duration `json:"writer_ns"`
	Undisturbed time.Duration `json:"undisturbed_ns"`
	// Empty are tables for which no row could be made, so that work on them takes no
	// time and is not seen.
	Empty []string `json:"empty,omitempty"`
	// Waived are the linter's rules that the file waives.
	Waived []string `json:"waived,omitempty"`

	blockingWaived, breakingWaived bool
}

// Problems returns what is wrong, one line each; none if the file is proved. What a
// contract takes away is no problem: the file declares it, and Gate decides when it may
// run.
func (r Result) Problems() []string {
	var list []string
	for _, e := range r.Effects {
		switch l, out := e.KeepsOut(); {
		case e.Error != "":
			list = append(list, fmt.Sprintf("line %d fails: %s", e.Line, e.Error))
		case out && e.Blocks() && !r.blockingWaived:
			list = append(list, fmt.Sprintf("line %d %s under %s on %s", e.Line, join(e.Works()), l.Mode, l.Relation))
		}
	}
	if r.Phase == migrations.Contract || r.breakingWaived {
		return list
	}
	for _, b := range r.Breaks {
		if b.Certain() {
			list = append(list, b.String())
		}
	}
	for _, c := range r.Failing {
		list = append(list, fmt.Sprintf("a query of the deployed release (line %d): %s", c.Line, c.What))
	}
	return list
}

// Run proves the pending migrations. An error means that it could not measure, and says
// nothing about them.
func Run(ctx context.Context, server *scratch.Server, o Options) (Report, error) {
	r := &run{Options: o, server: server}
	report, err := r.prepare(ctx)
	if err != nil {
		return report, err
	}
	state := "deployed"
	for i, m := range o.Pending {
		if o.Progress != nil {
			o.Progress(m.File)
		}
		next := fmt.Sprintf("after%d", i)
		result, err := r.prove(ctx, m, state, next)
		if err != nil {
			return report, fmt.Errorf("prove %s: %w", m.File, err)
		}
		report.Files = append(report.Files, result)
		if failed := len(result.Effects) > 0 && result.Effects[len(result.Effects)-1].Error != ""; failed {
			break // what follows stands on what did not happen
		}
		state = next
	}
	return report, nil
}

type run struct {
	Options
	server *scratch.Server
}

// prepare makes the database of the deployed state.
func (r *run) prepare(ctx context.Context) (report Report, err error) {
	config, err := r.server.Create(ctx, "deployed", "")
	if err != nil {
		return report, err
	}
	err = with(ctx, config, func(conn *pgx.Conn) error {
		if err := conn.QueryRow(ctx, "SHOW server_version").Scan(&report.Postgres); err != nil {
			return fmt.Errorf("ask for the server's version: %w", err)
		}
		if _, err := conn.Exec(ctx, r.Schema); err != nil {
			return fmt.Errorf("make the deployed state of -schema: %w", err)
		}
		return nil
	})
	return report, err
}

// prove runs one migration on two copies of state: on next it is measured
// statement by statement, on the other it runs beside clients.
func (r *run) prove(ctx context.Context, m migrations.Migration, state, next string) (Result, error) {
	result := Result{File: m.File, Phase: m.Phase, Breaks: []Break{}, Failing: []Change{}, Queries: len(r.Queries)}
	result.waive(m)

	config, err := r.server.Create(ctx, next, state)
	if err != nil {
		return result, err
	}
	if err := with(ctx, config, func(conn *pgx.Conn) (err error) {
		result.Empty, err = fill(ctx, conn, r.Rows)
		return err
	}); err != nil {
		return result, err
	}
	busy, err := r.server.Create(ctx, next+"clients", next)
	if err != nil {
		return result, err
	}
	if err := r.measure(ctx, config, m, &result); err != nil {
		return result, err
	}
	return result, r.withClients(ctx, busy, m, &result)
}

func (r *run) measure(ctx context.Context, config *pgx.ConnConfig, m migrations.Migration, result *Result) error {
	return with(ctx, config, func(conn *pgx.Conn) error {
		return with(ctx, config, func(watcher *pgx.Conn) error {
			before, err := readPromises(ctx, watcher)
			if err != nil {
				return err
			}
			queries, err := Observe(ctx, conn, r.Queries)
			if err != nil {
				return err
			}
			again, err := Observe(ctx, conn, r.Queries)
			if err != nil {
				return err
			}
			Steady(queries, again)

			if result.Effects, err = Measure(ctx, conn, watcher, m); err != nil {
				return err
			}
			failed := len(result.Effects) > 0 && result.Effects[len(result.Effects)-1].Error != ""
			if m.Mode == migrations.Whole {
				end := "COMMIT"
				if failed {
					end = "ROLLBACK"
				}
				if _, err := conn.Exec(ctx, end); err != nil {
					return fmt.Errorf("end the transaction: %w", err)
				}
			}
			if failed {
				return nil
			}
			after, err := readPromises(ctx, watcher)
			if err != nil {
				return err
			}
			result.Breaks = append(result.Breaks, Difference(before, after)...)
			then, err := Observe(ctx, conn, r.Queries)
			if err != nil {
				return err
			}
			result.Failing = append(result.Failing, Compare(queries, then)...)
			return nil
		})
	})
}

// waive notes which classes of findings the file accepts.
func (r *Result) waive(m migrations.Migration) {
	waived := map[string]bool{}
	for _, w := range m.Waivers {
		waived[w.Rule] = true
		r.Waived = append(r.Waived, w.Rule)
	}
	for _, rule := range lint.Rules() {
		if waived[rule.ID] {
			r.blockingWaived = r.blockingWaived || rule.Class == lint.Blocking
			r.breakingWaived = r.breakingWaived || rule.Class == lint.Breaking
		}
	}
}

// with connects for the time of a function.
func with(ctx context.Context, config *pgx.ConnConfig, do func(*pgx.Conn) error) error {
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("connect to the scratch database: %w", err)
	}
	err = do(conn)
	return errors.Join(err, conn.Close(context.WithoutCancel(ctx)))
}

func join(list []string) string {
	out := ""
	for i, s := range list {
		switch {
		case i == 0:
		case i == len(list)-1:
			out += " and "
		default:
			out += ", "
		}
		out += s
	}
	return out
}
