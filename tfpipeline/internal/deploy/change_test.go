package deploy

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/specboard/platform/tfpipeline/internal/console"
)

// A change holds the lease for as long as it takes: no promotion begins, and no
// other change.
func TestChange(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p, ada := w.start(), ChangeRequest{Kind: KindApply, Actor: "ada", Why: "by hand"}
		failure := errors.New("apply failed")
		err := p.Pipeline.Change(t.Context(), ada, func(ctx context.Context) error {
			<-time.After(time.Hour)
			w.mu.Lock()
			lease := w.lease
			w.mu.Unlock()
			if ctx.Err() != nil || lease == nil || time.Since(w.putLease.at) > time.Minute {
				t.Errorf("the lease is not kept: %v, %+v", context.Cause(ctx), lease)
			}
			_, err := w.start().promote(t.Context(), Request{Tag: "v1.2", LockWait: -1})
			wantError(t, err, Untouched, StepLock, "ada holds it since", "for apply (by hand)")
			other := w.start()
			_, notFree := other.Pipeline.Free(t.Context(), ChangeRequest{Kind: KindDestroy})
			for _, err := range []error{
				notFree,
				other.Pipeline.Change(t.Context(), ChangeRequest{Kind: KindDestroy}, func(context.Context) error { return errors.New("both at once") }),
			} {
				if held, ok := errors.AsType[LockError](err); !ok || held.Lease.Kind != KindApply || held.Dead {
					t.Errorf("%v", err)
				}
			}
			return failure
		})
		if !errors.Is(err, failure) || w.lease != nil {
			t.Errorf("%v, lease %+v", err, w.lease)
		}
		if _, err := w.start().promote(t.Context(), Request{Tag: "v1.2"}); err != nil {
			t.Errorf("after the change: %v", err)
		}
	})
}

// An interrupted change gives the lease back, and a lost lease ends the change.
func TestChangeEnds(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		ctx, cancel := context.WithCancelCause(t.Context())
		pressed := errors.New("interrupted")
		err := w.start().Pipeline.Change(ctx, ChangeRequest{Kind: KindApply}, func(ctx context.Context) error {
			cancel(pressed)
			<-ctx.Done()
			return context.Cause(ctx)
		})
		if !errors.Is(err, pressed) || w.lease != nil {
			t.Errorf("%v, lease %+v", err, w.lease)
		}
		err = w.start().Pipeline.Change(t.Context(), ChangeRequest{Kind: KindApply}, func(ctx context.Context) error {
			w.mu.Lock()
			w.lease = &Lease{Environment: w.lease.Environment, RecordID: "other", Version: "other", Kind: KindPromote}
			w.mu.Unlock()
			<-ctx.Done()
			return context.Cause(ctx)
		})
		if _, ok := errors.AsType[lostError](err); !ok || w.lease.RecordID != "other" {
			t.Errorf("%v, lease %+v", err, w.lease)
		}
	})
}

// A change that was killed blocks nobody once its lease has ended, and a
// promotion that was killed at its changes blocks every other change.
func TestChangeAfterTheDead(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p := w.start()
		w.lease = &Lease{Environment: p.Pipeline.Environment, RecordID: "dead", Version: "1", Kind: KindApply, Age: time.Hour}
		done := false
		if err := p.Pipeline.Change(t.Context(), ChangeRequest{Kind: KindApply}, func(context.Context) error { done = true; return nil }); err != nil || !done || w.lease != nil {
			t.Errorf("%v, done %v, lease %+v", err, done, w.lease)
		}
		w.lease = &Lease{Environment: p.Pipeline.Environment, RecordID: "dead", Version: "1", Kind: KindApply, Age: time.Hour}
		if _, err := w.start().promote(t.Context(), Request{Tag: "v1.2"}); err != nil {
			t.Errorf("a promotion after a killed apply: %v", err)
		}
	})
}

// A secret is recorded as unchanged only if that is certain. Where nobody knows, the
// record says so, and how to find out.
func TestChangeOfASecretFails(t *testing.T) {
	refused, lost := errors.New("ValidationException"), errors.New("connection reset by peer")
	for _, test := range []struct {
		name    string
		err     error
		outcome Outcome
	}{
		{"AWS refuses it", Unchanged(refused), Untouched},
		{"the answer is lost", lost, Interrupted},
		{"it is interrupted", context.Canceled, Interrupted},
		{"the bucket's answer is lost", Transient(lost), Interrupted},
	} {
		inWorld(t, func(t *testing.T, w *world) {
			err := w.start().ChangeSecret(t.Context(), ChangeRequest{Actor: "ada"}, "invite-keys", func(context.Context) error { return console.WithNext(test.err, "look") })
			r := w.records[len(w.records)-1]
			if !errors.Is(err, test.err) || console.NextOf(err) != "look" || r.Outcome != test.outcome || r.Secret != "invite-keys" || w.lease != nil {
				t.Errorf("%s: %v, recorded %+v, lease %v", test.name, err, r, w.lease)
			}
			unknown := test.outcome != Untouched
			if told := strings.Contains(err.Error(), "secret invite-keys may have its new value"); told != unknown || unknown != (len(r.Left) == 1) || unknown != (advised(r.Next) == "check: secrets list") {
				t.Errorf("%s: %v; left %q, next %s", test.name, err, r.Left, advised(r.Next))
			}
			if _, err := w.start().promote(t.Context(), Request{Tag: "v1.2"}); err != nil {
				t.Errorf("%s: a promotion after it: %v", test.name, err)
			}
		})
	}
}
