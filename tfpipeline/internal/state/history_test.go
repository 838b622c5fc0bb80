package state_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/state"
)

const id = "20261123T080000Z-abcdef"

func record(id string) deploy.Record {
	minimum := 2
	return deploy.Record{
		Version: deploy.RecordVersion, ID: id, Kind: deploy.KindPromote, Environment: "staging", Actor: "ada",
		Started: time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC), Ended: time.Date(2026, 11, 23, 8, 5, 0, 0, time.UTC),
		Release: deploy.Release{Tag: "v1.4.0", Commit: "c0ffee", Digests: map[string]string{"api": "sha256:1", "mcp": "sha256:2"}},
		Services: map[string]*deploy.ServiceRecord{
			"api": {Digest: "sha256:1", Before: "arn:1", After: "arn:2", MinimumBefore: &minimum, Updated: true, State: deploy.DeploymentSuccessful},
		},
		Outcome: deploy.Deployed,
	}
}

func ok[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func records(ctx context.Context, t *testing.T, h *state.History) ([]deploy.Record, []deploy.Skipped) {
	t.Helper()
	all := ok(h.Attempts(ctx, 0))(t)
	return all.Records, all.Skipped
}

func TestRecordsComeBackOldestFirst(t *testing.T) {
	inTime(t, func(ctx context.Context, t *testing.T, b *bucket) {
		b.page = 3 // so that a list has several pages
		h := state.New(b.config(), configtest.Docs()).History("staging")
		if all, skipped := records(ctx, t, h); all != nil || skipped != nil {
			t.Errorf("an empty history: %v, %v", all, skipped)
		}
		var want []deploy.Record
		for i := range 10 {
			// The letters of an id tell no order.
			r := record(fmt.Sprintf("20261123T08000%dZ-%cbcdef", i/2, 'z'-i))
			r.Started = r.Started.Add(time.Duration(i) * time.Second / 2)
			want = append(want, r)
		}
		for _, i := range []int{4, 0, 9, 1, 2, 3, 8, 7, 6, 5} {
			if err := h.Record(ctx, want[i]); err != nil {
				t.Fatal(err)
			}
		}
		// Of another environment, whose name begins the same.
		b.objects["history/staging-eu/"+id+".json"] = "{}"
		for _, reader := range []*state.History{h, state.New(b.config(), configtest.Docs()).History("staging")} {
			all, skipped := records(ctx, t, reader)
			if d := cmp.Diff(want, all); d != "" || skipped != nil {
				t.Errorf("records (-want +got), and %v:\n%s", skipped, d)
			}
		}
		if !strings.HasSuffix(b.objects["history/staging/20261123T080002Z-vbcdef.json"], "\n}\n") {
			t.Error("records are not written for people")
		}
	})
}

// A history of thousands is read once; what changes hands is a copy.
func TestRecordsAreReadASingleTime(t *testing.T) {
	inTime(t, func(ctx context.Context, t *testing.T, b *bucket) {
		h := state.New(b.config(), configtest.Docs()).History("staging")
		if err := h.Record(ctx, record(id)); err != nil {
			t.Fatal(err)
		}
		first, _ := records(ctx, t, h)
		first[0].Services["api"].Digest = "changed by the caller"
		b.requests = nil
		again, _ := records(ctx, t, h)
		if d := cmp.Diff([]string{"GET  200"}, b.requests); d != "" {
			t.Errorf("requests (-want +got):\n%s", d)
		}
		if d := cmp.Diff(record(id), again[0]); d != "" {
			t.Errorf("record (-want +got):\n%s", d)
		}
	})
}

func TestRecordIsStoredASingleTime(t *testing.T) {
	inTime(t, func(ctx context.Context, t *testing.T, b *bucket) {
		h := state.New(b.config(), configtest.Docs()).History("staging")
		for range 2 { // the same again is no error
			if err := h.Record(ctx, record(id)); err != nil {
				t.Fatal(err)
			}
		}
		before := b.objects["history/staging/"+id+".json"]
		other := record(id)
		other.Outcome = deploy.Broken
		if err := h.Record(ctx, other); !errors.Is(err, deploy.ErrRecorded) {
			t.Errorf("another record of that attempt: %v", err)
		}
		if b.objects["history/staging/"+id+".json"] != before {
			t.Error("the record was changed")
		}
	})
}

func TestRecordOfAnotherPlaceIsRefused(t *testing.T) {
	inTime(t, func(ctx context.Context, t *testing.T, b *bucket) {
		h := state.New(b.config(), configtest.Docs()).History("production")
		if err := h.Record(ctx, record(id)); err == nil || !strings.Contains(err.Error(), `is of "staging"`) {
			t.Errorf("%v", err)
		}
		odd := record("../../terraform/production")
		odd.Environment = "production"
		if err := h.Record(ctx, odd); err == nil || !strings.Contains(err.Error(), "does not have the form") {
			t.Errorf("%v", err)
		}
		if len(b.objects) != 0 {
			t.Errorf("stored: %v", b.objects)
		}
	})
}

// Whatever lies among the records is reported and left alone.
func TestForeignObjectsAreSkipped(t *testing.T) {
	inTime(t, func(ctx context.Context, t *testing.T, b *bucket) {
		h := state.New(b.config(), configtest.Docs()).History("staging")
		if err := h.Record(ctx, record(id)); err != nil {
			t.Fatal(err)
		}
		good := b.objects["history/staging/"+id+".json"]
		foreign := map[string]string{
			"20261101T000000Z-aaaaaa.json":         `{"version":`,
			"20261102T000000Z-aaaaaa.json":         `[]`,
			"20261103T000000Z-aaaaaa.json":         strings.Replace(good, fmt.Sprintf(`"version": %d`, deploy.RecordVersion), `"version": 0`, 1),
			"20261104T000000Z-aaaaaa.json":         good,
			"20261105T000000Z-aaaaaa.json":         strings.ReplaceAll(strings.Replace(good, id, "20261105T000000Z-aaaaaa", 1), `"staging"`, `"production"`),
			"20261106T000000Z-aaaaaa.json":         "",
			"20261107T000000Z-aaaaaa.json":         strings.Repeat("x", 5<<20),
			"notes.txt":                            "what we did on Tuesday",
			"sub/20261106T000000Z-aaaaaa.json":     good,
			"20261108T000000Z-aaaaaa.journal.json": "a journal is no record, and no error",
		}
		for name, content := range foreign {
			b.objects["history/staging/"+name] = content
		}
		all, skipped := records(ctx, t, h)
		if len(all) != 1 || all[0].ID != id {
			t.Errorf("records: %v", all)
		}
		want := []string{"unexpected end", "cannot unmarshal", "format version", `its id is "` + id, `environment "production"`, "unexpected end", "too many", "not that of a record", "not that of a record"}
		if len(skipped) != len(want) {
			t.Fatalf("skipped: %v", skipped)
		}
		for i, s := range skipped {
			if !strings.HasPrefix(s.Key, "history/staging/") || !strings.Contains(s.Reason, want[i]) {
				t.Errorf("skipped %s: %s, want %s", s.Key, s.Reason, want[i])
			}
		}
		// Nor is one replaced by a record of that id.
		err := h.Record(ctx, record("20261101T000000Z-aaaaaa"))
		if e, ok := errors.AsType[*state.ForeignError](err); !ok || errors.Is(err, deploy.ErrRecorded) || e.Key != "history/staging/20261101T000000Z-aaaaaa.json" {
			t.Errorf("record in place of a foreign object: %v", err)
		}
		for name, content := range foreign {
			if b.objects["history/staging/"+name] != content {
				t.Errorf("%s was changed", name)
			}
		}
	})
}

// A history that cannot be read is not an empty one.
func TestUnreadableHistoryIsAnError(t *testing.T) {
	inTime(t, func(ctx context.Context, t *testing.T, b *bucket) {
		h := state.New(b.config(), configtest.Docs()).History("staging")
		if err := h.Record(ctx, record(id)); err != nil {
			t.Fatal(err)
		}
		h = state.New(b.config(), configtest.Docs()).History("staging") // which has not read it
		b.faults = []fault{{request: "GET history/staging/" + id + ".json", status: http.StatusForbidden, code: "AccessDenied"}}
		if _, err := h.Attempts(ctx, 0); err == nil || deploy.IsTransient(err) || !strings.Contains(err.Error(), "AccessDenied") {
			t.Errorf("a record that may not be read: %v", err)
		}
		b.gone = true
		if _, err := h.Attempts(ctx, 0); !errors.Is(err, state.ErrNoBucket) {
			t.Errorf("no bucket: %v", err)
		}
	})
}

func TestReadsSurviveABadMinute(t *testing.T) {
	inTime(t, func(ctx context.Context, t *testing.T, b *bucket) {
		h := state.New(b.config(), configtest.Docs()).History("staging")
		if err := h.Record(ctx, record(id)); err != nil {
			t.Fatal(err)
		}
		h = state.New(b.config(), configtest.Docs()).History("staging") // which has not read it
		get := "GET history/staging/" + id + ".json"
		b.faults = []fault{
			{request: "GET ", status: http.StatusServiceUnavailable, code: "SlowDown"}, {request: "GET ", hang: true},
			{request: get}, {request: get, status: http.StatusInternalServerError, code: "InternalError"},
		}
		if all, _ := records(ctx, t, h); len(all) != 1 {
			t.Errorf("records: %v", all)
		}
		for range 5 {
			b.faults = append(b.faults, fault{request: "GET ", status: http.StatusServiceUnavailable, code: "SlowDown"})
		}
		if _, err := h.Attempts(ctx, 0); !deploy.IsTransient(err) || !strings.Contains(err.Error(), "SlowDown") {
			t.Errorf("a bad hour: %v", err)
		}
	})
}

// A write of which nobody knows whether it happened is looked for.
func TestRecordWhoseAnswerWasLost(t *testing.T) {
	put := "PUT history/staging/" + id + ".json"
	for name, faults := range map[string][]fault{
		"done, answer lost":         {{request: put, done: true}},
		"done, no answer":           {{request: put, done: true, hang: true}},
		"done, 500":                 {{request: put, done: true, status: 500, code: "InternalError"}},
		"not done, connection lost": {{request: put}},
		"not done, then done twice": {{request: put}, {request: put, done: true}},
		"two at one moment":         {{request: put, status: 409, code: "ConditionalRequestConflict"}},
		"cannot even look":          {{request: put, done: true}, {request: "GET history/staging/" + id + ".json", status: 500}},
	} {
		t.Run(name, func(t *testing.T) {
			inTime(t, func(ctx context.Context, t *testing.T, b *bucket) {
				b.faults = faults
				h := state.New(b.config(), configtest.Docs()).History("staging")
				if err := h.Record(ctx, record(id)); err != nil {
					t.Fatal(err)
				}
				if all, _ := records(ctx, t, h); len(all) != 1 {
					t.Errorf("records: %v", all)
				}
			})
		})
	}
	inTime(t, func(ctx context.Context, t *testing.T, b *bucket) {
		for range 5 {
			b.faults = append(b.faults, fault{request: put, status: 503, code: "SlowDown"})
		}
		h := state.New(b.config(), configtest.Docs()).History("staging")
		if err := h.Record(ctx, record(id)); !deploy.IsTransient(err) {
			t.Errorf("never done: %v", err)
		}
	})
}

func TestWritesEndWithTheirContext(t *testing.T) {
	inTime(t, func(ctx context.Context, t *testing.T, b *bucket) {
		b.faults = []fault{{request: "PUT history/staging/" + id + ".json", hang: true}}
		ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
		defer cancel()
		begin := time.Now()
		h := state.New(b.config(), configtest.Docs()).History("staging")
		if err := h.Record(ctx, record(id)); !errors.Is(err, context.DeadlineExceeded) || deploy.IsTransient(err) || time.Since(begin) != 3*time.Second {
			t.Errorf("after %s: %v", time.Since(begin), err)
		}
	})
}

// Without what a newer release of the program wrote, an older release would be
// taken for the current one.
func TestNewerFormatsAreRefused(t *testing.T) {
	inTime(t, func(ctx context.Context, t *testing.T, b *bucket) {
		h := state.New(b.config(), configtest.Docs()).History("staging")
		if err := h.Record(ctx, record(id)); err != nil {
			t.Fatal(err)
		}
		key := "history/staging/" + id + ".json"
		b.objects[key] = strings.Replace(b.objects[key], fmt.Sprintf(`"version": %d`, deploy.RecordVersion), `"version": 99`, 1)
		_, err := state.New(b.config(), configtest.Docs()).History("staging").Attempts(ctx, 0)
		if e, ok := errors.AsType[*state.NewerFormatError](err); !ok || e.Key != key || e.Version != 99 {
			t.Errorf("Attempts = %v", err)
		}
		delete(b.objects, key)
		b.objects[strings.Replace(key, ".json", ".journal.json", 1)] = `{"step":"plan","record":{"version":99,"id":"` + id + `","environment":"staging"}}`
		if _, err := h.Attempts(ctx, 0); !strings.Contains(fmt.Sprint(err), "format version 99") {
			t.Errorf("Attempts = %v", err)
		}
	})
}

// A long history costs no more than a short one.
func TestRecentReadsNoMoreThanItNeeds(t *testing.T) {
	requests := func(n int) (count int, newest string) {
		inTime(t, func(ctx context.Context, t *testing.T, b *bucket) {
			writer := state.New(b.config(), configtest.Docs()).History("staging")
			if err := writer.Record(ctx, record(id)); err != nil {
				t.Fatal(err)
			}
			content := b.objects["history/staging/"+id+".json"]
			delete(b.objects, "history/staging/"+id+".json")
			for i := range n {
				at := time.Now().UTC().Add(-time.Duration(i) * 40 * time.Minute)
				key := at.Format("20060102T150405Z") + "-aaaaaa"
				b.objects["history/staging/"+key+".json"] = strings.ReplaceAll(content, id, key)
				b.objects["history/staging/"+key+".journal.json"] = "{}"
			}
			b.requests = nil
			all, _, err := state.New(b.config(), configtest.Docs()).History("staging").Recent(ctx)
			if err != nil {
				t.Fatal(err)
			}
			count, newest = len(b.requests), all[len(all)-1].ID
			if want := time.Now().UTC().Format("20060102T150405Z") + "-aaaaaa"; newest != want {
				t.Errorf("the newest of %d is %s, want %s", n, newest, want)
			}
		})
		return count, newest
	}
	short, _ := requests(100)
	long, _ := requests(20_000)
	if long > short || short > 70 {
		t.Errorf("%d requests for 100 records, %d for 20,000", short, long)
	}
	if one, _ := requests(1); one > 8 {
		t.Errorf("%d requests for one record", one)
	}
}
