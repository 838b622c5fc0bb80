package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/cenkalti/backoff/v5"
	rest "github.com/google/go-github/v74/github"
)

const (
	// workflowAuthor is the author of comments that a workflow's own token
	// writes. Such a token may not ask for its user.
	workflowAuthor = "github-actions[bot]"
	perPage        = 100
)

// Upsert makes body the one comment of a pull request that begins with marker and is
// ours, and returns its address. It leaves alone somebody else's comment with the same
// marker, since anybody can write one, and a comment that already has this text. If
// several runs at once have left several of ours, the oldest stays. If older reports
// that a comment of ours is about something newer, that comment stays, and the error is
// ErrNewer.
func (c *Client) Upsert(ctx context.Context, pull int, marker, body string, older func(than string) bool) (string, error) {
	if !strings.HasPrefix(body, marker) {
		return "", fmt.Errorf("github: comment on #%d: the text does not begin with its marker", pull)
	}
	author, err := c.author(ctx)
	if err != nil {
		return "", fmt.Errorf("comment on #%d: %w", pull, err)
	}
	var ours []*rest.IssueComment
	for vanished := 0; ; vanished++ {
		if ours, err = c.findOrCreate(ctx, pull, marker, author, body); err != nil {
			return "", fmt.Errorf("comment on #%d: %w", pull, err)
		}
		if older != nil && slices.ContainsFunc(ours, func(x *rest.IssueComment) bool { return older(x.GetBody()) }) {
			return "", fmt.Errorf("comment on #%d: %w", pull, ErrNewer)
		}
		if err = c.edit(ctx, ours[0], body); err == nil {
			break
		}
		// Somebody deleted the comment after it was found: create it again.
		if status(err) != http.StatusNotFound || vanished > 1 {
			return "", fmt.Errorf("comment on #%d: %w", pull, err)
		}
	}
	first := ours[0]
	for _, extra := range ours[1:] {
		err := c.do(ctx, http.MethodDelete, fmt.Sprintf("/issues/comments/%d", extra.GetID()), func(ctx context.Context) error {
			_, err := c.rest.Issues.DeleteComment(ctx, c.owner, c.repository, extra.GetID())
			return err
		})
		if err != nil && status(err) != http.StatusNotFound {
			return "", fmt.Errorf("comment on #%d: remove a second one: %w", pull, err)
		}
	}
	return first.GetHTMLURL(), nil
}

// ErrNewer is returned if the existing comment is about something newer.
var ErrNewer = errors.New("the comment tells of a newer commit")

// edit sets a comment's text, unless it is the same already.
func (c *Client) edit(ctx context.Context, x *rest.IssueComment, body string) error {
	if same(x.GetBody(), body) {
		return nil
	}
	return c.do(ctx, http.MethodPatch, fmt.Sprintf("/issues/comments/%d", x.GetID()), func(ctx context.Context) error {
		_, _, err := c.rest.Issues.EditComment(ctx, c.owner, c.repository, x.GetID(), &rest.IssueComment{Body: &body})
		return err
	})
}

// findOrCreate returns our comments, at least one, the oldest first. If it is
// unknown whether a creation took effect, it looks before it creates another
// one.
func (c *Client) findOrCreate(ctx context.Context, pull int, marker, author, body string) (ours []*rest.IssueComment, err error) {
	err = retry(ctx, true, func() error {
		if ours, err = c.find(ctx, pull, marker, author); err != nil || len(ours) > 0 {
			return backoff.Permanent(err)
		}
		var created *rest.IssueComment
		err := c.do(ctx, http.MethodPost, fmt.Sprintf("/issues/%d/comments", pull), func(ctx context.Context) (err error) {
			created, _, err = c.rest.Issues.CreateComment(ctx, c.owner, c.repository, pull, &rest.IssueComment{Body: &body})
			return err
		})
		if e, ok := errors.AsType[*Error](err); ok && e.limited {
			return backoff.Permanent(err) // do has already waited as long as it may
		}
		if err != nil {
			return err
		}
		// A GitHub App comments under its own name, and another run may have
		// commented at the same time: look again for comments of that author.
		if ours, err = c.find(ctx, pull, marker, created.GetUser().GetLogin()); err == nil && len(ours) == 0 {
			ours = []*rest.IssueComment{created}
		}
		return backoff.Permanent(err)
	})
	return ours, err
}

// same reports whether two texts are equal once GitHub has stored them.
func same(a, b string) bool {
	return strings.TrimSpace(plain(a)) == strings.TrimSpace(plain(b))
}

// plain undoes GitHub's change of line ends.
func plain(text string) string { return strings.ReplaceAll(text, "\r\n", "\n") }

// marked reports whether a text is somebody's and begins with a marker.
func marked(by *rest.User, text, marker, author string) bool {
	return strings.EqualFold(by.GetLogin(), author) && strings.HasPrefix(plain(text), marker)
}

// CheckToken asks GitHub whose token it is, and fails if GitHub refuses it.
func (c *Client) CheckToken(ctx context.Context) error {
	_, err := c.author(ctx)
	return err
}

// author returns the login whose comments and issues are ours.
func (c *Client) author(ctx context.Context) (login string, err error) {
	if c.login != "" {
		return c.login, nil
	}
	err = c.do(ctx, http.MethodGet, "/user", func(ctx context.Context) error {
		me, _, err := c.rest.Users.Get(ctx, "")
		login = me.GetLogin()
		return err
	})
	if e, ok := errors.AsType[*Error](err); ok && e.Status == http.StatusForbidden && !e.limited {
		login, err = workflowAuthor, nil
	}
	if err == nil {
		c.login = login
	}
	return login, err
}

// find lists the comments of an author that begin with the marker, oldest
// first, from all pages.
func (c *Client) find(ctx context.Context, pull int, marker, author string) ([]*rest.IssueComment, error) {
	var ours []*rest.IssueComment
	for page := 1; ; page++ {
		var list []*rest.IssueComment
		err := c.do(ctx, http.MethodGet, fmt.Sprintf("/issues/%d/comments?page=%d&per_page=%d", pull, page, perPage), func(ctx context.Context) (err error) {
			list, _, err = c.rest.Issues.ListComments(ctx, c.owner, c.repository, pull, &rest.IssueListCommentsOptions{
				ListOptions: rest.ListOptions{Page: page, PerPage: perPage},
			})
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, x := range list {
			if marked(x.GetUser(), x.GetBody(), marker, author) {
				ours = append(ours, x)
			}
		}
		if len(list) < perPage {
			return ours, nil
		}
	}
}
