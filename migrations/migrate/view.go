package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/specboard/platform/migrations"
)

// view shows a run to a person or to a machine.
type view interface {
	event(migrations.Event)
	// result shows the end and returns what run exits by.
	result([]migrations.Migration, migrations.Result, error) error
}

// textView shows progress on standard error, and the answer on standard output.
type textView struct{ stdout, stderr io.Writer }

func (v textView) event(e migrations.Event) {
	if line := describe(e); line != "" {
		fmt.Fprintln(v.stderr, line)
	}
}

// describe returns the line for an event; empty for those that only a machine
// needs.
func describe(e migrations.Event) string {
	step := e.Migration
	if e.Statements > 1 && e.Statement > 0 {
		step += fmt.Sprintf(", statement %d of %d", e.Statement, e.Statements)
	}
	switch e.Kind {
	case migrations.Waiting:
		return fmt.Sprintf("waiting for another run: %s", e.Holder)
	case migrations.Locked:
		return fmt.Sprintf("pending: %d", e.Total)
	case migrations.Started:
		switch {
		case e.Cursor != "":
			return fmt.Sprintf("%s goes on behind key %s", e.Migration, e.Cursor)
		case e.Statement > 1:
			return fmt.Sprintf("%s goes on at statement %d of %d", e.Migration, e.Statement, e.Statements)
		}
		return e.Migration
	case migrations.Executed:
		if e.Statements > 1 && time.Duration(e.Duration) > time.Second {
			return fmt.Sprintf("  %s took %v", step, e.Duration)
		}
	case migrations.Retrying:
		line := fmt.Sprintf("  %s: try %d did not get its locks; next in %v", step, e.Attempt, e.Duration)
		for _, b := range e.Blockers {
			line += fmt.Sprintf("\n    in the way: %s", b)
		}
		return line
	case migrations.Notice:
		return "  " + e.Message
	case migrations.Repaired:
		return fmt.Sprintf("  %s: %s", step, e.Message)
	case migrations.Batch:
		line := fmt.Sprintf("  %s: %d rows passed", e.Migration, e.Walked)
		if e.Total >= e.Walked {
			line = fmt.Sprintf("  %s: %d of about %d rows passed", e.Migration, e.Walked, e.Total)
		}
		return fmt.Sprintf("%s, %d changed, up to key %s", line, e.Rows, e.Cursor)
	case migrations.Applied:
		return fmt.Sprintf("  applied in %v", e.Duration)
	}
	return ""
}

func (v textView) result(list []migrations.Migration, r migrations.Result, err error) error {
	if err != nil {
		return err
	}
	at := "the schema is empty"
	if len(list) > 0 {
		at = "the schema is at " + list[len(list)-1].ID()
	}
	switch len(r.Applied) {
	case 0:
		fmt.Fprintf(v.stdout, "nothing to do: %s\n", at)
	case 1:
		fmt.Fprintf(v.stdout, "applied %s: %s\n", r.Applied[0].ID(), at)
	default:
		fmt.Fprintf(v.stdout, "applied %d migrations: %s\n", len(r.Applied), at)
	}
	return nil
}

// jsonView writes one object a line.
type jsonView struct{ stdout io.Writer }

func (v jsonView) write(value any) error {
	if err := json.NewEncoder(v.stdout).Encode(value); err != nil {
		return fmt.Errorf("write the output: %w", err)
	}
	return nil
}

func (v jsonView) event(e migrations.Event) {
	// An output that is gone shows at the result at the latest; a migration
	// must not stop for it.
	_ = v.write(e)
}

// ending is the last object of a run.
type ending struct {
	Event   string              `json:"event"` // done, failed or interrupted
	Applied []migrations.Record `json:"applied"`
	Before  int                 `json:"before"`
	// Failed, Statement and Line say where it stopped.
	Failed    string `json:"failed,omitempty"`
	Statement int    `json:"statement,omitempty"`
	Line      int    `json:"line,omitempty"`
	Error     string `json:"error,omitempty"`
}

func (v jsonView) result(_ []migrations.Migration, r migrations.Result, err error) error {
	e := ending{Event: "done", Applied: r.Applied, Before: r.Before}
	if e.Applied == nil {
		e.Applied = []migrations.Record{}
	}
	if err != nil {
		e.Event, e.Error = "failed", err.Error()
		if partial, ok := errors.AsType[*migrations.PartialError](err); ok {
			e.Failed, e.Statement, e.Line = partial.Failed, partial.Statement, partial.Line
			if partial.Interrupted() {
				e.Event = "interrupted"
			}
		}
	}
	// The error also goes to standard error, in words, for whoever reads the
	// log.
	return errors.Join(err, v.write(e))
}

// indent puts every line of a text behind two spaces.
func indent(text string) string { return "  " + strings.ReplaceAll(text, "\n", "\n  ") }

// describeSteps shows a dry run, a line for each statement and each lock.
func describeSteps(steps []migrations.Step) string {
	if len(steps) == 0 {
		return "nothing to do\n"
	}
	var b strings.Builder
	last := ""
	for _, s := range steps {
		if s.Migration != last {
			fmt.Fprintf(&b, "%s (%s)\n", s.Migration, map[migrations.Mode]string{migrations.Whole: "one transaction", migrations.Single: "statement by statement", migrations.Batched: "in batches"}[s.Mode])
			last = s.Migration
		}
		sql := strings.Join(strings.Fields(s.SQL), " ")
		if short := []rune(sql); len(short) > 100 {
			sql = string(short[:99]) + "…"
		}
		fmt.Fprintf(&b, "  %d  %s\n", s.Statement, sql)
		for _, l := range s.Locks {
			fmt.Fprintf(&b, "       %s on %s, about %d rows\n", l.Mode, l.Table, l.Rows)
		}
		switch {
		case s.Alone:
			b.WriteString("       outside a transaction, where its locks are not seen\n")
		case s.Mode == migrations.Batched:
			fmt.Fprintf(&b, "       about %d batches, with pauses of %v in all\n", s.Batches, s.Pauses)
		}
	}
	return b.String()
}
