package deploy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
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

	// Unindexed are the records that the stored index lacked: an attempt updates the
	// index last, after it has told people how it ended.
	Unindexed []Record `json:"-"`
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

// Add adds a record.
func (x *Index) Add(r Record) {
	r.Evidence = nil // it explains, and decides nothing
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

// clock is the time for the end of an attempt: now, or just after the last known one.
// So the history is in order even if the clocks of two machines differ.
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

// history is what an operation knows of what was done to the environment.
type history struct {
	operation *operation
	Index
	// stored are the records that this run has stored and the index may lack.
	stored []Record
}

// read reads the history, and warns of everything in it that is not a record.
func (h *history) read(ctx context.Context) error {
	type read struct {
		index   Index
		skipped []Skipped
	}
	r, err := retry(ctx, h.operation, func(ctx context.Context) (read, error) {
		index, skipped, err := h.operation.History.Index(ctx)
		return read{index, skipped}, err
	})
	if err != nil {
		return fmt.Errorf("read the history: %w", err)
	}
	if h.Version == 0 {
		for _, s := range r.skipped {
			h.operation.warn("the history holds %s, which is no record: %s", s.Key, s.Reason)
		}
	}
	h.Index = r.index
	return nil
}

// leftover is an existing lock, with what is known of its holder's attempt.
type leftover struct {
	lease Lease
	// journal and record are the attempt's; nil if it has none.
	journal *Journal
	record  *Record
}

// leftover finds out what the holder of a lock has done.
func (h *history) leftover(ctx context.Context, l Lease) (leftover, error) {
	left := leftover{lease: l}
	var err error
	left.record, err = retry(ctx, h.operation, func(ctx context.Context) (*Record, error) { return h.operation.History.Find(ctx, l.RecordID) })
	if err != nil {
		return left, fmt.Errorf("read the record of %s: %w", l.RecordID, err)
	}
	j, err := retry(ctx, h.operation, func(ctx context.Context) (Journal, error) { return h.operation.History.Journal(ctx, l.RecordID) })
	switch {
	case err == nil:
		left.journal = &j
	case !errors.Is(err, ErrNoJournal):
		return left, fmt.Errorf("read the journal of %s: %w", l.RecordID, err)
	}
	return left, nil
}

// recordDead stores the records that dead attempts could not store: the one
// whose lock this was, and those that it continued in turn. The oldest comes first,
// and each ends after what the history has: its machine's clock may have been behind.
func (h *history) recordDead(ctx context.Context, left leftover) error {
	var dead []Record // the newest first
	for left.journal != nil {
		if left.record != nil {
			// Whoever stored it may have died before the index knew of it.
			h.know(*left.record)
			break
		}
		r := left.journal.Record.clone()
		r.Outcome, r.Step, r.Ended = Interrupted, left.journal.Step, left.journal.Time
		r.Error = diedError
		if !left.journal.Phase.changed() {
			r.Outcome = Untouched
		}
		dead = append(dead, r)
		if r.Resumes == "" {
			break
		}
		var err error
		if left, err = h.leftover(ctx, Lease{RecordID: r.Resumes}); err != nil {
			return err
		}
	}
	own, recorded := left.lease.died()
	recorded = recorded && left.journal == nil && left.record == nil
	if recorded {
		dead = []Record{own}
	}
	if len(dead) > 0 && h.Version == 0 {
		if err := h.read(ctx); err != nil {
			return err
		}
	}
	for _, r := range slices.Backward(dead) {
		if current := h.current(); recorded && current != nil {
			r.Release, r.Previous = current.Release, current.Release
		}
		if !r.Ended.After(h.Latest) {
			r.Ended = h.Latest.Add(time.Millisecond)
		}
		err := h.operation.retryCall(ctx, func(ctx context.Context) error { return h.operation.History.Record(ctx, r) })
		switch {
		case errors.Is(err, ErrRecorded): // the dead run's last request has just stored it
			if err := h.read(ctx); err != nil {
				return err
			}
		case err != nil:
			return fmt.Errorf("record the attempt %s, which died: %w", r.ID, err)
		default:
			h.know(r)
		}
	}
	return nil
}

// know adds a record that is stored to what is known of the history.
func (h *history) know(r Record) {
	h.Add(r)
	h.stored = append(h.stored, r)
}

// updateIndex makes the history's index know of this attempt. Until it does,
// whoever reads the history finds its record by looking.
func (h *history) updateIndex(ctx context.Context) {
	if len(h.stored) == 0 {
		return
	}
	ctx, cancel := h.operation.finishing(ctx)
	defer cancel()
	if err := h.operation.retryCall(ctx, func(ctx context.Context) error { return h.operation.History.UpdateIndex(ctx, h.stored...) }); err != nil {
		h.operation.warn("the index of the history could not be stored, and the next attempt will store it: %v", err)
	}
}

// died returns the records of attempts that ended without telling people, the
// oldest first: all that the index still lacks, except the one of the attempt that
// asks. An attempt whose lease was not taken over may still be about to tell people.
// died waits for as long as that may take, unless ctx ends.
func (h *history) died(ctx context.Context, own string) ([]Record, error) {
	stored := func(id string) bool { return slices.ContainsFunc(h.stored, func(r Record) bool { return r.ID == id }) }
	others := func(all []Record) []Record {
		return slices.DeleteFunc(slices.Clone(all), func(r Record) bool {
			return r.ID == own || !r.Kind.Told()
		})
	}
	if len(others(h.Unindexed)) == 0 && len(others(h.stored)) == 0 {
		return nil, nil
	}
	for began := time.Now(); ; {
		look, cancel := h.operation.finishing(ctx)
		index, err := retry(look, h.operation, func(ctx context.Context) (Index, error) {
			index, _, err := h.operation.History.Index(ctx)
			return index, err
		})
		cancel()
		if err != nil {
			return nil, fmt.Errorf("read the history: %w", err)
		}
		died := others(index.Unindexed)
		wait := time.Duration(0)
		for _, r := range died {
			if !stored(r.ID) {
				wait = max(wait, h.operation.limits.Finish-max(time.Since(r.end()), time.Since(began)))
			}
		}
		if wait <= 0 || !h.operation.pause(ctx, min(wait, h.operation.limits.Backoff)) {
			return died, nil
		}
	}
}

// older reports whether the release to be promoted is one that came before the
// current: in the past of its commit or, if neither is in the other's, earlier
// in the history.
func (h *history) older(ctx context.Context, release Release) (bool, error) {
	current := h.current()
	if current == nil || release.Same(current.Release) {
		return false, nil
	}
	contains := func(descendant, ancestor string) (bool, error) {
		in, err := retry(ctx, h.operation, func(ctx context.Context) (bool, error) {
			return h.operation.Checkout.Contains(ctx, descendant, ancestor)
		})
		if err != nil {
			return false, fmt.Errorf("find out which is older, %s or %s, which runs (the checkout needs the whole history): %w",
				release, current.Release, err)
		}
		return in, nil
	}
	if in, err := contains(current.Release.Commit, release.Commit); in || err != nil {
		return in, err
	}
	if in, err := contains(release.Commit, current.Release.Commit); in || err != nil {
		return false, err
	}
	order := h.order()
	at := slices.IndexFunc(order, release.Same)
	return at >= 0 && at < slices.IndexFunc(order, current.Release.Same), nil
}

// recordOf is the record of the last attempt that deployed a release.
func (h *history) recordOf(ctx context.Context, d DeployedRelease) (*Record, error) {
	for _, r := range h.Deployed {
		if r.ID == d.Record {
			return &r, nil
		}
	}
	r, err := retry(ctx, h.operation, func(ctx context.Context) (*Record, error) { return h.operation.History.Find(ctx, d.Record) })
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the record of %s: %w", d.release, err)
	case r == nil:
		return nil, fmt.Errorf("the record %s of %s, deployed at %s, is no longer in the history: copy it back if it was archived", d.Record, d.release, d.Last.UTC().Format(time.RFC3339))
	}
	return r, nil
}

