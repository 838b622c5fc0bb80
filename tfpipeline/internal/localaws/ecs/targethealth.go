package ecs

import (
	"encoding/xml"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// The Query protocol of Elastic Load Balancing, as far as DescribeTargetHealth
// needs it: https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_DescribeTargetHealth.html

// TargetHealth is the state of the targets of a group; ok is false if there is
// no such group.
func (r *Runtime) TargetHealth(group string) (all []TargetHealth, ok bool) {
	if r.options.Targets == nil {
		return nil, false
	}
	r.lock()
	r.unlock()
	return r.options.Targets.Health(group)
}

type healthResponse struct {
	XMLName xml.Name            `xml:"http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/ DescribeTargetHealthResponse"`
	Members []healthDescription `xml:"DescribeTargetHealthResult>TargetHealthDescriptions>member"`
	ID      string              `xml:"ResponseMetadata>RequestId"`
}

type healthDescription struct {
	ID          string `xml:"Target>Id"`
	Port        int    `xml:"Target>Port"`
	Zone        string `xml:"Target>AvailabilityZone,omitempty"`
	CheckPort   string `xml:"HealthCheckPort"`
	State       string `xml:"TargetHealth>State"`
	Reason      string `xml:"TargetHealth>Reason,omitempty"`
	Description string `xml:"TargetHealth>Description,omitempty"`
}

type healthError struct {
	XMLName xml.Name `xml:"ErrorResponse"`
	Type    string   `xml:"Error>Type"`
	Code    string   `xml:"Error>Code"`
	Message string   `xml:"Error>Message"`
	ID      string   `xml:"RequestId"`
}

// targetHealthReply answers a request of the Query protocol.
func (r *Runtime) targetHealthReply(body []byte) reply {
	form, err := url.ParseQuery(string(body))
	action := form.Get("Action")
	if err != nil || action != "DescribeTargetHealth" {
		return xmlFailed(unmodelled("operation %q of Elastic Load Balancing", action))
	}
	r.lock()
	call := Call{At: r.agenda.now, Operation: action}
	injected := r.fault(action)
	if injected != nil {
		call.Fault = true
		call.fail(injected.failure())
	} else {
		call.Status = http.StatusOK
	}
	r.options.Called(call)
	r.unlock()
	if injected != nil {
		a := reply{delay: injected.Delay, drop: injected.Drop}
		if f := injected.failure(); f != nil {
			a = xmlFailed(f)
			a.delay = injected.Delay
		}
		return a
	}
	all, ok := r.TargetHealth(form.Get("TargetGroupArn"))
	if !ok {
		return xmlFailed(refuse("TargetGroupNotFound", "One or more target groups not found"))
	}
	out := healthResponse{ID: uuid()}
	for _, t := range all {
		if !asked(form, t.Target) {
			continue
		}
		out.Members = append(out.Members, healthDescription{
			ID: t.ID, Port: t.Port, Zone: t.AvailabilityZone, CheckPort: strconv.Itoa(t.Port),
			State: t.State, Reason: t.Reason, Description: t.Description,
		})
	}
	return xmlReply(http.StatusOK, out)
}

// asked reports whether Targets.member.N.Id names a target, or names none at
// all.
func asked(form url.Values, t Target) bool {
	named := false
	for key := range form {
		n, ok := strings.CutPrefix(key, "Targets.member.")
		if !ok || !strings.HasSuffix(n, ".Id") {
			continue
		}
		named = true
		port := form.Get("Targets.member." + strings.TrimSuffix(n, ".Id") + ".Port")
		if form.Get(key) == t.ID && (port == "" || port == strconv.Itoa(t.Port)) {
			return true
		}
	}
	return !named
}

func xmlReply(status int, v any) reply {
	body, err := xml.Marshal(v)
	if err != nil {
		panic(err) // strings and numbers always encode
	}
	return reply{status: status, body: body, kind: "text/xml"}
}

func xmlFailed(f *failure) reply {
	return xmlReply(f.status, healthError{Type: "Sender", Code: f.code, Message: f.message, ID: uuid()})
}
