package state_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/state"
)

const lockKey = "locks/staging.json"

func newLock(b *bucket) *state.Lock {
	return state.New(b.config(), configtest.Docs()).Lock("staging")
}

func lease(who string) deploy.Lease {
	now := time.Now().UTC()
	return deploy.Lease{
		Environment: "staging", RecordID: "20261123T080000Z-" + who, Kind: deploy.KindPromote,
		Release: deploy.Release{Tag: "v1.4.0", Commit: "c0ffee"}, Actor: who, Why: "promote v1.4.0",
		Since: now, Until: now.Add(time.Minute),
	}
}

func TestLockIsTakenRenewedAndReleased(t *testing.T) {
	inTime(t, func(ctx context.Context, t *testing.T, b *bucket) {
		l := newLock(b)
		if h := ok(l.Holder(ctx))(t); h != nil {
			t.Fatalf("held by %v", h)
		}
		held := ok(l.Take(ctx, lease("ada"), nil))(t)
		if d := cmp.Diff(&held, ok(newLock(b).Holder(ctx))(t)); d != "" || held.Version == "" {
			t.Errorf("holder (-want +got):\n%s", d)
		}
		if _, err := newLock(b).Take(ctx, lease("bob"), nil); !errors.Is(err, deploy.ErrLockTaken) {
			t.Errorf("bob: %v", err)
		}
		for range 3 {
			time.Sleep(20 * time.Second)
			held.Until = time.Now().UTC().Add(time.Minute)
			held = ok(l.Renew(ctx, held))(t)
		}
		if h := ok(l.Holder(ctx))(t); !h.Until.Equal(held.Until) || h.Expired() {
			t.Errorf("renewed: %+v", h)
		}
		if err := l.Release(ctx, held); err != nil {
			t.Fatal(err)
		}
		if _, there := b.objects[lockKey]; there {
			t.Error("the lock is still there")
		}
		if err := l.Release(ctx, held); !errors.Is(err, deploy.ErrLockLost) {
			t.Errorf("released twice: %v", err)
		}
		if _, err := l.Renew(ctx, held); !errors.Is(err, deploy.ErrLockLost) {
			t.Errorf("renewed after release: %v", err)
		}
	})
}

// Of many who take it at once exactly one wins, whether the lock is free or
// its lease has expired.
func TestManyTakersOneWinner(t *testing.T) {
	for _, expired := range []bool{false, true} {
		for range 20 {
			inTime(t, func(ctx context.Context, t *testing.T, b *bucket) {
				var over *deploy.Lease
				if expired {
					ok(newLock(b).Take(ctx, lease("dead"), nil))(t)
					time.Sleep(time.Hour)
					over = ok(newLock(b).Holder(ctx))(t)
				}
				var mu sync.Mutex
				var winners []deploy.Lease
				var wg sync.WaitGroup
				for i := range 8 {
					wg.Go(func() {
						won, err := newLock(b).Take(ctx, lease(fmt.Sprint("taker", i)), over)
						mu.Lock()
						defer mu.Unlock()
						if err == nil {
							winners = append(winners, won)
						} else if !errors.Is(err, deploy.ErrLockTaken) {
							t.Errorf("taker %d: %v", i, err)
						}
					})
				}
				wg.Wait()
				if len(winners) != 1 {
					t.Fatalf("%d winners", len(winners))
				}
				if h := ok(newLock(b).Holder(ctx))(t); h.RecordID != winners[0].RecordID || h.Version != winners[0].Version {
					t.Errorf("held by %s, won by %s", h.RecordID, winners[0].RecordID)
				}
			})
		}
	}
}

