// Package calls gives every attempt of a call to AWS a time limit, whichever
// HTTP client makes it, and reports calls that keep a person waiting.
package calls

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go/middleware"
)

// Bound returns a client whose requests end within a limit, which includes
// reading the answer. A nil client stands for the SDK's own. A request that
// takes too long fails with a timeout, which the SDK retries.
func Bound(client aws.HTTPClient, limit time.Duration) aws.HTTPClient {
	if client == nil {
		client = awshttp.NewBuildableClient()
	}
	return bounded{client, limit}
}

type bounded struct {
	client aws.HTTPClient
	limit  time.Duration
}

// Do makes a request.
func (b bounded) Do(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(r.Context(), b.limit)
	answer, err := b.client.Do(r.WithContext(ctx))
	if err != nil {
		cancel()
		return answer, err
	}
	answer.Body = body{answer.Body, cancel}
	return answer, nil
}

// body ends the request's time limit when the caller closes it.
type body struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (b body) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}

// Tell has the clients of a configuration report, by tell, each call that has had no
// answer for a while, all its retries included.
func Tell(cfg *aws.Config, after time.Duration, tell func(string)) {
	var mu sync.Mutex // several calls may wait at the same time
	cfg.APIOptions = append(cfg.APIOptions, func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("TellOfLongCall",
			func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
				timer := time.AfterFunc(after, func() {
					mu.Lock()
					defer mu.Unlock()
					tell(fmt.Sprintf("waiting for the answer of %s to %s (%s)", awsmiddleware.GetServiceID(ctx), awsmiddleware.GetOperationName(ctx), after))
				})
				defer timer.Stop()
				return next.HandleInitialize(ctx, in)
			}), middleware.After)
	})
}
