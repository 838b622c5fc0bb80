package deploy

import (
	"context"
	"time"
)

// Lock lets one attempt at a time work on an environment.
type Lock interface {
	// Holder returns the lease that exists, of whoever; nil if there is none.
	Holder(ctx context.Context) (*Lease, error)
	// Take stores a lease: where there is none, or in place of over, which is
	// what Holder returned. It returns ErrLockTaken if something else is there
	// by then.
	Take(ctx context.Context, l Lease, over *Lease) (Lease, error)
	// Renew stores the lease that is held with what has changed in it, or
	// returns ErrLockLost.
	Renew(ctx context.Context, l Lease) (Lease, error)
	// Release removes the lease that is held, or returns ErrLockLost.
	Release(ctx context.Context, l Lease) error
}

// Lease is a lock with an end.
type Lease struct {
	Environment string `json:"environment"`
	// RecordID is the attempt's.
	RecordID string `json:"record_id"`
	Kind     Kind   `json:"kind"`
	// Release is what is being deployed; for a rollback to the last good one,
	// empty until that is known.
	Release Release `json:"release"`
	// Actor is who holds it, RunURL where its log is, Why what for.
	Actor  string `json:"actor"`
	RunURL string `json:"run_url,omitempty"`
	Why    string `json:"why"`
	// Since is when it was taken, Until when it ends if it is not renewed.
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`
	// Left is the outcome of a run that ended and left something to be
	// continued: interrupted or broken. Such a lease does not end by itself.
	Left Outcome `json:"left,omitempty"`
	// Version is the stored object's, for the adapter.
	Version string `json:"-"`
}

// Expired reports whether the holder has not renewed it in time.
func (l Lease) Expired(now time.Time) bool { return now.After(l.Until) }

// atWork reports whether somebody holds it and renews it.
func (l Lease) atWork(now time.Time) bool { return l.Left == "" && !l.Expired(now) }
