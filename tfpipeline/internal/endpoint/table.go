package endpoint

import (
	"errors"
	"net/http"
)

// Next passes a call on, to the service behind an endpoint.
type Next func(*Call) (*Reply, error)

// Operation answers one API operation. It may call next and change its answer.
// The client receives a *Failure unchanged; any other error becomes
// ServiceUnavailable.
type Operation func(c *Call, next Next) (*Reply, error)

// Table holds the operations that an endpoint answers itself. Its keys are
// "service.Operation", "service.METHOD /path" for operations without a name,
// and "service.*" for all operations of a service without a row.
type Table map[string]Operation

// Find returns the row for a call.
func (t Table) Find(c *Call) (Operation, bool) {
	op, ok := t[c.Service+"."+c.Name()]
	if !ok {
		op, ok = t[c.Service+".*"]
	}
	return op, ok
}

// Do answers a call by an operation, and renders its error as AWS would.
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

// Handler answers calls by the table, and passes calls without a row to next.
// region applies to requests that were signed for none.
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
