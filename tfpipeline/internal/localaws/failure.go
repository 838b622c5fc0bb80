package localaws

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// failure is an error as AWS gives it: the SDK shows its code and message.
type failure struct {
	status        int
	code, message string
}

func (f *failure) Error() string { return f.code + ": " + f.message }

// refuse is a failure that is the caller's fault (HTTP 400).
func refuse(code, format string, args ...any) *failure {
	return &failure{status: http.StatusBadRequest, code: code, message: fmt.Sprintf(format, args...)}
}

// notModelled is the answer to what neither the endpoint nor moto can do. It
// is a 501 and not a 500: AWS's clients retry a 500, and Terraform would seem
// to hang for 25 attempts.
func notModelled(service, operation string) *failure {
	return &failure{
		status:  http.StatusNotImplemented,
		code:    "NotModelledLocally",
		message: fmt.Sprintf("the local endpoint does not model %s %s", service, operation),
	}
}

// render writes the failure in the protocol of the call.
func (f *failure) render(c *call) *reply {
	h := http.Header{}
	target := c.request.Header.Get("X-Amz-Target")
	switch {
	case target != "" || strings.HasPrefix(c.request.Header.Get("Content-Type"), "application/json"):
		h.Set("Content-Type", "application/x-amz-json-1.1")
		h.Set("X-Amzn-Errortype", f.code)
		body, _ := json.Marshal(map[string]string{"__type": f.code, "message": f.message}) // strings always encode
		return &reply{f.status, h, body}
	case strings.HasPrefix(c.request.URL.Path, "/service/"):
		h.Set("Content-Type", "application/cbor")
		h.Set("Smithy-Protocol", "rpc-v2-cbor")
		return &reply{f.status, h, f.cbor()}
	}
	h.Set("Content-Type", "text/xml")
	detail := []*node{leaf("Code", f.code), leaf("Message", f.message)}
	var root *node
	switch c.service {
	case "ec2":
		root = branch("Response", branch("Errors", branch("Error", detail...)), leaf("RequestID", requestID))
	case "s3":
		root = branch("Error", detail...)
	default:
		root = branch("ErrorResponse",
			branch("Error", append([]*node{leaf("Type", "Sender")}, detail...)...),
			leaf("RequestId", requestID))
	}
	return &reply{f.status, h, root.encode()}
}

// cbor is {"__type": code, "message": message} as RFC 8949 writes it.
func (f *failure) cbor() []byte {
	out := []byte{0xa2}
	for _, s := range []string{"__type", f.code, "message", f.message} {
		if len(s) < 24 {
			out = append(out, 0x60|byte(len(s)))
		} else {
			out = append(out, 0x79, byte(len(s)>>8), byte(len(s)))
		}
		out = append(out, s...)
	}
	return out
}
