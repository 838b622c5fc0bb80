package deploy

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/specboard/platform/migrations"
)

// Compare orders records by when they ended, which was under the lock. An
// attempt that began earlier may have waited for one that began later, so when
// it began does not tell what came after what.
func (r Record) Compare(other Record) int {
	return cmp.Or(r.end().Compare(other.end()), r.Started.Compare(other.Started), strings.Compare(r.ID, other.ID))
}

func (r Record) end() time.Time {
	if r.Ended.IsZero() {
		return r.Started
	}
	return r.Ended
}

// history is the history of an environment, the oldest attempt first.
type history []Record

// clock is the time for the end of an attempt: now, or just after the last one
// that is known. The history is in that order, also where the clocks of two
// machines differ.
func (p history) clock() time.Time {
	now := time.Now()
	for _, r := range p {
		if !now.After(r.Ended) {
			now = r.Ended.Add(time.Millisecond)
		}
	}
	return now
}

// attempt returns the record of an attempt, or nil.
func (p history) attempt(id string) *Record {
	i := slices.IndexFunc(p, func(r Record) bool { return r.ID == id })
	if i < 0 {
		return nil
	}
	return &p[i]
}

// LastDeployed returns the last of records, the oldest first, that brought a
// release to every service; nil if none ever did.
func LastDeployed(records []Record) *Record {
	for i := range records {
		if r := &records[len(records)-1-i]; r.Outcome == Deployed {
			return r
		}
	}
	return nil
}

func (p history) current() *Record { return LastDeployed(p) }

// unfinished returns the last attempt since the current one that may have left
// services with something else; nil if none did.
func (p history) unfinished() *Record {
	for i := range p {
		r := &p[len(p)-1-i]
		switch {
		case r.Outcome == Deployed:
			return nil
		case !r.Outcome.Settled() && r.touched():
			return r
		}
	}
	return nil
}

// touched reports whether services may have changed their release.
func (r *Record) touched() bool {
	for _, s := range r.Services {
		if s.Updated {
			return true
		}
	}
	return false
}

// deployed returns the last attempt that brought the named release to every
// service.
func (p history) deployed(name string) *Record {
	for i := range p {
		if r := &p[len(p)-1-i]; r.Outcome == Deployed && r.Release.Named(name) {
			return r
		}
	}
	return nil
}

// order lists the releases that every service ran, each where it came first.
func (p history) order() []Release {
	var order []Release
	for _, r := range p {
		if r.Outcome == Deployed && !slices.ContainsFunc(order, r.Release.Same) {
			order = append(order, r.Release)
		}
	}
	return order
}

// before returns the last good release before another one: the latest in order
// that came before it and was not rejected; nil if there is none.
func (p history) before(r Release) *Record {
	order := p.order()
	at := slices.IndexFunc(order, r.Same)
	if at < 0 {
		at = len(order)
	}
	for _, o := range slices.Backward(order[:at]) {
		if p.rejected(o) == nil {
			return p.deployed(o.Commit)
		}
	}
	return nil
}

// rejected returns the rollback that rejected a release; nil if none did, or if
// it was deployed again since.
func (p history) rejected(release Release) *Record {
	for i := range p {
		r := &p[len(p)-1-i]
		switch {
		case r.Outcome != Deployed:
		case r.Release.Same(release):
			return nil
		case r.Rejected != nil && r.Rejected.Same(release):
			return r
		}
	}
	return nil
}

// contracts are the contract migrations that were applied, or may have been.
func (p history) contracts() []migrations.AppliedContract {
	var applied []migrations.AppliedContract
	for _, r := range p {
		if r.Migration != nil && !r.Migration.Started.IsZero() {
			applied = append(applied, r.Migration.Contracts...)
		}
	}
	return applied
}
