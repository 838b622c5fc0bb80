// Package state reads and writes the state bucket: what was done to an
// environment, the lease on it, and what Terraform keeps there.
//
//	terraform/<root>.tfstate                  Terraform's state
//	terraform/<root>.tfstate.tflock           its lock, in Terraform's own format
//	terraform/<root>.tfstate.unfinished       the apply that has not ended
//	terraform/<root>.tfstate.unsaved          a state that could not be saved
//	history/<environment>/<id>.json           a record: written once, never changed
//	history/<environment>/<id>.journal.json   the journal of that attempt
//	history/<environment>/index.journal.json  what all the records come to
//	history/<environment>/freeze.journal.json whether promotions are refused, and why
//	locks/<environment>.json                  the lease of whoever is at work
//
// Every write is conditional, so that nothing is ever replaced but what is
// meant: the journal, the index and the lease by the version that was read or
// written last. The records are the truth; the index can be made from them. What
// lies among the records and is none is reported and left alone.
package state

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sync/errgroup"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

const (
	recordSuffix  = ".json"
	journalSuffix = ".journal.json"
	// readers is how many records are read at the same time: S3 allows
	// thousands of requests a second.
	readers = 32
)

// idPattern is the form of a record's id, which is part of its key.
var idPattern = regexp.MustCompile(`^[0-9]{8}T[0-9]{6}Z-[0-9a-z]+$`)

// History is the records and journals of one environment.
type History struct {
	bucket      *Bucket
	environment string
	prefix      string

	mu sync.Mutex
	// known are the objects that were read, by key and version.
	known map[string]reading
	// journals are the versions of the journals that were read or written, by
	// id.
	journals map[string]string
}

// reading is an object as it was understood: a record, or the reason why it is
// none.
type reading struct {
	version string
	record  *deploy.Record
	reason  string // why it is no record
}

var _ deploy.History = (*History)(nil)

// History returns the history of an environment. It makes no call.
func (b *Bucket) History(environment string) *History {
	return &History{
		bucket: b, environment: environment, prefix: b.platform.HistoryPrefix(environment),
		known: map[string]reading{}, journals: map[string]string{},
	}
}

// readAll reads the records of a list, several at a time, and skips journals.
func (h *History) readAll(ctx context.Context, listed []listing) ([]deploy.Record, []deploy.Skipped, error) {
	readings := make([]reading, len(listed))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for i, o := range listed {
		if strings.HasSuffix(o.key, journalSuffix) {
			continue
		}
		g.Go(func() (err error) {
			readings[i], err = h.read(ctx, o)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, nil, err
	}
	var records []deploy.Record
	var skipped []deploy.Skipped
	for i, r := range readings {
		switch {
		case r.record != nil:
			records = append(records, *r.record)
		case r.reason != "":
			skipped = append(skipped, deploy.Skipped{Key: listed[i].key, Reason: r.reason})
		}
	}
	return records, skipped, nil
}

// newest reads the newest records, in batches, until one of them has deployed
// a release or there are no more. Then it reads one more batch: an attempt
// that waited for another one began before it and ended after it, so the order
// by id is not the order by end.
func (h *History) newest(ctx context.Context) ([]deploy.Record, []deploy.Skipped, error) {
	var records []deploy.Record
	var skipped []deploy.Skipped
	before := "" // keys from here on have been read; "" is none
	last := false
	for days := 1; ; days *= 8 {
		// Ids begin with their day, and S3 lists in the order of keys.
		after := ""
		if days < 1<<12 {
			after = h.prefix + time.Now().UTC().AddDate(0, 0, -days).Format("20060102")
		}
		listed, err := h.list(ctx, after, before)
		if err != nil {
			return nil, nil, err
		}
		listed = slices.DeleteFunc(listed, func(o listing) bool { return strings.HasSuffix(o.key, journalSuffix) })
		for len(listed) > 0 {
			batch := listed[max(0, len(listed)-readers):]
			listed = listed[:len(listed)-len(batch)]
			found, none, err := h.readAll(ctx, batch)
			if err != nil {
				return nil, nil, err
			}
			records, skipped = append(found, records...), append(none, skipped...)
			slices.SortFunc(records, deploy.Record.Compare)
			if last {
				return records, skipped, nil
			}
			last = deploy.LastDeployed(records) != nil
		}
		if after == "" {
			return records, skipped, nil
		}
		before = after
	}
}

// listing is one line of a list of objects.
type listing struct {
	key, version string
	size         int64
}

// list lists the keys after one key and up to another; "" means no bound.
func (h *History) list(ctx context.Context, after, before string) ([]listing, error) {
	var all []listing
	in := &s3.ListObjectsV2Input{Bucket: &h.bucket.name, Prefix: &h.prefix, ExpectedBucketOwner: &h.bucket.owner}
	if after != "" {
		in.StartAfter = &after
	}
	pages := s3.NewListObjectsV2Paginator(h.bucket.client, in)
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, h.bucket.failed(ctx, err, "list %s", h.prefix)
		}
		for _, o := range page.Contents {
			if before != "" && aws.ToString(o.Key) > before {
				return all, nil
			}
			all = append(all, listing{aws.ToString(o.Key), aws.ToString(o.ETag), aws.ToInt64(o.Size)})
		}
	}
	return all, nil
}

