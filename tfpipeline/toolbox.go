package main

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"golang.org/x/sync/errgroup"

	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/endpoint"
	"github.com/specboard/platform/tfpipeline/internal/terraform"
)

// toolbox is what the roots of one target share: the Terraform program, the
// endpoint it asks, its environment.
type toolbox struct {
	*app
	// console is where the roots tell what goes on; it may be another than the
	// command's own.
	console *console.Console
	target  target
	// env is Terraform's environment, planOnly what is added for plans.
	env, planOnly map[string]string
	dropped       []string
	override      string
	// program finds Terraform, once.
	program func() (string, error)
	// installing is held during an init that must be alone.
	installing sync.Mutex
	closers    []func() error
}

// collector makes the garbage collector of Terraform and its provider rest
// longer: a plan allocates little that goes again, and takes a fifth less
// processor time this way, for a quarter more memory.
const collector = "400"

// offlineOverride is the Terraform override of an offline plan: an empty local
// state in place of the bucket, and no retries of what the endpoint refuses.
const offlineOverride = `terraform {
  backend "local" {}
}

provider "aws" {
  max_retries = 1
}
`

// openToolbox starts what the roots of a target need.
func (a *app) openToolbox(ctx context.Context, c *console.Console, t target, cfg aws.Config) (*toolbox, error) {
	b := &toolbox{app: a, console: c, target: t}
	b.program = sync.OnceValues(func() (string, error) {
		return terraform.DefaultInstallation(a.cacheDir()).Find(ctx, func(s string) { c.Progress("%s", s) })
	})
	handler, inherited := endpoint.Offline(a.platform), a.console.Env
	if t != targetOffline {
		var err error
		if handler, err = endpoint.WithholdSecrets(cfg); err != nil {
			return nil, err
		}
	}
	server, err := endpoint.Serve(ctx, nil, handler)
	if err != nil {
		return nil, err
	}
	b.closers = append(b.closers, server.Close)
	if t == targetOffline {
		inherited = endpoint.Access{URL: server.URL(), Region: a.platform.Region, Key: "offline"}.Environ(inherited)
		b.override = offlineOverride
	} else {
		b.planOnly = endpoint.SecretsOnly(server.URL(), cfg, inherited)
	}
	b.env, b.dropped = terraform.Environ(inherited, nil)
	if b.env["GOGC"] == "" {
		b.env["GOGC"] = collector
	}
	return b, nil
}

// Close stops what opening started.
func (b *toolbox) Close() error {
	var err error
	for _, c := range slices.Backward(b.closers) {
		err = errors.Join(err, c())
	}
	return err
}

// overrideOf is the Terraform override of a root.
func (b *toolbox) overrideOf(name string) (string, error) {
	if b.target != targetLocal {
		return b.override, nil
	}
	usesAWS, err := terraform.Uses(b.repository, name, "hashicorp/aws")
	if err != nil || !usesAWS {
		return "", err
	}
	// What a local endpoint does not know it answers with an error; the
	// provider would ask again for ten minutes.
	return "provider \"aws\" {\n  max_retries = 4\n}\n", nil
}

// openRoot prepares a root: a workspace, Terraform, and init.
func (b *toolbox) openRoot(ctx context.Context, name string) (_ *root, err error) {
	r := &root{name: name, target: b.target, console: b.console}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.Close())
		}
	}()
	override, err := b.overrideOf(name)
	if err != nil {
		return nil, err
	}
	if len(b.dropped) > 0 {
		b.console.Progress("%s: left out of Terraform's environment: %s", name, strings.Join(b.dropped, ", "))
	}

	// Looking for Terraform runs programs; copying the root does not wait.
	var program string
	var workspace *terraform.Workspace
	var g errgroup.Group
	g.Go(func() (err error) {
		program, err = b.program()
		return err
	})
	g.Go(func() (err error) {
		workspace, err = terraform.NewWorkspace(b.repository, name, filepath.Join(b.cacheDir(), "work"), override)
		if err == nil {
			r.closers = append(r.closers, workspace.Close)
		}
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	r.Driver, err = terraform.New(ctx, terraform.Options{
		Program: program, Workspace: workspace, Environ: b.env, PlanEnviron: b.planOnly,
		Events: func(e terraform.Event) {
			if r.tell != nil {
				r.tell(e)
			}
		},
		PluginCache: filepath.Join(b.cacheDir(), "providers"),
	})
	if err != nil {
		return nil, err
	}
	if err := b.init(ctx, r); err != nil {
		return nil, b.advise(name, err)
	}
	if workspace.Borrowed {
		b.console.Progress("%s: took over the provider lock of shared; commit envs/%s/.terraform.lock.hcl", name, name)
	}
	return r, nil
}

func (b *toolbox) init(ctx context.Context, r *root) error {
	if r.InstallsAlone {
		b.installing.Lock()
		defer b.installing.Unlock()
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	b.console.Progress("%s: terraform init", r.name)
	return r.Init(ctx)
}
