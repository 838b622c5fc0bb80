package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	rest "github.com/google/go-github/v74/github"
)

// mostTags bounds the chain of tag objects between a tag and its commit.
const mostTags = 10

// ErrNoTag says that the repository has no such tag.
var ErrNoTag = errors.New("no such tag")

// ReleaseCommit returns the commit (40 hexadecimal digits) of a release's tag.
// An annotated tag points at a tag object, which points at a commit or at
// another tag object.
func (c *Client) ReleaseCommit(ctx context.Context, tag string) (string, error) {
	path, get := "/git/ref/tags/"+tag, func(ctx context.Context) (*rest.GitObject, error) {
		ref, _, err := c.rest.Git.GetRef(ctx, c.owner, c.repository, "tags/"+tag)
		return ref.GetObject(), err
	}
	for range mostTags + 1 {
		var at *rest.GitObject
		err := c.do(ctx, http.MethodGet, path, func(ctx context.Context) (err error) {
			at, err = get(ctx)
			return err
		})
		switch {
		case status(err) == http.StatusNotFound:
			return "", fmt.Errorf("find the commit of tag %s in %s: %w: %w", tag, c.owner+"/"+c.repository, ErrNoTag, err)
		case err != nil:
			return "", fmt.Errorf("find the commit of tag %s: %w", tag, err)
		case at.GetType() == "commit":
			return at.GetSHA(), nil
		case at.GetType() != "tag":
			return "", fmt.Errorf("find the commit of tag %s: it points at a %s (%s), not at a commit", tag, at.GetType(), at.GetSHA())
		}
		sha := at.GetSHA()
		path, get = "/git/tags/"+sha, func(ctx context.Context) (*rest.GitObject, error) {
			object, _, err := c.rest.Git.GetTag(ctx, c.owner, c.repository, sha)
			return object.GetObject(), err
		}
	}
	return "", fmt.Errorf("find the commit of tag %s: more than %d tags stand between it and a commit", tag, mostTags)
}
