package ecs_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
	model "github.com/specboard/platform/tfpipeline/internal/localaws/ecs"
	"github.com/specboard/platform/tfpipeline/internal/localaws/ecs/ecstest"
)

// manyServices are how many services a platform has; the gate's race detector
// is content with the few.
func manyServices() []int {
	if testing.Short() {
		return []int{3}
	}
	return []int{3, 50}
}

// With 3 services and with 50 a promotion is over two seconds after its last
// deployment, and each look costs what the limits of the API require.
func TestPromoteOverTheRealClients(t *testing.T) {
	for _, services := range manyServices() {
		t.Run(fmt.Sprintf("%d services", services), func(t *testing.T) {
			inWorld(t, options{services: services, tasks: 1}, func(w *world) {
				times := w.timeline()
				p, images := w.pipeline(times.observe)
				w.called.Forget()
				record, err := p.Promote(w.ctx, w.release(p, images, "v1"))
				if err != nil || record.Outcome != deploy.Deployed {
					t.Fatalf("%s: %v", record.Outcome, err)
				}
				returned := time.Now()
				last := time.Time{}
				for _, s := range record.Services {
					if s.Ended.After(last) {
						last = s.Ended
					}
				}
				env, _ := w.platform.Environment("staging")
				if late := returned.Sub(last) - w.platform.Window(env); late > 3*time.Second {
					t.Errorf("returned %s after the last service was stable", late)
				}
				for name, digests := range w.digests() {
					if !slices.Equal(digests, []string{record.Release.Digests[name]}) {
						t.Errorf("%s runs %v", name, digests)
					}
				}
				if diff := cmp.Diff([]string{"applying 0001", "applied 1 migration"}, times.logs); diff != "" {
					t.Errorf("log of the migration (- want, + got):\n%s", diff)
				}

				calls := times.calls[deploy.StepWatch]
				perLook := (services + 9) / 10
				looks := calls["DescribeServices"] / perLook
				// The tasks that stop are those of v0, which v1 replaces.
				want := map[string]int{"DescribeServices": looks * perLook, "DescribeServiceDeployments": looks * ((services + 19) / 20), "ListTasks": looks, "DescribeTasks": calls["DescribeTasks"]}
				if calls["DescribeTasks"] > looks*((services+99)/100) {
					t.Errorf("%d calls to describe tasks in %d looks", calls["DescribeTasks"], looks)
				}
				if diff := cmp.Diff(want, calls); diff != "" {
					t.Errorf("calls of %d looks (- want, + got):\n%s", looks, diff)
				}
				took := times.ended[deploy.StepWatch].Sub(times.began[deploy.StepWatch])
				if most := int(took/time.Second) + 1; looks > most {
					t.Errorf("%d looks in %s", looks, took)
				}
				t.Logf("figure: promotion of %d services: stable after %s, returned %s later; %d looks of %d calls", services,
					last.Sub(times.began[deploy.StepUpdate]), returned.Sub(last), looks, perLook+(services+19)/20)
				t.Logf("figure: promotion of %d services by step: %s", services, times)
			})
		})
	}
}

// A rollback needs next to no time of its own.
func TestRollbackOverTheRealClients(t *testing.T) {
	for _, services := range manyServices() {
		t.Run(fmt.Sprintf("%d services", services), func(t *testing.T) {
			inWorld(t, options{services: services, tasks: 1}, func(w *world) {
				times := w.timeline()
				p, images := w.pipeline(times.observe)
				first := ok(p.Promote(w.ctx, w.release(p, images, "v1")))(t)
				ok(p.Promote(w.ctx, w.release(p, images, "v2")))(t)
				times.forget()
				began := time.Now()
				record, err := p.Rollback(w.ctx, deploy.Request{Actor: "test"})
				if err != nil || record.Outcome != deploy.Deployed || record.Release.Tag != "v1" {
					t.Fatalf("%s to %s: %v", record.Outcome, record.Release, err)
				}
				total := time.Since(began)
				created, finished := time.Now(), time.Time{}
				for name, s := range record.Services {
					d := ok(w.env.DescribeDeployments(w.ctx, []string{s.Deployment}))(t)[s.Deployment]
					if d.Created.Before(created) {
						created = d.Created
					}
					if d.Finished.After(finished) {
						finished = d.Finished
					}
					if s.After != first.Services[name].After {
						t.Errorf("%s runs %s, and v1 was %s", name, s.After, first.Services[name].After)
					}
				}
				env, _ := w.platform.Environment("staging")
				own := total - finished.Sub(created) - w.platform.Window(env)
				if own > 10*time.Second {
					t.Errorf("took %s of its own", own)
				}
				t.Logf("figure: rollback of %d services: %s, of which %s its own", services, total, own)
				t.Logf("figure: rollback of %d services by step: %s", services, times)
			})
		})
	}
}

// One service of three never becomes healthy: every service ends on what it
// ran, whatever goes wrong meanwhile, and the evidence says why.
func TestFailedPromotionOverTheRealClients(t *testing.T) {
	for _, c := range []struct {
		what   string
		faults []model.Fault
	}{
		{"with AWS at its best", nil},
		{"with throttling for five minutes", []model.Fault{{After: 80 * time.Second, For: 5 * time.Minute, Code: "ThrottlingException", Message: "Rate exceeded"}}},
		{"with a call in three lost", lossy(3, 300)},
	} {
		t.Run(c.what, func(t *testing.T) {
			if testing.Short() && len(c.faults) == 1 {
				t.Skip("the others cover it")
			}
			inWorld(t, options{tasks: 1}, func(w *world) {
				p, images := w.pipeline(nil)
				good := ok(p.Promote(w.ctx, w.release(p, images, "v1")))(t)
				request := w.release(p, images, "v2")
				w.script.On(images.tags["doc-platform/mcp:"+request.Commit], ecstest.Behaviour{Unhealthy: true})
				w.runtime.Inject(c.faults...)
				record, err := p.Promote(w.ctx, request)
				failure, typed := errors.AsType[*deploy.Error](err)
				if !typed || failure.Outcome != deploy.RolledBack || failure.ExitCode() != 3 || failure.Step != deploy.StepWatch {
					t.Fatalf("%v: %v", record.Outcome, err)
				}
				w.runtime.ClearFaults()
				for name, digests := range w.digests() {
					if !slices.Equal(digests, []string{good.Release.Digests[name]}) {
						t.Errorf("%s runs %v", name, digests)
					}
				}
				if c.faults == nil {
					if b := record.Services["mcp"]; b.Crashed == 0 || !strings.Contains(err.Error(), "of service mcp stopped by itself: Task failed ELB health checks") {
						t.Errorf("mcp: %+v", b)
					}
					if !slices.ContainsFunc(failure.Evidence.Stopped, func(s deploy.StoppedTask) bool {
						return s.Name == "mcp" && strings.Contains(s.Reason, "health checks") && len(s.Log) > 0
					}) || len(failure.Evidence.Gaps) > 0 {
						t.Errorf("stopped tasks %+v, gaps %v", failure.Evidence.Stopped, failure.Evidence.Gaps)
					}
				}
			})
		})
	}
}

// lossy loses the answer of one call in n, for this many of them.
func lossy(n, times int) []model.Fault {
	var faults []model.Fault
	for i := range times {
		faults = append(faults, model.Fault{Skip: (i + 1) * (n - 1), Count: 1, Drop: true, Answered: true})
	}
	return faults
}
