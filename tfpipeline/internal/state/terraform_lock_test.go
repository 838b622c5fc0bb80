package state_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/tfpipeline/internal/state"
)

const stateLockKey = stateKey + ".tflock"

func stateLock(id, attempt string) state.StateLock {
	return state.StateLock{ID: id, Operation: "OperationTypeApply", Info: state.InfoOf(attempt), Who: "ada@runner", Created: "2026-11-23T06:00:00Z", Path: "b/k"}
}

func open(b *bucket) *state.Bucket { return state.New(b.config(), configtest.Docs()) }

func TestStateLock(t *testing.T) {
	inTime(t, func(ctx context.Context, t *testing.T, b *bucket) {
		if l, err := open(b).StateLock(ctx, "staging"); l != nil || err != nil {
			t.Errorf("StateLock = %v, %v, want none", l, err)
		}
		b.objects[stateLockKey] = `{"ID":"f216bbea","Operation":"OperationTypeApply","Info":"","Who":"ada@laptop","Version":"1.14.0","Created":"2026-11-23T06:00:00Z","Path":"b/k"}`
		time.Sleep(time.Hour)
		want := &state.StateLock{ID: "f216bbea", Operation: "OperationTypeApply", Who: "ada@laptop", Version: "1.14.0", Created: "2026-11-23T06:00:00Z", Path: "b/k"}
		l, err := open(b).StateLock(ctx, "staging")
		if err != nil || l.ObjectVersion == "" || cmp.Diff(want, l, cmpopts.IgnoreFields(state.StateLock{}, "ObjectVersion", "Age")) != "" {
			t.Errorf("StateLock = %+v, %v", l, err)
		}
		if l.Attempt() != "" || l.Abandoned(time.Minute) {
			t.Errorf("a person's lock is taken for ours: %+v", l)
		}
		b.objects[stateLockKey] = "{}"
		_, err = open(b).StateLock(ctx, "staging")
		if e, ok := errors.AsType[*state.ForeignError](err); !ok || e.Key != stateLockKey {
			t.Errorf("StateLock = %v, want that %s is none of ours", err, stateLockKey)
		}
	})
}

// Whoever holds a lock and renews it keeps it, whatever the clocks of machines
// and of S3 say; one that nobody renews is abandoned after its span.
func TestStateLockIsJudgedByOneClock(t *testing.T) {
	for _, wrong := range []time.Duration{-10 * time.Minute, 0, 10 * time.Minute} {
		inTime(t, func(ctx context.Context, t *testing.T, b *bucket) {
			b.clock = wrong
			held, instead, err := open(b).TakeStateLock(ctx, "staging", stateLock("1", "x"), nil)
			if err != nil || instead != nil {
				t.Fatalf("%+v, %v", instead, err)
			}
			lease := ok(newLock(b).Take(ctx, lease("ada"), nil))(t)
			for range 10 {
				time.Sleep(20 * time.Second)
				*held = ok(open(b).RenewStateLock(ctx, "staging", *held))(t)
				lease = ok(newLock(b).Renew(ctx, lease))(t)
				lease.Until = lease.Until.Add(time.Second)
				if l := ok(open(b).StateLock(ctx, "staging"))(t); l.Abandoned(time.Minute) || l.Attempt() != "x" {
					t.Fatalf("clock wrong by %v: %+v counts as abandoned", wrong, l)
				}
				if h := ok(newLock(b).Holder(ctx))(t); h.Expired() {
					t.Fatalf("clock wrong by %v: %+v counts as expired", wrong, h)
				}
			}
			time.Sleep(62 * time.Second)
			over := ok(open(b).StateLock(ctx, "staging"))(t)
			if !over.Abandoned(time.Minute) {
				t.Fatalf("clock wrong by %v: %+v counts as held", wrong, over)
			}
			if h := ok(newLock(b).Holder(ctx))(t); !h.Expired() {
				t.Errorf("clock wrong by %v: %+v counts as held", wrong, h)
			}
			theirs, instead, err := open(b).TakeStateLock(ctx, "staging", stateLock("2", "y"), over)
			if err != nil || instead != nil {
				t.Fatalf("%+v, %v", instead, err)
			}
			// Whoever wakes up learns who has it, and cannot take it away.
			_, err = open(b).RenewStateLock(ctx, "staging", *held)
			if !errors.Is(err, state.ErrStateLockLost) || !strings.Contains(err.Error(), "ada@runner has held it") {
				t.Errorf("renew: %v", err)
			}
			if err := open(b).RemoveStateLock(ctx, "staging", *held); err == nil {
				t.Error("another's lock was removed")
			}
			if err := open(b).RemoveStateLock(ctx, "staging", *theirs); err != nil || b.objects[stateLockKey] != "" {
				t.Errorf("remove: %v", err)
			}
		})
	}
}

