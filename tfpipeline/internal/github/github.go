// Package github speaks to GitHub's REST API for the pipeline: one comment a
// pull request, the summary of a workflow's step, the commit of a release. It
// carries strings and knows nothing of plans.
package github

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	rest "github.com/google/go-github/v74/github"
)

// DefaultAPI is where GitHub's own API is.
const DefaultAPI = "https://api.github.com"

// Client is one repository of one GitHub, seen with one token.
type Client struct {
	rest                     *rest.Client
	owner, repository, token string
	// wrong is what is wrong with the address of the API; every call says so.
	wrong error
	// login is whose comments are ours, once it is known.
	login string
}

// New returns a client for a repository (owner/name). api is the base URL of
// the API; empty is GitHub's own.
func New(api, repository, token string) *Client {
	return newClient(api, repository, token, http.DefaultTransport)
}

func newClient(api, repository, token string, transport http.RoundTripper) *Client {
	c := &Client{rest: rest.NewClient(&http.Client{Transport: limitedAnswers{transport}}), token: token}
	if token != "" {
		c.rest = c.rest.WithAuthToken(token)
	}
	c.owner, c.repository, _ = strings.Cut(repository, "/")
	// The library would refuse calls during a rate limit, by this machine's clock; here
	// GitHub decides.
	c.rest.DisableRateLimitCheck = true
	c.rest.UserAgent = "tfpipeline"
	base, err := url.Parse(strings.TrimSuffix(cmp.Or(api, DefaultAPI), "/") + "/")
	if err != nil {
		c.wrong = fmt.Errorf("github: read the address of the API: %w", err)
		return c
	}
	c.rest.BaseURL = base
	return c
}

// mostCall is how long one call may take.
const mostCall = 30 * time.Second

// mostAnswer is how much of an answer is read, in bytes: a page of a hundred
// comments of 64 KiB is within it.
const mostAnswer = 32 << 20

// limitedAnswers is a transport that reads no more than mostAnswer of a body.
type limitedAnswers struct{ http.RoundTripper }

func (t limitedAnswers) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := t.RoundTripper.RoundTrip(r)
	if err == nil {
		body := response.Body
		response.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(body, mostAnswer), body}
	}
	return response, err
}

// do makes one call and makes it again as retry allows: what GitHub did not
// carry out, and reads and changes that may be made twice.
func (c *Client) do(ctx context.Context, method, path string, call func(context.Context) error) error {
	if c.wrong != nil {
		return c.wrong
	}
	return retry(ctx, method != http.MethodPost, func() error {
		ctx, cancel := context.WithTimeout(ctx, mostCall)
		defer cancel()
		return c.failure(method, path, call(ctx))
	})
}

// censor takes the token out of what somebody else wrote.
func (c *Client) censor(s string) string {
	if c.token == "" {
		return s
	}
	return strings.ReplaceAll(s, c.token, "***")
}
