package root

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/specboard/platform/tfpipeline/internal/calls"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/process"
	"github.com/specboard/platform/tfpipeline/internal/state"
	"github.com/specboard/platform/tfpipeline/internal/terraform"
	"github.com/specboard/platform/tfpipeline/internal/view"
)

// settleTime is the time limit of Settle: GitHub kills a cancelled job after
// five minutes.
const settleTime = 4*time.Minute + 30*time.Second

// Settlement says what Settle did about what runs had left on this machine.
type Settlement struct {
	Environment string `json:"environment"`
	// Done lists what was done, a sentence each.
	Done []string `json:"done"`
	// Lease is the lease of an attempt that has to be continued; nil if there
	// is none.
	Lease *deploy.Lease `json:"lease,omitempty"`
	// Next is the command to run, "" if there is nothing to do.
	Next string `json:"next,omitempty"`
}

// Print prints the answer, for a person or as JSON.
func (s Settlement) Print(c *console.Console, asJSON bool) error {
	if asJSON {
		if err := json.NewEncoder(c.Out).Encode(s); err != nil {
			return fmt.Errorf("print the settlement: %w", err)
		}
		return nil
	}
	for _, line := range s.Done {
		c.Answer("%s: %s", s.Environment, line)
	}
	if len(s.Done) == 0 {
		c.Answer("%s: no run left anything on this machine", s.Environment)
	}
	if s.Next != "" {
		c.Suggest("%s", s.Next)
	}
	return nil
}

// Settle finishes what runs that died on this machine left of an environment:
// it ends their Terraform, saves their state, releases their locks, and marks
// a lease of an attempt that has to be continued. It waits for a run that is
// just ending, and does nothing about what is settled already.
func (l *Leases) Settle(ctx context.Context, env string) (Settlement, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, settleTime, fmt.Errorf("not settled within %s", settleTime))
	defer cancel()
	s := Settlement{Environment: env, Done: []string{}}
	did := func(format string, args ...any) { s.Done = append(s.Done, fmt.Sprintf(format, args...)) }
	dead, err := l.awaitDead(ctx, env)
	if err != nil {
		return s, err
	}
	if err := l.settleWorkspaces(ctx, env, dead, did); err != nil {
		return s, err
	}
	for _, n := range dead {
		if err := l.settleRun(ctx, n, &s, did); err != nil {
			return s, Explain(env, err)
		}
	}
	if s.Lease != nil {
		s.Next = view.Next(env, s.Lease.Next())
	}
	return s, nil
}

// awaitDead waits for the end of the live runs, and returns all that died.
func (l *Leases) awaitDead(ctx context.Context, env string) ([]note, error) {
	for said := false; ; said = true {
		alive, dead, err := findNotes(l.Cache, env)
		if err != nil || len(alive) == 0 {
			return dead, err
		}
		if !said {
			l.Console.Progress("%s: waiting for the end of run %s on this machine", env, alive[0].Attempt)
		}
		if !calls.Pause(ctx, 250*time.Millisecond) {
			return nil, console.WithNext(fmt.Errorf("%s: run %s is still at work on this machine: %w", env, alive[0].Attempt, context.Cause(ctx)),
				"interrupt that run if it is not to go on; then tfpipeline settle -env %s", env)
		}
	}
}

// settleWorkspaces ends every Terraform whose owner died, and saves its state. While
// somebody else holds the state's lock, it only keeps it: theirs may follow on another.
func (l *Leases) settleWorkspaces(ctx context.Context, env string, dead []note, did func(string, ...any)) error {
	left, err := terraform.FindAbandoned(filepath.Join(l.Cache, "work"), env)
	if err != nil {
		return err
	}
	for _, a := range left {
		if err := l.endTerraform(ctx, env, a, did); err != nil {
			return err
		}
		content, err := a.State()
		if err != nil {
			return fmt.Errorf("%s: %w", env, err)
		}
		if content != nil {
			free, err := l.stateFree(ctx, env, dead)
			if err != nil {
				l.Console.Progress("%s: %v", env, err)
			}
			var kept string
			if free {
				kept, err = saveState(ctx, l.Bucket, env, content)
			} else { // where it does no harm, whoever holds the lock
				kept, err = l.Bucket.KeepState(ctx, env, content)
			}
			switch {
			case isType[*state.SupersededError](err):
				did("the state that Terraform could not save is kept at %s, and not saved: %v", kept, err)
			case err != nil:
				return console.WithNext(fmt.Errorf("%s: the state that Terraform could not save stays on this machine: %w", env, err), "tfpipeline settle -env %s", env)
			case kept != "":
				did("the state that Terraform could not save is kept at %s; the next apply saves it", kept)
			default:
				did("the state that Terraform could not save is saved")
			}
		}
		if err := a.Remove(); err != nil {
			return fmt.Errorf("%s: %w", env, err)
		}
		did("the folder that Terraform worked in is removed")
	}
	return nil
}

