package github

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Error is what GitHub answered to a request that it did not carry out.
type Error struct {
	Method, Path string
	// Status is the HTTP status; 0 if there was no answer.
	Status int
	// Message is GitHub's own, with the fields it complains of.
	Message string
	// RequestID is what GitHub's support asks for.
	RequestID string

	// retryAfter is how long GitHub wants to be left alone; 0 if it does not
	// say.
	retryAfter time.Duration
	// limited says that a rate limit refused the request.
	limited bool
	err     error
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "github: %s %s: ", e.Method, e.Path)
	if e.Status != 0 {
		fmt.Fprintf(&b, "%d %s: ", e.Status, http.StatusText(e.Status))
	}
	b.WriteString(e.Message)
	if e.RequestID != "" {
		fmt.Fprintf(&b, " (request %s)", e.RequestID)
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.err }

// status is the HTTP status of a failure of GitHub's; 0 for any other.
func status(err error) int {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Status
	}
	return 0
}

// failure reads an answer that is an error.
func (c *Client) failure(method, path string, response *http.Response, answer []byte) *Error {
	var document struct {
		Message string            `json:"message"`
		Errors  []json.RawMessage `json:"errors"`
	}
	const most = 500
	message := strings.TrimSpace(string(answer))
	if json.Unmarshal(answer, &document) == nil && document.Message != "" {
		message = document.Message
		for _, e := range document.Errors {
			message += "; " + string(e)
		}
	}
	if len(message) > most {
		message = strings.ToValidUTF8(message[:most], "") + "…"
	}
	wait, said := askedToWait(response.Header, time.Now())
	return &Error{
		Method: method, Path: path, Status: response.StatusCode, Message: c.censor(message),
		RequestID:  response.Header.Get("X-GitHub-Request-Id"),
		retryAfter: wait,
		limited: response.StatusCode == http.StatusTooManyRequests ||
			response.StatusCode == http.StatusForbidden && (said || strings.Contains(strings.ToLower(message), "rate limit")),
	}
}