// read reads a record that a list names.
func (h *History) read(ctx context.Context, o listing) (reading, error) {
	h.mu.Lock()
	known, ok := h.known[o.key]
	h.mu.Unlock()
	if ok && known.version == o.version {
		return clone(known), nil
	}
	id, isKey := strings.CutSuffix(strings.TrimPrefix(o.key, h.prefix), recordSuffix)
	switch {
	case !isKey || !idPattern.MatchString(id):
		return reading{reason: "the key is not that of a record"}, nil
	case o.size > largest:
		return reading{reason: fmt.Sprintf("%d bytes are too many for a record", o.size)}, nil
	}
	there, err := h.bucket.get(ctx, o.key)
	switch {
	case err != nil:
		return reading{}, err
	case there == nil:
		return reading{reason: "it was removed while the records were read"}, nil
	}
	if v := versionOf(there.content); v > deploy.RecordVersion {
		return reading{}, &NewerFormatError{o.key, v}
	}
	now := reading{version: there.version}
	if r, reason := h.parse(id, there.content); reason == "" {
		now.record = &r
	} else {
		now.reason = reason
	}
	h.mu.Lock()
	h.known[o.key] = now
	h.mu.Unlock()
	return clone(now), nil
}

// clone copies a reading, so that a caller who changes a record does not
// change the cached one.
func clone(r reading) reading {
	if r.record == nil {
		return r
	}
	content, err := encode(r.record)
	if err != nil {
		panic(err) // it was decoded
	}
	r.record = new(deploy.Record)
	if err := json.Unmarshal(content, r.record); err != nil {
		panic(err)
	}
	return r
}

// versionOf is the version of a record's format; 0 if the record names none.
func versionOf(content []byte) int {
	var r struct{ Version int }
	_ = json.Unmarshal(content, &r) // parse reports what is no record
	return r.Version
}

// parse reads a record. If the content is none, the reading says why.
func (h *History) parse(id string, content []byte) (r deploy.Record, reason string) {
	if err := json.Unmarshal(content, &r); err != nil {
		return r, "it is not a record: " + err.Error()
	}
	switch {
	case r.Version < 1 || r.Version > deploy.RecordVersion:
		return r, fmt.Sprintf("it has no format version from 1 to %d", deploy.RecordVersion)
	case r.ID != id:
		return r, fmt.Sprintf("it says that its id is %q", r.ID)
	case r.Environment != h.environment:
		return r, fmt.Sprintf("it says that it is of the environment %q", r.Environment)
	}
	return r, ""
}

// Record stores a record for good. It succeeds if this very record is already
// stored.
func (h *History) Record(ctx context.Context, r deploy.Record) error {
	if err := h.fits(r); err != nil {
		return fmt.Errorf("store a record: %w", err)
	}
	content, err := encode(r)
	if err != nil {
		return fmt.Errorf("store record %s: %w", r.ID, err)
	}
	key := h.prefix + r.ID + recordSuffix
	version, err := h.bucket.put(ctx, key, content, "")
	conflict, ok := errors.AsType[*conflictError](err)
	switch {
	case err == nil:
		own, reason := h.parse(r.ID, content)
		h.mu.Lock()
		defer h.mu.Unlock()
		h.known[key] = reading{version, &own, reason}
		return nil
	case !ok:
		return err
	case conflict.there == nil:
		// Somebody removed it between the two calls: a person is cleaning up
		// by hand.
		return deploy.Transient(fmt.Errorf("store record %s: %w", r.ID, err))
	}
	if _, reason := h.parse(r.ID, conflict.there.content); reason != "" {
		return fmt.Errorf("store record %s: %w", r.ID, &ForeignError{conflict.key, reason, conflict.there.version})
	}
	return fmt.Errorf("store record %s: %w", r.ID, deploy.ErrRecorded)
}

// fits returns an error if a record does not belong into this history.
func (h *History) fits(r deploy.Record) error {
	switch {
	case !idPattern.MatchString(r.ID):
		return fmt.Errorf("its id %q does not have the form 20060102T150405Z-abcdef", r.ID)
	case r.Environment != h.environment:
		return fmt.Errorf("%s is of %q, and this is the history of %q", r.ID, r.Environment, h.environment)
	}
	return nil
}

// encode writes JSON that a person can read in the bucket. Equal values give
// equal JSON.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
