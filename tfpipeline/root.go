package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"golang.org/x/sync/errgroup"

	"github.com/specboard/platform/tfpipeline/internal/offline"
	"github.com/specboard/platform/tfpipeline/internal/shield"
	"github.com/specboard/platform/tfpipeline/internal/terraform"
)

// target is what Terraform talks to.
type target string

const (
	targetAWS     target = "aws"
	targetLocal   target = "local"   // an endpoint on this machine
	targetOffline target = "offline" // nothing: an empty state and a few fixed answers
)

// root is one root opened for work.
type root struct {
	name   string
	target target
	*terraform.Driver
	// run is this run's note on the machine; killed are the runs before it
	// that could not remove theirs.
	run    *terraform.Run
	killed []terraform.Run
	// tell receives what an apply does.
	tell    func(terraform.Event)
	closers []func() error
}

// Close removes everything that opening made, plans included.
func (r *root) Close() error {
	var err error
	for _, c := range slices.Backward(r.closers) {
		err = errors.Join(err, c())
	}
	return err
}

// closeRoot closes a root at the end of a function and adds to its error.
func closeRoot(r *root, err *error) { *err = errors.Join(*err, r.Close()) }

// checkRoot says which roots there are if there is none of that name.
func (a *app) checkRoot(name string) error {
	roots := a.platform.Roots()
	if slices.Contains(roots, name) {
		return nil
	}
	if name == "" {
		return usageError{"which environment? Name one of " + strings.Join(roots, ", "), "make plan ENV=" + roots[1]}
	}
	return usageError{fmt.Sprintf("no environment %q; there are %s", name, strings.Join(roots, ", ")), "make plan ENV=" + roots[1]}
}

// cacheDir is where things are kept between runs: Terraform, providers, and
// the states that could not be saved.
func (a *app) cacheDir() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		dir = os.TempDir()
	}
	return filepath.Join(dir, "tfpipeline")
}

// awsConfig is the SDK's configuration for the platform's region.
func (a *app) awsConfig(ctx context.Context) (aws.Config, error) {
	cfg, err := awsconfig.LoadDefaultConfig(ctx,
		awsconfig.WithRegion(a.platform.Region),
		// A laptop has no instance role, and asking for one takes seconds.
		awsconfig.WithEC2IMDSClientEnableState(imds.ClientDisabled))
	if err != nil {
		return aws.Config{}, fmt.Errorf("read the AWS configuration: %w", err)
	}
	return cfg, nil
}

// credentialVariables are set by those who mean to work on AWS.
var credentialVariables = []string{
	"AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE",
	"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
}

// findTarget decides what a plan talks to. Only a person's machine without
// credentials falls back to an offline plan; a workflow has to ask for it.
func (a *app) findTarget(ctx context.Context, wantOffline bool) (target, aws.Config, error) {
	if wantOffline {
		return targetOffline, aws.Config{}, nil
	}
	cfg, err := a.awsConfig(ctx)
	if err != nil {
		return "", cfg, err
	}
	retrieve, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	_, err = cfg.Credentials.Retrieve(retrieve)
	switch {
	case err == nil && isLoopback(a.getenv("AWS_ENDPOINT_URL")):
		return targetLocal, cfg, nil
	case err == nil:
		return targetAWS, cfg, nil
	case ctx.Err() != nil:
		return "", cfg, context.Cause(ctx)
	case slices.ContainsFunc(credentialVariables, func(v string) bool { return a.getenv(v) != "" }):
		return "", cfg, fmt.Errorf("use the AWS credentials that the environment names: %w", err)
	case a.ci():
		return "", cfg, next(errors.New("no AWS credentials: a workflow assumes a role before it plans"),
			"configure-aws-credentials in the workflow, or plan with -offline")
	default:
		return targetOffline, cfg, nil
	}
}

