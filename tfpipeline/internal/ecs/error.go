package ecs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

// Error is a call that failed, with everything AWS said.
type Error struct {
	// Service and Operation, such as "ECS" and "UpdateService".
	Service, Operation string
	// Code and Message are AWS's; empty if no answer came.
	Code, Message string
	// Status is HTTP's, 0 if no answer came.
	Status int
	// RequestID is what AWS's support asks for.
	RequestID string
	// Attempts is how often it was tried, if more than once.
	Attempts int
	// Err is the SDK's error.
	Err error
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s: ", e.Service, e.Operation)
	var notes []string
	if e.Code != "" {
		fmt.Fprintf(&b, "%s: %s", e.Code, e.Message)
	} else {
		b.WriteString(e.Message)
	}
	if e.Status != 0 {
		notes = append(notes, fmt.Sprintf("HTTP %d", e.Status))
	}
	if e.RequestID != "" {
		notes = append(notes, "request "+e.RequestID)
	}
	if e.Attempts > 1 {
		notes = append(notes, fmt.Sprintf("%d attempts", e.Attempts))
	}
	if len(notes) > 0 {
		fmt.Fprintf(&b, " (%s)", strings.Join(notes, ", "))
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

// saidBy returns AWS's code and message.
func saidBy(err error) (code, message string) {
	if said, ok := errors.AsType[smithy.APIError](err); ok {
		return said.ErrorCode(), said.ErrorMessage()
	}
	return "", ""
}

// is reports whether AWS refused with one of these codes.
func is(err error, codes ...string) bool {
	said, _ := saidBy(err)
	for _, c := range codes {
		if said == c {
			return true
		}
	}
	return false
}

// describe turns an error of the SDK into an Error.
func describe(err error) *Error {
	e := &Error{Err: err}
	if op, ok := errors.AsType[*smithy.OperationError](err); ok {
		e.Service, e.Operation, err = op.ServiceID, op.OperationName, op.Err
	}
	if tried, ok := errors.AsType[*retry.MaxAttemptsError](err); ok {
		e.Attempts, err = tried.Attempt, tried.Err
	}
	e.Code, e.Message = saidBy(err)
	if answer, ok := errors.AsType[*awshttp.ResponseError](err); ok {
		e.RequestID = answer.ServiceRequestID()
		if answer.Response != nil {
			e.Status = answer.HTTPStatusCode()
		}
	}
	if e.Code == "" {
		// The SDK's own words around it would only repeat what is known.
		if answer, ok := errors.AsType[*awshttp.ResponseError](err); ok {
			err = answer.Err
		}
		if send, ok := errors.AsType[*smithyhttp.RequestSendError](err); ok {
			err = send.Err
		}
		e.Message = strings.Join(strings.Fields(err.Error()), " ") // some messages of the SDK have several lines
	}
	return e
}

// failed says what was being done when a call failed. It is the context's
// error if that has ended, and transient if the same call may succeed later.
func failed(ctx context.Context, err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	doing := fmt.Sprintf(format, args...)
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", doing, ctx.Err())
	}
	said := describe(err)
	wrapped := fmt.Errorf("%s: %w", doing, said)
	if said.passes() {
		return deploy.Transient(wrapped)
	}
	return deploy.Access(wrapped, said.Code, said.action())
}

// action is the permission that the call needs.
func (e *Error) action() string {
	prefix := map[string]string{
		"Elastic Load Balancing v2": "elasticloadbalancing", "CloudWatch Logs": "logs",
		"Secrets Manager": "secretsmanager", "Application Auto Scaling": "application-autoscaling",
	}[e.Service]
	if prefix == "" {
		prefix = strings.ToLower(e.Service)
	}
	return prefix + ":" + e.Operation
}

// passes reports whether the error may go away by itself.
func (e *Error) passes() bool {
	switch {
	case e.Code == "LimitExceededException":
		// The SDK takes this code for throttling, but ECS and ECR use it for a quota,
		// so a retry would fail, too.
		return false
	case e.Status >= http.StatusInternalServerError && e.Status != http.StatusNotImplemented:
		return true
	}
	checks := append(retry.IsErrorRetryables{retry.IsErrorRetryableFunc(passing)}, retry.DefaultRetryables...)
	return checks.IsErrorRetryable(e.Err) == aws.TrueTernary
}

const (
	// attempts is the most attempts of one call. A waiting caller then calls again, and
	// can report in between that AWS does not answer.
	attempts = 5
	// throttleWait is the pause before adaptive mode is asked again whether it allows a
	// call.
	throttleWait = 50 * time.Millisecond
	// answerWithin bounds one attempt, so that a connection on which nothing
	// comes any more does not hold up a deployment.
	answerWithin = 30 * time.Second
)

// newRetryer retries as the SDK's adaptive mode does: it slows down while AWS throttles.
// Each client needs its own.
func newRetryer() aws.Retryer {
	return adaptive{retry.NewAdaptiveMode(func(o *retry.AdaptiveModeOptions) {
		o.FailOnNoAttemptTokens = true
		o.StandardOptions = append(o.StandardOptions, func(o *retry.StandardOptions) {
			o.MaxAttempts = attempts
			// The SDK's quota of retries would be used up after about a hundred; a
			// deployment has to get through a bad hour.
			o.RateLimiter = ratelimit.None
			o.Retryables = append(o.Retryables, retry.IsErrorRetryableFunc(passing))
		})
	})}
}

// adaptive itself waits until the next call is allowed. The SDK rounds this wait down
// to zero in the end and asks again at once: for ever, under a virtual clock.
type adaptive struct{ *retry.AdaptiveMode }

func (a adaptive) GetAttemptToken(ctx context.Context) (func(error) error, error) {
	for {
		release, err := a.AdaptiveMode.GetAttemptToken(ctx)
		if err == nil {
			return release, nil
		}
		timer := time.NewTimer(throttleWait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		}
	}
}

// passing recognizes failures that go away by themselves and that the SDK does not
// retry: an answer that broke off, and a call that AWS refuses only while another one
// is at work. All calls of this package are safe to repeat.
func passing(err error) aws.Ternary {
	if _, broken := errors.AsType[*smithy.DeserializationError](err); broken {
		answer, ok := errors.AsType[*awshttp.ResponseError](err)
		refused := ok && answer.Response != nil && answer.HTTPStatusCode()/100 == 4
		return aws.BoolTernary(!refused)
	}
	code, message := saidBy(err)
	switch {
	case code == "ConcurrentUpdateException", // of Application Auto Scaling
		code == "ConflictException" && strings.Contains(message, "updat"),                      // of Scheduler
		code == "ClientException" && strings.Contains(message, "Too many concurrent attempts"): // of RegisterTaskDefinition
		return aws.TrueTernary
	default:
		return aws.UnknownTernary
	}
}
