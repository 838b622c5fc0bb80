package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// comment is one comment of a pull request.
type comment struct {
	ID   int64  `json:"id"`
	URL  string `json:"html_url"`
	Body string `json:"body"`
	User user   `json:"user"`
}

type user struct {
	Login string `json:"login"`
}

const (
	userPath = "/user"
	// workflowAuthor is who a workflow's own token comments as. Such a token
	// may not ask who it is.
	workflowAuthor = "github-actions[bot]"
	perPage        = 100
)

// Upsert makes body the one comment of a pull request that begins with marker
// and is ours, and returns its address. Somebody else's comment with the same
// marker is left alone: anybody can write one. A comment that already says
// this is not touched, and of several of ours, left by runs that met, the
// oldest stays.
func (c *Client) Upsert(ctx context.Context, pull int, marker, body string) (string, error) {
	if !strings.HasPrefix(body, marker) {
		return "", fmt.Errorf("github: comment on #%d: the text does not begin with its marker", pull)
	}
	author, err := c.author(ctx)
	if err != nil {
		return "", fmt.Errorf("comment on #%d: %w", pull, err)
	}
	ours, err := c.findOrCreate(ctx, pull, marker, author, body)
	if err != nil {
		return "", fmt.Errorf("comment on #%d: %w", pull, err)
	}
	first := ours[0]
	if !same(first.Body, body) {
		if err := c.do(ctx, http.MethodPatch, fmt.Sprintf("/issues/comments/%d", first.ID), map[string]string{"body": body}, nil); err != nil {
			return "", fmt.Errorf("comment on #%d: %w", pull, err)
		}
	}
	for _, extra := range ours[1:] {
		err := c.do(ctx, http.MethodDelete, fmt.Sprintf("/issues/comments/%d", extra.ID), nil, nil)
		if err != nil && status(err) != http.StatusNotFound {
			return "", fmt.Errorf("comment on #%d: remove a second one: %w", pull, err)
		}
	}
	return first.URL, nil
}

// findOrCreate returns the comments that are ours, oldest first: at least one.
func (c *Client) findOrCreate(ctx context.Context, pull int, marker, author, body string) ([]comment, error) {
	for attempt := 0; ; attempt++ {
		ours, err := c.find(ctx, pull, marker, author)
		if err != nil || len(ours) > 0 {
			return ours, err
		}
		created := comment{}
		err = c.do(ctx, http.MethodPost, fmt.Sprintf("/issues/%d/comments", pull), map[string]string{"body": body}, &created)
		if err == nil {
			// An app of your own comments under its name, and another run may
			// have commented at the same time: look again, as that author.
			ours, err = c.find(ctx, pull, marker, created.User.Login)
			if len(ours) == 0 {
				ours = []comment{created}
			}
			return ours, err
		}
		if e, ok := errors.AsType[*Error](err); !ok || e.Status != 0 && e.Status < 500 || attempt == mostAttempts-1 {
			return nil, err
		}
		// Nobody knows whether it was created: look, before trying again.
		if err := c.pause(ctx, retryBackoff(attempt)); err != nil {
			return nil, err
		}
	}
}

// same compares texts as GitHub keeps them.
func same(a, b string) bool {
	plain := func(s string) string { return strings.TrimSpace(strings.ReplaceAll(s, "\r\n", "\n")) }
	return plain(a) == plain(b)
}

// author is whose comments are ours.
func (c *Client) author(ctx context.Context) (string, error) {
	var me user
	err := c.do(ctx, http.MethodGet, userPath, nil, &me)
	if e, ok := errors.AsType[*Error](err); ok && e.Status == http.StatusForbidden && !e.limited {
		return workflowAuthor, nil
	}
	return me.Login, err
}

// find lists the comments of an author that begin with the marker, oldest
// first, from all pages.
func (c *Client) find(ctx context.Context, pull int, marker, author string) ([]comment, error) {
	var ours []comment
	for page := 1; ; page++ {
		var list []comment
		if err := c.do(ctx, http.MethodGet, fmt.Sprintf("/issues/%d/comments?per_page=%d&page=%d", pull, perPage, page), nil, &list); err != nil {
			return nil, err
		}
		for _, x := range list {
			if strings.EqualFold(x.User.Login, author) && strings.HasPrefix(x.Body, marker) {
				ours = append(ours, x)
			}
		}
		if len(list) < perPage {
			return ours, nil
		}
	}
}
