package terraform

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/terraform-exec/tfexec"

	"github.com/specboard/platform/tfpipeline/internal/process"
)

const (
	// stopTimeout is how long an interrupted apply may take to stop. Terraform
	// first finishes the calls that it has begun and saves its state.
	stopTimeout = 10 * time.Minute
	// OrphanTimeout is the same after this program has died: nobody renews the
	// state lock any more, and after a minute the next run may take it.
	OrphanTimeout = 45 * time.Second
	// initTimeout is how long an interrupted init may take: it writes to a
	// provider cache that other roots share.
	initTimeout = 5 * time.Second
	// relayTimeout is how much longer than its Terraform a relay may take to
	// end.
	relayTimeout = 5 * time.Second
)

// Driver runs Terraform in one workspace. Terraform's output reaches a caller or
// Options.Events, and nobody else. Driver takes none of Terraform's own locks,
// since a dead run's lock cannot be told from a live one's. A Terraform that it
// runs ends when this program does.
type Driver struct {
	// InstallsAlone says that Init may write to a provider cache that other
	// roots share, and which is not safe for two writers
	// (hashicorp/terraform#31964). With a mirror each root links its own
	// providers.
	InstallsAlone bool

	workspace *Workspace
	program   string
	env       map[string]string
	planEnv   map[string]string
	// exec runs init, plan and apply through a relay (see process.Relay).
	// Commands that print values run without terraform-exec, which copies the
	// output of every command to one writer.
	exec   *tfexec.Terraform
	events func(Event)
}

// Options are what New needs.
type Options struct {
	// Program is the Terraform to run, as Installation.Find found it.
	Program   string
	Workspace *Workspace
	// Environ is the result of Environ; New adds to a copy of it.
	Environ map[string]string
	// PlanEnviron is added while planning only.
	PlanEnviron map[string]string
	// PluginCache keeps downloaded providers between runs; used unless the
	// environment names another.
	PluginCache string
	// Events receives what happens during a plan or an apply; nil discards it.
	Events func(Event)
}

// New prepares a driver: it chooses where providers come from. It runs nothing.
func New(o Options) (*Driver, error) {
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
	planEnv := maps.Clone(env)
	maps.Copy(planEnv, o.PlanEnviron)
	if o.Events == nil {
		o.Events = func(Event) {}
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("configure terraform: %w", err)
	}
	tf, err := tfexec.NewTerraform(o.Workspace.Dir, self)
	if err != nil {
		return nil, fmt.Errorf("configure terraform: %w", err)
	}
	return &Driver{
		workspace: o.Workspace, program: o.Program, env: env, planEnv: planEnv, exec: tf,
		InstallsAlone: !mirrored || env["TF_PLUGIN_CACHE_DIR"] != "", events: o.Events,
	}, nil
}

// Init installs the providers that the root has locked and opens its backend.
func (d *Driver) Init(ctx context.Context) error { return d.init(ctx) }

func (d *Driver) init(ctx context.Context, options ...tfexec.InitOption) error {
	err := d.relay(ctx, d.env, initTimeout, 0, func() error { return d.exec.Init(ctx, options...) })
	if err != nil {
		return fmt.Errorf("init: %w", err)
	}
	if err := d.workspace.checkLock(); err != nil {
		return err
	}
	return d.workspace.keepLock()
}

// PlanOptions are the choices of one plan.
type PlanOptions struct {
	// Destroy plans the destruction of everything.
	Destroy bool
	// RefreshOnly plans only to write what exists into the state.
	RefreshOnly bool
}

