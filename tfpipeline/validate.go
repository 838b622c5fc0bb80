package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/terraform"
)

func validateCommand() command {
	return command{
		name:     "validate",
		summary:  "check every root and module with the real Terraform and provider",
		usage:    "[-test=false]",
		checkout: true,
		long: `
Runs terraform fmt -check, terraform validate for every root and every module,
and terraform test for the modules that have tests. It needs no AWS.`,
		flags: func(set *flag.FlagSet) func(context.Context, *app, []string) error {
			test := set.Bool("test", true, "run the modules' tests as well")
			return func(ctx context.Context, a *app, _ []string) error { return a.validate(ctx, *test) }
		},
	}
}

func (a *app) validate(ctx context.Context, test bool) error {
	program, err := terraform.DefaultInstallation(cacheDir()).Find(ctx, func(s string) { a.console.Progress("%s", s) })
	if err != nil {
		return err
	}
	if err := terraform.CheckFormat(ctx, program, filepath.Join(a.repository, "modules"), filepath.Join(a.repository, "envs")); err != nil {
		return err
	}
	entries, err := os.ReadDir(filepath.Join(a.repository, "modules"))
	if err != nil {
		return fmt.Errorf("list the modules: %w", err)
	}
	env, _ := terraform.Environ(a.console.Env, map[string]string{"AWS_EC2_METADATA_DISABLED": "true"})
	work := filepath.Join(cacheDir(), "work")

	// Each run loads the provider, which takes two seconds of one core.
	var g errgroup.Group
	g.SetLimit(2)
	var failed []error
	results := make(chan error)
	one := func(name string, prepare func() (*terraform.Workspace, error), tests bool) {
		g.Go(func() error {
			err := func() (err error) {
				w, err := prepare()
				if err != nil {
					return err
				}
				defer func() { err = errors.Join(err, w.Close()) }()
				d, err := terraform.New(ctx, terraform.Options{
					Program: program, Workspace: w, Environ: env,
					PluginCache: filepath.Join(cacheDir(), "providers"),
				})
				if err == nil {
					err = d.Validate(ctx)
				}
				if err == nil && tests {
					err = d.Test(ctx)
				}
				return err
			}()
			if err != nil {
				err = fmt.Errorf("%s: %w", name, err)
			} else {
				a.console.Progress("ok  %s%s", name, map[bool]string{true: " (with tests)"}[tests])
			}
			results <- err
			return nil
		})
	}
	count := 0
	go func() {
		for _, r := range a.platform.Roots() {
			one("envs/"+r, func() (*terraform.Workspace, error) {
				return terraform.NewWorkspace(a.repository, r, work, "")
			}, false)
		}
		for _, e := range entries {
			_, err := os.Stat(filepath.Join(a.repository, "modules", e.Name(), "tests"))
			one("modules/"+e.Name(), func() (*terraform.Workspace, error) {
				return terraform.NewModuleWorkspace(a.repository, e.Name(), config.SharedRoot, work)
			}, err == nil && test)
		}
		_ = g.Wait() // failures travel through results
		close(results)
	}()
	for err := range results {
		count++
		if err != nil {
			failed = append(failed, err)
		}
	}
	if len(failed) > 0 {
		slices.SortFunc(failed, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
		return fmt.Errorf("%d of %d failed:\n%w", len(failed), count, errors.Join(failed...))
	}
	fmt.Fprintf(a.console.Out, "valid: %d roots and modules\n", count)
	return nil
}