// The holder whose lease was taken over learns it at the next renewal, and
// cannot remove the other's.
func TestHolderThatWasTakenOver(t *testing.T) {
	inTime(t, func(ctx context.Context, t *testing.T, b *bucket) {
		slow := newLock(b)
		held := ok(slow.Take(ctx, lease("slow"), nil))(t)
		time.Sleep(2 * time.Minute)
		other := newLock(b)
		over := ok(other.Holder(ctx))(t)
		if !over.Expired() {
			t.Error("it has not expired")
		}
		theirs := ok(other.Take(ctx, lease("other"), over))(t)
		held.Until = time.Now().Add(time.Minute)
		if _, err := slow.Renew(ctx, held); !errors.Is(err, deploy.ErrLockLost) {
			t.Errorf("renew: %v", err)
		}
		if err := slow.Release(ctx, held); !errors.Is(err, deploy.ErrLockLost) {
			t.Errorf("release: %v", err)
		}
		if h := ok(other.Holder(ctx))(t); h.Version != theirs.Version {
			t.Errorf("held by %+v", h)
		}
	})
}

func TestTakeOverOfWhatIsGone(t *testing.T) {
	inTime(t, func(ctx context.Context, t *testing.T, b *bucket) {
		l := newLock(b)
		held := ok(l.Take(ctx, lease("ada"), nil))(t)
		over := ok(l.Holder(ctx))(t)
		if err := l.Release(ctx, held); err != nil {
			t.Fatal(err)
		}
		// Whoever gave it back has done what bob has not seen.
		if _, err := newLock(b).Take(ctx, lease("bob"), over); !errors.Is(err, deploy.ErrLockTaken) {
			t.Errorf("taken all the same: %v", err)
		}
	})
}

func TestLockWritesWhoseAnswerWasLost(t *testing.T) {
	put, del, get := "PUT "+lockKey, "DELETE "+lockKey, "GET "+lockKey
	for name, faults := range map[string]struct{ take, renew, release []fault }{
		"dropped after": {[]fault{{request: put, done: true}}, []fault{{request: put, done: true}}, []fault{{request: del, done: true}}},
		"no answer":     {[]fault{{request: put, done: true, hang: true}}, []fault{{request: put, done: true, hang: true}}, []fault{{request: del, done: true, hang: true}}},
		"500 after":     {[]fault{{request: put, done: true, status: 500}}, []fault{{request: put, done: true, status: 500}}, []fault{{request: del, done: true, status: 500}}},
		"dropped":       {[]fault{{request: put}}, []fault{{request: put}}, []fault{{request: del}}},
		"conflict":      {[]fault{{request: put, status: 409, code: "ConditionalRequestConflict"}}, []fault{{request: put, status: 409, code: "ConditionalRequestConflict"}}, []fault{{request: del, status: 409, code: "ConditionalRequestConflict"}}},
		"twice, and blind between": {
			blind(put, get), blind(put, get),
			[]fault{{request: del}, {request: del, done: true}, {request: del, status: 503, code: "SlowDown"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			inTime(t, func(ctx context.Context, t *testing.T, b *bucket) {
				l := newLock(b)
				b.faults = faults.take
				held := ok(l.Take(ctx, lease("ada"), nil))(t)
				b.faults = append(b.faults, faults.renew...)
				time.Sleep(20 * time.Second)
				held.Until = time.Now().UTC().Add(time.Minute)
				held = ok(l.Renew(ctx, held))(t)
				holder := ok(newLock(b).Holder(ctx))(t)
				holder.Age = 0
				if d := cmp.Diff(&held, holder); d != "" {
					t.Errorf("holder (-want +got):\n%s", d)
				}
				b.faults = append(b.faults, faults.release...)
				if err := l.Release(ctx, held); err != nil {
					t.Fatal(err)
				}
				if len(b.objects) != 0 {
					t.Errorf("left: %v", b.objects)
				}
			})
		})
	}
}

// blind is a write whose answer is lost, and no look at what came of it.
func blind(put, get string) []fault {
	faults := []fault{{request: put, done: true}}
	for range 5 {
		faults = append(faults, fault{request: get, status: 500})
	}
	return append(faults, fault{request: put, status: 503, code: "SlowDown"})
}

// A call was given up, and had its effect all the same. The next call of the
// same holder finds what is there to be his own.
func TestLockAfterCallsThatWereGivenUp(t *testing.T) {
	inTime(t, func(ctx context.Context, t *testing.T, b *bucket) {
		l := newLock(b)
		gaveUp := func(request string, call func(context.Context) error) {
			t.Helper()
			b.faults = append(b.faults, fault{request: request, done: true, hang: true})
			short, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			if err := call(short); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatal(err)
			}
		}
		want := lease("ada")
		gaveUp("PUT "+lockKey, func(ctx context.Context) error { _, err := l.Take(ctx, want, nil); return err })
		want.Until = want.Until.Add(time.Second)
		held := ok(l.Take(ctx, want, nil))(t)

		renewed := held
		renewed.Until = renewed.Until.Add(time.Minute)
		gaveUp("PUT "+lockKey, func(ctx context.Context) error { _, err := l.Renew(ctx, renewed); return err })
		held.Until = held.Until.Add(2 * time.Minute)
		held.Left = deploy.Interrupted
		again := ok(l.Renew(ctx, held))(t)
		if h := ok(l.Holder(ctx))(t); h.Left != deploy.Interrupted || h.Version != again.Version {
			t.Errorf("%+v", h)
		}
		// Even with the version from before the renewal.
		gaveUp("DELETE "+lockKey, func(ctx context.Context) error { return l.Release(ctx, again) })
		if err := l.Release(ctx, again); err != nil {
			t.Errorf("released in doubt, and again: %v", err)
		}
	})
}

