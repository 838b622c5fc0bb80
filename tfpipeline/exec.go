package main

import (
	"context"
	"flag"

	"github.com/specboard/platform/tfpipeline/internal/redact"
	"github.com/specboard/platform/tfpipeline/internal/session"
)

func execCommand() command {
	return command{
		name: "exec", summary: "run a command or a shell in a running task",
		usage: "-env ENV -service NAME [-task ID] [-container NAME] [-why REASON] [-- COMMAND...]",
		env:   environments, refusal: noServices, args: true,
		flags: func(set *flag.FlagSet) func(context.Context, *app, []string) error {
			var o session.ExecOptions
			o.Declare(set)
			return func(ctx context.Context, a *app, args []string) error {
				if err := o.Check(a.platform, args); err != nil {
					return err
				}
				e, err := a.entrance(ctx, o.Env, "exec")
				if err != nil {
					return err
				}
				return e.Exec(ctx, o)
			}
		},
	}
}

func dbCommand() command {
	return command{
		name: "db", summary: "open a console of the database, read only unless asked",
		usage: "-env ENV [-write [-force]] [-why REASON] [-command SQL | -file FILE] [-json]",
		env:   environments, refusal: noServices,
		flags: func(set *flag.FlagSet) func(context.Context, *app, []string) error {
			var o session.DatabaseOptions
			o.Declare(set)
			return func(ctx context.Context, a *app, _ []string) error {
				if err := o.Check(a.platform); err != nil {
					return err
				}
				e, err := a.entrance(ctx, o.Env, "db")
				if err != nil {
					return err
				}
				return e.Database(ctx, o)
			}
		},
	}
}

// entrance is an environment in which people open sessions.
func (a *app) entrance(ctx context.Context, env, verb string) (session.Entrance, error) {
	e, err := a.openEnvironment(ctx, env, verb)
	if err != nil {
		return session.Entrance{}, err
	}
	return session.Entrance{
		Platform: a.platform, Environment: e.Environment, Config: e.cloud.Config, ECS: e.ecs, Console: a.console,
		Identify: a.identify(e.cloud), Hide: redact.FromEnvironment(a.console.Getenv).Hide,
		AtWork: func(ctx context.Context) error { return a.leases(e.cloud).AtWork(ctx, env) },
	}, nil
}
