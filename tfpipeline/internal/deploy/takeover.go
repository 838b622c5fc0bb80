package deploy

import (
	"fmt"
	"time"
)

// claim is what a lock that exists means to somebody who wants it.
type claim int

const (
	// claimWait: its holder is at work.
	claimWait claim = iota
	// claimFree: its holder left nothing behind.
	claimFree
	// claimResume: it is left by an attempt that this one continues.
	claimResume
	// claimReplace: it is left by an attempt that a rollback ends.
	claimReplace
	// claimDone: its holder did what is asked for, and died before it could give
	// the lock back.
	claimDone
	// claimRefused: it is left by an attempt that has to be ended first.
	claimRefused
)

// leftover is a lock that exists, and what is known of its holder's attempt.
type leftover struct {
	lease Lease
	// journal is the attempt's; nil if it has none.
	journal *Journal
	// record is the attempt's; nil if it has none.
	record *Record
}

// claimOn decides from the lock that exists. release is the one asked for; a
// rollback may ask for none.
func claimOn(l leftover, kind Kind, release Release, now time.Time) claim {
	if l.lease.atWork(now) {
		return claimWait
	}
	if r := l.record; r != nil && r.Outcome.Settled() {
		if r.Outcome == Deployed && asked(r, kind, release) {
			return claimDone
		}
		return claimFree
	}
	switch j := l.journal; {
	case j == nil || !j.Changed:
		return claimFree // it ended before its first change
	case kind == KindRollback && l.lease.Left != Broken && asked(&j.Record, kind, release):
		return claimResume
	case kind == KindRollback:
		return claimReplace
	case !j.Record.Release.Same(release):
		return claimRefused
	case j.Record.Kind == KindRollback:
		return claimReplace // the promotion of an older release
	default:
		return claimResume
	}
}

// asked reports whether an attempt was for the same as another one is asked.
func asked(r *Record, kind Kind, release Release) bool {
	if kind == KindPromote {
		return r.Release.Same(release)
	}
	return r.Kind == KindRollback && r.Release.Commit != "" && (release.IsZero() || r.Release.Named(release.name()))
}

// lockError is a lock that another attempt holds or left.
type lockError struct {
	lease Lease
	// dead: its holder is gone.
	dead   bool
	waited time.Duration
}

func (e lockError) Error() string {
	text := fmt.Sprintf("the lock of %s: %s", e.lease.Environment, heldBy(&e.lease))
	switch {
	case e.lease.Left != "":
		text += fmt.Sprintf("; that was left %s", e.lease.Left)
	case e.dead:
		text += fmt.Sprintf("; that died at about %s", e.lease.Until.UTC().Format(time.RFC3339))
	}
	if e.waited > 0 {
		text += fmt.Sprintf(" (waited %v)", e.waited.Round(time.Second))
	}
	return text
}
