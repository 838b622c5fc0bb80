package localaws

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/specboard/platform/tfpipeline/internal/endpoint"
	"github.com/specboard/platform/tfpipeline/internal/localaws/ecs"
	"github.com/specboard/platform/tfpipeline/internal/localaws/iam"
)

// adminPrefix begins the paths at which the endpoint describes itself.
const adminPrefix = "/_localaws/"

// answers is the table of operations that are not simply passed on to moto, by
// "service.Operation"; "service.*" stands for all without a row of their own.
func (e *Endpoint) answers(o Options) endpoint.Table {
	table, policies := endpoint.Table{}, newBucketPolicies()
	for _, rows := range []endpoint.Table{
		e.caches.operations(),
		e.scaling().operations(),
		e.images.operations(),
		e.access.operations(),
		policies.operations(),
		(&deliveries{account: e.account, policies: policies, folder: map[string]string{}}).operations(),
		conditionalPuts(),
		e.databases.operations(),
		newRuleDescriptions().operations(),
		secretVersions(),
		targetHealth(o.TargetHealth),
		deletionProtection(e.control),
		(&natGateways{control: e.control, attached: e.lookups.internetGateway, failed: map[string]bool{}}).operations(),
		newCertificates(e.self).operations(),
		e.taggedResources(),
		(&queues{}).operations(),
		{"ses.*": completeIdentity(e.account)},
		{"iam.CreateServiceLinkedRole": createServiceRole, "iam.AddClientIDToOpenIDConnectProvider": e.addAudience},
	} {
		for name, op := range rows {
			table[name] = op
		}
	}
	if o.sessions != nil {
		maps.Copy(table, o.sessions.operations(e.describeTask))
	}
	if o.schedules != nil {
		maps.Copy(table, o.schedules.operations())
	}
	return table
}

// ServeHTTP answers a request as AWS does.
func (e *Endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if id, ok := strings.CutPrefix(r.URL.Path, sessionPrefix); ok && e.sessions != nil {
		e.sessions.serve(w, r, id)
		return
	}
	if strings.HasPrefix(r.URL.Path, adminPrefix) {
		e.admin(w, r)
		return
	}
	begin := time.Now()
	recorder := &statusRecorder{ResponseWriter: w}
	c, err := endpoint.Read(r, e.region)
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	role, asked, denied := e.judged(recorder, c) //nolint:contextcheck // a call has its request's
	e.access.changed(c)
	e.trace(Call{c.Service, c.Operation, recorder.status, begin, time.Since(begin), role, asked, denied})
}

// judged answers a call if its caller may make it. Unless the caller is the
// administrator, it returns the caller's role, the IAM permissions that the
// call needs, and why it was denied.
func (e *Endpoint) judged(w http.ResponseWriter, c *endpoint.Call) (role string, asked []iam.Question, denied string) {
	s, ok, err := e.access.caller(c.Request)
	if err == nil && !ok {
		e.answer(w, c)
		return "", nil, ""
	}
	if err == nil {
		asked, err = e.access.judge(c, s, false)
	}
	if err != nil {
		refusal(c, err).Write(w)
		return s.role, asked, err.Error()
	}
	hidden := &hider{ResponseWriter: w}
	unfound, unlisted := e.access.judge(c, s, true)
	if unlisted != nil {
		hidden.denied = refusal(c, unlisted)
		w = hidden
	}
	e.answer(w, c)
	if r, ok := w.(*statusRecorder); ok && r.status == http.StatusNotFound {
		asked = append(asked, unfound...)
	}
	if hidden.hid {
		return s.role, asked, unlisted.Error()
	}
	return s.role, asked, ""
}

// refusal is an error in the form of AWS's answer.
func refusal(c *endpoint.Call, err error) *endpoint.Reply {
	return endpoint.Operation(func(*endpoint.Call, endpoint.Next) (*endpoint.Reply, error) { return nil, err }).Do(c, nil)
}

func (e *Endpoint) answer(w http.ResponseWriter, c *endpoint.Call) {
	if err := e.lookups.check(c); err != nil {
		refusal(c, err).Write(w)
		return
	}
	if c.Service == "ecs" && e.ecs != nil {
		endpoint.SetBody(c.Request, c.Body)
		e.ecs.ServeHTTP(w, c.Request)
		return
	}
	op, ok := e.operations.Find(c)
	if !ok {
		e.control.pass(w, c)
		return
	}
	op.Do(c, e.control.send).Write(w)
}

// scaling returns Application Auto Scaling on top of the handler that answers
// for ECS.
func (e *Endpoint) scaling() *scaling {
	s := newScaling(e.account)
	s.service = func(ctx context.Context, region, cluster, service string) (desired int, found bool, err error) {
		var described struct {
			Services []struct {
				Status       string
				DesiredCount int
			}
		}
		rep, err := e.askECS(ctx, region, "DescribeServices", map[string]any{"cluster": cluster, "services": []string{service}})
		if err != nil || rep.Status != http.StatusOK { // no such cluster
			return 0, false, err
		}
		if err := endpoint.DecodeJSON(rep.Body, &described); err != nil || len(described.Services) != 1 {
			return 0, false, err
		}
		return described.Services[0].DesiredCount, described.Services[0].Status == "ACTIVE", nil
	}
	s.scale = func(ctx context.Context, region, cluster, service string, desired int) error {
		rep, err := e.askECS(ctx, region, "UpdateService", map[string]any{"cluster": cluster, "service": service, "desiredCount": desired})
		if err == nil && rep.Status != http.StatusOK {
			err = endpoint.Refuse("ValidationException", "scale %s to %d: %s", service, desired, rep.Body)
		}
		return err
	}
	return s
}

// askECS makes a call to ECS on the endpoint's own behalf.
func (e *Endpoint) askECS(ctx context.Context, region, operation string, in any) (*endpoint.Reply, error) {
	r, err := newJSONRequest(ecs.Consistent(ctx), "ecs", region, "AmazonEC2ContainerServiceV20141113."+operation, in)
	if err != nil {
		return nil, err
	}
	return e.self(r), nil
}

// newJSONRequest is a request to the endpoint itself by the JSON protocol.
func newJSONRequest(ctx context.Context, service, region, target string, v any) (*http.Request, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://localaws/", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", target)
	r.Header.Set("Authorization", signature(service, region))
	return r, nil
}

// self answers a request that the endpoint makes to itself.
func (e *Endpoint) self(r *http.Request) *endpoint.Reply {
	rep := &endpoint.Reply{Header: http.Header{}}
	w := &replyWriter{rep}
	c, err := endpoint.Read(r, e.region)
	if err != nil {
		return &endpoint.Reply{Status: http.StatusRequestEntityTooLarge, Body: []byte(err.Error())}
	}
	e.answer(w, c)
	if rep.Status == 0 {
		rep.Status = http.StatusOK
	}
	return rep
}

// statusRecorder records the status of an answer.
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
type replyWriter struct{ *endpoint.Reply }

func (w *replyWriter) Header() http.Header { return w.Reply.Header }

func (w *replyWriter) WriteHeader(status int) { w.Status = status }

func (w *replyWriter) Write(b []byte) (int, error) {
	w.Body = append(w.Body, b...)
	return len(b), nil
}
