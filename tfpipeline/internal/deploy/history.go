package deploy

import (
	"cmp"
	"maps"
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

// IndexVersion is what Index.Version is now.
const IndexVersion = 1

// Index is what all records of an environment come to: what an attempt asks of
// the history is answered from it, however many records there are. To add a
// record once more, or after later ones, changes nothing.
type Index struct {
	// Version is the format's.
	Version     int    `json:"version"`
	Environment string `json:"environment"`
	// Latest is the last end of an attempt.
	Latest time.Time `json:"latest,omitzero"`
	// Last is the last attempt; Unfinished the last one that may have left
	// services with something else, even if a release was deployed since.
	Last       *Record `json:"last,omitempty"`
	Unfinished *Record `json:"unfinished,omitempty"`
	// Deployed are the last attempts that brought a release to every service, one
	// for each of the latest releases, the oldest first.
	Deployed []Record `json:"deployed,omitempty"`
	// Releases are all that every service ran, by commit and tag.
	Releases map[string]DeployedRelease `json:"releases,omitempty"`
	// Rejections are the last of each release, by commit.
	Rejections map[string]Rejection `json:"rejections,omitempty"`
	// Contracts are the contract migrations that were applied, or may have been.
	Contracts []IndexedContract `json:"contracts,omitempty"`
}

// DeployedRelease says when a release was deployed.
type DeployedRelease struct {
	// First and Last are the ends of the first and the last attempt that brought
	// it to every service; Record is the id of the last.
	First  time.Time `json:"first"`
	Last   time.Time `json:"last"`
	Record string    `json:"record"`

	release Release
}

// Rejection is the rollback that rejected a release.
type Rejection struct {
	Record  string    `json:"record"`
	Actor   string    `json:"actor"`
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended"`
}

// IndexedContract is a contract migration that an attempt began to apply; Done
// if one applied it for sure.
type IndexedContract struct {
	migrations.AppliedContract
	Done bool `json:"done,omitempty"`
}

// inFull is how many releases an index has the whole record of: those whose
// images are kept.
const inFull = 10

// NewIndex is the index of records.
func NewIndex(environment string, records ...Record) Index {
	x := Index{Version: IndexVersion, Environment: environment}
	for _, r := range records {
		x.Add(r)
	}
	return x
}

// Clone is a copy that Add does not change.
func (x Index) Clone() Index {
	x.Deployed, x.Contracts = slices.Clone(x.Deployed), slices.Clone(x.Contracts)
	x.Releases, x.Rejections = maps.Clone(x.Releases), maps.Clone(x.Rejections)
	return x
}

// Add adds a record.
func (x *Index) Add(r Record) {
	if r.Ended.After(x.Latest) {
		x.Latest = r.Ended
	}
	x.Last = later(x.Last, r)
	if !r.Outcome.Settled() && r.touched() {
		x.Unfinished = later(x.Unfinished, r)
	}
	if r.Migration != nil && !r.Migration.Started.IsZero() {
		for _, c := range r.Migration.Contracts {
			x.addContract(IndexedContract{c, r.Migration.Succeeded()})
		}
	}
	if r.Outcome == Deployed {
		x.addDeployed(r)
	}
}

func later(last *Record, r Record) *Record {
	if last != nil && last.Compare(r) >= 0 {
		return last
	}
	return &r
}

func (x *Index) addContract(c IndexedContract) {
	for i, known := range x.Contracts {
		if known.AppliedContract == c.AppliedContract {
			x.Contracts[i].Done = known.Done || c.Done
			return
		}
	}
	x.Contracts = append(x.Contracts, c)
}

func (x *Index) addDeployed(r Record) {
	if x.Releases == nil {
		x.Releases = map[string]DeployedRelease{}
	}
	if x.Rejections == nil {
		x.Rejections = map[string]Rejection{}
	}
	key := strings.TrimSpace(r.Release.Commit + " " + r.Release.Tag)
	d, known := x.Releases[key]
	if !known || r.end().Before(d.First) {
		d.First = r.end()
	}
	if !known || r.end().After(d.Last) {
		d.Last, d.Record = r.end(), r.ID
	}
	x.Releases[key] = d
	if r.Rejected != nil && r.end().After(x.Rejections[r.Rejected.Commit].Ended) {
		x.Rejections[r.Rejected.Commit] = Rejection{r.ID, r.Actor, r.Started, r.end()}
	}
	if i := slices.IndexFunc(x.Deployed, func(d Record) bool { return d.Release.Same(r.Release) }); i >= 0 {
		x.Deployed[i] = *later(&x.Deployed[i], r)
	} else {
		x.Deployed = append(x.Deployed, r)
	}
	slices.SortFunc(x.Deployed, Record.Compare)
	x.Deployed = x.Deployed[max(0, len(x.Deployed)-inFull):]
}

// Known are the records that the index has in full, the oldest first.
func (x Index) Known() []Record {
	known := slices.Clone(x.Deployed)
	for _, r := range []*Record{x.Unfinished, x.Last} {
		if r != nil && !slices.ContainsFunc(known, func(k Record) bool { return k.ID == r.ID }) {
			known = append(known, *r)
		}
	}
	slices.SortFunc(known, Record.Compare)
	return known
}

// clock is the time for the end of an attempt: now, or just after the last one
// that is known. The history is in that order, also where the clocks of two
// machines differ.
func (x Index) clock() time.Time {
	now := time.Now()
	if !now.After(x.Latest) {
		return x.Latest.Add(time.Millisecond)
	}
	return now
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

func (x Index) current() *Record { return LastDeployed(x.Deployed) }

// unfinished returns the last attempt since the current one that may have left
// services with something else; nil if none did.
func (x Index) unfinished() *Record {
	if current := x.current(); x.Unfinished != nil && (current == nil || current.Compare(*x.Unfinished) < 0) {
		return x.Unfinished
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

// deployed returns when the named release was brought to every service; nil if
// it never was.
func (x Index) deployed(name string) *DeployedRelease {
	var last *DeployedRelease
	for key, d := range x.Releases {
		d.release = releaseOf(key)
		if d.release.Named(name) && (last == nil || last.Last.Before(d.Last)) {
			last = &d
		}
	}
	return last
}

// releaseOf is the release under a key of Index.Releases.
func releaseOf(key string) Release {
	commit, tag, _ := strings.Cut(key, " ")
	return Release{Tag: tag, Commit: commit}
}

// order lists the releases that every service ran, each where it came first.
func (x Index) order() []Release {
	all := make([]DeployedRelease, 0, len(x.Releases))
	for key, d := range x.Releases {
		d.release = releaseOf(key)
		all = append(all, d)
	}
	slices.SortFunc(all, func(a, b DeployedRelease) int {
		return cmp.Or(a.First.Compare(b.First), strings.Compare(a.Record, b.Record))
	})
	var order []Release
	seen := map[string]bool{}
	for _, d := range all {
		if !seen[d.release.Commit] {
			order = append(order, d.release)
		}
		seen[d.release.Commit] = d.release.Commit != ""
	}
	return order
}

// before returns the last good release before another one: the latest in order
// that came before it and was not rejected; zero if there is none.
func (x Index) before(r Release) Release {
	order := x.order()
	at := slices.IndexFunc(order, r.Same)
	if at < 0 {
		at = len(order)
	}
	for _, o := range slices.Backward(order[:at]) {
		if x.rejected(o) == nil {
			return o
		}
	}
	return Release{}
}

// rejected returns the rollback that rejected a release; nil if none did, or if
// it was deployed again since.
func (x Index) rejected(release Release) *Rejection {
	by, ok := x.Rejections[release.Commit]
	if !ok || release.Commit == "" {
		return nil
	}
	if d := x.deployed(release.Commit); d != nil && d.Last.After(by.Ended) {
		return nil
	}
	return &by
}

// contracts are the contract migrations that were applied, or may have been.
func (x Index) contracts() []migrations.AppliedContract {
	var applied []migrations.AppliedContract
	for _, c := range x.Contracts {
		applied = append(applied, c.AppliedContract)
	}
	return applied
}

// pending are the contract migrations that no attempt has applied for sure.
func (x Index) pending(schema Schema) []migrations.Migration {
	var pending []migrations.Migration
	for _, m := range schema {
		applied := func(c IndexedContract) bool { return c.Done && c.Migration == m.ID() }
		if m.Phase == migrations.Contract && !slices.ContainsFunc(x.Contracts, applied) {
			pending = append(pending, m)
		}
	}
	return pending
}
