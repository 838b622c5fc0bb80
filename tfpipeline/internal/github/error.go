package github

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	rest "github.com/google/go-github/v74/github"
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

// Refusal is why GitHub does not do what it understood.
type Refusal string

// The refusals; each has another next step.
const (
	// RateLimited: too many requests; RetryAfter says when to come back.
	RateLimited Refusal = "rate limit"
	// Locked: the conversation is closed to comments.
	Locked Refusal = "locked conversation"
	// ReadOnly: the token lacks the permission, as a job has not asked for it, or
	// as a fork's and Dependabot's always does.
	ReadOnly Refusal = "read-only token"
	// BadToken: there is no such token, or it has ended.
	BadToken Refusal = "bad token"
	// Forbidden: a rule of the organisation.
	Forbidden Refusal = "forbidden"
)

// Refusal tells the refusals apart; "" is none of them.
func (e *Error) Refusal() Refusal {
	message := strings.ToLower(e.Message)
	switch {
	case e.limited:
		return RateLimited
	case e.Status == http.StatusUnauthorized:
		return BadToken
	case e.Status != http.StatusForbidden:
		return ""
	case strings.Contains(message, "locked"):
		return Locked
	case strings.Contains(message, "not accessible by"), strings.Contains(message, "must have"):
		return ReadOnly
	default:
		return Forbidden
	}
}

// RetryAfter is how long GitHub wants to be left alone; 0 if it does not say.
func (e *Error) RetryAfter() time.Duration { return e.retryAfter }

// status is the HTTP status of a failure of GitHub's; 0 for any other.
func status(err error) int {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Status
	}
	return 0
}

// failure is the Error that a call of the library's ended with; nil if it
// succeeded.
func (c *Client) failure(method, path string, err error) error {
	if err == nil {
		return nil
	}
	response := answerOf(err) //nolint:bodyclose // the library has read the body into memory
	if response == nil {
		return &Error{Method: method, Path: path, Message: c.censor(err.Error()), err: err}
	}
	answer, readErr := io.ReadAll(response.Body)
	if readErr != nil {
		return &Error{Method: method, Path: path, Status: response.StatusCode, Message: c.censor(readErr.Error()), err: err}
	}
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
	limited := response.StatusCode == http.StatusTooManyRequests ||
		response.StatusCode == http.StatusForbidden && (said || strings.Contains(strings.ToLower(message), "rate limit"))
	if limited && wait == 0 {
		wait = limitWait
	}
	return &Error{
		Method: method, Path: path, Status: response.StatusCode, Message: c.censor(message),
		RequestID: response.Header.Get("X-GitHub-Request-Id"), retryAfter: wait, limited: limited,
	}
}

// answerOf is the answer that an error of the library's was made from; nil if
// there was none.
func answerOf(err error) *http.Response {
	if e, ok := errors.AsType[*rest.ErrorResponse](err); ok {
		return e.Response
	}
	if e, ok := errors.AsType[*rest.RateLimitError](err); ok {
		return e.Response
	}
	if e, ok := errors.AsType[*rest.AbuseRateLimitError](err); ok {
		return e.Response
	}
	return nil
}
