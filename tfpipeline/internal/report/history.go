package report

import (
	"context"
	"fmt"
	"slices"

	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/state"
	"github.com/specboard/platform/tfpipeline/internal/view"
)

// History prints the newest attempts of an environment, oldest first; limit 0
// prints all.
func History(ctx context.Context, c *console.Console, h *state.History, env string, limit int, json bool) error {
	list, err := h.Attempts(ctx, limit)
	if err != nil {
		return err
	}
	slices.Reverse(list.Records)
	v := view.History{Environment: env, Records: list.Records, Unfinished: list.Unfinished, Skipped: list.Skipped, More: list.Older}
	write := v.Text
	if json {
		write = v.JSON
	}
	if err := write(c.Out); err != nil {
		return fmt.Errorf("print the history: %w", err)
	}
	return nil
}

// recordOf returns the record of an attempt.
func recordOf(ctx context.Context, h *state.History, env, id string) (*deploy.Record, error) {
	r, err := h.Find(ctx, id)
	if err == nil && r == nil {
		err = console.WithNext(fmt.Errorf("%s has no record %s", env, id), "tfpipeline history -env %s -limit 0", env)
	}
	return r, err
}

// Record prints one attempt.
func Record(ctx context.Context, c *console.Console, h *state.History, env, id string, json bool) error {
	r, err := recordOf(ctx, h, env, id)
	if err != nil {
		return err
	}
	write := view.Record
	if json {
		write = view.RecordJSON
	}
	if err := write(c.Out, *r); err != nil {
		return fmt.Errorf("print the record: %w", err)
	}
	return nil
}