func TestReleaseAfterARenewalThatWasGivenUp(t *testing.T) {
	inTime(t, func(ctx context.Context, t *testing.T, b *bucket) {
		l := newLock(b)
		held := ok(l.Take(ctx, lease("ada"), nil))(t)
		renewed := held
		renewed.Until = renewed.Until.Add(time.Minute)
		ok(l.Renew(ctx, renewed))(t)
		if err := l.Release(ctx, held); err != nil {
			t.Fatal(err)
		}
		if len(b.objects) != 0 {
			t.Errorf("left: %v", b.objects)
		}
	})
}

// What stands in the lock's place and is no lease locks, and is removed only by
// its version.
func TestForeignLock(t *testing.T) {
	for name, content := range map[string]string{
		"no JSON": "x", "empty": "", "nothing in it": "{}",
		"another environment": `{"environment":"production","record_id":"20261123T080000Z-ada","until":"2026-11-23T08:00:00Z"}`,
	} {
		t.Run(name, func(t *testing.T) {
			inTime(t, func(ctx context.Context, t *testing.T, b *bucket) {
				b.objects[lockKey] = content
				l := newLock(b)
				_, err := l.Holder(ctx)
				foreign, is := errors.AsType[*state.ForeignError](err)
				if !is || foreign.Key != lockKey {
					t.Fatalf("holder: %v", err)
				}
				if _, err := l.Take(ctx, lease("ada"), nil); !isForeign(err) {
					t.Errorf("take: %v", err)
				}
				if b.objects[lockKey] != content {
					t.Error("it was changed")
				}
				if err := l.Remove(ctx, `"another version"`); err == nil || b.objects[lockKey] != content {
					t.Errorf("removed what is not there: %v", err)
				}
				if err := l.Remove(ctx, foreign.Version); err != nil || len(b.objects) != 0 {
					t.Errorf("remove: %v", err)
				}
			})
		})
	}
}

func TestLockOfAnotherEnvironmentIsRefused(t *testing.T) {
	inTime(t, func(ctx context.Context, t *testing.T, b *bucket) {
		wrong := lease("ada")
		wrong.Environment = "production"
		if _, err := newLock(b).Take(ctx, wrong, nil); err == nil || !strings.Contains(err.Error(), `lock of "staging"`) {
			t.Errorf("%v", err)
		}
		if len(b.requests) != 0 {
			t.Errorf("requests: %v", b.requests)
		}
	})
}

func TestLockWithoutABucket(t *testing.T) {
	inTime(t, func(ctx context.Context, t *testing.T, b *bucket) {
		b.gone = true
		if _, err := newLock(b).Holder(ctx); !errors.Is(err, state.ErrNoBucket) {
			t.Errorf("holder: %v", err)
		}
		if _, err := newLock(b).Take(ctx, lease("ada"), nil); !errors.Is(err, state.ErrNoBucket) {
			t.Errorf("take: %v", err)
		}
	})
}
