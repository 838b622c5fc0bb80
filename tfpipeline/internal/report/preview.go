package report

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/github"
	"github.com/specboard/platform/tfpipeline/internal/plan"
	"github.com/specboard/platform/tfpipeline/internal/view"
)

// Preview writes the result of a dry run for the approver: to stdout and, in a
// workflow, to the step's summary and outputs. It tells the webhook that
// something awaits approval. refusal is why the dry run failed, or nil if it
// passed.
func (t *Attempt) Preview(ctx context.Context, lock deploy.Lock, planned *plan.Plan, r deploy.Record, refusal error) error {
	p := view.Preview{Record: r, Refusal: refusal, Next: console.NextOf(refusal), Plan: planned}
	gap := func(err error) {
		if err != nil {
			p.Gaps = append(p.Gaps, err.Error())
		}
	}
	var err error
	p.Lease, err = lock.Holder(ctx)
	gap(err)
	from, to := r.Previous.Commit, r.Release.Commit
	if r.Kind == deploy.KindRollback {
		from, to = to, from // a rollback takes back the commits between the two
	}
	if to != "" && r.SupersededBy == nil {
		if from != "" {
			p.Subjects, err = t.Checkout.Subjects(ctx, from, to)
			gap(err)
		}
		p.Pending, err = t.Checkout.Migrations(ctx, from, to)
		gap(err)
	}
	if _, err := fmt.Fprint(t.Console.Out, p.Markdown(view.SummaryBudget)); err != nil {
		return fmt.Errorf("print the preview: %w", err)
	}
	t.warn(summarize(t.Console.Getenv(stepSummary), p.Markdown))
	if refusal == nil && r.SupersededBy == nil && t.Console.Actions() {
		ctx, cancel := context.WithTimeout(ctx, within)
		defer cancel()
		t.warn(t.post(ctx, view.AwaitingApproval, r))
	}
	return nil
}

// Outputs writes the outputs of a workflow's step for later jobs.
func (t *Attempt) Outputs(r deploy.Record) error {
	path := t.Console.Getenv(stepOutput)
	if path == "" {
		return nil
	}
	outcome := string(r.Outcome)
	if r.SupersededBy != nil {
		outcome = string(deploy.Superseded)
	}
	outputs := []github.Output{{Name: "commit", Value: r.Release.Commit}, {Name: "release", Value: r.Release.Tag}, {Name: "kind", Value: string(r.Kind)}, {Name: "outcome", Value: outcome}}
	content, err := json.Marshal(result(r))
	if err != nil {
		return fmt.Errorf("write the step's outputs: %w", err)
	}
	outputs = append(outputs, github.Output{Name: "result", Value: string(content)})
	if r.Plan != nil {
		outputs = append(outputs, github.Output{Name: "fingerprint", Value: r.Plan.Fingerprint})
	}
	return github.AppendOutputs(path, outputs)
}
