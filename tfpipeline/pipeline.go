package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/aws/smithy-go/logging"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/checkout"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/ecs"
	"github.com/specboard/platform/tfpipeline/internal/github"
	"github.com/specboard/platform/tfpipeline/internal/localaws"
	"github.com/specboard/platform/tfpipeline/internal/localaws/balancer"
	"github.com/specboard/platform/tfpipeline/internal/redact"
	"github.com/specboard/platform/tfpipeline/internal/root"
	"github.com/specboard/platform/tfpipeline/internal/state"
)

// environment is one environment with the clients that read and change it.
type environment struct {
	config.Environment
	cloud   root.Cloud
	ecs     *ecs.Environment
	history *state.History
	lock    *state.Lock
}

// openEnvironment finds the credentials for an environment. It calls nothing in the
// environment.
func (a *app) openEnvironment(ctx context.Context, name, command string) (*environment, error) {
	cloud, err := a.requireCloud(ctx, command)
	if err != nil {
		return nil, err
	}
	return a.environmentOf(name, cloud)
}

func (a *app) environmentOf(name string, cloud root.Cloud) (*environment, error) {
	// The SDK logs warnings (no checksum, a connection that was not reused)
	// about which the user can do nothing.
	cfg := cloud.Config
	cfg.Logger = logging.Nop{}
	// On the local endpoint, requests for the platform's domains go to its
	// load balancers.
	web := &http.Client{Transport: balancer.Transport(a.console.Getenv("AWS_ENDPOINT_URL"), nil)}
	e, err := ecs.New(cfg, a.platform, name, web)
	if err != nil {
		return nil, err
	}
	env, _ := a.platform.Environment(name)
	bucket := state.New(cfg, a.platform)
	return &environment{
		Environment: env, cloud: cloud, ecs: e,
		history: bucket.History(name), lock: bucket.Lock(name),
	}, nil
}

// requireCloud finds the credentials for a command that needs AWS.
func (a *app) requireCloud(ctx context.Context, command string) (root.Cloud, error) {
	return root.RequireCloud(ctx, a.platform, a.console, command, a.aws...)
}

// rootOptions returns the options with which every command opens Terraform
// roots.
func (a *app) rootOptions(cloud root.Cloud) root.Options {
	return root.Options{
		Platform: a.platform, Repository: a.repository, Cache: a.cache, Terraform: a.terraform,
		Console: a.console, Redactor: redact.FromEnvironment(a.console.Getenv), Cloud: cloud, Leases: a.leases(cloud),
		MakeRoles: func(ctx context.Context, env string) error { return a.makeRoles(ctx, env, cloud) },
	}
}

// makeRoles runs the task migrate, which makes the roles of the database.
func (a *app) makeRoles(ctx context.Context, env string, cloud root.Cloud) error {
	e, err := a.environmentOf(env, cloud)
	if err != nil {
		return err
	}
	outputs, err := state.New(cloud.Config, a.platform).Outputs(ctx, env)
	if err != nil {
		return err
	}
	ran, err := e.ecs.Migrate(ctx, outputs, "roles-"+rand.Text())
	if err == nil && !ran {
		a.console.Progress("%s: the first promotion makes the roles of the database", env)
	}
	return err
}

// cacheDir is the folder for files that are kept between runs.
func cacheDir() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		dir = os.TempDir()
	}
	return filepath.Join(dir, "tfpipeline")
}

// leases returns the leases under which commands change environments.
func (a *app) leases(cloud root.Cloud) *root.Leases {
	return &root.Leases{
		Platform: a.platform, Bucket: state.New(cloud.Config, a.platform), Console: a.console, Redactor: redact.FromEnvironment(a.console.Getenv),
		Limits: a.limits, Cache: a.cache, Identify: a.identify(cloud), Why: a.why(), RunURL: github.ReadRun(a.console.Getenv).URL,
	}
}

// pipeline connects a promotion or rollback of an environment to AWS,
// Terraform and git.
func (a *app) pipeline(e *environment, i *root.Infrastructure) (*deploy.Pipeline, error) {
	p := &deploy.Pipeline{
		Platform: a.platform, Environment: e.Name,
		Images: e.ecs, TaskDefinitions: e.ecs, Services: e.ecs, Scaling: e.ecs, Deployments: e.ecs, Schedules: e.ecs,
		Tasks: e.ecs, Secrets: e.ecs, Health: e.ecs, Collector: e.ecs,
		Infrastructure: i, Checkout: a.checkout(), History: e.history, Lock: e.lock, Freezer: e.history,
		Redactor: redact.FromEnvironment(a.console.Getenv), Limits: a.limits,
	}
	if e.cloud.Target == root.Local && p.Limits.Window == 0 {
		// By default, the local endpoint runs health checks this many times as
		// fast as AWS.
		p.Limits.Window = a.platform.Window(e.Environment) / localaws.DefaultSpeed
	}
	if e.Proof != nil {
		from, err := a.environmentOf(e.Proof.From, e.cloud)
		if err != nil {
			return nil, err
		}
		p.Origin = from.ecs
	}
	return p, nil
}

// checkout returns the repository that the command works on. In a workflow it
// asks GitHub for the commits of tags, since the clone may lack them.
func (a *app) checkout() *checkout.Checkout {
	c := &checkout.Checkout{Dir: a.repository, Env: a.console.Env}
	if client := github.ReadRun(a.console.Getenv).Client(); a.console.Actions() && client != nil {
		c.ReleaseCommit = client.ReleaseCommit
	}
	return c
}

// identify tells who runs the command: the name of whoever triggered the workflow,
// of this machine's user or else of the credentials, and the credentials' ARN.
func (a *app) identify(cloud root.Cloud) func(context.Context) (actor, caller string) {
	return func(ctx context.Context) (actor, caller string) {
		get := a.console.Getenv
		caller = cloud.Caller(ctx, a.console)
		return cmp.Or(github.ReadRun(get).Actor, get("USER"), get("LOGNAME"), get("USERNAME"), caller[strings.LastIndex(caller, "/")+1:], "unknown"), caller
	}
}

// why is the reason that the lock gives to others while this command holds it.
func (a *app) why() string {
	if w := a.console.Getenv("GITHUB_WORKFLOW"); w != "" {
		return "workflow " + w
	}
	host, err := os.Hostname()
	if err != nil {
		return "by hand"
	}
	return "by hand on " + host
}
