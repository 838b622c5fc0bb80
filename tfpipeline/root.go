package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"

	"github.com/specboard/platform/tfpipeline/internal/console"
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
	name    string
	target  target
	console *console.Console
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
	case err == nil && isLoopback(aws.ToString(cfg.BaseEndpoint)):
		return targetLocal, cfg, nil
	case err == nil:
		return targetAWS, cfg, nil
	case ctx.Err() != nil:
		return "", cfg, context.Cause(ctx)
	case slices.ContainsFunc(credentialVariables, func(v string) bool { return a.console.Getenv(v) != "" }):
		return "", cfg, fmt.Errorf("use the AWS credentials that the environment names: %w", err)
	case a.console.CI():
		return "", cfg, console.WithNext(errors.New("no AWS credentials: a workflow assumes a role before it plans"),
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
		err = console.WithNext(fmt.Errorf("%s needs AWS credentials, and there are none", command), "aws sso login, or export AWS_PROFILE")
	}
	return t, cfg, err
}

func isLoopback(endpoint string) bool {
	u, err := url.Parse(endpoint)
	return err == nil && (u.Hostname() == "127.0.0.1" || u.Hostname() == "localhost" || u.Hostname() == "::1")
}

// openRoot prepares one root: Terraform, a workspace, an endpoint where one is
// needed, and init. What goes on is told to the console.
func (a *app) openRoot(ctx context.Context, c *console.Console, name string, t target, cfg aws.Config) (*root, error) {
	b, err := a.openToolbox(ctx, c, t, cfg)
	if err != nil {
		return nil, err
	}
	r, err := b.openRoot(ctx, name)
	if err != nil {
		return nil, errors.Join(err, b.Close())
	}
	r.closers = slices.Insert(r.closers, 0, b.Close)
	return r, nil
}

// advise adds the next command to errors of Terraform that have one.
func (a *app) advise(name string, err error) error {
	if _, ok := errors.AsType[*terraform.NoBucketError](err); ok {
		return console.WithNext(fmt.Errorf("%s: the state bucket %s does not exist yet", name, a.platform.StateBucket()),
			"tfpipeline bootstrap -env %s", name)
	}
	if l, ok := errors.AsType[*terraform.LockedError](err); ok {
		return console.WithNext(fmt.Errorf("%s: %w", name, err), "if that run is gone for good: tfpipeline unlock -env %s -state %s", name, l.ID)
	}
	return fmt.Errorf("%s: %w", name, a.hide(err))
}

// hide hides what looks like a secret in an error of Terraform's: a provider
// may quote what it sent.
func (a *app) hide(err error) error { return a.redactor().Error(err) }