// findCloud is findTarget for what changes things: without credentials there
// is nothing to change.
func (a *app) findCloud(ctx context.Context, command string) (target, aws.Config, error) {
	t, cfg, err := a.findTarget(ctx, false)
	if err == nil && t == targetOffline {
		err = next(fmt.Errorf("%s needs AWS credentials, and there are none", command), "aws sso login, or export AWS_PROFILE")
	}
	return t, cfg, err
}

func isLoopback(endpoint string) bool {
	u, err := url.Parse(endpoint)
	return err == nil && (u.Hostname() == "127.0.0.1" || u.Hostname() == "localhost" || u.Hostname() == "::1")
}

// openRoot prepares a root: Terraform, a workspace, an endpoint where one is
// needed, and init. output receives what Terraform says; nil discards it.
func (a *app) openRoot(ctx context.Context, name string, t target, cfg aws.Config, output io.Writer) (_ *root, err error) {
	r := &root{name: name, target: t}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.Close())
		}
	}()

	usesAWS, err := terraform.Uses(a.repository, name, "hashicorp/aws")
	if err != nil {
		return nil, err
	}
	var additions, planOnly map[string]string
	override := ""
	switch t {
	case targetOffline:
		endpoint, err := offline.Start(ctx, a.platform)
		if err != nil {
			return nil, err
		}
		r.closers = append(r.closers, endpoint.Close)
		additions, override = endpoint.Environ(), offline.Override()
	default:
		upstream := a.getenv("AWS_ENDPOINT_URL_SECRETS_MANAGER")
		if upstream == "" {
			upstream = a.getenv("AWS_ENDPOINT_URL")
		}
		s, err := shield.Start(ctx, cfg, upstream)
		if err != nil {
			return nil, err
		}
		r.closers = append(r.closers, s.Close)
		k, v, _ := strings.Cut(s.Environ(), "=")
		planOnly = map[string]string{k: v}
		if t == targetLocal && usesAWS {
			// What a local endpoint does not know it answers with an error;
			// the provider would ask again for ten minutes.
			override = "provider \"aws\" {\n  max_retries = 4\n}\n"
		}
	}
	env, dropped := terraform.Environ(a.env, additions)
	if len(dropped) > 0 {
		a.progress("%s: left out of Terraform's environment: %s", name, strings.Join(dropped, ", "))
	}

	// Looking for Terraform runs programs; copying the root does not wait.
	var program string
	var workspace *terraform.Workspace
	g, groupCtx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		program, err = terraform.DefaultInstallation(a.cacheDir()).Find(groupCtx, func(s string) { a.progress("%s", s) })
		return err
	})
	g.Go(func() (err error) {
		workspace, err = terraform.NewWorkspace(a.repository, name, filepath.Join(a.cacheDir(), "work"), override)
		if err == nil {
			r.closers = append(r.closers, workspace.Close)
		}
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	r.Driver, err = terraform.New(ctx, terraform.Options{
		Program: program, Workspace: workspace, Environ: env, PlanEnviron: planOnly,
		Events: func(e terraform.Event) {
			if r.tell != nil {
				r.tell(e)
			}
		},
		PluginCache: filepath.Join(a.cacheDir(), "providers"), Output: output,
	})
	if err != nil {
		return nil, err
	}
	a.progress("%s: terraform init", name)
	if err := r.Init(ctx); err != nil {
		return nil, a.advise(name, err)
	}
	if workspace.Borrowed {
		a.progress("%s: took over the provider lock of shared; commit envs/%s/.terraform.lock.hcl", name, name)
	}
	return r, nil
}

// advise adds the next command to errors of Terraform that have one.
func (a *app) advise(name string, err error) error {
	if _, ok := errors.AsType[*terraform.NoBucketError](err); ok {
		return next(fmt.Errorf("%s: the state bucket %s does not exist yet", name, a.platform.StateBucket()),
			"tfpipeline bootstrap -env %s", name)
	}
	if l, ok := errors.AsType[*terraform.LockedError](err); ok {
		return next(fmt.Errorf("%s: %w", name, err), "if that run is gone for good: tfpipeline unlock -env %s -state %s", name, l.ID)
	}
	return fmt.Errorf("%s: %w", name, err)
}
