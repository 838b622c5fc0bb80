package state

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// StateLock is the lock of a Terraform state in the format of Terraform's S3
// backend (1.11, statemgr.LockInfo): Terraform that a person runs respects our
// locks, and this program respects a person's.
type StateLock struct {
	ID        string
	Operation string
	// Info is a field for the lock's writer. This program stores the attempt's
	// id in it; see Attempt.
	Info    string
	Who     string
	Version string
	Created string
	Path    string
	// Renewed is when the holder last renewed the lock. Terraform neither
	// reads nor writes it.
	Renewed time.Time `json:",omitzero"`

	// ObjectVersion is the version of the object that was read.
	ObjectVersion string `json:"-"`
	// Age is the time since it was written, by the bucket's clock.
	Age time.Duration `json:"-"`
}

// infoPrefix begins the Info of this program's locks.
const infoPrefix = "tfpipeline "

// InfoOf is the Info of a lock that an attempt or a change of this program
// holds.
func InfoOf(attempt string) string { return infoPrefix + attempt }

// Attempt is the id of the attempt or change that holds the lock; "" if this
// program did not write it. Only the id says whose a lock is: several machines
// may have the same name.
func (l StateLock) Attempt() string {
	attempt, ours := strings.CutPrefix(l.Info, infoPrefix)
	if !ours {
		return ""
	}
	return attempt
}

// Abandoned reports whether this program wrote the lock and its holder has not
// renewed it for a span.
func (l StateLock) Abandoned(span time.Duration) bool { return l.Attempt() != "" && l.Age >= span }

// ErrStateLockLost is returned if the lock of a state is no longer the one
// that was taken.
var ErrStateLockLost = errors.New("the state lock is no longer ours")

// StateLock reads the lock of a root's Terraform state; nil if there is none.
// An object under its key that is no lock is a *ForeignError.
func (b *Bucket) StateLock(ctx context.Context, root string) (*StateLock, error) {
	return b.stateLock(ctx, b.platform.StateLockKey(root))
}

func (b *Bucket) stateLock(ctx context.Context, key string) (*StateLock, error) {
	there, err := b.get(ctx, key)
	if err != nil {
		return nil, err
	}
	return parseStateLock(key, there)
}

func parseStateLock(key string, there *object) (*StateLock, error) {
	if there == nil {
		return nil, nil
	}
	var l StateLock
	if err := json.Unmarshal(there.content, &l); err != nil || l.ID == "" {
		return nil, &ForeignError{key, "it is not a lock of Terraform's", there.version}
	}
	l.ObjectVersion, l.Age = there.version, there.age
	return &l, nil
}

// TakeStateLock stores a lock where there is none, or in place of over. If
// another lock is there by then, it returns that one instead.
func (b *Bucket) TakeStateLock(ctx context.Context, root string, l StateLock, over *StateLock) (taken, instead *StateLock, err error) {
	version := ""
	if over != nil {
		version = over.ObjectVersion
	}
	taken, instead, err = b.putStateLock(ctx, root, l, version)
	if err == nil && taken == nil && instead == nil {
		// The lock to be replaced is gone.
		return b.putStateLock(ctx, root, l, "")
	}
	return taken, instead, err
}

// RenewStateLock writes the lock that is held again, with the current time. It
// returns ErrStateLockLost if that lock is gone.
func (b *Bucket) RenewStateLock(ctx context.Context, root string, l StateLock) (StateLock, error) {
	for range attempts {
		renewed, instead, err := b.putStateLock(ctx, root, l, l.ObjectVersion)
		switch {
		case err != nil:
			return l, err
		case renewed != nil:
			return *renewed, nil
		case instead == nil:
			return l, fmt.Errorf("renew the state lock: %w: somebody removed it", ErrStateLockLost)
		case instead.ID != l.ID:
			return l, fmt.Errorf("renew the state lock: %w: %s has held it since %s (%s)", ErrStateLockLost, instead.Who, instead.Created, instead.Operation)
		}
		// The previous renewal happened, and its answer was lost.
		l.ObjectVersion = instead.ObjectVersion
	}
	return l, fmt.Errorf("renew the state lock: it does not hold still")
}

func (b *Bucket) putStateLock(ctx context.Context, root string, l StateLock, over string) (taken, instead *StateLock, err error) {
	key := b.platform.StateLockKey(root)
	l.Renewed = time.Now().UTC()
	content, err := json.Marshal(l)
	if err != nil {
		return nil, nil, fmt.Errorf("write %s: %w", key, err)
	}
	version, err := b.put(ctx, key, content, over)
	if conflict, ok := errors.AsType[*conflictError](err); ok {
		instead, err = parseStateLock(key, conflict.there)
		return nil, instead, err
	}
	if err != nil {
		return nil, nil, err
	}
	l.ObjectVersion = version
	return &l, nil, nil
}

// RemoveStateLock deletes the lock that was read, taken or renewed, and no
// other. It succeeds if that lock is already gone.
func (b *Bucket) RemoveStateLock(ctx context.Context, root string, l StateLock) error {
	key := b.platform.StateLockKey(root)
	for range attempts {
		err := b.remove(ctx, key, l.ObjectVersion)
		conflict, ok := errors.AsType[*conflictError](err)
		if !ok || conflict.there == nil {
			if ok {
				return nil
			}
			return err
		}
		there, foreign := parseStateLock(key, conflict.there)
		if foreign != nil || there.ID != l.ID || there.Age < l.Age {
			return err
		}
		// A renewal happened, and its answer was lost.
		l.ObjectVersion = there.ObjectVersion
	}
	return fmt.Errorf("remove %s: it does not hold still", key)
}

