package state

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

const (
	// indexName ends the key of an index. It looks like a journal's name, so
	// that roles may write it and earlier releases of this program ignore it.
	indexName = "index.journal.json"
	// listedApart is how many of the newest records an index names one by one.
	// Far fewer attempts run at the same time.
	listedApart = 100
)

// storedIndex is an index with the ids of the records that are in it: all ids
// up to Through, and of the later ones those in Newest. Any other record with
// a later id was stored by a run that died before it could update the index,
// or by an earlier release of this program.
type storedIndex struct {
	deploy.Index
	Through string   `json:"through,omitempty"`
	Newest  []string `json:"newest,omitempty"`

	// content and version are the object's; version is "" if there is no
	// object.
	content []byte
	version string
}

func (x *storedIndex) add(records []deploy.Record) {
	for _, r := range records {
		x.Add(r)
		x.Newest = append(x.Newest, r.ID)
	}
	slices.Sort(x.Newest)
	x.Newest = slices.Compact(x.Newest)
	if n := len(x.Newest) - listedApart; n > 0 {
		x.Through, x.Newest = max(x.Through, x.Newest[n-1]), x.Newest[n:]
	}
}

func (h *History) indexKey() string { return h.prefix + indexName }

// Index returns the summary of all records, and what lies among the newest
// ones and is no record. It takes two calls, however many records there are.
// If there is no index yet, it reads all records.
func (h *History) Index(ctx context.Context) (deploy.Index, []deploy.Skipped, error) {
	x, err := h.storedIndex(ctx)
	if err != nil {
		return deploy.Index{}, nil, err
	}
	skipped, err := h.complete(ctx, &x)
	return x.Index, skipped, err
}

// storedIndex reads the index; its version is "" if there is none. An index
// that cannot be read is rebuilt from the records.
func (h *History) storedIndex(ctx context.Context) (storedIndex, error) {
	there, err := h.bucket.getUpTo(ctx, h.indexKey(), largestState)
	if err != nil {
		return storedIndex{}, err
	}
	x := storedIndex{}
	if there != nil {
		if v := versionOf(there.content); v > deploy.IndexVersion {
			return x, &NewerFormatError{h.indexKey(), v}
		}
		if err := json.Unmarshal(there.content, &x); err != nil || x.Environment != h.environment {
			x = storedIndex{}
		}
		x.content, x.version = there.content, there.version
	}
	if x.Version == 0 {
		x.Index = deploy.NewIndex(h.environment)
	}
	return x, nil
}

// complete adds the records that an index lacks.
func (h *History) complete(ctx context.Context, x *storedIndex) ([]deploy.Skipped, error) {
	after := ""
	if x.Through != "" {
		after = h.prefix + x.Through + recordSuffix
	}
	listed, err := h.list(ctx, after, "")
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	for _, id := range x.Newest {
		known[h.prefix+id+recordSuffix] = true
	}
	records, skipped, err := h.readAll(ctx, slices.DeleteFunc(listed, func(o listing) bool { return known[o.key] }))
	slices.SortFunc(records, deploy.Record.Compare)
	if x.Through != "" || x.Newest != nil { // a new index does not know who was told
		x.Unindexed = records
	}
	x.add(records)
	return skipped, err
}

// UpdateIndex adds these records, and all others that the index lacks, and stores it.
// The attempts in the index count as reported to people. So if these records are all of
// changes that are never reported, but the index lacks an attempt that is, nothing is
// stored: the run that reports the attempt adds them all.
func (h *History) UpdateIndex(ctx context.Context, stored ...deploy.Record) error {
	for range attempts {
		x, err := h.storedIndex(ctx)
		if err != nil {
			return err
		}
		if _, err := h.complete(ctx, &x); err != nil {
			return err
		}
		if !slices.ContainsFunc(stored, tells) && slices.ContainsFunc(x.Unindexed, tells) {
			return nil
		}
		x.add(stored)
		content, err := json.Marshal(x)
		if err != nil {
			return fmt.Errorf("write %s: %w", h.indexKey(), err)
		}
		if bytes.Equal(content, x.content) {
			return nil
		}
		_, err = h.bucket.put(ctx, h.indexKey(), content, x.version)
		if !isConflict(err) {
			return err
		}
	}
	return deploy.Transient(fmt.Errorf("write %s: it does not hold still", h.indexKey()))
}

// tells reports whether people are told of an attempt's end.
func tells(r deploy.Record) bool { return r.Kind.Told() }

// Indexed reports whether an attempt is in the index. An attempt that ends in
// good order adds itself as its last act.
func (h *History) Indexed(ctx context.Context, id string) (bool, error) {
	x, err := h.storedIndex(ctx)
	return id <= x.Through || slices.Contains(x.Newest, id), err
}

// Find returns the record of an attempt; nil if it has none. An object under
// its key that is no record is a *ForeignError.
func (h *History) Find(ctx context.Context, id string) (*deploy.Record, error) {
	if !idPattern.MatchString(id) {
		return nil, nil
	}
	key := h.prefix + id + recordSuffix
	there, err := h.bucket.get(ctx, key)
	if err != nil || there == nil {
		return nil, err
	}
	if v := versionOf(there.content); v > deploy.RecordVersion {
		return nil, &NewerFormatError{key, v}
	}
	r, reason := h.parse(id, there.content)
	if reason != "" {
		return nil, &ForeignError{key, reason, there.version}
	}
	return &r, nil
}

// Recent returns the latest records, the oldest first. They include the last
// attempt and the last one that deployed a release. Without an index it reads
// only as many records as that takes.
func (h *History) Recent(ctx context.Context) ([]deploy.Record, []deploy.Skipped, error) {
	x, err := h.storedIndex(ctx)
	switch {
	case err != nil:
		return nil, nil, err
	case x.version == "":
		return h.newest(ctx)
	}
	skipped, err := h.complete(ctx, &x)
	return x.Known(), skipped, err
}

// Attempts are the attempts of an environment, the oldest first.
type Attempts struct {
	Records []deploy.Record
	// Skipped are the objects among the records that are no records.
	Skipped []deploy.Skipped
	// Older is the number of older records that are left out.
	Older int
	// Unfinished are the journals of attempts without a record: those that run
	// now, and those that were killed.
	Unfinished []deploy.Journal
}

// Attempts returns the latest attempts, at most limit; 0 is all.
func (h *History) Attempts(ctx context.Context, limit int) (a Attempts, err error) {
	listed, err := h.list(ctx, "", "")
	if err != nil {
		return a, err
	}
	isJournal := func(o listing) bool { return strings.HasSuffix(o.key, journalSuffix) }
	records := slices.DeleteFunc(slices.Clone(listed), isJournal)
	if a.Unfinished, err = h.unfinished(ctx, listed); err != nil {
		return a, err
	}
	if limit > 0 {
		// An attempt that waited for another ends after later ones.
		a.Older = max(0, len(records)-limit-readers)
	}
	a.Records, a.Skipped, err = h.readAll(ctx, records[a.Older:])
	slices.SortFunc(a.Records, deploy.Record.Compare)
	if more := len(a.Records) - limit; limit > 0 && more > 0 {
		a.Records, a.Older = a.Records[more:], a.Older+more
	}
	return a, err
}
