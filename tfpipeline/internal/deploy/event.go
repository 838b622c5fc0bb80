package deploy

import "time"

// Event is something that happened, for whoever watches.
type Event struct {
	Time time.Time `json:"time"`
	Kind EventKind `json:"kind"`
	// Step is the one at work; PuttingBack while services are put back.
	Step StepName `json:"step,omitempty"`
	// Service is set if it is about one, or about a one-off task.
	Service string `json:"service,omitempty"`
	// Message is a sentence without a full stop.
	Message string `json:"message,omitempty"`
	// Elapsed is how long the step took, at its end.
	Elapsed time.Duration `json:"elapsed_ns,omitempty"`
	// Deployment is a service's, as last seen, for EventDeployment.
	Deployment *Deployment `json:"deployment,omitempty"`
	// Record is the attempt's so far, without its events; set for EventEnd.
	Record *Record `json:"record,omitempty"`
}

// EventKind is what an event is about.
type EventKind string

const (
	// EventStep and EventDone frame a step; EventFailed ends one that failed.
	EventStep   EventKind = "step"
	EventDone   EventKind = "done"
	EventFailed EventKind = "failed"
	// EventNote is a line of progress, EventWarning one that needs attention.
	EventNote    EventKind = "note"
	EventWarning EventKind = "warning"
	// EventWait: waiting for a lock or for somebody else's deployment.
	EventWait EventKind = "wait"
	// EventDeployment: a deployment has moved.
	EventDeployment EventKind = "deployment"
	// EventService is a line of a service's event log, EventLog one that a
	// one-off task wrote.
	EventService EventKind = "service"
	EventLog     EventKind = "log"
	// EventEnd is the last.
	EventEnd EventKind = "end"
)