// Answers get lost: the lock is held, renewed and removed all the same, and never
// twice.
func TestStateLockWhoseAnswersAreLost(t *testing.T) {
	inTime(t, func(ctx context.Context, t *testing.T, b *bucket) {
		put := fault{request: "PUT " + stateLockKey, done: true}
		b.faults = []fault{put}
		held, instead, err := open(b).TakeStateLock(ctx, "staging", stateLock("1", "x"), nil)
		if err != nil || instead != nil {
			t.Fatalf("%+v, %v", instead, err)
		}
		if _, instead, err := open(b).TakeStateLock(ctx, "staging", stateLock("2", "y"), nil); err != nil || instead == nil || instead.ID != "1" {
			t.Errorf("taken twice: %+v, %v", instead, err)
		}
		before := *held
		ok(open(b).RenewStateLock(ctx, "staging", *held))(t)
		renewed := ok(open(b).RenewStateLock(ctx, "staging", before))(t)
		b.faults = []fault{{request: "DELETE " + stateLockKey, done: true}}
		if err := open(b).RemoveStateLock(ctx, "staging", renewed); err != nil || len(b.objects) != 0 {
			t.Errorf("%v, left %v", err, b.objects)
		}
		_, err = open(b).RenewStateLock(ctx, "staging", renewed)
		if !errors.Is(err, state.ErrStateLockLost) || !strings.Contains(err.Error(), "somebody removed it") {
			t.Errorf("renew: %v", err)
		}
	})
}

func TestUnfinishedApply(t *testing.T) {
	inTime(t, func(ctx context.Context, t *testing.T, b *bucket) {
		for _, attempt := range []string{"first", "second"} {
			// The note of the first is what the second is told.
			if note := ok(open(b).Begun(ctx, "staging", stateLock("1", attempt)))(t); note == nil || note.Attempt() != "first" || note.ObjectVersion == "" {
				t.Errorf("%s: noted %+v", attempt, note)
			}
		}
		if l := ok(open(b).Unfinished(ctx, "staging"))(t); l == nil || l.Attempt() != "first" {
			t.Errorf("unfinished: %+v", l)
		}
		note := ok(open(b).Unfinished(ctx, "staging"))(t)
		if err := open(b).Ended(ctx, "staging", state.StateLock{ObjectVersion: "another"}); err != nil {
			t.Fatal(err)
		}
		if l := ok(open(b).Unfinished(ctx, "staging"))(t); l == nil {
			t.Error("the end of another apply removed the note")
		}
		for range 2 {
			if err := open(b).Ended(ctx, "staging", *note); err != nil {
				t.Fatal(err)
			}
		}
		if l := ok(open(b).Unfinished(ctx, "staging"))(t); l != nil {
			t.Errorf("unfinished: %+v", l)
		}
	})
}

func TestSaveState(t *testing.T) {
	document := func(lineage string, serial int, note string) string {
		content, err := json.Marshal(map[string]any{"version": 4, "lineage": lineage, "serial": serial, "note": note})
		if err != nil {
			t.Fatal(err)
		}
		return string(content)
	}
	for name, test := range map[string]struct {
		stored, content, want, fails string
	}{
		"first":           {"", document("a", 1, ""), document("a", 1, ""), ""},
		"follows":         {document("a", 3, ""), document("a", 5, ""), document("a", 5, ""), ""},
		"is stored":       {document("a", 3, ""), document("a", 3, ""), document("a", 3, ""), ""},
		"was replaced":    {document("a", 7, ""), document("a", 5, ""), document("a", 7, ""), "a newer state is stored at " + stateKey},
		"differs":         {document("a", 5, "x"), document("a", 5, "y"), document("a", 5, "x"), "both have serial 5"},
		"another lineage": {document("b", 5, ""), document("a", 6, ""), document("b", 5, ""), "its lineage is a, and that of the stored one is b"},
		"no state":        {document("b", 5, ""), "x", document("b", 5, ""), "it is not a state"},
	} {
		t.Run(name, func(t *testing.T) {
			inTime(t, func(ctx context.Context, t *testing.T, b *bucket) {
				if test.stored != "" {
					b.objects[stateKey] = test.stored
				}
				err := open(b).SaveState(ctx, "staging", []byte(test.content))
				_, isConflict := errors.AsType[*state.StateConflictError](err)
				_, superseded := errors.AsType[*state.SupersededError](err)
				if (test.fails != "") != (err != nil) || err != nil && (!strings.Contains(err.Error(), test.fails) || isConflict == superseded) {
					t.Errorf("SaveState = %v", err)
				}
				if b.objects[stateKey] != test.want {
					t.Errorf("stored %s, want %s", b.objects[stateKey], test.want)
				}
			})
		})
	}
}

func TestKeptState(t *testing.T) {
	inTime(t, func(ctx context.Context, t *testing.T, b *bucket) {
		for _, content := range []string{"one", "two", "two"} {
			address, err := open(b).KeepState(ctx, "staging", []byte(content))
			if want := "s3://doc-platform-state-123456789012/" + stateKey + ".unsaved"; err != nil || address != want {
				t.Fatalf("%s, %v", address, err)
			}
		}
		if kept := ok(open(b).KeptState(ctx, "staging"))(t); string(kept) != "two" {
			t.Errorf("kept %q", kept)
		}
		for range 2 {
			if err := open(b).DropKeptState(ctx, "staging"); err != nil {
				t.Fatal(err)
			}
		}
		if kept := ok(open(b).KeptState(ctx, "staging"))(t); kept != nil || len(b.objects) != 0 {
			t.Errorf("kept %q of %v", kept, b.objects)
		}
	})
}
