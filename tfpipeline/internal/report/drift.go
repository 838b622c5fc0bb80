package report

import (
	"context"

	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/github"
	"github.com/specboard/platform/tfpipeline/internal/view"
)

// Issues keeps one issue for each root: open while the root drifts, closed
// when it is clean. An error of GitHub's becomes a warning.
func Issues(ctx context.Context, c *console.Console, client *github.Client, platform string, roots []string, drift *view.DriftReport) {
	runURL := github.ReadRun(c.Getenv).URL
	for _, root := range roots {
		i := drift.Issue(platform, root, runURL)
		address, done, err := "", "open", error(nil)
		func() {
			ctx, cancel := context.WithTimeout(ctx, within)
			defer cancel()
			issue := github.Issue{
				Marker: i.Marker, Title: i.Title, Body: i.Body, Subject: i.Subject,
				Changed: i.Changed, Reopened: i.Reopened, Closed: i.Closed,
			}
			if i.Clean {
				done = "closed"
				address, err = client.CloseIssue(ctx, issue)
			} else {
				address, err = client.OpenIssue(ctx, issue)
			}
		}()
		switch {
		case err != nil:
			c.Progress("warning: %v", err)
			c.Annotate(console.Warning, err.Error())
		case address != "":
			c.Progress("%s: issue %s is %s", root, address, done)
		}
	}
}
