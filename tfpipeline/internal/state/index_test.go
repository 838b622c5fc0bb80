package state_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/specboard/platform/migrations"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

const indexKey = "history/staging/index.journal.json"

// attempts are n records of many kinds, in the order of their ends. Every tenth
// began long before it ended.
func attempts(n int, random *rand.Rand) []deploy.Record {
	begin := time.Now().UTC().Add(-time.Duration(n) * time.Hour).Truncate(time.Second)
	var all []deploy.Record
	for i := range n {
		ended := begin.Add(time.Duration(i) * time.Hour)
		began := ended.Add(-time.Minute)
		if i%10 == 9 {
			began = ended.Add(-3 * time.Hour)
		}
		r := record(began.Format("20060102T150405Z") + fmt.Sprintf("-%06d", i))
		of := random.IntN(n)
		r.Started, r.Ended = began, ended
		r.Release = deploy.Release{Tag: fmt.Sprintf("v%d", of), Commit: fmt.Sprintf("%040x", of+1)}
		r.Outcome = []deploy.Outcome{deploy.Deployed, deploy.Deployed, deploy.RolledBack, deploy.Interrupted, deploy.Broken}[random.IntN(5)]
		if random.IntN(8) == 0 {
			r.Kind, r.Rejected = deploy.KindRollback, &deploy.Release{Commit: fmt.Sprintf("%040x", random.IntN(n)+1)}
		}
		if random.IntN(8) == 0 {
			r.Migration = &deploy.MigrationRecord{
				TaskRecord: deploy.TaskRecord{Started: began, ExitCode: new(random.IntN(2))},
				Contracts:  []migrations.AppliedContract{{Migration: fmt.Sprint(random.IntN(3)), UnusedSince: "v1", Release: r.Release.Tag}},
			}
		}
		all = append(all, r)
	}
	return all
}

// Whoever dies between the record and the index, an earlier release of the
// program that knows no index, and one that is slow: the index comes to the same
// as all the records.
func TestTheIndexComesToWhatTheRecordsSay(t *testing.T) {
	for seed := range uint64(4) {
		inTime(t, func(ctx context.Context, t *testing.T, b *bucket) {
			random := rand.New(rand.NewPCG(seed, 1))
			all := attempts(180, random)
			late := map[string]deploy.Record{}
			var lacking []string // ids of records that the stored index lacks
			for i, r := range all {
				h := open(b).History("staging")
				if err := h.Record(ctx, r); err != nil {
					t.Fatal(err)
				}
				lacking = append(lacking, r.ID)
				switch random.IntN(3) {
				case 0: // killed, or of an earlier release
					continue
				case 1: // it sleeps for a while
					late[r.ID] = r
					continue
				}
				stored := []deploy.Record{r}
				for id, other := range late {
					stored = append(stored, other)
					delete(late, id)
				}
				if err := h.UpdateIndex(ctx, stored...); err != nil {
					t.Fatal(err)
				}
				lacking = nil
				if i%50 == 0 { // the same once more
					if err := h.UpdateIndex(ctx, stored...); err != nil {
						t.Fatal(err)
					}
				}
			}
			got, skipped, err := open(b).History("staging").Index(ctx)
			if err != nil || skipped != nil {
				t.Fatal(skipped, err)
			}
			var unindexed []string
			for _, r := range got.Unindexed {
				unindexed = append(unindexed, r.ID)
			}
			if d := cmp.Diff(lacking, unindexed); d != "" {
				t.Errorf("seed %d: records that the index lacks (-want +got):\n%s", seed, d)
			}
			got.Unindexed = nil
			want := deploy.NewIndex("staging", all...)
			slices.SortFunc(got.Contracts, byContract)
			slices.SortFunc(want.Contracts, byContract)
			if d := cmp.Diff(want, got, cmp.AllowUnexported(deploy.DeployedRelease{})); d != "" {
				t.Errorf("seed %d: index (-want +got):\n%s", seed, d)
			}
			if got := ok(open(b).History("staging").Find(ctx, all[3].ID))(t); got == nil || !got.Ended.Equal(all[3].Ended) {
				t.Errorf("record %s: %+v", all[3].ID, got)
			}
		})
	}
}

