package main

import (
	"context"
	"flag"

	"github.com/specboard/platform/tfpipeline/internal/localaws"
)

func localCommand() command {
	return command{
		name:    "local",
		summary: "run an AWS on this machine, to try everything on",
		usage:   "[-json] [-v] [-speed N] [-shell | -- COMMAND [ARGUMENT ...]] | -push TAG | -bad SERVICE | -as ROLE",
		args:    true,
		flags: func(set *flag.FlagSet) func(context.Context, *app, []string) error {
			var o localaws.Command
			o.Declare(set)
			return func(ctx context.Context, a *app, args []string) error {
				find := func() (string, error) { return a.repository, a.findRepository() }
				return o.Run(ctx, a.platform, a.console, find, a.cache, args)
			}
		},
	}
}
