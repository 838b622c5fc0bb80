package localaws

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"
)

// operation answers one API operation. It may ask next, the control plane, and
// repair its answer. An error that is a *failure is told to the client as it
// is.
type operation func(c *call, next func(*call) (*reply, error)) (*reply, error)

// adminPrefix is the path of what the endpoint says of itself.
const adminPrefix = "/_localaws/"

// answers is the table of everything that is not simply passed on to moto, by
// "service.Operation"; "service.*" is for all that has no row of its own.
func (e *Endpoint) answers(o Options) map[string]operation {
	table := map[string]operation{}
	for _, rows := range []map[string]operation{
		newCaches(e.account, e.control).operations(),
		newScaling(e.account, e.ecsServiceExists).operations(),
		e.images.operations(),
		newBucketPolicies().operations(),
		conditionalPuts(),
		newDatabases(o.Database).operations(),
		newRuleDescriptions().operations(),
		targetHealth(o.TargetHealth),
		deletionProtection(e.control),
		natGateways(e.control),
		elasticIPs(),
	} {
		for name, op := range rows {
			table[name] = op
		}
	}
	return table
}

// ServeHTTP answers a request as AWS does.
func (e *Endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, adminPrefix) {
		e.admin(w, r)
		return
	}
	begin := time.Now()
	recorder := &statusRecorder{ResponseWriter: w}
	c, err := readCall(r, e.region)
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	e.answer(recorder, c)
	e.trace(Call{c.service, c.operation, recorder.status, begin, time.Since(begin)})
}

func (e *Endpoint) answer(w http.ResponseWriter, c *call) {
	if c.service == "ecs" && e.ecs != nil {
		setBody(c.request, c.body)
		e.ecs.ServeHTTP(w, c.request)
		return
	}
	op, ok := e.operations[c.service+"."+c.operation]
	if !ok {
		op, ok = e.operations[c.service+".*"]
	}
	if !ok {
		e.control.pass(w, c)
		return
	}
	rep, err := op(c, e.control.send)
	if err != nil {
		rep = e.failed(err).render(c)
	}
	rep.write(w)
}

// failed is what the client is told of an error.
func (e *Endpoint) failed(err error) *failure {
	if f, ok := errors.AsType[*failure](err); ok {
		return f
	}
	return e.control.unreachable(err)
}

// ecsServiceExists asks whoever answers for ECS.
func (e *Endpoint) ecsServiceExists(ctx context.Context, region, cluster, service string) (bool, error) {
	r, err := newJSONRequest(ctx, "ecs", region, "AmazonEC2ContainerServiceV20141113.DescribeServices",
		map[string]any{"cluster": cluster, "services": []string{service}})
	if err != nil {
		return false, err
	}
	rep := e.self(r)
	if rep.status != http.StatusOK {
		return false, nil // no such cluster
	}
	var described struct {
		Services []struct{ Status string }
	}
	if err := decodeJSON(rep.body, &described); err != nil {
		return false, err
	}
	return len(described.Services) == 1 && described.Services[0].Status != "INACTIVE", nil
}

// self lets the endpoint answer a request of its own.
func (e *Endpoint) self(r *http.Request) *reply {
	rep := &reply{header: http.Header{}}
	w := &replyWriter{rep}
	c, err := readCall(r, e.region)
	if err != nil {
		return &reply{status: http.StatusRequestEntityTooLarge, body: []byte(err.Error())}
	}
	e.answer(w, c)
	if rep.status == 0 {
		rep.status = http.StatusOK
	}
	return rep
}

// statusRecorder remembers the status that was answered.
type statusRecorder struct {
	http.ResponseWriter
	status int
}

func (s *statusRecorder) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}

func (s *statusRecorder) Write(b []byte) (int, error) {
	if s.status == 0 {
		s.status = http.StatusOK
	}
	return s.ResponseWriter.Write(b)
}

// Unwrap lets handlers flush.
func (s *statusRecorder) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// replyWriter writes into a reply.
type replyWriter struct{ *reply }

func (w *replyWriter) Header() http.Header { return w.header }

func (w *replyWriter) WriteHeader(status int) { w.status = status }

func (w *replyWriter) Write(b []byte) (int, error) {
	w.body = append(w.body, b...)
	return len(b), nil
}