func text(t *testing.T, r deploy.Record) string {
	t.Helper()
	content, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func byContract(a, b deploy.IndexedContract) int {
	return strings.Compare(fmt.Sprint(a), fmt.Sprint(b))
}

// Two calls tell what 20 records come to, and 20,000; three store one more.
func TestTheIndexCostsTheSameForever(t *testing.T) {
	var first []string
	for _, n := range []int{20, 2000, 20_000} {
		inTime(t, func(ctx context.Context, t *testing.T, b *bucket) {
			all := attempts(n, rand.New(rand.NewPCG(1, 1)))
			if err := open(b).History("staging").UpdateIndex(ctx, all...); err != nil {
				t.Fatal(err)
			}
			for _, r := range all {
				b.objects["history/staging/"+r.ID+".json"] = text(t, r)
				b.objects["history/staging/"+r.ID+".journal.json"] = "{}"
			}
			b.requests = nil
			if _, _, err := open(b).History("staging").Index(ctx); err != nil {
				t.Fatal(err)
			}
			if _, _, err := open(b).History("staging").Recent(ctx); err != nil {
				t.Fatal(err)
			}
			h, r := open(b).History("staging"), record(time.Now().UTC().Format("20060102T150405Z")+"-abcdef")
			if err := errors.Join(h.Record(ctx, r), h.UpdateIndex(ctx, r)); err != nil {
				t.Fatal(err)
			}
			for i := range b.requests {
				b.requests[i] = strings.ReplaceAll(b.requests[i], r.ID, "ID")
			}
			if n == 20 {
				first = b.requests
			}
			if d := cmp.Diff(first, b.requests); d != "" || len(first) != 8 {
				t.Errorf("%d requests for 20 records; with %d (-20):\n%s", len(first), n, d)
			}
			t.Logf("figure: history of %d records, read and written: %d requests", n, len(b.requests))
		})
	}
}

// What an attempt that died has not told is left to whoever tells next: a restart, whose
// end is told to nobody, takes it for known no more than it takes itself.
func TestARestartTakesNobodyForTold(t *testing.T) {
	inTime(t, func(ctx context.Context, t *testing.T, b *bucket) {
		h := open(b).History("staging")
		of := func(id string, kind deploy.Kind) deploy.Record {
			r := record(id)
			r.Kind = kind
			if err := h.Record(ctx, r); err != nil {
				t.Fatal(err)
			}
			return r
		}
		unindexed := func() (ids []string) {
			x, _, err := open(b).History("staging").Index(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range x.Unindexed {
				ids = append(ids, r.ID)
			}
			return ids
		}
		const first, died, again, next = "20261126T080000Z-aaaaaa", "20261126T090000Z-aaaaaa", "20261126T100000Z-aaaaaa", "20261126T110000Z-aaaaaa"
		update := func(r deploy.Record, left ...string) {
			if err := h.UpdateIndex(ctx, r); err != nil {
				t.Fatal(err)
			}
			if got := unindexed(); !slices.Equal(got, left) {
				t.Errorf("after %s the index lacks %q, want %q", r.ID, got, left)
			}
		}
		update(of(first, deploy.KindPromote))
		of(died, deploy.KindPromote)
		update(of(again, deploy.KindRestart), died, again)
		update(of(next, deploy.KindPromote))
		update(of("20261126T120000Z-aaaaaa", deploy.KindSecret))
	})
}

// What of the index is lost or damaged is made from the records; what a newer
// release wrote is not overwritten.
func TestADamagedIndexIsRebuilt(t *testing.T) {
	inTime(t, func(ctx context.Context, t *testing.T, b *bucket) {
		all := attempts(120, rand.New(rand.NewPCG(1, 1)))
		for _, r := range all {
			b.objects["history/staging/"+r.ID+".json"] = text(t, r)
		}
		for _, content := range []string{"", "oh", "{}", `{"version":1,"environment":"production","through":"3"}`} {
			b.objects[indexKey] = content
			if x, _, err := open(b).History("staging").Index(ctx); err != nil || len(x.Unindexed) > 0 {
				t.Errorf("instead of %q: %d records seem to be new, %v", content, len(x.Unindexed), err)
			}
			if err := open(b).History("staging").UpdateIndex(ctx); err != nil {
				t.Fatal(err)
			}
			if x, _, err := open(b).History("staging").Index(ctx); err != nil || x.Last == nil || x.Last.ID != all[119].ID || len(x.Releases) < 20 {
				t.Errorf("instead of %q: %+v, %v", content, x.Last, err)
			}
		}
		b.objects[indexKey] = `{"version":99}`
		if _, _, err := open(b).History("staging").Index(ctx); !strings.Contains(fmt.Sprint(err), "format version 99") {
			t.Errorf("Index = %v", err)
		}
		if err := open(b).History("staging").UpdateIndex(ctx); !strings.Contains(fmt.Sprint(err), "format version 99") {
			t.Errorf("UpdateIndex = %v", err)
		}
	})
}

// Two that store the index at the same moment lose nothing.
func TestTwoUpdatesOfTheIndex(t *testing.T) {
	inTime(t, func(ctx context.Context, t *testing.T, b *bucket) {
		all := attempts(3, rand.New(rand.NewPCG(1, 1)))
		h := open(b).History("staging")
		if err := h.UpdateIndex(ctx, all[0]); err != nil {
			t.Fatal(err)
		}
		other := b.objects[indexKey]
		delete(b.objects, indexKey)
		if err := h.UpdateIndex(ctx, all[1]); err != nil {
			t.Fatal(err)
		}
		// The other was stored between our read and our write.
		b.faults = []fault{{request: "PUT " + indexKey, status: 412, code: "PreconditionFailed"}}
		b.objects[indexKey] = other
		if err := h.UpdateIndex(ctx, all[1], all[2]); err != nil {
			t.Fatal(err)
		}
		if x, _, err := h.Index(ctx); err != nil || x.Last.ID != all[2].ID || len(x.Known()) != 3 {
			t.Errorf("%+v, %v", x, err)
		}
	})
}

// Old records that a person moves away are in the index all the same.
func TestArchivedRecordsStayInTheIndex(t *testing.T) {
	inTime(t, func(ctx context.Context, t *testing.T, b *bucket) {
		all := attempts(150, rand.New(rand.NewPCG(1, 1)))
		for _, r := range all {
			b.objects["history/staging/"+r.ID+".json"] = text(t, r)
		}
		if err := open(b).History("staging").UpdateIndex(ctx); err != nil {
			t.Fatal(err)
		}
		before, _, err := open(b).History("staging").Index(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range all {
			delete(b.objects, "history/staging/"+r.ID+".json")
		}
		after, skipped, err := open(b).History("staging").Index(ctx)
		if d := cmp.Diff(before, after, cmp.AllowUnexported(deploy.DeployedRelease{})); d != "" || skipped != nil || err != nil {
			t.Errorf("%v, %v, index (-before +after):\n%s", skipped, err, d)
		}
		if r, err := open(b).History("staging").Find(ctx, all[0].ID); r != nil || err != nil {
			t.Errorf("an archived record: %v, %v", r, err)
		}
	})
}
