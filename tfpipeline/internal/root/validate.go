package root

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/terraform"
)

// Validate checks the format of every root, module and example, and runs
// terraform validate for each; with test it runs terraform test for those that
// have tests, which validates them, too. It returns how many there are, and an
// error that names all that fail.
func Validate(ctx context.Context, o Options, test bool) (count int, err error) {
	program, err := o.findTerraform(ctx)
	if err != nil {
		return 0, err
	}
	if err := terraform.CheckFormat(ctx, program, filepath.Join(o.Repository, "modules"), filepath.Join(o.Repository, "envs"), filepath.Join(o.Repository, "examples")); err != nil {
		return 0, err
	}
	var folders []string
	for _, kind := range []string{"examples", "modules"} {
		entries, err := os.ReadDir(filepath.Join(o.Repository, kind))
		if err != nil {
			return 0, fmt.Errorf("list the %s: %w", kind, err)
		}
		for _, e := range entries {
			folders = append(folders, kind+"/"+e.Name())
		}
	}
	env, _ := terraform.Environ(o.Console.Env, map[string]string{"AWS_EC2_METADATA_DISABLED": "true"})
	work := filepath.Join(o.Cache, "work")

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
				d, err := terraform.New(terraform.Options{
					Program: program, Workspace: w, Environ: env,
					PluginCache: filepath.Join(o.Cache, "providers"),
				})
				switch {
				case err != nil:
					return err
				case tests:
					return d.Test(ctx)
				default:
					return d.Validate(ctx)
				}
			}()
			if err != nil {
				err = fmt.Errorf("%s: %w", name, err)
			} else {
				o.Console.Progress("ok  %s%s", name, map[bool]string{true: " (with tests)"}[tests])
			}
			results <- err
			return nil
		})
	}
	go func() {
		for _, r := range o.Platform.Roots() {
			one("envs/"+r, func() (*terraform.Workspace, error) {
				return terraform.NewWorkspace(o.Repository, r, work, "")
			}, false)
		}
		for _, folder := range folders {
			_, err := os.Stat(filepath.Join(o.Repository, filepath.FromSlash(folder), "tests"))
			one(folder, func() (*terraform.Workspace, error) {
				return terraform.NewFolderWorkspace(o.Repository, folder, config.SharedRoot, work)
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
		return count, fmt.Errorf("%d of %d failed:\n%w", len(failed), count, errors.Join(failed...))
	}
	return count, nil
}
