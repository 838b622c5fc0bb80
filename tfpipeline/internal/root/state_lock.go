package root

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"os/user"
	"time"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/calls"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/state"
	"github.com/specboard/platform/tfpipeline/internal/terraform"
)

// This program takes the state's lock itself, in Terraform's own format, so
// that it and a person's Terraform wait for each other. The lock names the
// attempt that holds it and is renewed while the attempt lives, so that
// anybody can recognize an abandoned one from the bucket alone. A plan takes
// no lock and leaves nothing behind: it waits until nobody changes the state,
// and Terraform refuses to apply a plan if the state has changed since.

// LockedError is a state lock that somebody else holds.
type LockedError struct {
	Lock state.StateLock
	// Waited is how long this run has waited for it.
	Waited time.Duration
}

func (e *LockedError) Error() string {
	return fmt.Sprintf("the state is locked by %s since %s (%s, lock %s; waited %v)", holder(e.Lock), e.Lock.Created, e.Lock.Operation, e.Lock.ID, e.Waited.Round(time.Second))
}

// holder names who holds a state lock.
func holder(l state.StateLock) string {
	if l.Attempt() != "" {
		return fmt.Sprintf("%s, run %s of tfpipeline,", l.Who, l.Attempt())
	}
	return l.Who
}

// span is how long a lock lives without being renewed.
func (r *Root) span() time.Duration { return r.roots.Leases.span() }

func (l *Leases) span() time.Duration {
	if l == nil {
		return deploy.DefaultLimits().Lease
	}
	return cmp.Or(l.Limits.Lease, deploy.DefaultLimits().Lease)
}

// bucket is the bucket with the root's state; nil for an offline plan.
func (r *Root) bucket() *state.Bucket {
	if r.roots.Cloud.Target == Offline {
		return nil
	}
	return state.New(r.roots.Cloud.Config, r.roots.Platform)
}

// awaitLock waits until nobody changes the state. It returns the lock that a
// dead run of this program left, or nil.
func (r *Root) awaitLock(ctx context.Context, most time.Duration) (*state.StateLock, error) {
	began := time.Now()
	said := ""
	for {
		l, err := r.bucket().StateLock(ctx, r.Name)
		switch {
		case err != nil:
			return nil, r.advise(err)
		case l == nil || l.Abandoned(r.span()):
			return l, nil
		case time.Since(began) >= most:
			return nil, r.advise(&LockedError{*l, time.Since(began)})
		case l.ID != said:
			said = l.ID
			r.Progress("%s holds the state lock since %s (%s): waiting up to %s", holder(*l), l.Created, l.Operation, most)
		}
		if !calls.Pause(ctx, min(time.Second, max(most-time.Since(began), time.Millisecond))) {
			return nil, context.Cause(ctx)
		}
	}
}

// locked does work while an attempt holds the state's lock. The work's context
// ends with terraform.ErrStateTaken if the lock is lost, and Terraform is killed.
func (r *Root) locked(ctx context.Context, attempt string, most time.Duration, work func(context.Context, state.StateLock) error) error {
	began := time.Now()
	var held state.StateLock
	for {
		over, err := r.awaitLock(ctx, most-time.Since(began))
		if err != nil {
			return err
		}
		taken, instead, err := r.bucket().TakeStateLock(ctx, r.Name, r.newLock(attempt), over)
		if err != nil {
			return r.advise(err)
		}
		if instead != nil {
			continue // another run was faster
		}
		if over != nil {
			r.Progress("took the state lock over from %s which died (%s, since %s)", holder(*over), over.Operation, over.Created)
		}
		held = *taken
		break
	}
	ctx, lose := terraform.WithStateLock(ctx)
	defer lose(nil)
	var lost error
	renewals, quit := context.WithCancel(context.WithoutCancel(ctx))
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		held, lost = r.keepLock(renewals, held)
		if lost != nil {
			lose(lost)
		}
	}()
	err := work(ctx, held)
	quit()
	<-gone
	release, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.span())
	defer cancel()
	if lost != nil {
		return console.WithNext(fmt.Errorf("%s: %w; what this run was at is the other's now, and nothing of it is left to continue here", r.Name, lost),
			"tfpipeline status -env %s", r.Name)
	}
	if releaseErr := r.bucket().RemoveStateLock(release, r.Name, held); releaseErr != nil {
		r.Progress("the state lock was not given back, and ends by itself within %v: %v", r.span(), releaseErr)
	}
	return err
}

// keepLock renews a lock until ctx ends, and returns its last version. It returns a
// terraform.ErrStateTaken as soon as it knows that somebody else has taken the lock: a
// process that was suspended for longer than the lock lives must not write an outdated
// state. So it goes by the wall clock, and asks each second while the lock may be taken.
func (r *Root) keepLock(ctx context.Context, held state.StateLock) (state.StateLock, error) {
	span := r.span()
	wait, due := span/3, held.Renewed.Add(span/3)
	for calls.PauseUntil(ctx, wait, due) {
		asked, cancel := context.WithTimeout(ctx, span/6)
		renewed, err := r.bucket().RenewStateLock(asked, r.Name, held)
		cancel()
		switch {
		case err == nil:
			held, wait = renewed, span/3
			due = held.Renewed.Add(wait)
			continue
		case ctx.Err() != nil: // and the pause ends
		case errors.Is(err, state.ErrStateLockLost):
			return held, fmt.Errorf("%w: %w", terraform.ErrStateTaken, err)
		case wait == span/3:
			r.Progress("the state lock could not be renewed, trying anew: %v", err)
		}
		wait = span / 12
		if time.Since(held.Renewed.Round(0)) >= span {
			wait = time.Second
		}
		due = time.Now().Add(wait)
	}
	return held, nil
}

// newLock returns a lock in the name of an attempt.
func (r *Root) newLock(attempt string) state.StateLock {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never an error
	p := r.roots.Platform
	return state.StateLock{
		ID:        fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:]),
		Operation: "OperationTypeApply", Info: state.InfoOf(attempt), Who: who(), Version: config.TerraformVersion,
		Created: time.Now().UTC().Format(time.RFC3339Nano), Path: p.StateBucket() + "/" + p.StateKey(r.Name),
	}
}

// newAttempt returns an id for work without a lease.
func newAttempt() string { return deploy.NewID(time.Now(), mathrand.Float64) }

// who names the holder of a lock as Terraform does: user@host.
func who() string {
	name := ""
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, _ := os.Hostname() // an empty name will do
	return name + "@" + host
}
