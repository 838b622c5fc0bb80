package ecs

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
)

const (
	// attempts of one call. Whoever waits calls again after that, and can say
	// meanwhile that AWS is not answering.
	attempts = 5
	// patience is how often it is tried whether adaptive mode allows a call.
	patience = 50 * time.Millisecond
	// answerWithin bounds one attempt, so that a connection on which nothing
	// comes any more does not hold up a deployment.
	answerWithin = 30 * time.Second
)

// newRetryer retries as AWS's adaptive mode does: after throttling it calls
// more slowly, until there is none. It is used by one client.
func newRetryer() aws.Retryer {
	return adaptive{retry.NewAdaptiveMode(func(o *retry.AdaptiveModeOptions) {
		o.FailOnNoAttemptTokens = true
		o.StandardOptions = append(o.StandardOptions, func(o *retry.StandardOptions) {
			o.MaxAttempts = attempts
			// The quota would end all retries after some hundred of them; a
			// deployment has to get through a bad hour.
			o.RateLimiter = ratelimit.None
			o.Retryables = append(o.Retryables, retry.IsErrorRetryableFunc(passing))
		})
	})}
}

// adaptive waits by itself for the next call to be allowed. The SDK rounds the
// time until then down, to none at all in the end, and asks again at once and
// again; where the clock stands still meanwhile, for ever.
type adaptive struct{ *retry.AdaptiveMode }

func (a adaptive) GetAttemptToken(ctx context.Context) (func(error) error, error) {
	for {
		release, err := a.AdaptiveMode.GetAttemptToken(ctx)
		if err == nil {
			return release, nil
		}
		timer := time.NewTimer(patience)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		}
	}
}

// passing recognizes what goes away by itself though the SDK does not say so:
// an answer that broke off, and what AWS refuses only because something else is
// at work. Nothing that is called here does harm when it is repeated.
func passing(err error) aws.Ternary {
	if _, broken := errors.AsType[*smithy.DeserializationError](err); broken {
		answer, ok := errors.AsType[*awshttp.ResponseError](err)
		refused := ok && answer.Response != nil && answer.HTTPStatusCode()/100 == 4
		return aws.BoolTernary(!refused)
	}
	code, message := saidBy(err)
	switch {
	case code == "ConcurrentUpdateException", // of Application Auto Scaling
		code == "ClientException" && strings.Contains(message, "Too many concurrent attempts"): // of RegisterTaskDefinition
		return aws.TrueTernary
	default:
		return aws.UnknownTernary
	}
}

// bounded gives a client a bound on each attempt, if it is one that can have
// one and has none.
func bounded(client aws.HTTPClient) aws.HTTPClient {
	switch c := client.(type) {
	case nil:
		return awshttp.NewBuildableClient().WithTimeout(answerWithin)
	case *awshttp.BuildableClient:
		if c.GetTimeout() == 0 {
			return c.WithTimeout(answerWithin)
		}
	case *http.Client:
		if c.Timeout == 0 {
			limited := *c
			limited.Timeout = answerWithin
			return &limited
		}
	}
	return client
}
