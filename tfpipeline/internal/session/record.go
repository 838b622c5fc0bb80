package session

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/specboard/platform/tfpipeline/internal/console"
)

// recordWithin bounds the writing of the last line of a record.
const recordWithin = 20 * time.Second

// record is who did what in an environment. It is written into the log of sessions as
// JSON, before anything is done and again at the end.
type record struct {
	Event       string    `json:"event"` // begin, statement or end
	Time        time.Time `json:"time"`
	Verb        string    `json:"verb"`
	Environment string    `json:"environment"`
	Actor       string    `json:"actor"`
	Caller      string    `json:"caller"`
	Why         string    `json:"why,omitempty"`
	Service     string    `json:"service,omitempty"`
	Task        string    `json:"task,omitempty"`
	Container   string    `json:"container,omitempty"`
	Command     string    `json:"command,omitempty"`
	Statement   string    `json:"statement,omitempty"`
	// Part and Parts count the lines of a statement that needs several.
	Part   int  `json:"part,omitempty"`
	Parts  int  `json:"parts,omitempty"`
	Writes bool `json:"writes,omitempty"`
	// Session is the id under which ECS records it, and CloudTrail knows it.
	Session  string `json:"session,omitempty"`
	ExitCode *int   `json:"exitCode,omitempty"`
	Error    string `json:"error,omitempty"`

	of     Entrance
	stream string
}

func (n Entrance) record(ctx context.Context, verb, why string) *record {
	actor, caller := n.Identify(ctx)
	return &record{
		Verb: verb, Environment: n.Environment.Name, Actor: actor, Caller: caller, Why: n.Hide(why), of: n,
		stream: "tfpipeline/" + verb + "/" + time.Now().UTC().Format("20060102T150405Z") + "-" + rand.Text()[:8],
	}
}

// begin writes down what is about to be done. Without that nothing is done.
func (r *record) begin(ctx context.Context) error {
	if err := r.write(ctx, "begin"); err != nil {
		return console.WithNext(fmt.Errorf("%w; nothing was run", err), "tfpipeline plan -env %s", r.Environment)
	}
	return nil
}

// statementBytes bounds a statement in one line, as JSON: CloudWatch took lines of 256 KB
// for long, and now of 1 MB.
const statementBytes = 200 << 10

// statement writes down a statement that is about to be run, in as many lines as it needs.
func (r *record) statement(ctx context.Context, sql string) error {
	defer func() { r.Statement, r.Part, r.Parts = "", 0, 0 }()
	parts := split(r.of.Hide(sql))
	for i, part := range parts {
		if r.Statement = part; len(parts) > 1 {
			r.Part, r.Parts = i+1, len(parts)
		}
		if err := r.write(ctx, "statement"); err != nil {
			return fmt.Errorf("%w; the statement was not run", err)
		}
	}
	return nil
}

// split cuts a text into parts that fit into a line each.
func split(text string) []string {
	if quoted, err := json.Marshal(text); err == nil && len(quoted) <= statementBytes || len(text) < 2 {
		return []string{text}
	}
	half := len(text) / 2
	for range utf8.UTFMax - 1 { // not within a character
		if half > 1 && !utf8.RuneStart(text[half]) {
			half--
		}
	}
	return append(split(text[:half]), split(text[half:])...)
}

// end writes down how it ended, also after an interrupt.
func (r *record) end(ctx context.Context, failure error) error {
	if e, ok := errors.AsType[*serverError](failure); ok {
		r.Error = "SQLSTATE " + e.code // its text may hold data
	} else if failure != nil {
		r.Error = r.of.Hide(failure.Error())
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordWithin)
	defer cancel()
	if err := r.write(ctx, "end"); err != nil {
		return fmt.Errorf("it was run, and its end is not recorded: %w", err)
	}
	return nil
}

func (r *record) write(ctx context.Context, event string) error {
	r.Event, r.Time = event, time.Now().UTC()
	line, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("write the record: %w", err)
	}
	return r.of.ECS.RecordSession(ctx, r.stream, string(line))
}
