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
	// The SDK's own remarks (no checksum, a connection not used again) are
	// nothing that anybody could do something about.
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

// object is what stands under a key. Its version is S3's ETag.
type object struct {
	content []byte
	version string
	// age is how long ago it was written, by S3's own clock: this machine's may
	// be wrong by minutes.
	age time.Duration
}

// resolution is that of the times that S3 gives.
const resolution = time.Second

// ageOf is the least that has passed since an object was written.
func ageOf(out *s3.GetObjectOutput) time.Duration {
	now, ok := awsmiddleware.GetServerTime(out.ResultMetadata)
	if !ok || out.LastModified == nil {
		return 0
	}
	return max(now.Sub(*out.LastModified)-resolution, 0)
}

// get returns what stands under a key; nil if nothing does.
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

// conflictError says that a write was refused since something else is there.
type conflictError struct {
	key string
	// there is what is; nil if nothing.
	there *object
}

func (e *conflictError) Error() string {
	if e.there == nil {
		return e.key + " was removed meanwhile"
	}
	return e.key + " holds something else meanwhile"
}

// put stores content where nothing is (over is ""), or in place of the version
// over, and returns the version that it makes. It returns a *conflictError if
// something else is there. Whether a write whose answer was lost has happened,
// it finds out by reading; so content must not occur twice under one key.
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

// remove deletes a version. It returns a *conflictError if something else, or
// nothing, is there; not if it may be this call that made it so.
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
			// Refused because of somebody else's attempt at the same moment.
			return deploy.Transient(fmt.Errorf("%s is being changed", key))
		default:
			return &conflictError{key, there}
		}
	})
}

// retry calls do until its fate is known, or until there is no more use in
// it. unanswered tells do that an earlier call may have had its effect.
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

// singleAttempt lets a conditional write be tried one time: what follows a failure is
// not the same again, but a look at what is there.
func singleAttempt(o *s3.Options) { o.Retryer = aws.NopRetryer{} }

func isConflict(err error) bool {
	_, ok := errors.AsType[*conflictError](err)
	return ok
}

// refused reports whether a condition was not met: 412, or 404 where the
// condition was on an object that is gone.
func refused(err error) bool {
	return statusOf(err) == http.StatusPreconditionFailed || Code(err) == codeNoKey
}