// Plan saves a plan and returns it as JSON. A plan that failed half-way, for
// example because a check refused it, may still have been saved: then both the
// JSON and the error are returned.
func (d *Driver) Plan(ctx context.Context, o PlanOptions) ([]byte, error) {
	// A plan that an earlier attempt left must not be taken for this one's.
	if err := os.Remove(d.workspace.Plan); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("plan: %w", err)
	}
	planErr := d.relay(ctx, d.planEnv, 0, 0, func() error {
		var counter readCounter
		d.exec.SetStdout(&counter) // stays set for all later commands
		defer d.exec.SetStdout(nil)
		defer tellPlanning(&counter, d.events)()
		_, err := d.exec.Plan(ctx, tfexec.Out(d.workspace.Plan), tfexec.Lock(false), tfexec.Destroy(o.Destroy), tfexec.RefreshOnly(o.RefreshOnly))
		return err
	})
	if planErr != nil {
		planErr = fmt.Errorf("plan: %w", planErr)
		if _, err := os.Stat(d.workspace.Plan); err != nil || ctx.Err() != nil {
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

// Outputs returns the root's outputs as JSON, with the values of sensitive
// ones: it is for the program, not for people.
func (d *Driver) Outputs(ctx context.Context) ([]byte, error) {
	out, err := d.output(ctx, "output", "-json", "-no-color")
	if err != nil {
		return nil, fmt.Errorf("read outputs: %w", err)
	}
	return out, nil
}

// output runs a command and returns its output, which goes nowhere else.
func (d *Driver) output(ctx context.Context, args ...string) ([]byte, error) {
	var out bytes.Buffer
	err := d.run(ctx, d.env, &out, args...)
	return out.Bytes(), err
}

// note is the file that names the process group of the running Terraform.
func (d *Driver) note() string { return filepath.Join(d.workspace.top, groupFile) }

// relay makes terraform-exec run its next command through a relay. grace and
// orphaned are those of process.Options.
func (d *Driver) relay(ctx context.Context, env map[string]string, grace, orphaned time.Duration, do func() error) error {
	note := d.note()
	name, value, err := process.Relay{Program: d.program, Grace: grace, Orphaned: orphaned, Note: note}.Variable()
	if err != nil {
		return err
	}
	env = maps.Clone(env)
	delete(env, "TF_IN_AUTOMATION") // terraform-exec sets it and refuses it from others
	env[name] = value
	// terraform-exec waits longer than the relay does, so the relay's limit
	// decides.
	if err := errors.Join(d.exec.SetEnv(env), d.exec.SetWaitDelay(grace+relayTimeout)); err != nil {
		return err
	}
	if lost, ok := ctx.Value(lostKey{}).(<-chan struct{}); ok {
		over := make(chan struct{})
		defer close(over)
		go func() {
			select {
			case <-over:
				return
			case <-lost:
			}
			if group, err := process.Running(note); err == nil && group != 0 {
				_ = process.Kill(group) // an interrupt ends it, only later
			}
		}()
	}
	err = do()
	if err != nil && ctx.Err() != nil {
		// terraform-exec may return before the processes it started have
		// ended.
		process.Await(note, grace+relayTimeout)
	}
	return ended(ctx, err, err)
}

// run runs a Terraform command that changes nothing, so it is killed when the
// context ends. The error is then the context's cause, otherwise what
// Terraform printed.
func (d *Driver) run(ctx context.Context, env map[string]string, stdout io.Writer, args ...string) error {
	var stderr bytes.Buffer
	err := process.Run(ctx, process.Options{
		Dir: d.workspace.Dir, Env: list(env), Stdout: stdout, Stderr: &stderr, Note: d.note(),
	}, slices.Concat([]string{d.program}, args)...)
	if err == nil || ctx.Err() != nil {
		return ended(ctx, err, nil)
	}
	return ended(ctx, err, fmt.Errorf("%w\n%s", err, stderr.Bytes()))
}

// ended returns the error of a command: err is from os/exec, said is what
// Terraform printed. terraform-exec's own error has no text once the context
// has ended.
func ended(ctx context.Context, err, said error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return exitError{context.Cause(ctx), signalled(err)}
	default:
		return exitError{classify(said), signalled(err)}
	}
}

// exitError is what Terraform printed, and whether a signal ended it.
type exitError struct {
	error
	signalled bool
}

func (e exitError) Unwrap() error { return e.error }

// signalled reports whether a signal ended Terraform, or its relay, which
// exits like a shell with 128 plus the signal's number.
func signalled(err error) bool {
	exit, ok := errors.AsType[*exec.ExitError](err)
	return ok && (exit.ExitCode() < 0 || exit.ExitCode() > 128)
}

// ErrStateTaken ends a context when somebody else has taken the state's lock.
var ErrStateTaken = errors.New("somebody else has taken the state lock")

// lostKey is the key of a channel that is closed when the state's lock is lost.
type lostKey struct{}

// WithStateLock returns a context for work under the state's lock, and the function
// that ends it when the lock is lost. Terraform is then killed, also if it has been
// interrupted already: the state that it would write at its end would overwrite that of
// the lock's new holder.
func WithStateLock(ctx context.Context) (locked context.Context, lose context.CancelCauseFunc) {
	lost := make(chan struct{})
	locked, end := context.WithCancelCause(context.WithValue(ctx, lostKey{}, (<-chan struct{})(lost)))
	once := sync.OnceFunc(func() { close(lost) })
	return locked, func(cause error) {
		once()
		end(cause)
	}
}
