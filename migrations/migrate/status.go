package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/specboard/platform/migrations"
)

const aboutStatus = `migrate status shows what is applied, by which release, what is pending, and
what does not match the files. It changes nothing and waits for nobody. It
exits 1 if migrate up would refuse to run.`

func status(ctx context.Context, p *program, args []string) error {
	f := newFlags("status")
	var from source
	from.register(f, p)
	asJSON := f.Bool("json", false, "one JSON object on standard output")
	detailed := f.Bool("detailed-exitcode", false, "exit 2 if something is pending")
	if err := p.parse(f, aboutStatus, args); err != nil {
		return err
	}
	list, config, where, err := from.open(p)
	if err != nil {
		return err
	}
	s, err := migrations.Look(ctx, config, list)
	if err != nil {
		return err
	}
	if *asJSON {
		e := json.NewEncoder(p.stdout)
		e.SetIndent("", "  ")
		if err := e.Encode(s); err != nil {
			return fmt.Errorf("write the output: %w", err)
		}
	} else {
		fmt.Fprintln(p.stderr, where)
		if err := writeStatus(p.stdout, s); err != nil {
			return fmt.Errorf("write the output: %w", err)
		}
	}
	switch {
	case len(s.Mismatch) > 0:
		return &migrations.MismatchError{Problems: s.Mismatch}
	case *detailed && len(s.Pending()) > 0:
		return errPending
	}
	return nil
}

// writeStatus writes the table, and below it what needs attention.
func writeStatus(w io.Writer, s migrations.Status) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "MIGRATION\tPHASE\tSTATE\tRELEASE\tAPPLIED\tTOOK\tLOCK WAITS")
	for _, r := range s.Migrations {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.ID(), phase(r), state(r), dash(r.Release), applied(r), duration(r), lockWaits(r))
	}
	err := t.Flush()
	for _, r := range s.Migrations {
		if r.Error != "" {
			fmt.Fprintf(w, "\n%s stopped:\n%s\n", r.ID(), indent(r.Error))
		}
	}
	for _, f := range s.Foreign {
		fmt.Fprintf(w, "\nanother tool has migrated this database: %s; tell what of these files is in it: migrate baseline NNNN\n", f)
	}
	if s.Holder != nil {
		fmt.Fprintf(w, "\na run is at work: %s\n", s.Holder)
	}
	if len(s.InvalidIndexes) > 0 {
		fmt.Fprintf(w, "\ninvalid indexes, which serve no query and slow every write: %s\n", strings.Join(s.InvalidIndexes, ", "))
	}
	_, last := fmt.Fprintf(w, "\n%d pending\n", len(s.Pending()))
	return errors.Join(err, last)
}

func phase(r migrations.Record) string {
	if r.Phase == migrations.Contract {
		return fmt.Sprintf("contract (unused since %s)", r.UnusedSince)
	}
	return string(r.Phase)
}

// state describes a migration's state, and how far a partly applied one has come.
func state(r migrations.Record) string {
	switch {
	case r.Baseline:
		return "applied (baseline)"
	case r.State == migrations.Done || r.State == migrations.Pending:
		return string(r.State)
	case r.Cursor != nil:
		return fmt.Sprintf("%s, %d rows passed", r.State, r.Walked)
	case len(r.Hashes) > 0:
		return fmt.Sprintf("%s, %d of %d", r.State, len(r.Hashes), r.Statements)
	}
	return string(r.State)
}

func applied(r migrations.Record) string {
	if r.FinishedAt == nil {
		return "-"
	}
	return r.FinishedAt.UTC().Format("2006-01-02 15:04:05Z")
}

func duration(r migrations.Record) string {
	if r.State == migrations.Pending || r.Baseline {
		return "-"
	}
	return r.Duration.String()
}

func lockWaits(r migrations.Record) string {
	if r.LockWaits == 0 {
		return "-"
	}
	return fmt.Sprintf("%d (%v)", r.LockWaits, time.Duration(r.LockWait).Round(time.Millisecond))
}

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

const aboutVersion = `migrate version shows the newest migration in this build, a sum over all of
them, and the release. It needs no database.`

// build describes what this binary carries.
type build struct {
	Release string `json:"release,omitempty"`
	// Commit is that of the source, if it was built in a repository.
	Commit     string `json:"commit,omitempty"`
	Newest     string `json:"newest"`
	Migrations int    `json:"migrations"`
	// Checksum is a SHA-256 over the sums of all files, in order.
	Checksum string `json:"checksum"`
}

func version(_ context.Context, p *program, args []string) error {
	f := newFlags("version")
	var from source
	from.register(f, p)
	asJSON := f.Bool("json", false, "one JSON object on standard output")
	if err := p.parse(f, aboutVersion, args); err != nil {
		return err
	}
	list, err := from.load()
	if err != nil {
		return err
	}
	b := build{Release: from.release, Migrations: len(list), Newest: "none"}
	sum := sha256.New()
	for _, m := range list {
		b.Newest = m.ID()
		fmt.Fprintln(sum, m.File, m.Checksum)
	}
	b.Checksum = hex.EncodeToString(sum.Sum(nil))
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				b.Commit = s.Value
			}
		}
	}
	if *asJSON {
		if err := json.NewEncoder(p.stdout).Encode(b); err != nil {
			return fmt.Errorf("write the output: %w", err)
		}
		return nil
	}
	_, err = fmt.Fprintf(p.stdout, "%s, the last of %d migrations (sum %.12s)\nrelease %s, commit %s\n", b.Newest, b.Migrations, b.Checksum, dash(b.Release), dash(b.Commit))
	return err
}
