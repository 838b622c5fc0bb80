package view

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// History is what was done to an environment.
type History struct {
	Environment string `json:"environment"`
	// Records are the newest first.
	Records []deploy.Record `json:"records"`
	// Unfinished are attempts without a record: at work now, or killed.
	Unfinished []deploy.Journal `json:"unfinished"`
	Skipped    []deploy.Skipped `json:"skipped"`
	// More is how many older records are left out.
	More int `json:"more,omitempty"`
}

// JSON writes one object.
func (h History) JSON(w io.Writer) error {
	h.Records = append([]deploy.Record{}, h.Records...)
	h.Unfinished = append([]deploy.Journal{}, h.Unfinished...)
	h.Skipped = append([]deploy.Skipped{}, h.Skipped...)
	return WriteJSON(w, h)
}

// WriteJSON writes a value over several lines. As console.NewEncoder says, no character of
// it acts on a terminal.
func WriteJSON(w io.Writer, v any) error {
	enc := console.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// Text writes a line for each attempt.
func (h History) Text(w io.Writer) error {
	var b strings.Builder
	rows := [][]string{{"BEGUN", "ATTEMPT", "RELEASE", "BEFORE", "OUTCOME", "ELAPSED", "BY"}}
	for _, j := range slices.Backward(h.Unfinished) {
		r := j.Record
		rows = append(rows, []string{
			stamp(r.Started), r.ID, string(r.Kind) + " " + r.Release.String(), r.Previous.String(),
			"no end: " + string(j.Step), "-", r.Actor,
		})
	}
	for _, r := range h.Records {
		outcome := string(r.Outcome)
		if r.SupersededBy != nil {
			outcome = "superseded by " + r.SupersededBy.String()
		} else if r.Outcome != deploy.Deployed && r.Outcome != deploy.Done {
			outcome += " at " + string(r.Step)
		}
		rows = append(rows, []string{
			stamp(r.Started), r.ID, string(r.Kind) + " " + subject(r), r.Previous.String(),
			outcome, brief(r.Ended.Sub(r.Started)), r.Actor,
		})
	}
	if len(rows) == 1 {
		putLine(&b, "%s: nothing was ever promoted here", h.Environment)
	} else {
		b.WriteString(strings.Join(columns(rows), "\n") + "\n")
	}
	if h.More > 0 {
		fmt.Fprintf(&b, "and %d older\n", h.More)
	}
	for _, s := range h.Skipped {
		putLine(&b, "left out: %s: %s", s.Key, s.Reason)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Lease says who holds a lock, since when and what for, and whether anybody is
// at work.
func Lease(l deploy.Lease) string {
	state := fmt.Sprintf("at work: its lease ends in %s unless it is renewed", brief(l.Remaining()))
	switch {
	case l.Left != "":
		state = fmt.Sprintf("not at work: it was left %s, to be continued", l.Left)
	case l.Expired():
		state = fmt.Sprintf("gone: its lease ended %s ago", brief(-l.Remaining()))
	}
	release := cmp.Or(l.Release.Tag, l.Release.Commit, "the last good release")
	what := string(l.Kind)
	if l.Kind == deploy.KindPromote || l.Kind == deploy.KindRollback {
		what += " " + release
	}
	lines := []string{
		fmt.Sprintf("%s, by %s since %s (%s)", what, l.Actor, stamp(l.Since), l.Why), "  record " + l.RecordID, "  " + state,
	}
	if l.Caller != "" {
		lines = append(lines, "  as "+l.Caller)
	}
	if l.RunURL != "" {
		lines = append(lines, "  "+l.RunURL)
	}
	for i, line := range lines {
		lines[i] = oneLine(line)
	}
	return strings.Join(lines, "\n")
}

// RecordJSON writes one record as it is stored.
func RecordJSON(w io.Writer, r deploy.Record) error { return WriteJSON(w, r) }
