package ecs

import (
	"net/http"
	"slices"
	"time"
)

// Fault makes calls go wrong. It is injected, and then used up by calls or by
// time, whichever the fields say; the first fault that fits a call has it.
type Fault struct {
	// Operations that it hits; all if empty.
	Operations []string
	// Skip lets so many calls pass first.
	Skip int
	// Count is how many calls it hits; 0 for all within the time.
	Count int
	// After and For bound the time, counted from the injection; For of 0 has
	// no end.
	After, For time.Duration
	// Code, Message and Status are what the caller is told; Status is 400 if
	// 0, and Code ServerException.
	Code, Message string
	Status        int
	// Drop ends the connection without an answer.
	Drop bool
	// Answered performs the call before it goes wrong: the caller does not
	// know that it took effect. With neither Drop nor Code it is only late.
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

// ClearFaults takes back what is left of the faults.
func (r *Runtime) ClearFaults() {
	r.lock()
	defer r.unlock()
	r.faults = nil
}

// fault finds the fault that a call has, and uses it up.
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

// failure is what the caller is told; nil if only the connection ends.
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

// spoil makes an answer what the fault says.
func (f *fault) spoil(a reply) reply {
	if out := f.failure(); out != nil && (!f.Answered || f.Code != "") {
		a = failed(out)
	}
	a.delay, a.drop = f.Delay, f.Drop
	return a
}
