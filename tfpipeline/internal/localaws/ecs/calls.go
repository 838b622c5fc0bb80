package ecs

import "time"

// Call is one call to the API, successful or not.
type Call struct {
	At        time.Time
	Operation string
	// Input is the SDK's input, such as *ecs.UpdateServiceInput; nil if it
	// could not be read.
	Input any
	// Status is the HTTP status; 0 if the connection was dropped before
	// anything was done. Code is AWS's error code, "" for success.
	Status int
	Code   string
	// Fault says that the caller saw an injected fault.
	Fault bool

	failure *failure
}

func (c *Call) fail(f *failure) {
	if f == nil {
		return
	}
	c.failure, c.Status, c.Code = f, f.status, f.code
}
