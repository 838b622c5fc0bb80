package report

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/specboard/platform/tfpipeline/internal/checkout"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/github"
	"github.com/specboard/platform/tfpipeline/internal/view"
)

// PullRequest writes plans to a pull request.
type PullRequest struct {
	console  *console.Console
	workflow github.Workflow
	client   *github.Client
	commit   string
}

// FindPullRequest finds the pull request that this run is for. It also checks
// that GitHub accepts the token: planning takes a while, and a wrong token
// should fail first.
func FindPullRequest(ctx context.Context, c *console.Console, at *checkout.Checkout) (*PullRequest, error) {
	w, err := github.ReadWorkflow(c.Getenv)
	if missing, ok := errors.AsType[*github.MissingError](err); ok {
		return nil, console.WithNext(missing, "tfpipeline plan -all, which needs none of this")
	}
	if err != nil {
		return nil, err
	}
	p := &PullRequest{console: c, workflow: w, client: github.New(w.API, w.Repository, w.Token), commit: w.Head}
	if p.commit == "" {
		// The event of a comment names no commit, and the run's own commit is
		// the default branch's, whatever was checked out.
		if p.commit, _, err = at.Head(ctx); err != nil {
			p.commit = c.Getenv("GITHUB_SHA")
		}
	}
	if w.Fork {
		return p, nil // its token may not comment
	}
	err = p.client.CheckToken(ctx)
	switch e, ok := errors.AsType[*github.Error](err); {
	case ok && e.Refusal() == github.BadToken:
		return nil, console.WithNext(err, "give the step the job's token: env: GITHUB_TOKEN: ${{ github.token }}")
	case err != nil:
		c.Progress("warning: %v", err) // it may work by the time that the plans are there
	}
	return p, nil
}

// leastRoom is the room in bytes below which a summary is not worth writing.
const leastRoom = 10 << 10

// Tell writes the step's summary with all the detail that fits, and then the
// comment, whose limit is lower.
func (p *PullRequest) Tell(ctx context.Context, comment view.Comment) error {
	comment.Commit = p.commit
	comment.RunURL = github.ReadRun(p.console.Getenv).URL
	comment.Run = github.RunNumber(p.console.Getenv)
	return errors.Join(p.summarize(comment), p.upsert(ctx, comment))
}

func (p *PullRequest) summarize(comment view.Comment) error {
	return summarize(p.workflow.SummaryPath, func(room int) string {
		if room < leastRoom {
			p.console.Progress("no room for the plans in the step's summary: %d bytes are left", room)
			return ""
		}
		comment.Budget = min(room, view.SummaryBudget)
		return comment.Markdown()
	})
}

func (p *PullRequest) upsert(ctx context.Context, comment view.Comment) error {
	pull := p.workflow.Pull
	if p.workflow.Fork {
		p.console.Progress("pull request #%d comes from a fork, whose token may not comment: the step's summary has the plans", pull)
		return nil
	}
	comment.Budget = view.CommentBudget
	url, err := p.client.Upsert(ctx, pull, comment.Marker(), comment.Markdown(), comment.OlderThan)
	e, _ := errors.AsType[*github.Error](err)
	switch {
	case err == nil:
		p.console.Progress("comment: %s", url)
		return nil
	case errors.Is(err, github.ErrNewer):
		p.console.Progress("the comment on #%d tells of a newer commit, and stays: the step's summary has these plans", pull)
		return nil
	case e == nil:
		return fmt.Errorf("tell the pull request: %w", err)
	}
	unsaid := func(why string) error {
		p.console.Progress("warning: %v", err)
		p.console.Suggest("%s", why)
		p.console.Annotate(console.Notice, fmt.Sprintf("no comment on #%d, and the step's summary has the plans: %s", pull, why))
		return nil
	}
	switch e.Refusal() {
	case github.Locked:
		return unsaid(fmt.Sprintf("the conversation of #%d is locked: unlock it, and re-run the job", pull))
	case github.ReadOnly:
		if strings.HasPrefix(p.console.Getenv("GITHUB_ACTOR"), "dependabot") {
			return unsaid("the token of Dependabot's runs may only read: nothing is to be done")
		}
		return unsaid("give the job permissions: pull-requests: write")
	case github.RateLimited:
		return console.WithNext(err, "re-run the job in %s, when GitHub takes requests again", e.RetryAfter().Round(time.Second))
	case github.BadToken:
		return console.WithNext(err, "give the step the job's token: env: GITHUB_TOKEN: ${{ github.token }}")
	case github.Forbidden:
		return console.WithNext(err, "a rule of the organisation (single sign-on, allowed addresses) keeps this token out: ask its owners")
	}
	return fmt.Errorf("tell the pull request: %w", err)
}

// Refusals returns an error that fails the check if an apply would refuse a
// plan.
func Refusals(sections []view.Section) error {
	var names []string
	for _, s := range sections {
		if len(s.Refused) > 0 {
			names = append(names, s.Root)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return console.WithNext(fmt.Errorf("the guard refuses the plan of %s, and so would an apply", strings.Join(names, ", ")),
		"take that out of the change, or, if it is meant, let a person apply it with -allow before this is merged: tfpipeline apply -env %s", names[0])
}
