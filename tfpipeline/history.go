package main

import (
	"context"
	"flag"
	"fmt"
	"slices"

	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/root"
	"github.com/specboard/platform/tfpipeline/internal/view"
)

func historyCommand() command {
	return command{
		name:    "history",
		summary: "list what was promoted and rolled back",
		usage:   "-env ENV [-limit N | -id ID] [-json]",
		env:     environments, refusal: noServices,
		flags: func(set *flag.FlagSet) func(context.Context, *app, []string) error {
			env := set.String("env", "", "environment")
			limit := set.Int("limit", 20, "how many attempts; 0 is all")
			id := set.String("id", "", "`ID` of one attempt")
			json := set.Bool("json", false, "print one JSON object")
			return func(ctx context.Context, a *app, args []string) error {
				return showHistory(ctx, a, *env, *id, *limit, *json)
			}
		},
	}
}

func showHistory(ctx context.Context, a *app, env, id string, limit int, json bool) error {
	e, err := a.openEnvironment(ctx, env, "history")
	if err != nil {
		return err
	}
	if id != "" {
		return showRecord(ctx, a, e, id, json)
	}
	list, err := e.history.Attempts(ctx, limit)
	if err != nil {
		return root.Explain(env, err)
	}
	slices.Reverse(list.Records)
	h := view.History{Environment: env, Records: list.Records, Unfinished: list.Unfinished, Skipped: list.Skipped, More: list.Older}
	write := h.Text
	if json {
		write = h.JSON
	}
	if err := write(a.console.Out); err != nil {
		return fmt.Errorf("print the history: %w", err)
	}
	return nil
}

func showRecord(ctx context.Context, a *app, e *environment, id string, json bool) error {
	r, err := e.history.Find(ctx, id)
	switch {
	case err != nil:
		return root.Explain(e.Name, err)
	case r == nil:
		return console.WithNext(fmt.Errorf("%s has no record %s", e.Name, id), "tfpipeline history -env %s -limit 0", e.Name)
	}
	write := view.Record
	if json {
		write = view.RecordJSON
	}
	if err := write(a.console.Out, *r); err != nil {
		return fmt.Errorf("print the record: %w", err)
	}
	return nil
}
