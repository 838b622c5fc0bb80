// Package root works on the platform's Terraform roots: it opens one, plans it,
// guards and reviews the plan, applies it, adopts what a killed run made, and
// finds drift. Every command that uses Terraform goes this way.
package root

import (
	"context"
	"errors"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/endpoint"
	"github.com/specboard/platform/tfpipeline/internal/redact"
	"github.com/specboard/platform/tfpipeline/internal/terraform"
)

// Options say where the roots are and which clients they use.
type Options struct {
	Platform config.Platform
	// Repository is the folder with envs/ and modules/.
	Repository string
	// Cache is the folder for files that are kept between runs: Terraform,
	// providers, and states that could not be saved.
	Cache string
	// Terraform is the program to run; "" finds one, or installs it in Cache.
	Terraform string
	// Console shows progress and asks questions.
	Console  *console.Console
	Redactor redact.Redactor
	Cloud    Cloud
	// Leases are those under which roots are changed; nil changes them without
	// a lease.
	Leases *Leases
	// MakeRoles has an environment's database make the roles that services log in as;
	// nil leaves it to the next promotion.
	MakeRoles func(ctx context.Context, environment string) error
}

// Roots holds what the roots of one target share: the Terraform program, the
// endpoint that it calls, and its environment.
type Roots struct {
	Options
	// env is Terraform's environment; planOnly is added to it while planning.
	env, planOnly map[string]string
	dropped       []string
	override      string
	// program finds Terraform, once.
	program func() (string, error)
	// installing is held during an init that must not run next to another one.
	installing sync.Mutex
	closers    []func() error
}

// garbageCollection makes the garbage collector of Terraform and its provider
// run less often: a plan frees little of what it allocates, and this saves a
// fifth of its processor time for a quarter more memory.
const garbageCollection = "400"

// OfflineOverride is the Terraform override of an offline plan: an empty local
// state in place of the bucket, and no retries of what the endpoint refuses.
const OfflineOverride = `terraform {
  backend "local" {}
}

provider "aws" {
  max_retries = 1
}
`

// localOverride is the override for a local endpoint, which answers unknown
// calls with an error that the provider would otherwise retry for ten minutes.
const localOverride = "provider \"aws\" {\n  max_retries = 4\n}\n"

// Prepare starts what the roots of a target need; Close stops it.
func Prepare(ctx context.Context, o Options) (*Roots, error) {
	s := &Roots{Options: o}
	s.program = sync.OnceValues(func() (string, error) { return o.findTerraform(ctx) })
	handler, inherited := endpoint.Offline(o.Platform), o.Console.Env
	if o.Cloud.Target != Offline {
		var err error
		if handler, err = endpoint.WithholdSecrets(ctx, o.Cloud.Config); err != nil {
			return nil, err
		}
	}
	server, err := endpoint.Serve(ctx, nil, handler)
	if err != nil {
		return nil, err
	}
	s.closers = append(s.closers, server.Close)
	if o.Cloud.Target == Offline {
		inherited = endpoint.Access{URL: server.URL(), Region: o.Platform.Region, Key: "offline"}.Environ(inherited)
		s.override = OfflineOverride
	} else {
		s.planOnly = endpoint.SecretsOnly(ctx, server.URL(), o.Cloud.Config, inherited)
	}
	s.env, s.dropped = terraform.Environ(inherited, nil)
	if s.env["GOGC"] == "" {
		s.env["GOGC"] = garbageCollection
	}
	return s, nil
}

// findTerraform returns the path of the program.
func (o Options) findTerraform(ctx context.Context) (string, error) {
	if o.Terraform != "" {
		return o.Terraform, nil
	}
	return terraform.DefaultInstallation(o.Cache).Find(ctx, func(line string) { o.Console.Progress("%s", line) })
}

// Close stops what Prepare started.
func (s *Roots) Close() error { return closeAll(s.closers) }

// closeAll closes in the reverse order of opening.
func closeAll(closers []func() error) error {
	var err error
	for _, c := range slices.Backward(closers) {
		err = errors.Join(err, c())
	}
	return err
}

// Open prepares one root: Terraform, a workspace, an endpoint, and init.
func Open(ctx context.Context, o Options, name string) (*Root, error) {
	s, err := Prepare(ctx, o)
	if err != nil {
		return nil, err
	}
	r, err := s.Open(ctx, name)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	r.closers = slices.Insert(r.closers, 0, s.Close)
	return r, nil
}

// Each opens every root and calls do with it, several at a time: a plan mostly
// waits for AWS and for its provider to start. The failure of one root does
// not end the others; the errors are in the order of the names.
func Each(ctx context.Context, o Options, names []string, do func(context.Context, *Root) error) (errs []error, err error) {
	o.Console = o.Console.Unattended()
	s, err := Prepare(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	errs = make([]error, len(names))
	var g errgroup.Group
	// A plan keeps less than one processor busy, and takes half a gigabyte.
	g.SetLimit(2 * runtime.NumCPU())
	for i, name := range names {
		g.Go(func() error {
			r, err := s.Open(ctx, name)
			if err == nil {
				err = errors.Join(do(ctx, r), r.Close())
			}
			errs[i] = err
			return nil
		})
	}
	_ = g.Wait() // never an error
	return errs, nil
}

// overrideOf is the Terraform override of a root.
func (s *Roots) overrideOf(name string) (string, error) {
	if s.Cloud.Target != Local {
		return s.override, nil
	}
	usesAWS, err := terraform.Uses(s.Repository, name, "hashicorp/aws")
	if err != nil || !usesAWS {
		return "", err
	}
	return localOverride, nil
}

// Open prepares a root: a workspace, Terraform, and init.
func (s *Roots) Open(ctx context.Context, name string) (_ *Root, err error) {
	r := &Root{Name: name, roots: s}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.Close())
		}
	}()
	override, err := s.overrideOf(name)
	if err != nil {
		return nil, err
	}
	if len(s.dropped) > 0 {
		r.Progress("left out of Terraform's environment: %s", strings.Join(s.dropped, ", "))
	}

	// Finding Terraform starts programs, so the root is copied meanwhile.
	var program string
	var g errgroup.Group
	g.Go(func() (err error) {
		program, err = s.program()
		return err
	})
	g.Go(func() (err error) {
		r.workspace, err = terraform.NewWorkspace(s.Repository, name, filepath.Join(s.Cache, "work"), override)
		if err == nil {
			r.closers = append(r.closers, r.workspace.Close)
		}
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	r.driver, err = terraform.New(terraform.Options{
		Program: program, Workspace: r.workspace, Environ: s.env, PlanEnviron: s.planOnly,
		Events: func(e terraform.Event) {
			if r.tell != nil {
				r.tell(e)
			}
		},
		PluginCache: filepath.Join(s.Cache, "providers"),
	})
	if err != nil {
		return nil, err
	}
	if err := s.init(ctx, r); err != nil {
		return nil, r.advise(err)
	}
	if r.workspace.Borrowed {
		r.Progress("took over the provider lock of shared; commit envs/%s/.terraform.lock.hcl", name)
	}
	return r, nil
}

func (s *Roots) init(ctx context.Context, r *Root) error {
	if r.driver.InstallsAlone {
		s.installing.Lock()
		defer s.installing.Unlock()
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	r.Progress("terraform init")
	return r.driver.Init(ctx)
}
