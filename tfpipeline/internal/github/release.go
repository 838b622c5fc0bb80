package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// object is what a ref or a tag points at.
type object struct {
	Object struct {
		Type string `json:"type"`
		SHA  string `json:"sha"`
	} `json:"object"`
}

// mostTags is how many tag objects may stand between a tag and its commit.
const mostTags = 10

// ErrNoTag says that the repository has no such tag.
var ErrNoTag = errors.New("no such tag")

// ReleaseCommit returns the commit (40 hexadecimal digits) that a release's
// tag stands for. An annotated tag points at a tag object, and that at a
// commit, or at the next tag.
func (c *Client) ReleaseCommit(ctx context.Context, tag string) (string, error) {
	segments := strings.Split(tag, "/")
	for i, s := range segments {
		segments[i] = url.PathEscape(s)
	}
	path := "/git/ref/tags/" + strings.Join(segments, "/")
	for range mostTags + 1 {
		var at object
		err := c.do(ctx, http.MethodGet, path, nil, &at)
		switch {
		case status(err) == http.StatusNotFound:
			return "", fmt.Errorf("find the commit of tag %s in %s: %w: %w", tag, c.repository, ErrNoTag, err)
		case err != nil:
			return "", fmt.Errorf("find the commit of tag %s: %w", tag, err)
		case at.Object.Type == "commit":
			return at.Object.SHA, nil
		case at.Object.Type != "tag":
			return "", fmt.Errorf("find the commit of tag %s: it points at a %s (%s), not at a commit", tag, at.Object.Type, at.Object.SHA)
		}
		path = "/git/tags/" + at.Object.SHA
	}
	return "", fmt.Errorf("find the commit of tag %s: more than %d tags stand between it and a commit", tag, mostTags)
}
