// Package github speaks to GitHub's REST API for the pipeline: one comment a
// pull request, the summary of a workflow's step, the commit of a release. It
// carries strings and knows nothing of plans.
package github

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// DefaultAPI is where GitHub's own API is.
const DefaultAPI = "https://api.github.com"

// Client is one repository of one GitHub, seen with one token.
type Client struct {
	api, repository, token string
	http                   *http.Client
	// pause waits before a request is sent again.
	pause func(context.Context, time.Duration) error
}

// New returns a client for a repository (owner/name). api is the base URL of
// the API; empty is GitHub's own.
func New(api, repository, token string) *Client {
	if api == "" {
		api = DefaultAPI
	}
	return &Client{
		api: strings.TrimSuffix(api, "/"), repository: repository, token: token,
		http: &http.Client{Timeout: 30 * time.Second}, pause: pause,
	}
}

// mostAnswer is how much of an answer is read, in bytes: a page of a hundred
// comments of 64 KiB is within it.
const mostAnswer = 32 << 20

// do sends one request below the repository and reads the answer into out,
// unless that is nil. Requests that GitHub did not carry out are sent again;
// so are reads and changes that may be made twice, when nobody knows.
func (c *Client) do(ctx context.Context, method, path string, in, out any) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return fmt.Errorf("github: %w", err)
		}
	}
	waited := time.Duration(0)
	for attempt := 0; ; attempt++ {
		answer, err := c.once(ctx, method, path, body)
		if err == nil {
			if out == nil {
				return nil
			}
			if err := json.Unmarshal(answer, out); err != nil {
				return fmt.Errorf("github: read the answer to %s %s: %w", method, path, err)
			}
			return nil
		}
		wait, again := retryAfter(err, method, attempt)
		waited += wait
		if !again || attempt == mostAttempts-1 || waited > mostWait || ctx.Err() != nil {
			return err
		}
		if err := c.pause(ctx, wait); err != nil {
			return err
		}
	}
}

func (c *Client) once(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	url := c.api + "/repos/" + c.repository + path
	if path == userPath {
		url = c.api + path
	}
	r, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("github: %w", err)
	}
	r.Header.Set("Accept", "application/vnd.github+json")
	r.Header.Set("X-GitHub-Api-Version", "2022-11-28")
	r.Header.Set("User-Agent", "tfpipeline")
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	response, err := c.http.Do(r)
	if err != nil {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("github: %s %s: %w", method, path, context.Cause(ctx))
		}
		return nil, &Error{Method: method, Path: path, Message: c.censor(err.Error()), err: err}
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, mostAnswer))
	if err != nil {
		return nil, &Error{Method: method, Path: path, Message: c.censor(err.Error()), err: err}
	}
	if response.StatusCode/100 != 2 {
		return nil, c.failure(method, path, response, answer)
	}
	return answer, nil
}

// censor takes the token out of what somebody else wrote.
func (c *Client) censor(s string) string {
	if c.token == "" {
		return s
	}
	return strings.ReplaceAll(s, c.token, "***")
}
