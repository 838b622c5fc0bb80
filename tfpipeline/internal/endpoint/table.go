package endpoint

import (
	"errors"
	"net/http"
)

// Next answers a call by other means: it asks the service behind an endpoint.
type Next func(*Call) (*Reply, error)

// Operation answers one API operation. It may ask next and change its answer.
// The client gets an error that is a *Failure as it is.
type Operation func(c *Call, next Next) (*Reply, error)

// Table has the operations that an endpoint answers itself, by
// "service.Operation" or, for operations without a name, by
// "service.METHOD /path"; "service.*" is for all that has no row of its own.
type Table map[string]Operation

// Find returns the row for a call.
func (t Table) Find(c *Call) (Operation, bool) {
	op, ok := t[c.Service+"."+c.Name()]
	if !ok {
		op, ok = t[c.Service+".*"]
	}
	return op, ok
}

// Do answers a call by an operation, and an error as AWS does.
func (op Operation) Do(c *Call, next Next) *Reply {
	rep, err := op(c, next)
	if err == nil {
		return rep
	}
	f, ok := errors.AsType[*Failure](err)
	if !ok {
		f = &Failure{http.StatusServiceUnavailable, "ServiceUnavailable", err.Error()}
	}
	return f.Render(c)
}

// Handler answers by the table, and asks next what has no row. Requests that
// were signed for no region are taken to be for the given one.
func (t Table) Handler(region string, next Next) http.Handler {
	pass := Operation(func(c *Call, next Next) (*Reply, error) { return next(c) })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := Read(r, region)
		if err != nil {
			http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
			return
		}
		op, ok := t.Find(c)
		if !ok {
			op = pass
		}
		op.Do(c, next).Write(w)
	})
}
