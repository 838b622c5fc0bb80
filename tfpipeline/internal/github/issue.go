package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
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
	// Marker is the beginning of its text, by which it is found.
	Marker string
	Title  string
	// Body is the text, which begins with the marker. Subject stands in it, and
	// changes with what the issue is about: only then is there a comment.
	Body, Subject string
	// Changed, Reopened and Closed are comments for those occasions.
	Changed, Reopened, Closed string
}

// OpenIssue brings an issue up to date and returns its address. It creates the issue,
// or rewrites its text; an issue that was closed within the last 30 days is opened
// again. Runs that did not see each other's issue may have created several: the oldest
// stays, and the others are closed.
func (c *Client) OpenIssue(ctx context.Context, i Issue) (string, error) {
	all, made, err := c.findOrCreateIssue(ctx, i)
	switch {
	case err != nil:
		return "", wrap(err, "issue %q", i.Title)
	case made:
		return all[0].GetHTMLURL(), nil
	}
	found := all[0]
	for _, extra := range all[1:] {
		if err := c.closeIssue(ctx, extra, fmt.Sprintf("#%d says the same, and stays.", found.GetNumber()), "not_planned"); err != nil {
			return "", wrap(err, "issue %q", i.Title)
		}
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
// address; "" if it is not. Of several it closes all.
func (c *Client) CloseIssue(ctx context.Context, i Issue) (string, error) {
	author, err := c.author(ctx)
	if err != nil {
		return "", wrap(err, "issue %q", i.Title)
	}
	all, err := c.findIssues(ctx, i.Marker, author)
	if err != nil || len(all) == 0 || all[0].GetState() == "closed" {
		return "", wrap(err, "issue %q", i.Title)
	}
	for _, x := range all {
		if err := c.closeIssue(ctx, x, i.Closed, "completed"); err != nil {
			return "", wrap(err, "issue %q", i.Title)
		}
	}
	return all[0].GetHTMLURL(), nil
}

// closeIssue closes an issue with a comment, for one of GitHub's reasons.
func (c *Client) closeIssue(ctx context.Context, x *rest.Issue, comment, reason string) error {
	if err := c.commentIssue(ctx, x, comment); err != nil {
		return err
	}
	return c.editIssue(ctx, x, &rest.IssueRequest{State: new("closed"), StateReason: &reason})
}

// findOrCreateIssue looks before it creates, also where nobody knows whether a
// creation took effect.
func (c *Client) findOrCreateIssue(ctx context.Context, i Issue) (found []*rest.Issue, made bool, err error) {
	author, err := c.author(ctx)
	if err != nil {
		return nil, false, err
	}
	err = retry(ctx, true, func() error {
		if found, err = c.findIssues(ctx, i.Marker, author); err != nil || len(found) > 0 {
			return backoff.Permanent(err)
		}
		err := c.do(ctx, http.MethodPost, "/issues", func(ctx context.Context) (err error) {
			x, _, err := c.rest.Issues.Create(ctx, c.owner, c.repository, &rest.IssueRequest{Title: &i.Title, Body: &i.Body})
			found = []*rest.Issue{x}
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

// findIssues are the open issues of an author that begin with a marker, the oldest
// first, else the one that was closed last, within the last 30 days.
func (c *Client) findIssues(ctx context.Context, marker, author string) ([]*rest.Issue, error) {
	since := time.Now().Add(-closedFor)
	for _, o := range []rest.IssueListByRepoOptions{
		{State: "open", Sort: "created", Direction: "asc"},
		{State: "closed", Sort: "updated", Direction: "desc", Since: since},
	} {
		found, err := c.listIssues(ctx, o, func(x *rest.Issue) bool {
			return !x.IsPullRequest() && marked(x.GetUser(), x.GetBody(), marker, author) &&
				(o.State == "open" || x.GetClosedAt().After(since))
		})
		if err != nil || len(found) > 0 {
			return found, err
		}
	}
	return nil, nil
}

// listIssues are the issues in a list that are wanted; of closed ones, the first.
func (c *Client) listIssues(ctx context.Context, o rest.IssueListByRepoOptions, wanted func(*rest.Issue) bool) (found []*rest.Issue, err error) {
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
		for _, x := range list {
			if wanted(x) {
				found = append(found, x)
			}
		}
		switch {
		case len(found) > 0 && o.State == "closed":
			return found[:1], nil
		case len(list) < perPage || len(found) > 0 && page == mostPages:
			return found, nil
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