// named is the last deployment of a release that ran here, by a name that a
// person gave. A tag is peeled: it may be younger than the deployment of its
// commit, or have been moved since. If that fails, the recorded tag counts.
func (h *history) named(ctx context.Context, name string) *DeployedRelease {
	of := h.deployed(name)
	if of != nil && of.release.Tag != name {
		return of // it is a commit
	}
	ctx, cancel := context.WithTimeout(ctx, h.operation.limits.Collect)
	defer cancel()
	commit, err := h.operation.Checkout.Peel(ctx, name)
	switch {
	case err != nil && of != nil:
		h.operation.warn("find the commit of release %s: %v", name, err)
	case err == nil && of == nil:
		return h.deployed(commit)
	case err == nil && of.release.Commit != commit:
		h.operation.warn("the tag %s means commit %s now: rolling back to what ran here under it, commit %s", name, commit, of.release.Commit)
	}
	return of
}

// free returns the lease that a change of a kind may take over, with what is known of
// its holder; nil if there is none. It waits up to wait for a lease that somebody
// holds.
func (h *history) free(ctx context.Context, kind Kind, wait time.Duration) (*leftover, error) {
	var holder *Lease
	for said := ""; ; {
		var err error
		if holder, err = retry(ctx, h.operation, h.operation.Lock.Holder); err != nil {
			return nil, fmt.Errorf("look at the lock: %w", err)
		}
		if holder == nil {
			return nil, nil
		}
		if !holder.AtWork() {
			break
		}
		if wait == 0 {
			return nil, LockError{Lease: *holder}
		}
		if waited := time.Since(h.operation.begun); waited >= wait {
			return nil, LockError{Lease: *holder, Waited: waited}
		}
		if holder.RecordID != said {
			said = holder.RecordID
			h.operation.emit(Event{Kind: EventWait, Message: "waiting for the lock: " + heldBy(holder)})
		}
		if !h.operation.pause(ctx, min(h.operation.limits.Tick, wait)) {
			return nil, context.Cause(ctx)
		}
	}
	left, err := h.leftover(ctx, *holder)
	if err != nil {
		return nil, err
	}
	if takeover(*holder, left.journal, left.record, kind, Release{}).how != howFree {
		return nil, LockError{Lease: *holder, Dead: true}
	}
	return &left, nil
}
