package main

import (
	"context"
	"flag"

	"github.com/specboard/platform/tfpipeline/internal/root"
)

func validateCommand() command {
	return command{
		name:     "validate",
		summary:  "check every root, module and example with the real Terraform and provider",
		usage:    "[-test=false]",
		checkout: true,
		flags: func(set *flag.FlagSet) func(context.Context, *app, []string) error {
			test := set.Bool("test", true, "run the tests of modules and examples as well")
			return func(ctx context.Context, a *app, _ []string) error {
				count, err := root.Validate(ctx, a.rootOptions(root.Cloud{}), *test)
				if err == nil {
					a.console.Answer("valid: %d roots, modules and examples", count)
				}
				return err
			}
		},
	}
}
