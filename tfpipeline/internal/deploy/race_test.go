package deploy

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"
)

// changes are the calls that change something outside history and lock.
var changes = []string{
	"Apply", "RunTask", "StopTask", "Register", "UpdateService", "SetMinimum", "StopDeployment", "Tag",
}

// Runs that begin at the same moment, with nothing that tells their machines
// apart: one works at a time, none loses a lock that it keeps, and all come to
// their end.
func TestRunsThatBeginTogether(t *testing.T) {
	type run func(ctx context.Context, p *process, id string) error
	promote := func(ctx context.Context, p *process, id string) error {
		_, err := p.promote(ctx, Request{ID: id, Tag: "v1.2", LockWait: time.Hour})
		return err
	}
	forced := func(ctx context.Context, p *process, id string) error { // after the rollback too
		_, err := p.promote(ctx, Request{ID: id, Tag: "v1.2", Force: true, LockWait: time.Hour})
		return err
	}
	rollback := func(ctx context.Context, p *process, id string) error {
		_, err := p.rollback(ctx, Request{ID: id, LockWait: time.Hour})
		return err
	}
	apply := func(ctx context.Context, p *process, id string) error {
		q := ChangeRequest{Kind: KindApply, ID: id, Actor: "ada", Why: "release", LockWait: time.Hour}
		return p.Pipeline.Change(ctx, q, func(ctx context.Context) error { return p.Apply(ctx, id) })
	}
	for name, runs := range map[string][]run{
		"promote and promote": {promote, promote}, "promote and rollback": {promote, rollback},
		"apply and promote": {apply, promote}, "apply and rollback": {apply, rollback}, "apply and apply": {apply, apply},
		"two promotes and a rollback": {forced, forced, rollback},
	} {
		t.Run(name, func(t *testing.T) {
			seeds := uint64(20)
			if testing.Short() {
				seeds = 3
			}
			for seed := range seeds {
				inWorld(t, func(t *testing.T, w *world) {
					random := rand.New(rand.NewPCG(seed, 1))
					w.planned, w.latency = Plan{Fingerprint: "fp-1"}, time.Duration(1+random.IntN(50))*time.Millisecond
					w.advanceProof("v1.2")
					ids := map[*process]string{}
					changed := map[string]int{}
					w.watch = func(p *process, call string) {
						if !slices.Contains(changes, call) {
							return
						}
						changed[ids[p]]++
						if w.lease == nil || w.lease.RecordID != ids[p] {
							t.Errorf("seed %d: %s of %s under the lease %+v", seed, call, ids[p], w.lease)
						}
					}
					errs := make([]error, len(runs))
					var all sync.WaitGroup
					var processes []*process
					for range runs {
						p := w.start()
						processes, ids[p] = append(processes, p), NewID(time.Now(), random.Float64)
					}
					for i, r := range runs {
						p := processes[i]
						after := time.Duration(random.IntN(3)) * w.latency
						all.Go(func() {
							<-time.After(after)
							errs[i] = r(t.Context(), p, ids[p])
						})
					}
					all.Wait()
					// Two releases were deployed before, each with its migration.
					if errors.Join(errs...) != nil || w.lease != nil || len(w.releases()) != 1 || w.runs(taskMigrate) > 2+len(runs) {
						t.Errorf("seed %d: %v, lease %+v, services run %v, %d migrations", seed, errs, w.lease, w.releases(), w.runs(taskMigrate))
					}
					if len(changed) == 0 {
						t.Error("nobody changed anything")
					}
				})
			}
		})
	}
}
