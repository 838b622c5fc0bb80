package report

import (
	"context"
	"time"

	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/github"
	"github.com/specboard/platform/tfpipeline/internal/view"
)

// issueWithin bounds what is done for the issue of one root: the search reads up to
// thirty pages twice, and GitHub may ask for a wait of minutes.
const issueWithin = 5 * time.Minute

// Issues keeps one issue for each root: open while the root drifts, closed
// when it is clean. It returns an error for each root, in their order; nil if it
// succeeded. Nothing else tells people of drift.
func Issues(ctx context.Context, c *console.Console, client *github.Client, platform string, roots []string, drift *view.DriftReport) []error {
	errs := make([]error, len(roots))
	runURL := github.ReadRun(c.Getenv).URL
	for n, root := range roots {
		i := drift.Issue(platform, root, runURL)
		address, done := "", "open"
		func() {
			ctx, cancel := context.WithTimeout(ctx, issueWithin)
			defer cancel()
			issue := github.Issue{
				Marker: i.Marker, Title: i.Title, Body: i.Body, Subject: i.Subject,
				Changed: i.Changed, Reopened: i.Reopened, Closed: i.Closed,
			}
			if i.Clean {
				done = "closed"
				address, errs[n] = client.CloseIssue(ctx, issue)
			} else {
				address, errs[n] = client.OpenIssue(ctx, issue)
			}
		}()
		if errs[n] == nil && address != "" {
			c.Progress("%s: issue %s is %s", root, address, done)
		}
	}
	return errs
}
