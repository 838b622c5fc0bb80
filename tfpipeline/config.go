package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"

	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/view"
)

func configCommand() command {
	return command{
		name:    "config",
		summary: "print what workflows need to know of the platform",
		usage:   "-json",
		flags: func(set *flag.FlagSet) func(context.Context, *app, []string) error {
			asJSON := set.Bool("json", false, "print one JSON object")
			return func(_ context.Context, a *app, _ []string) error {
				if !*asJSON {
					return console.Usage("config prints JSON only", "tfpipeline config -json")
				}
				out := json.NewEncoder(a.console.Out)
				out.SetIndent("", "  ")
				if err := out.Encode(view.Describe(a.platform)); err != nil {
					return fmt.Errorf("print the configuration: %w", err)
				}
				return nil
			}
		},
	}
}
