package ecs

import (
	"net/http"
	"slices"
	"time"
)

// Fault makes calls fail. After its injection, calls or time use it up, as its
// fields say. If several faults fit a call, the first one counts.
type Fault struct {
	// Operations are those that it affects; all if empty.
	Operations []string
	// Skip lets so many calls pass first.
	Skip int
	// Count is how many calls it affects; 0 means all within the time.
	Count int
	// After and For limit the time, counted from the injection; a For of 0
	// means no end.
	After, For time.Duration
	// Code, Message and Status make the answer; a Status of 0 means 400, and a
	// Code of "" ServerException.
	Code, Message string
	Status        int
	// Drop ends the connection without an answer.
	Drop bool
	// Answered performs the call before it fails, so that the caller does not
	// know that it took effect. With neither Drop nor Code the answer is only
	// late.
	Answered bool
	// Delay passes before the caller sees anything.
	Delay time.Duration
}

type fault struct {
	Fault
	begin time.Time
	seen  int
	hits  int
}

// Inject adds faults.
func (r *Runtime) Inject(faults ...Fault) {
	r.lock()
	defer r.unlock()
	for _, f := range faults {
		r.faults = append(r.faults, &fault{Fault: f, begin: r.agenda.now.Add(f.After)})
	}
}

// ClearFaults removes all faults.
func (r *Runtime) ClearFaults() {
	r.lock()
	defer r.unlock()
	r.faults = nil
}

// fault finds the fault that affects a call, and uses it up.
func (r *Runtime) fault(operation string) *fault {
	now := r.agenda.now
	for _, f := range r.faults {
		if len(f.Operations) > 0 && !slices.Contains(f.Operations, operation) ||
			now.Before(f.begin) ||
			f.For > 0 && !now.Before(f.begin.Add(f.For)) ||
			f.Count > 0 && f.hits == f.Count {
			continue
		}
		f.seen++
		if f.seen <= f.Skip {
			continue
		}
		f.hits++
		return f
	}
	return nil
}

// failure is the error that the caller gets; nil if only the connection ends.
func (f *fault) failure() *failure {
	if f.Drop {
		return nil
	}
	out := &failure{f.Status, f.Code, f.Message}
	if out.status == 0 {
		out.status = http.StatusBadRequest
	}
	if out.code == "" {
		out.code = "ServerException"
	}
	return out
}

// spoil changes an answer as the fault says.
func (f *fault) spoil(a reply) reply {
	if out := f.failure(); out != nil && (!f.Answered || f.Code != "") {
		a = failed(out)
	}
	a.delay, a.drop = f.Delay, f.Drop
	return a
}
