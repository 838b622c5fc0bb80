package report

import (
	"context"
	"errors"
	"fmt"

	"github.com/specboard/platform/tfpipeline/internal/checkout"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/github"
	"github.com/specboard/platform/tfpipeline/internal/view"
)

// Comment returns what somebody who reviews plans reads.
func Comment(platform string, offline bool, sections ...view.Section) view.Comment {
	c := view.Comment{Platform: platform, Sections: sections}
	if offline {
		c.Note = "**Offline plan**: real Terraform and provider against an empty state, without AWS. Everything looks new."
	}
	return c
}

// Planned writes a root's plan for whoever approves it: to the answer of the
// command and, in a workflow, to the step's summary, and the fingerprint to its
// outputs. The error is one of writing, or what the guard refuses.
func Planned(ctx context.Context, c *console.Console, at *checkout.Checkout, comment view.Comment) error {
	run := github.ReadRun(c.Getenv)
	comment.RunURL, comment.Run = run.URL, github.RunNumber(c.Getenv)
	// A clone of a release's tag is not at the run's commit. Without a clone there
	// is none.
	comment.Commit, _, _ = at.Head(ctx)
	write := func(room int) string {
		comment.Budget = min(room, view.SummaryBudget)
		return comment.Markdown()
	}
	if _, err := fmt.Fprint(c.Out, write(view.SummaryBudget)); err != nil {
		return fmt.Errorf("print the plan: %w", err)
	}
	err := summarize(c.Getenv(stepSummary), write)
	if path, s := c.Getenv(stepOutput), &comment.Sections[0]; path != "" && s.Error == "" {
		err = errors.Join(err, github.AppendOutputs(path, []github.Output{{Name: "fingerprint", Value: s.Fingerprint()}}))
	}
	return errors.Join(err, Refusals(comment.Sections))
}
