package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

// Lock is the lease on one environment. A lease carries the id of its
// attempt's record: whoever reads a lease with the id of its own attempt has
// written it.
type Lock struct {
	bucket      *Bucket
	environment string
	key         string

	mu sync.Mutex
	// unanswered are the versions whose removal was requested, but never
	// confirmed.
	unanswered map[string]bool
}

var _ deploy.Lock = (*Lock)(nil)

// Lock returns the lock of an environment. It makes no call.
func (b *Bucket) Lock(environment string) *Lock {
	return &Lock{bucket: b, environment: environment, key: b.platform.LockKey(environment), unanswered: map[string]bool{}}
}

// Holder returns the lease that exists; nil if there is none. An object under
// its key that is no lease is a *ForeignError, and keeps the environment
// locked all the same.
func (l *Lock) Holder(ctx context.Context) (*deploy.Lease, error) {
	there, err := l.bucket.get(ctx, l.key)
	if err != nil {
		return nil, err
	}
	return l.parse(there)
}

func (l *Lock) parse(there *object) (*deploy.Lease, error) {
	if there == nil {
		return nil, nil
	}
	var lease deploy.Lease
	reason := ""
	switch err := json.Unmarshal(there.content, &lease); {
	case err != nil:
		reason = "it is not a lease: " + err.Error()
	case lease.RecordID == "" || lease.Until.IsZero():
		reason = "it is not a lease: it names no record, or no end"
	case lease.Environment != l.environment:
		reason = fmt.Sprintf("it says that it is of the environment %q", lease.Environment)
	}
	if reason != "" {
		return nil, fmt.Errorf("read the lock: %w", &ForeignError{l.key, reason, there.version})
	}
	lease.Version, lease.Age = there.version, there.age
	return &lease, nil
}

// Take stores a lease where there is none, or in place of over. It returns
// deploy.ErrLockTaken if that is not what is there by then.
func (l *Lock) Take(ctx context.Context, lease deploy.Lease, over *deploy.Lease) (deploy.Lease, error) {
	version := ""
	if over != nil {
		version = over.Version
	}
	return l.store(ctx, "take the lock", lease, version, func(there *deploy.Lease) (string, error) {
		switch {
		case there == nil && over == nil:
			return "", nil
		case there == nil:
			return "", deploy.ErrLockTaken // and has been given back since: over is out of date
		case there.RecordID == lease.RecordID:
			return there.Version, nil
		default:
			return "", deploy.ErrLockTaken
		}
	})
}

// Renew stores a changed lease in place of the one that is held. It returns
// deploy.ErrLockLost if that one is gone.
func (l *Lock) Renew(ctx context.Context, lease deploy.Lease) (deploy.Lease, error) {
	if lease.Version == "" {
		return lease, fmt.Errorf("renew the lock: %w: it was never taken", deploy.ErrLockLost)
	}
	return l.store(ctx, "renew the lock", lease, lease.Version, func(there *deploy.Lease) (string, error) {
		if there != nil && there.RecordID == lease.RecordID {
			// The previous renewal was stored, but its answer was lost.
			return there.Version, nil
		}
		return "", deploy.ErrLockLost
	})
}

// store writes a lease in place of a version. If another object is there,
// judge decides: it returns the version to replace instead, or an error.
func (l *Lock) store(ctx context.Context, doing string, lease deploy.Lease, over string, judge func(*deploy.Lease) (string, error)) (deploy.Lease, error) {
	if lease.Environment != l.environment || lease.RecordID == "" {
		return lease, fmt.Errorf("%s: this is the lock of %q, and the lease of %q for record %q", doing, l.environment, lease.Environment, lease.RecordID)
	}
	content, err := encode(lease)
	if err != nil {
		return lease, fmt.Errorf("%s: %w", doing, err)
	}
	for range attempts {
		var version string
		version, err = l.bucket.put(ctx, l.key, content, over)
		if err == nil {
			lease.Version = version
			return lease, nil
		}
		conflict, ok := errors.AsType[*conflictError](err)
		if !ok {
			return lease, fmt.Errorf("%s: %w", doing, err)
		}
		there, foreign := l.parse(conflict.there)
		if foreign != nil {
			return lease, fmt.Errorf("%s: %w", doing, foreign)
		}
		if over, err = judge(there); err != nil {
			return lease, fmt.Errorf("%s: %w", doing, err)
		}
	}
	return lease, deploy.Transient(fmt.Errorf("%s: %s does not hold still", doing, l.key))
}

// Release removes the lease that is held, or returns deploy.ErrLockLost.
func (l *Lock) Release(ctx context.Context, lease deploy.Lease) error {
	version := lease.Version
	for range attempts {
		err := l.Remove(ctx, version)
		conflict, ok := errors.AsType[*conflictError](err)
		if !ok {
			return err
		}
		there, foreign := l.parse(conflict.there)
		if foreign != nil || there == nil || there.RecordID != lease.RecordID {
			return fmt.Errorf("release the lock: %w", deploy.ErrLockLost)
		}
		// The last renewal was stored, but its answer was lost.
		version = there.Version
	}
	return deploy.Transient(fmt.Errorf("release the lock: %s does not hold still", l.key))
}

// Remove deletes this version of the lease, whoever holds it. It returns
// deploy.ErrLockLost if the object has another version or is gone by now.
func (l *Lock) Remove(ctx context.Context, version string) error {
	if version == "" {
		return fmt.Errorf("remove the lock: %w: it was never taken", deploy.ErrLockLost)
	}
	err := l.bucket.remove(ctx, l.key, version)
	conflict, ok := errors.AsType[*conflictError](err)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case ok && conflict.there == nil && l.unanswered[version]:
		return nil
	case ok:
		return fmt.Errorf("remove the lock: %w: %w", deploy.ErrLockLost, err)
	case err != nil:
		l.unanswered[version] = true
	}
	return err
}