// stateFree reports whether the state's lock is held by nobody but runs that died.
func (l *Leases) stateFree(ctx context.Context, env string, dead []note) (bool, error) {
	held, err := l.Bucket.StateLock(ctx, env)
	switch {
	case isType[*state.ForeignError](err):
		return false, nil
	case err != nil:
		return false, err
	}
	return held == nil || held.Abandoned(l.span()) ||
		slices.ContainsFunc(dead, func(n note) bool { return n.Attempt == held.Attempt() }), nil
}

// endTerraform waits until the Terraform of a workspace has ended, and kills
// it if it does not. The watcher interrupted it when its owner died.
func (l *Leases) endTerraform(ctx context.Context, env string, a terraform.Abandoned, did func(string, ...any)) error {
	// The watcher kills Terraform after OrphanTimeout; this waits a little
	// longer.
	most := time.NewTimer(terraform.OrphanTimeout + 15*time.Second)
	defer most.Stop()
	for said := false; ; said = true {
		group, err := a.Running()
		if err != nil || group == 0 {
			if said {
				did("Terraform has ended")
			}
			return err
		}
		if !said {
			l.Console.Progress("%s: waiting for Terraform (process group %d) to let go", env, group)
		}
		look := time.NewTimer(250 * time.Millisecond)
		select {
		case <-look.C:
		case <-most.C:
			if err := process.Kill(group); err != nil {
				return err
			}
			did("Terraform did not end and was killed")
		case <-ctx.Done():
			look.Stop()
			return context.Cause(ctx)
		}
	}
}

// settleRun releases the locks of a dead run, or marks them as left to be
// continued.
func (l *Leases) settleRun(ctx context.Context, n note, s *Settlement, did func(string, ...any)) error {
	held, err := l.Bucket.StateLock(ctx, n.Environment)
	if isType[*state.ForeignError](err) {
		held, err = nil, nil // not ours
	}
	if err != nil && !errors.Is(err, state.ErrNoBucket) {
		return err
	}
	if held != nil && held.Attempt() == n.Attempt {
		if err := l.Bucket.RemoveStateLock(ctx, n.Environment, *held); err != nil {
			return err
		}
		did("the state lock of run %s is given back", n.Attempt)
	}
	before, err := l.Bucket.Lock(n.Environment).Holder(ctx)
	if err != nil && !errors.Is(err, state.ErrNoBucket) && !isType[*state.ForeignError](err) {
		return err
	}
	if before != nil && before.RecordID == n.Attempt {
		left, err := l.pipeline(n.Environment).Settle(ctx, n.Attempt)
		switch {
		case err != nil:
			return err
		case left == nil:
			did("the lock of run %s is given back", n.Attempt)
		default:
			did("the lock of run %s says that it is to be continued", n.Attempt)
			s.Lease = left
		}
	}
	if err := l.tellEnd(ctx, n, did); err != nil {
		return err
	}
	return n.forget()
}

// tellEnd reports the end of an attempt that died before it could. An attempt
// that did report its end has since added its record to the index.
func (l *Leases) tellEnd(ctx context.Context, n note, did func(string, ...any)) error {
	if l.Notifier == nil {
		return nil
	}
	history := l.Bucket.History(n.Environment)
	r, err := history.Find(ctx, n.Attempt)
	if errors.Is(err, state.ErrNoBucket) || isType[*state.ForeignError](err) || err == nil && (r == nil || !r.Kind.Told()) {
		return nil // the run was no attempt, has no record, or nobody is told of its kind
	}
	if err != nil {
		return err
	}
	if told, err := history.Indexed(ctx, n.Attempt); told || err != nil {
		return err
	}
	if err := l.Notifier.NotifyDied(ctx, *r); err != nil {
		return fmt.Errorf("tell how %s ended: %w", n.Attempt, err)
	}
	did("people are told how %s ended: %s", n.Attempt, r.Outcome)
	return history.UpdateIndex(ctx, *r)
}
