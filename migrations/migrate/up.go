package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"

	"github.com/jackc/pgx/v5"

	"github.com/specboard/platform/migrations"
)

const aboutUp = `migrate up applies what is pending, in order, and records it.

Any number of runs may start at once: one works, the others wait for it. No
client of the application waits longer than -lock-timeout for a migration: a
step that does not get its locks in that time lets go and tries again. A run
that stopped goes on where it stopped: after an error at the failed statement,
in a backfill behind the last committed batch.

DB_ROLES={"reports": "read"} has it make, after the migrations, a role that may
read (or "write") their tables, and the login that DB_ROLE_REPORTS names as
{"username": "reports_v1", "password": ...}.`

// source are the flags that say which migrations are meant.
type source struct{ dir, release string }

func (s *source) register(f *flag.FlagSet, p *program) {
	f.StringVar(&s.dir, "dir", "", "read the migrations from this `folder` instead of those in this build")
	f.StringVar(&s.release, "release", p.env["RELEASE"], "the `release` that this run belongs to; default $RELEASE")
}

func (s *source) load() ([]migrations.Migration, error) {
	if s.dir == "" {
		return migrations.Load(migrations.Files())
	}
	return migrations.Load(os.DirFS(s.dir))
}

// open loads the migrations and finds the database; where says which it is.
func (s *source) open(p *program) (list []migrations.Migration, config *pgx.ConnConfig, where string, err error) {
	if list, err = s.load(); err != nil {
		return nil, nil, "", err
	}
	config, where, err = database(p.env, os.ReadFile)
	return list, config, where, err
}

func up(ctx context.Context, p *program, args []string) error {
	f := newFlags("up")
	var from source
	from.register(f, p)
	o := migrations.DefaultOptions()
	f.DurationVar(&o.LockTimeout, "lock-timeout", o.LockTimeout, "how long one try waits for a lock that others queue behind; at most 1s")
	f.DurationVar(&o.LongLockTimeout, "long-lock-timeout", o.LongLockTimeout, "the same for CONCURRENTLY and VALIDATE CONSTRAINT, behind which nobody queues")
	f.DurationVar(&o.StatementTimeout, "statement-timeout", o.StatementTimeout, "how long a statement may take that can hold such a lock; 0 is without bound")
	f.DurationVar(&o.LongStatementTimeout, "long-statement-timeout", o.LongStatementTimeout, "the same for CONCURRENTLY and VALIDATE CONSTRAINT")
	f.DurationVar(&o.LockWait, "lock-wait", o.LockWait, "how long one step is tried again until it gets its locks")
	f.DurationVar(&o.RunnerWait, "runner-wait", o.RunnerWait, "how long to wait for another run on the same database")
	f.BoolVar(&o.AllowAhead, "allow-ahead", false, "accept a database that a newer release has migrated further")
	dryRun := f.Bool("dry-run", false, "show what would run, its locks and the rows of their tables, and change nothing; the locks are seen in a database of its own on the same server")
	asJSON := f.Bool("json", false, "one JSON object a line on standard output: every event, then the result")
	if err := p.parse(f, aboutUp, args); err != nil {
		return err
	}
	o.Release = from.release
	var err error
	if o.Roles, err = serviceRoles(p.env); err != nil {
		return err
	}
	list, config, where, err := from.open(p)
	if err != nil {
		return err
	}
	var view view = textView{p.stdout, p.stderr}
	if *asJSON {
		view = jsonView{p.stdout}
	}
	fmt.Fprintln(p.stderr, where)
	if *dryRun {
		steps, err := migrations.DryRun(ctx, config, list, o)
		if *asJSON {
			return errors.Join(err, jsonView{p.stdout}.write(steps))
		}
		fmt.Fprint(p.stdout, describeSteps(steps))
		return err
	}
	o.Report = view.event
	result, err := migrations.Up(ctx, config, list, o)
	if err == nil && len(o.Roles) > 0 {
		fmt.Fprintln(p.stderr, "database roles: "+describeRoles(o.Roles))
	}
	return view.result(list, result, err)
}
