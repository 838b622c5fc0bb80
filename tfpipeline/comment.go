package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/github"
	"github.com/specboard/platform/tfpipeline/internal/view"
)

// commenter tells a pull request of its plans.
type commenter struct {
	workflow github.Workflow
	client   *github.Client
	env      func(string) string
}

// findPullRequest finds the pull request that this run is for.
func findPullRequest(a *app) (*commenter, error) {
	w, err := github.ReadWorkflow(a.console.Getenv)
	if missing, ok := errors.AsType[*github.MissingError](err); ok {
		return nil, console.WithNext(missing, "tfpipeline plan -all, which needs none of this")
	}
	if err != nil {
		return nil, err
	}
	return &commenter{w, github.New(w.API, w.Repository, w.Token), a.console.Getenv}, nil
}

// commit is what is planned: the pull request's, not that of its trial merge.
func (c *commenter) commit() string {
	if c.workflow.Head != "" {
		return c.workflow.Head
	}
	return c.env("GITHUB_SHA")
}

// leastRoom is how many bytes of a summary are worth writing.
const leastRoom = 10 << 10

// tell writes the step's summary, with all the detail that fits, and then the
// comment, which may need to say less.
func (c *commenter) tell(ctx context.Context, a *app, comment view.Comment) error {
	return errors.Join(c.summarize(a, comment), c.upsert(ctx, a, comment))
}

func (c *commenter) summarize(a *app, comment view.Comment) error {
	path := c.workflow.SummaryPath
	if path == "" {
		return nil
	}
	room, err := github.SummaryRoom(path)
	if err != nil {
		return err
	}
	if room < leastRoom {
		a.console.Progress("no room for the plans in the step's summary: %d bytes are left", room)
		return nil
	}
	comment.Budget = min(room, view.SummaryBudget)
	return github.AppendSummary(path, comment.Markdown())
}

func (c *commenter) upsert(ctx context.Context, a *app, comment view.Comment) error {
	if c.workflow.Fork {
		a.console.Progress("pull request #%d comes from a fork, whose token may not comment: the step's summary has the plans", c.workflow.Pull)
		return nil
	}
	comment.Budget = view.CommentBudget
	url, err := c.client.Upsert(ctx, c.workflow.Pull, view.Marker, comment.Markdown())
	if e, ok := errors.AsType[*github.Error](err); ok && e.Status == http.StatusForbidden {
		return console.WithNext(err, "give the job permissions: pull-requests: write")
	}
	if err != nil {
		return fmt.Errorf("tell the pull request: %w", err)
	}
	a.console.Progress("comment: %s", url)
	return nil
}
