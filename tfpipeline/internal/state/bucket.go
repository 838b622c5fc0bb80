package state

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/logging"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/calls"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

const (
	// attempts of one call.
	attempts = 5
	// answerWithin bounds one attempt. It is short, since a lease is renewed
	// several times a minute.
	answerWithin = 10 * time.Second
	// longest pause between two attempts.
	longest = 5 * time.Second
	// largest record, journal or lease that is read: none comes near it.
	largest = 4 << 20
	// largestState that is read, in bytes.
	largestState = 64 << 20
)

// Bucket is the state bucket, with writes that replace only what they mean to
// replace. Its methods, and those of what it returns, may be called from any
// goroutine.
type Bucket struct {
	client   *s3.Client
	name     string
	owner    string
	platform config.Platform
}

// New returns the platform's state bucket, as the configuration's credentials
// see it; the region is the platform's. It makes no call.
func New(cfg aws.Config, p config.Platform) *Bucket {
	cfg = cfg.Copy()
	cfg.Region = p.Region
	// The SDK warns of a missing checksum or of a connection that it did not
	// reuse. Nobody can do anything about either.
	cfg.Logger = logging.Nop{}
	cfg.Retryer = func() aws.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts, o.MaxBackoff = attempts, longest
			o.RateLimiter = ratelimit.None
		})
	}
	cfg.HTTPClient = calls.Bound(cfg.HTTPClient, answerWithin)
	return &Bucket{client: s3.NewFromConfig(cfg), name: p.StateBucket(), owner: p.Account, platform: p}
}

// object is an object of the bucket. Its version is S3's ETag.
type object struct {
	content []byte
	version string
	// age is the time since it was written, by S3's clock: this machine's
	// clock may be wrong by minutes.
	age time.Duration
}

// resolution is the precision of the times that S3 reports.
const resolution = time.Second

// ageOf returns the shortest time that can have passed since an object was
// written.
func ageOf(out *s3.GetObjectOutput) time.Duration {
	now, ok := awsmiddleware.GetServerTime(out.ResultMetadata)
	if !ok || out.LastModified == nil {
		return 0
	}
	return max(now.Sub(*out.LastModified)-resolution, 0)
}

// get returns the object under a key; nil if there is none.
func (b *Bucket) get(ctx context.Context, key string) (*object, error) {
	return b.getUpTo(ctx, key, largest)
}

// getUpTo is get with another bound, in bytes.
func (b *Bucket) getUpTo(ctx context.Context, key string, bound int64) (*object, error) {
	out, err := b.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &b.name, Key: &key, ExpectedBucketOwner: &b.owner})
	if Code(err) == codeNoKey {
		return nil, nil
	}
	if err != nil {
		return nil, b.failed(ctx, err, "read %s", key)
	}
	defer out.Body.Close()
	content, err := io.ReadAll(io.LimitReader(out.Body, bound+1))
	switch {
	case err != nil:
		return nil, b.failed(ctx, err, "read %s", key)
	case int64(len(content)) > bound:
		return nil, fmt.Errorf("read %s: it has more than %d bytes", key, bound)
	}
	return &object{content, aws.ToString(out.ETag), ageOf(out)}, nil
}

// conflictError is returned by a write that S3 refused because another object
// is there.
type conflictError struct {
	key string
	// there is that object; nil if there is none any more.
	there *object
}

func (e *conflictError) Error() string {
	if e.there == nil {
		return e.key + " was removed meanwhile"
	}
	return e.key + " holds something else meanwhile"
}

// put stores content where there is no object (over is ""), or in place of the
// version over, and returns the new version. It returns a *conflictError if
// another object is there. If the answer to a write is lost, put reads the
// object to find out whether the write happened; therefore two writes to one
// key must never have the same content.
func (b *Bucket) put(ctx context.Context, key string, content []byte, over string) (version string, err error) {
	in := &s3.PutObjectInput{
		Bucket: &b.name, Key: &key, ExpectedBucketOwner: &b.owner,
		ContentType: aws.String("application/json"),
	}
	if over == "" {
		in.IfNoneMatch = aws.String("*")
	} else {
		in.IfMatch = &over
	}
	err = b.retry(ctx, "write "+key, func(ctx context.Context, _ bool) error {
		in.Body = bytes.NewReader(content)
		out, err := b.client.PutObject(ctx, in, singleAttempt)
		if err == nil {
			version = aws.ToString(out.ETag)
			return nil
		}
		if !refused(err) && !transient(err) {
			return err
		}
		there, readErr := b.get(ctx, key)
		switch {
		case readErr == nil && there != nil && bytes.Equal(there.content, content):
			version = there.version
			return nil
		case !refused(err):
			return err
		case readErr != nil:
			return readErr
		default:
			return &conflictError{key, there}
		}
	})
	return version, err
}

// remove deletes a version. It returns a *conflictError if the object has
// another version or is gone, unless an earlier attempt of this call may have
// deleted it.
func (b *Bucket) remove(ctx context.Context, key, version string) error {
	return b.retry(ctx, "remove "+key, func(ctx context.Context, unanswered bool) error {
		_, err := b.client.DeleteObject(ctx, &s3.DeleteObjectInput{
			Bucket: &b.name, Key: &key, ExpectedBucketOwner: &b.owner, IfMatch: &version,
		}, singleAttempt)
		if err == nil || !refused(err) {
			return err
		}
		there, err := b.get(ctx, key)
		switch {
		case err != nil:
			return err
		case there == nil && unanswered:
			return nil
		case there != nil && there.version == version:
			// S3 refused it because somebody else writes the key at this
			// moment.
			return deploy.Transient(fmt.Errorf("%s is being changed", key))
		default:
			return &conflictError{key, there}
		}
	})
}

// retry calls do until the call has succeeded or failed for good, or until the
// context ends. unanswered tells do that an earlier attempt may have taken
// effect.
func (b *Bucket) retry(ctx context.Context, doing string, do func(ctx context.Context, unanswered bool) error) error {
	pause := 100 * time.Millisecond
	for attempt := 1; ; attempt++ {
		err := do(ctx, attempt > 1)
		if err == nil || isConflict(err) {
			return err
		}
		if ctx.Err() != nil || !transient(err) || attempt == attempts {
			return b.failed(ctx, err, "%s", doing)
		}
		timer := time.NewTimer(pause/2 + rand.N(pause/2))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("%s: %w", doing, ctx.Err())
		}
		pause = min(2*pause, longest)
	}
}

// singleAttempt stops the SDK from repeating a conditional write: after a
// failure, this package first looks at what is there.
func singleAttempt(o *s3.Options) { o.Retryer = aws.NopRetryer{} }

func isConflict(err error) bool {
	_, ok := errors.AsType[*conflictError](err)
	return ok
}

// refused reports whether the condition of a request was not met: 412, or 404
// if the condition named an object that is gone.
func refused(err error) bool {
	return statusOf(err) == http.StatusPreconditionFailed || Code(err) == codeNoKey
}
