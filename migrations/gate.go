package migrations

import (
	"fmt"
	"slices"
	"strings"
)

// Release names one release: by tag, by commit, or both. Two of them are the
// same if their tags or their commits are.
type Release struct {
	Tag    string `json:"tag,omitempty"`
	Commit string `json:"commit,omitempty"`
}

func (r Release) String() string {
	if r.Tag != "" {
		return r.Tag
	}
	return r.Commit
}

// minCommit is how many characters of a commit name it.
const minCommit = 7

// same reports whether both name one release.
func (r Release) same(o Release) bool {
	if r.Tag != "" && r.Tag == o.Tag {
		return true
	}
	a, b := r.Commit, o.Commit
	if len(a) > len(b) {
		a, b = b, a
	}
	return len(a) >= minCommit && strings.HasPrefix(b, a)
}

// named reports whether a name from a file's header or a record is this
// release's tag or commit.
func (r Release) named(name string) bool { return r.same(Release{Tag: name, Commit: name}) }

// AppliedContract is a contract migration that an environment has applied.
type AppliedContract struct {
	// Migration is its ID.
	Migration string `json:"migration"`
	// UnusedSince is the first release that does without what it takes away.
	UnusedSince string `json:"unused_since"`
	// Release is the one whose promotion applied it.
	Release string `json:"release"`
}

// Refusal is one release that stands in the way of one contract.
type Refusal struct {
	// Migration is the contract's ID, UnusedSince what it declares.
	Migration   string  `json:"migration"`
	UnusedSince string  `json:"unused_since"`
	Release     Release `json:"release"`
	// Role is what the release is to the environment.
	Role Role `json:"role"`
	// Unknown means that the order lacks a release, so that older or not
	// cannot be told.
	Unknown bool `json:"unknown,omitempty"`
}

// Role is what a release is to an environment.
type Role string

const (
	// RoleRunning: a service runs it.
	RoleRunning Role = "running"
	// RoleTarget: rollback would accept it without force.
	RoleTarget Role = "rollback target"
	// RoleRollback: it is being rolled back to.
	RoleRollback Role = "asked for"
)

func (r Refusal) String() string {
	why := fmt.Sprintf("is older than %s", r.UnusedSince)
	if r.Unknown {
		why = fmt.Sprintf("cannot be compared with %s, which the order of releases does not know together with it", r.UnusedSince)
	}
	if r.Role == RoleRollback {
		return fmt.Sprintf("%s %s and may need what contract %s took away", r.Release, why, r.Migration)
	}
	return fmt.Sprintf("contract %s takes away what %s (%s) may still use: it %s", r.Migration, r.Release, r.Role, why)
}

// Situation is what Gate decides from.
type Situation struct {
	// Order lists releases from the oldest to the newest. It is the history's
	// order, never that of version numbers; it may hold releases that this
	// environment passed over.
	Order []Release
	// Running are the releases that services run now, without the one that
	// is about to be promoted.
	Running []Release
	// Targets are the releases that rollback would accept without force once
	// this promotion is done.
	Targets []Release
}

// Gate decides whether the pending migrations may run: a contract only when no
// release that runs, and none that is a rollback target, is older than its
// unused-since. It returns every release that stands in the way; none means
// go. A release that the order does not know stands in the way.
func Gate(pending []Migration, s Situation) []Refusal {
	var refusals []Refusal
	for _, m := range pending {
		if m.Phase != Contract {
			continue
		}
		var seen []Release
		check := func(list []Release, role Role) {
			for _, r := range list {
				if slices.ContainsFunc(seen, r.same) {
					continue
				}
				seen = append(seen, r)
				if older, known := before(s.Order, r, m.UnusedSince); older || !known {
					refusals = append(refusals, Refusal{Migration: m.ID(), UnusedSince: m.UnusedSince, Release: r, Role: role, Unknown: !known})
				}
			}
		}
		check(s.Running, RoleRunning)
		check(s.Targets, RoleTarget)
	}
	return refusals
}

// GateRollback decides whether a release may be rolled back to: not if a
// contract has been applied since that takes away what the release used. A
// contract that the release's own promotion or an earlier one applied does not
// count, and neither does one whose unused-since the release has reached.
func GateRollback(target Release, applied []AppliedContract, order []Release) []Refusal {
	var refusals []Refusal
	for _, c := range applied {
		if since, known := before(order, target, c.Release); known && !since {
			continue // it ran on the schema that the contract left
		}
		if older, known := before(order, target, c.UnusedSince); older || !known {
			refusals = append(refusals, Refusal{Migration: c.Migration, UnusedSince: c.UnusedSince, Release: target, Role: RoleRollback, Unknown: !known})
		}
	}
	return refusals
}

// before reports whether a release comes before a named one in the order, and
// whether the order knows both. A release that was promoted more than once
// counts where it came first: what it needs has not changed since.
func before(order []Release, r Release, name string) (older, known bool) {
	if r.named(name) {
		return false, true
	}
	at := slices.IndexFunc(order, r.same)
	bound := slices.IndexFunc(order, func(o Release) bool { return o.named(name) })
	if at < 0 || bound < 0 {
		return false, false
	}
	return at < bound, true
}
