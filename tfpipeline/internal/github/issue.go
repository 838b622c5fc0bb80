package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	rest "github.com/google/go-github/v74/github"
)

const (
	// closedFor is how long an issue that was closed is opened again.
	closedFor = 30 * 24 * time.Hour
	// mostPages bounds the search for an issue: beyond it none is made, which
	// could be a second one.
	mostPages = 30
)

// Issue is the one issue on a subject.
type Issue struct {
	// Marker is what its text begins with, and finds it by.
	Marker string
	Title  string
	// Body is the text, which begins with the marker. Subject stands in it, and
	// changes with what the issue is about: only then is there a comment.
	Body, Subject string
	// Changed, Reopened and Closed are comments for those occasions.
	Changed, Reopened, Closed string
}

// OpenIssue makes an issue say what it should, and returns its address: it is
// made, its text is rewritten, and it is opened again if it was closed within
// the last 30 days. There is never a second one.
func (c *Client) OpenIssue(ctx context.Context, i Issue) (string, error) {
	found, made, err := c.findOrCreateIssue(ctx, i)
	switch {
	case err != nil:
		return "", wrap(err, "issue %q", i.Title)
	case made:
		return found.GetHTMLURL(), nil
	}
	closed := found.GetState() == "closed"
	comment := ""
	switch {
	case closed:
		comment = i.Reopened
	case !strings.Contains(found.GetBody(), i.Subject):
		comment = i.Changed
	}
	if closed || !same(found.GetBody(), i.Body) {
		if err := c.editIssue(ctx, found, &rest.IssueRequest{Title: &i.Title, Body: &i.Body, State: new("open")}); err != nil {
			return "", wrap(err, "issue %q", i.Title)
		}
	}
	if comment != "" {
		err = c.commentIssue(ctx, found, comment)
	}
	return found.GetHTMLURL(), wrap(err, "issue %q", i.Title)
}

// CloseIssue closes the issue with a comment, if it is open, and returns its
// address; "" if it is not.
func (c *Client) CloseIssue(ctx context.Context, i Issue) (string, error) {
	author, err := c.author(ctx)
	if err != nil {
		return "", wrap(err, "issue %q", i.Title)
	}
	found, err := c.findIssue(ctx, i.Marker, author)
	if err != nil || found == nil || found.GetState() == "closed" {
		return "", wrap(err, "issue %q", i.Title)
	}
	if err := c.commentIssue(ctx, found, i.Closed); err != nil {
		return "", wrap(err, "issue %q", i.Title)
	}
	err = c.editIssue(ctx, found, &rest.IssueRequest{State: new("closed"), StateReason: new("completed")})
	return found.GetHTMLURL(), wrap(err, "issue %q", i.Title)
}

// findOrCreateIssue looks before it creates, also where nobody knows whether a
// creation took effect.
func (c *Client) findOrCreateIssue(ctx context.Context, i Issue) (found *rest.Issue, made bool, err error) {
	author, err := c.author(ctx)
	if err != nil {
		return nil, false, err
	}
	err = retry(ctx, true, func() error {
		if found, err = c.findIssue(ctx, i.Marker, author); err != nil || found != nil {
			return backoff.Permanent(err)
		}
		err := c.do(ctx, http.MethodPost, "/issues", func(ctx context.Context) (err error) {
			found, _, err = c.rest.Issues.Create(ctx, c.owner, c.repository, &rest.IssueRequest{Title: &i.Title, Body: &i.Body})
			return err
		})
		if e, ok := errors.AsType[*Error](err); ok && e.limited {
			return backoff.Permanent(err)
		}
		made = err == nil
		return err
	})
	return found, made, err
}

// findIssue is the open issue of an author that begins with a marker, else the
// one that was closed last, within the last 30 days; nil if there is none.
func (c *Client) findIssue(ctx context.Context, marker, author string) (*rest.Issue, error) {
	since := time.Now().Add(-closedFor)
	for _, o := range []rest.IssueListByRepoOptions{
		{State: "open", Sort: "created", Direction: "asc"},
		{State: "closed", Sort: "updated", Direction: "desc", Since: since},
	} {
		found, err := c.listIssues(ctx, o, func(x *rest.Issue) bool {
			return !x.IsPullRequest() && marked(x.GetUser(), x.GetBody(), marker, author) &&
				(o.State == "open" || x.GetClosedAt().After(since))
		})
		if err != nil || found != nil {
			return found, err
		}
	}
	return nil, nil
}

// listIssues is the first issue in a list that is wanted.
func (c *Client) listIssues(ctx context.Context, o rest.IssueListByRepoOptions, wanted func(*rest.Issue) bool) (*rest.Issue, error) {
	for page := 1; page <= mostPages; page++ {
		o.ListOptions = rest.ListOptions{Page: page, PerPage: perPage}
		var list []*rest.Issue
		err := c.do(ctx, http.MethodGet, "/issues", func(ctx context.Context) (err error) {
			list, _, err = c.rest.Issues.ListByRepo(ctx, c.owner, c.repository, &o)
			return err
		})
		if err != nil {
			return nil, err
		}
		if i := slices.IndexFunc(list, wanted); i >= 0 {
			return list[i], nil
		}
		if len(list) < perPage {
			return nil, nil
		}
	}
	return nil, fmt.Errorf("there are more than %d issues to look through", mostPages*perPage)
}

func (c *Client) editIssue(ctx context.Context, x *rest.Issue, r *rest.IssueRequest) error {
	return c.do(ctx, http.MethodPatch, fmt.Sprintf("/issues/%d", x.GetNumber()), func(ctx context.Context) error {
		_, _, err := c.rest.Issues.Edit(ctx, c.owner, c.repository, x.GetNumber(), r)
		return err
	})
}

func (c *Client) commentIssue(ctx context.Context, x *rest.Issue, body string) error {
	return c.do(ctx, http.MethodPost, fmt.Sprintf("/issues/%d/comments", x.GetNumber()), func(ctx context.Context) error {
		_, _, err := c.rest.Issues.CreateComment(ctx, c.owner, c.repository, x.GetNumber(), &rest.IssueComment{Body: &body})
		return err
	})
}
