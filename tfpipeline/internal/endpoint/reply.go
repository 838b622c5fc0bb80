package endpoint

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/beevik/etree"
	"github.com/fxamacker/cbor/v2"
)

// Reply is a whole answer.
type Reply struct {
	Status int
	Header http.Header
	Body   []byte
}

// Write sends the reply.
func (rep *Reply) Write(w http.ResponseWriter) {
	for k, v := range rep.Header {
		w.Header()[k] = v
	}
	w.WriteHeader(rep.Status)
	_, _ = w.Write(rep.Body) // the client has gone: nobody to tell
}

// JSON is an answer of the JSON protocol.
func JSON(v any) (*Reply, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("write the answer: %w", err)
	}
	return &Reply{http.StatusOK, http.Header{"Content-Type": {contentJSON}}, body}, nil
}

// XML is an answer of the Query and REST-XML protocols.
func XML(root *etree.Element) *Reply {
	return &Reply{http.StatusOK, http.Header{"Content-Type": {"text/xml"}}, Encode(root)}
}

const contentJSON = "application/x-amz-json-1.1"

// RequestID is used where AWS would give each answer an id of its own.
const RequestID = "00000000-0000-4000-8000-000000000000"

// Query is an answer of the Query protocol: children become the content of
// <OperationResult> in <OperationResponse>.
func Query(c *Call, namespace string, children ...*etree.Element) *Reply {
	root := Branch(c.Operation+"Response",
		Branch(c.Operation+"Result", children...),
		Branch("ResponseMetadata", Leaf("RequestId", RequestID)))
	root.CreateAttr("xmlns", namespace)
	return XML(root)
}

// Failure is an error in AWS's form: the SDK shows its code and message.
type Failure struct {
	Status        int
	Code, Message string
}

func (f *Failure) Error() string { return f.Code + ": " + f.Message }

// Refuse is a failure that is the caller's fault (HTTP 400).
func Refuse(code, format string, args ...any) *Failure {
	return &Failure{Status: http.StatusBadRequest, Code: code, Message: fmt.Sprintf(format, args...)}
}

// Render writes the failure in the protocol of the call.
func (f *Failure) Render(c *Call) *Reply {
	said := map[string]string{"__type": f.Code, "message": f.Message}
	target := c.Request.Header.Get("X-Amz-Target")
	switch {
	// EventBridge Scheduler and SES speak JSON by method and path; a GET has no type.
	case target != "" || c.Service == "scheduler" || strings.HasPrefix(c.Request.URL.Path, "/v2/email/") || strings.HasPrefix(c.Request.Header.Get("Content-Type"), "application/json"):
		body, _ := json.Marshal(said) // strings always encode
		return &Reply{f.Status, http.Header{"Content-Type": {contentJSON}, "X-Amzn-Errortype": {f.Code}}, body}
	case strings.HasPrefix(c.Request.URL.Path, "/service/"):
		body, _ := cbor.Marshal(said) // strings always encode
		return &Reply{f.Status, http.Header{"Content-Type": {"application/cbor"}, "Smithy-Protocol": {"rpc-v2-cbor"}}, body}
	}
	detail := []*etree.Element{Leaf("Code", f.Code), Leaf("Message", f.Message)}
	var root *etree.Element
	switch c.Service {
	case "ec2":
		root = Branch("Response", Branch("Errors", Branch("Error", detail...)), Leaf("RequestID", RequestID))
	case "s3":
		root = Branch("Error", detail...)
	default:
		root = Branch("ErrorResponse",
			Branch("Error", append([]*etree.Element{Leaf("Type", "Sender")}, detail...)...),
			Leaf("RequestId", RequestID))
	}
	rep := XML(root)
	rep.Status = f.Status
	return rep
}

// DecodeJSON reads a JSON body; an empty one is an empty object.
func DecodeJSON(body []byte, v any) error {
	if len(body) == 0 || strings.TrimSpace(string(body)) == "" {
		return nil
	}
	if err := json.Unmarshal(body, v); err != nil {
		return Refuse("SerializationException", "%s", err)
	}
	return nil
}

// Seconds is a time as the JSON protocol writes it: seconds since 1970, with
// milliseconds.
type Seconds struct{ time.Time }

// MarshalJSON writes the number.
func (s Seconds) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, "%.3f", float64(s.UnixMilli())/1000), nil
}

// Page returns one page of a list, by the size and token of the request; a
// size of 0 is no limit. The token that it returns leads to the next page; nil
// after the last.
func Page[T any](all []T, token *string, size int) (part []T, next *string, err error) {
	start := 0
	if token != nil && *token != "" {
		if _, err := fmt.Sscanf(*token, "next-%d", &start); err != nil || start < 0 || start > len(all) {
			return nil, nil, Refuse("InvalidParameterException", "the token %q is not one of ours", *token)
		}
	}
	end := len(all)
	if size > 0 && start+size < end {
		end = start + size
		t := fmt.Sprintf("next-%d", end)
		next = &t
	}
	return all[start:end], next, nil
}
