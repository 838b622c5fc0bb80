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
			wantError(t, err, Untouched, StepLock, "ada has held it since", "for apply (by hand)")
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

// A restart, scale or change of a secret that was killed is recorded by whoever comes
// upon its lease, as one that may have done what it was for.
func TestKilledWithoutAJournal(t *testing.T) {
	kill := point{StepUpdate, "UpdateService", 1}
	runs := map[Kind]func(context.Context, *process){
		KindRestart: func(ctx context.Context, p *process) { p.Restart(ctx, AdjustRequest{Actor: "ada"}) },
		KindScale:   func(ctx context.Context, p *process) { p.Scale(ctx, AdjustRequest{Actor: "ada", Tasks: 4}) },
		KindSecret: func(ctx context.Context, p *process) {
			p.ChangeSecret(ctx, ChangeRequest{Actor: "ada"}, "invite-keys", func(context.Context) error {
				p.mu.Lock()
				defer p.mu.Unlock()
				p.dead = true
				return errKilled
			})
		},
	}
	left := map[Kind]string{KindRestart: "services may have been restarted", KindScale: "services may have another number of tasks", KindSecret: "if the current value of secret invite-keys was stored after"}
	next := map[Kind]string{KindRestart: "inspect: status", KindScale: "inspect: status", KindSecret: "check: secrets list"}
	finders := map[string]func(context.Context, *process, Lease) error{
		"a promotion": func(ctx context.Context, p *process, _ Lease) error {
			_, err := p.promote(ctx, Request{Tag: "v1.2"})
			return err
		},
		"an apply": func(ctx context.Context, p *process, _ Lease) error {
			return p.Change(ctx, ChangeRequest{Kind: KindApply}, func(context.Context) error { return nil })
		},
		"a restart": func(ctx context.Context, p *process, _ Lease) error {
			_, err := p.Restart(ctx, AdjustRequest{Services: []string{"api"}})
			return err
		},
		"settle": func(ctx context.Context, p *process, l Lease) error {
			_, err := p.Settle(ctx, l.RecordID)
			return err
		},
		"unlock": func(ctx context.Context, p *process, l Lease) error { return p.Unlock(ctx, l) },
	}
	for kind, run := range runs {
		for by, find := range finders {
			inWorld(t, func(t *testing.T, w *world) {
				before, told := len(w.records), len(w.notified)
				dead := w.start()
				dead.inject[kill] = killedLate
				run(t.Context(), dead)
				if w.lease == nil || len(w.records) != before {
					t.Fatalf("%s: lease %v, %d records", kind, w.lease, len(w.records)-before)
				}
				w.behave = nil
				last := w.putLease.at
				<-time.After(2 * time.Minute)
				lease := *w.lease
				if err := find(t.Context(), w.start(), lease); err != nil || w.lease != nil {
					t.Fatalf("%s after %s: %v, lease %v", by, kind, err, w.lease)
				}
				r := w.records[before]
				if r.ID != lease.RecordID || r.Kind != kind || r.Outcome != Interrupted || r.Actor != "ada" || r.Release.Tag != "v1.1" || r.Previous.Tag != "v1.1" || r.Version != RecordVersion || r.Error == "" {
					t.Errorf("%s after %s: recorded %+v", by, kind, r)
				}
				if r.Ended.Sub(last).Abs() > time.Second || r.Ended.Before(r.Started) || (r.Secret == "invite-keys") != (kind == KindSecret) {
					t.Errorf("%s after %s: from %s to %s, seen last at %s, secret %q", by, kind, r.Started, r.Ended, last, r.Secret)
				}
				if len(r.Left) != 1 || !strings.HasPrefix(r.Left[0], left[kind]) || advised(r.Next) != next[kind] {
					t.Errorf("%s after %s: left %q, next %s", by, kind, r.Left, advised(r.Next))
				}
				if _, err := w.start().rollback(t.Context(), Request{}); err != nil {
					t.Errorf("%s after %s, and a rollback: %v", by, kind, err)
				}
				for _, n := range w.notified[told:] {
					if n.ID == r.ID {
						t.Errorf("%s after %s: people are told of it", by, kind)
					}
				}
			})
		}
	}
}

// A lease of an earlier program names no secret.
func TestKilledEarlier(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		before := len(w.records)
		w.lease = &Lease{Environment: testEnv, RecordID: "20250101T000000Z-killed", Version: "1", Kind: KindSecret, Since: time.Now(), Until: time.Now().Add(time.Minute), Age: time.Hour}
		if _, err := w.start().promote(t.Context(), Request{Tag: "v1.2"}); err != nil {
			t.Fatal(err)
		}
		if r := w.records[before]; r.Outcome != Interrupted || r.Secret != "" || len(r.Left) != 1 || !strings.HasPrefix(r.Left[0], "if the current value of a secret was stored after") {
			t.Errorf("%+v", r)
		}
	})
}

// A laptop slept: timers stood still, and the wall clock went on. A lease that still lives
// is renewed at once; one that ran out ends the change at once, even while a renewal
// hangs.
func TestChangeAfterASleep(t *testing.T) {
	for _, test := range []struct {
		slept time.Duration
		hangs bool
		lost  bool
	}{{25 * time.Second, false, false}, {2 * time.Minute, false, true}, {2 * time.Minute, true, true}} {
		inWorld(t, func(t *testing.T, w *world) {
			p := w.start()
			err := p.change(t.Context(), ChangeRequest{Kind: KindApply}, func(ctx context.Context, h *heldLease) error {
				<-time.After(10 * time.Second)
				if test.hangs {
					w.mu.Lock()
					p.inject[point{StepLock, "Renew", 1}] = timesOut
					w.mu.Unlock()
					<-time.After(11 * time.Second)
				}
				h.mu.Lock()
				h.lease.Until = h.lease.Until.Add(-test.slept)
				h.mu.Unlock()
				woke := time.Now()
				select {
				case <-ctx.Done():
				case <-time.After(1500 * time.Millisecond):
				}
				if _, lost := errors.AsType[lostError](context.Cause(ctx)); lost != test.lost || time.Since(woke) > 1100*time.Millisecond && test.lost {
					t.Errorf("slept %v: after %v: %v", test.slept, time.Since(woke), context.Cause(ctx))
				}
				w.mu.Lock()
				renewed := w.putLease.at
				w.mu.Unlock()
				if !test.lost && renewed.Before(woke) {
					t.Errorf("slept %v: not renewed since", test.slept)
				}
				return context.Cause(ctx)
			})
			if test.lost != (err != nil) {
				t.Errorf("slept %v: %v", test.slept, err)
			}
		})
	}
}
