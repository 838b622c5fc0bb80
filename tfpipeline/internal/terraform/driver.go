package terraform

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/hashicorp/terraform-exec/tfexec"
)

// stopTimeout is how long an interrupted Terraform may take to stop. Terraform
// finishes the calls it has begun, saves its state and releases its lock; a
// second signal, or a kill, would lose one of these. Whoever runs the driver
// sets the bound that counts.
const stopTimeout = 1000 * time.Hour

// Driver runs Terraform in one workspace.
type Driver struct {
	// InstallsAlone says that Init may write to a cache of providers that other
	// roots' share, which is not made for two at once
	// (hashicorp/terraform#31964). From a mirror each links its own.
	InstallsAlone bool

	workspace *Workspace
	program   string
	env       map[string]string
	planEnv   map[string]string
	// exec runs init, plan and apply. What prints values runs without
	// terraform-exec, which copies the output of every command to one writer.
	exec   *tfexec.Terraform
	events func(Event)
	// pushAfter is how often, and how long after the time before, a state that
	// Terraform could not save is offered to the backend again.
	pushAfter []time.Duration
}

// Options are what New needs.
type Options struct {
	// Program is the Terraform to run, as Installation.Find found it.
	Program   string
	Workspace *Workspace
	// Environ is what Environ returned; New adds to a copy of it.
	Environ map[string]string
	// PlanEnviron is added while planning only.
	PlanEnviron map[string]string
	// PluginCache keeps downloaded providers between runs; used unless the
	// environment names another.
	PluginCache string
	// Events is told what happens during an apply; nil for nobody.
	Events func(Event)
}

// New prepares a driver: it chooses where providers come from and asks
// Terraform for its version, once.
func New(ctx context.Context, o Options) (*Driver, error) {
	env := maps.Clone(o.Environ)
	locked, err := lockedProviders(o.Workspace.locked)
	if err != nil {
		return nil, err
	}
	mirrored, err := cliConfig(env, locked, o.Workspace.top)
	if err != nil {
		return nil, fmt.Errorf("configure terraform: %w", err)
	}
	if o.PluginCache != "" && env["TF_PLUGIN_CACHE_DIR"] == "" && env["TF_CLI_CONFIG_FILE"] == "" {
		if err := os.MkdirAll(o.PluginCache, 0o755); err != nil {
			return nil, fmt.Errorf("configure terraform: %w", err)
		}
		env["TF_PLUGIN_CACHE_DIR"] = o.PluginCache
	}
	tf, err := tfexec.NewTerraform(o.Workspace.Dir, o.Program)
	if err != nil {
		return nil, fmt.Errorf("configure terraform: %w", err)
	}
	if err := errors.Join(tf.SetEnv(env), tf.SetWaitDelay(stopTimeout)); err != nil {
		return nil, fmt.Errorf("configure terraform: %w", err)
	}
	if _, _, err := tf.Version(ctx, true); err != nil {
		return nil, fmt.Errorf("ask terraform for its version: %w", explain(ctx, err))
	}
	planEnv := maps.Clone(env)
	maps.Copy(planEnv, o.PlanEnviron)
	return &Driver{
		workspace: o.Workspace, program: o.Program, env: env, planEnv: planEnv,
		InstallsAlone: !mirrored || env["TF_PLUGIN_CACHE_DIR"] != "",
		exec:          tf, events: o.Events,
		pushAfter: []time.Duration{0, time.Second, 4 * time.Second},
	}, nil
}

// Init installs the providers that the root has locked and opens its backend.
func (d *Driver) Init(ctx context.Context) error {
	if err := d.exec.Init(ctx, tfexec.Upgrade(false)); err != nil {
		return fmt.Errorf("init: %w", explain(ctx, err))
	}
	if err := d.workspace.checkLock(); err != nil {
		return err
	}
	return d.workspace.keepLock()
}

// PlanOptions are the choices of one plan.
type PlanOptions struct {
	// LockTimeout is how long a held state lock is waited for.
	LockTimeout time.Duration
	// NoLock plans without taking the lock: for roles that may not write.
	NoLock bool
	// Destroy plans the destruction of everything.
	Destroy bool
	// RefreshOnly plans to write what is there into the state, and no change.
	RefreshOnly bool
}

// Plan saves a plan and returns it as JSON. A plan that failed half-way, such
// as one that a check refused, may still have been saved: then both the JSON
// and the error are returned.
func (d *Driver) Plan(ctx context.Context, o PlanOptions) ([]byte, error) {
	if err := d.exec.SetEnv(d.planEnv); err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	// What an earlier attempt left must not be taken for this one's.
	if err := os.Remove(d.workspace.Plan); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("plan: %w", err)
	}
	_, planErr := d.exec.Plan(ctx,
		tfexec.Out(d.workspace.Plan),
		tfexec.Lock(!o.NoLock),
		tfexec.LockTimeout(o.LockTimeout.String()),
		tfexec.Destroy(o.Destroy),
		tfexec.RefreshOnly(o.RefreshOnly),
	)
	if planErr != nil {
		planErr = fmt.Errorf("plan: %w", explain(ctx, planErr))
		if _, locked := errors.AsType[*LockedError](planErr); locked || ctx.Err() != nil {
			return nil, planErr
		}
		if _, err := os.Stat(d.workspace.Plan); err != nil {
			return nil, planErr
		}
	}
	out, err := d.Show(ctx)
	if err != nil {
		return nil, errors.Join(planErr, err)
	}
	return out, planErr
}

// Show returns the saved plan as JSON.
func (d *Driver) Show(ctx context.Context) ([]byte, error) {
	out, err := d.output(ctx, "show", "-json", "-no-color", d.workspace.Plan)
	if err != nil {
		return nil, fmt.Errorf("show the plan: %w", err)
	}
	return out, nil
}

// Workspace is the temporary folder of this run, which goes with Close.
func (d *Driver) Workspace() string { return d.workspace.top }

// Outputs returns the root's outputs as JSON, sensitive ones included: it is
// for the program, not for people.
func (d *Driver) Outputs(ctx context.Context) ([]byte, error) {
	out, err := d.output(ctx, "output", "-json", "-no-color")
	if err != nil {
		return nil, fmt.Errorf("read outputs: %w", err)
	}
	return out, nil
}

// Unlock removes a state lock by its id.
func (d *Driver) Unlock(ctx context.Context, id string) error {
	if _, err := d.output(ctx, "force-unlock", "-force", id); err != nil {
		return fmt.Errorf("unlock: %w", err)
	}
	return nil
}

// output runs a command whose output goes to the caller and nowhere else.
func (d *Driver) output(ctx context.Context, args ...string) ([]byte, error) {
	return d.outputIn(ctx, d.env, args...)
}

// outputIn is output with another environment. What was printed is returned
// also if the command failed.
func (d *Driver) outputIn(ctx context.Context, env map[string]string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, d.program, args...)
	cmd.Dir = d.workspace.Dir
	cmd.Env = list(env)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.SysProcAttr = ownGroup()
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.WaitDelay = stopTimeout
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return stdout.Bytes(), context.Cause(ctx)
		}
		return stdout.Bytes(), classify(fmt.Errorf("%w\n%s", err, stderr.Bytes()))
	}
	return stdout.Bytes(), nil
}
