package terraform

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"
)

// EventKind is what an Event reports.
type EventKind string

// Planning comes every 15 seconds while Terraform plans, and is about no single
// resource.
const Planning EventKind = "planning"

// The events of one resource during an apply, in order.
const (
	Started  EventKind = "apply_start"
	Progress EventKind = "apply_progress" // every ten seconds
	Done     EventKind = "apply_complete"
	Failed   EventKind = "apply_errored"
)

// Event is something that happens during a plan or an apply. It has no values.
type Event struct {
	Kind    EventKind
	Address string
	// Action is create, update, delete ….
	Action string
	// Elapsed counts from Started, or from the beginning of the plan, in whole
	// seconds.
	Elapsed time.Duration
	// Read is how many resources and data sources a plan has read so far.
	Read int
}

// eventStream reads the output of terraform apply -json, which arrives in
// pieces of any size; a line may have any length.
type eventStream struct {
	tell func(Event)
	rest []byte
	// done and failed are addresses, in the order of time.
	done, failed []string
	// errors are Terraform's, as its text output would show them.
	errors []string
	// finished is set by Terraform's closing summary, which it prints only if
	// it applied everything.
	finished bool
}

func newEventStream(tell func(Event)) *eventStream {
	return &eventStream{tell: tell}
}

// Write never returns an error: a line that it cannot parse is lost progress
// output, which is no reason to stop an apply.
func (s *eventStream) Write(p []byte) (int, error) {
	s.rest = append(s.rest, p...)
	for {
		line, rest, ok := bytes.Cut(s.rest, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		s.line(line)
		s.rest = rest
	}
}

func (s *eventStream) line(line []byte) {
	var m struct {
		Type EventKind
		Hook struct {
			Resource       struct{ Addr string }
			Action         string
			ElapsedSeconds int `json:"elapsed_seconds"`
		}
		Diagnostic struct{ Severity, Summary, Detail, Address string }
		Changes    struct{ Operation string }
	}
	if json.Unmarshal(line, &m) != nil {
		return
	}
	address := m.Hook.Resource.Addr
	switch m.Type {
	case Started, Progress:
	case Done:
		s.done = append(s.done, address)
	case Failed:
		s.failed = append(s.failed, address)
	case "diagnostic":
		if m.Diagnostic.Severity == "error" {
			// The snippet is left out, since it may contain values.
			text := "Error: " + m.Diagnostic.Summary
			if m.Diagnostic.Address != "" {
				text += "\n\n  with " + m.Diagnostic.Address
			}
			if m.Diagnostic.Detail != "" {
				text += "\n\n" + strings.TrimSpace(m.Diagnostic.Detail)
			}
			s.errors = append(s.errors, text)
		}
		return
	case "change_summary":
		s.finished = m.Changes.Operation != "plan"
		return
	default:
		return
	}
	s.tell(Event{Kind: m.Type, Address: address, Action: m.Hook.Action, Elapsed: time.Duration(m.Hook.ElapsedSeconds) * time.Second})
}
