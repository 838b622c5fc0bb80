package state

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

// S3's codes for a bucket and an object that do not exist.
const (
	codeNoBucket = "NoSuchBucket"
	codeNoKey    = "NoSuchKey"
)

// ErrNoBucket is returned while the state bucket does not exist.
var ErrNoBucket = errors.New("the state bucket does not exist")

// ForeignError is an object under one of our keys that this program did not
// write. It is left unchanged.
type ForeignError struct {
	Key string
	// Reason says how it differs from what belongs there.
	Reason string
	// Version is the object's.
	Version string
}

func (e *ForeignError) Error() string {
	return fmt.Sprintf("%s is none of ours: %s; it is left as it is", e.Key, e.Reason)
}

// NewerFormatError is a record, a journal or an index that a newer release of
// this program wrote. Whoever ignored it would take an older release for the
// current one.
type NewerFormatError struct {
	Key     string
	Version int
}

func (e *NewerFormatError) Error() string {
	return fmt.Sprintf("%s has format version %d, which is newer than this program", e.Key, e.Version)
}

// failed wraps the error of a call with what the call was for. It returns the
// context's error if the context has ended, and a transient error if the same
// call may succeed later.
func (b *Bucket) failed(ctx context.Context, err error, format string, args ...any) error {
	doing := fmt.Sprintf(format, args...)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", doing, ctx.Err())
	case Code(err) == codeNoBucket:
		return fmt.Errorf("%s: %w: %s", doing, ErrNoBucket, b.name)
	case transient(err):
		return deploy.Transient(fmt.Errorf("%s: %w", doing, err))
	default:
		action := ""
		if op, ok := errors.AsType[*smithy.OperationError](err); ok {
			action = "s3:" + op.OperationName
		}
		return deploy.Access(fmt.Errorf("%s: %w", doing, err), Code(err), action+" on "+b.name)
	}
}

// transient reports whether the error may go away by itself.
func transient(err error) bool {
	switch {
	case err == nil:
		return false
	case deploy.IsTransient(err), Code(err) == "ConditionalRequestConflict", Code(err) == "OperationAborted":
		// S3 answers with one of these codes if another write of the same key
		// happens at the same moment.
		return true
	case statusOf(err) >= http.StatusInternalServerError && statusOf(err) != http.StatusNotImplemented:
		return true
	}
	return retry.IsErrorRetryables(retry.DefaultRetryables).IsErrorRetryable(err) == aws.TrueTernary
}

// Code is the code of an error that AWS answered with, or "".
func Code(err error) string {
	if said, ok := errors.AsType[smithy.APIError](err); ok {
		return said.ErrorCode()
	}
	return ""
}

// Denied reports whether AWS refused a call for want of a permission.
func Denied(err error) bool { return deploy.Denies(Code(err)) }

// statusOf is the HTTP status of an answer that is an error; 0 if there was no
// answer.
func statusOf(err error) int {
	if answer, ok := errors.AsType[*awshttp.ResponseError](err); ok && answer.Response != nil {
		return answer.HTTPStatusCode()
	}
	return 0
}
