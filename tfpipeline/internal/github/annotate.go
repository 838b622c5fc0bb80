package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	rest "github.com/google/go-github/v74/github"
)

// ErrNoRelease says that a tag has no release on GitHub.
var ErrNoRelease = errors.New("there is no release of this tag")

// Annotate writes a text between two markers into the description of a tag's
// release, and leaves the rest unchanged. It returns the release's address.
func (c *Client) Annotate(ctx context.Context, tag, begin, end, text string) (string, error) {
	var release *rest.RepositoryRelease
	err := c.do(ctx, http.MethodGet, "/releases/tags/"+tag, func(ctx context.Context) (err error) {
		release, _, err = c.rest.Repositories.GetReleaseByTag(ctx, c.owner, c.repository, tag)
		return err
	})
	if status(err) == http.StatusNotFound {
		return "", fmt.Errorf("annotate release %s: %w: %w", tag, ErrNoRelease, err)
	}
	if err != nil {
		return "", fmt.Errorf("annotate release %s: %w", tag, err)
	}
	body := between(release.GetBody(), begin, end, text)
	if same(body, release.GetBody()) {
		return release.GetHTMLURL(), nil
	}
	err = c.do(ctx, http.MethodPatch, fmt.Sprintf("/releases/%d", release.GetID()), func(ctx context.Context) error {
		_, _, err := c.rest.Repositories.EditRelease(ctx, c.owner, c.repository, release.GetID(), &rest.RepositoryRelease{Body: &body})
		return err
	})
	return release.GetHTMLURL(), wrap(err, "annotate release %s", tag)
}

// between returns a body with the text between its two markers: in place of
// the text that is there, or at the end.
func between(body, begin, end, text string) string {
	part := begin + "\n" + strings.TrimSpace(text) + "\n" + end
	before, rest, ok := strings.Cut(body, begin)
	if ok {
		if _, after, ok := strings.Cut(rest, end); ok {
			return before + part + after
		}
	}
	if strings.TrimSpace(body) == "" {
		return part + "\n"
	}
	return strings.TrimRight(body, "\r\n ") + "\n\n" + part + "\n"
}