// An apply is noted in the bucket before Terraform begins it, and struck out
// once Terraform has ended in good order: then all that it made is in the state.

// Begun notes that an apply begins, and returns the note. That of one that never ended
// stays, and is returned instead.
func (b *Bucket) Begun(ctx context.Context, root string, l StateLock) (*StateLock, error) {
	content, err := json.Marshal(l)
	if err != nil {
		return nil, fmt.Errorf("note the apply: %w", err)
	}
	key := b.platform.UnfinishedKey(root)
	for range attempts {
		l.ObjectVersion, err = b.put(ctx, key, content, "")
		conflict, ok := errors.AsType[*conflictError](err)
		switch {
		case err == nil:
			return &l, nil
		case !ok:
			return nil, err
		case conflict.there != nil:
			return parseStateLock(key, conflict.there)
		}
		// The other note was removed just now, by a run that has ended.
	}
	return nil, err
}

// Unfinished returns the lock of the apply that began on a root and never ended;
// nil if there is none.
func (b *Bucket) Unfinished(ctx context.Context, root string) (*StateLock, error) {
	return b.stateLock(ctx, b.platform.UnfinishedKey(root))
}

// Ended strikes out the apply that has this note, as Begun or Unfinished returned it, and
// no other.
func (b *Bucket) Ended(ctx context.Context, root string, note StateLock) error {
	err := b.remove(ctx, b.platform.UnfinishedKey(root), note.ObjectVersion)
	if isConflict(err) {
		return nil
	}
	return err
}

// removeAny removes what stands under a key.
func (b *Bucket) removeAny(ctx context.Context, key string) error {
	there, err := b.get(ctx, key)
	if err != nil || there == nil {
		return err
	}
	err = b.remove(ctx, key, there.version)
	if conflict, ok := errors.AsType[*conflictError](err); ok && conflict.there == nil {
		return nil
	}
	return err
}

// StateConflictError is a state that cannot take the place of the one that is
// stored.
type StateConflictError struct{ Key, Reason string }

func (e *StateConflictError) Error() string {
	return fmt.Sprintf("the state does not follow on %s: %s", e.Key, e.Reason)
}

// StateVersion is the version of a root's stored state; "" if there is none.
func (b *Bucket) StateVersion(ctx context.Context, root string) (string, error) {
	there, err := b.getUpTo(ctx, b.platform.StateKey(root), largestState)
	if err != nil || there == nil {
		return "", err
	}
	return there.version, nil
}

// SupersededError is a state that was not stored, since a newer one is.
type SupersededError struct{ Key string }

func (e *SupersededError) Error() string {
	return "a newer state is stored at " + e.Key + " by now"
}

// SaveState stores a state that Terraform could not save, if it follows on the
// one that is stored. One that is newer stays: that is a *SupersededError. Else it
// returns a *StateConflictError.
func (b *Bucket) SaveState(ctx context.Context, root string, content []byte) error {
	type identity struct {
		Lineage string
		Serial  int64
	}
	key := b.platform.StateKey(root)
	var own, stored identity
	if err := json.Unmarshal(content, &own); err != nil {
		return &StateConflictError{key, "it is not a state: " + err.Error()}
	}
	there, err := b.getUpTo(ctx, key, largestState)
	version := ""
	switch {
	case err != nil:
		return err
	case there == nil:
	case bytes.Equal(there.content, content):
		return nil
	default:
		version = there.version
		if err := json.Unmarshal(there.content, &stored); err != nil {
			return &StateConflictError{key, "what is stored is not a state: " + err.Error()}
		}
		switch {
		case stored.Lineage != own.Lineage:
			return &StateConflictError{key, fmt.Sprintf("its lineage is %s, and that of the stored one is %s", own.Lineage, stored.Lineage)}
		case stored.Serial > own.Serial:
			return &SupersededError{key}
		case stored.Serial == own.Serial:
			return &StateConflictError{key, fmt.Sprintf("both have serial %d, and they differ", own.Serial)}
		}
	}
	_, err = b.put(ctx, key, content, version)
	return err
}

// KeepState keeps a state that cannot be stored in its own place, beside it. It
// replaces an earlier one, which stays as an old version of the object.
func (b *Bucket) KeepState(ctx context.Context, root string, content []byte) (address string, err error) {
	key := b.platform.UnsavedKey(root)
	there, err := b.getUpTo(ctx, key, largestState)
	if err != nil {
		return "", err
	}
	version := ""
	if there != nil {
		version = there.version
	}
	if there == nil || !bytes.Equal(there.content, content) {
		_, err = b.put(ctx, key, content, version)
	}
	return "s3://" + b.name + "/" + key, err
}

// KeptState is what KeepState has kept of a root; nil if there is nothing.
func (b *Bucket) KeptState(ctx context.Context, root string) ([]byte, error) {
	there, err := b.getUpTo(ctx, b.platform.UnsavedKey(root), largestState)
	if err != nil || there == nil {
		return nil, err
	}
	return there.content, nil
}

// DropKeptState removes it, once it is saved. It stays as an old version.
func (b *Bucket) DropKeptState(ctx context.Context, root string) error {
	return b.removeAny(ctx, b.platform.UnsavedKey(root))
}
