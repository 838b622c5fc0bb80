package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/specboard/platform/migrations"
)

const aboutBaseline = `migrate baseline NNNN records the migrations up to that number as applied
without running them, for a database that another tool or a person has made.

Before that it runs the files in a database of their own on the same server,
compares the schemas, shows the difference, and drops that database. If there is
one, nothing is recorded unless -accept-differences is given. The tables of other
tools are left as they are. baseline 0 records nothing, and lets migrate up begin
at the first file beside another tool.

  migrate baseline 0019`

const aboutDrift = `migrate drift compares the database with what the migrations that it has applied
make in a database of their own on the same server, which it drops again. It
changes nothing, and exits 1 if something differs.`

func baseline(ctx context.Context, p *program, args []string) error {
	f := newFlags("baseline")
	var from source
	from.register(f, p)
	o := migrations.BaselineOptions{Options: migrations.DefaultOptions()}
	f.DurationVar(&o.RunnerWait, "runner-wait", o.RunnerWait, "how long to wait for another run on the same database")
	f.BoolVar(&o.AcceptDifferences, "accept-differences", false, "record although the schemas differ")
	f.BoolVar(&o.WithoutComparison, "without-comparison", false, "record without comparing, where the role may not create a database")
	which := ""
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		which, args = args[0], args[1:]
	}
	if err := p.parse(f, aboutBaseline, args); err != nil {
		return err
	}
	digits, _, _ := strings.Cut(which, "_")
	number, err := strconv.Atoi(digits)
	if err != nil || number < 0 {
		return fmt.Errorf("baseline %q: give the number of the last file whose work is in the database: migrate baseline 0019", which)
	}
	list, config, where, err := from.open(p)
	if err != nil {
		return err
	}
	fmt.Fprintln(p.stderr, where)
	o.Release, o.Report = from.release, textView{p.stdout, p.stderr}.event
	recorded, differences, err := migrations.Baseline(ctx, config, list, number, o)
	for _, d := range differences {
		fmt.Fprintln(p.stdout, d)
	}
	switch {
	case errors.As(err, new(*migrations.DifferenceError)):
		return fmt.Errorf("%w; nothing was recorded\nnext: make them agree, or record all the same: migrate baseline %s -accept-differences", err, which)
	case err != nil:
		return err
	case len(recorded) == 0:
		fmt.Fprintln(p.stdout, "nothing to record")
	case o.WithoutComparison:
		fmt.Fprintf(p.stdout, "recorded %d migrations as applied, up to %s; the schema was not compared, and nothing was run\n", len(recorded), recorded[len(recorded)-1].ID())
	default:
		fmt.Fprintf(p.stdout, "recorded %d migrations as applied, up to %s; nothing was run\n", len(recorded), recorded[len(recorded)-1].ID())
	}
	return nil
}

func drift(ctx context.Context, p *program, args []string) error {
	f := newFlags("drift")
	var from source
	from.register(f, p)
	o := migrations.DefaultOptions()
	f.DurationVar(&o.RunnerWait, "runner-wait", o.RunnerWait, "how long to wait for another run on the same database")
	f.BoolVar(&o.AllowAhead, "allow-ahead", false, "accept a database that a newer release has migrated further")
	asJSON := f.Bool("json", false, "one JSON array on standard output")
	if err := p.parse(f, aboutDrift, args); err != nil {
		return err
	}
	list, config, where, err := from.open(p)
	if err != nil {
		return err
	}
	fmt.Fprintln(p.stderr, where)
	o.Release, o.Report = from.release, textView{p.stdout, p.stderr}.event
	differences, err := migrations.Drift(ctx, config, list, o)
	if err != nil {
		return err
	}
	switch {
	case *asJSON:
		if differences == nil {
			differences = []migrations.Difference{}
		}
		if err := json.NewEncoder(p.stdout).Encode(differences); err != nil {
			return fmt.Errorf("write the output: %w", err)
		}
	case len(differences) == 0:
		fmt.Fprintln(p.stdout, "no drift")
	default:
		for _, d := range differences {
			fmt.Fprintln(p.stdout, d)
		}
	}
	if len(differences) > 0 {
		return fmt.Errorf("the database is not what its migrations make (differences: %d)\nnext: write what is missing as a migration, or undo what was changed by hand", len(differences))
	}
	return nil
}
