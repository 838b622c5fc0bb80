package ecs_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/google/go-cmp/cmp"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/localaws/ecs/ecstest"
)

// 9. "Max attempts exceeded", and no reason. The evidence has reasons, exit
// codes and last words, while ECS still knows them.
func TestPain09ShowWhy(t *testing.T) {
	inWorld(t, options{}, func(w *world) {
		evidence := w.env.Collect(w.ctx, w.crashing())
		i := slices.IndexFunc(evidence.Stopped, func(s deploy.StoppedTask) bool { return s.Name == "api" && len(s.Log) > 0 })
		if i < 0 {
			t.Fatalf("%+v", evidence.Stopped)
		}
		s := evidence.Stopped[i]
		if *s.Containers[0].ExitCode != 2 || s.Reason != "Essential container in task exited" || s.Log[0].Message != "panic in api/api" {
			t.Errorf("%+v", s)
		}
	})
}

// 10. Waits give up after ten minutes, and look only every ten minutes towards
// their end. Here who looks every two seconds knows within two seconds. With
// -v it prints what the SDK's own waiter makes of the same services.
func TestPain10LongWaits(t *testing.T) {
	for services, slows := range map[int][]time.Duration{
		3:  {10 * time.Second, 2 * time.Minute, 12 * time.Minute, 40 * time.Minute},
		50: {2 * time.Minute},
	} {
		for _, slow := range slows {
			if testing.Short() && (services > 3 || slow > 2*time.Minute) {
				continue
			}
			name := fmt.Sprintf("%d services whose tasks start after %s", services, slow)
			t.Run(name, func(t *testing.T) {
				late := func(wait func(w *world, caused map[string]string)) (late time.Duration, calls int) {
					inWorld(t, options{services: services, tasks: 1}, func(w *world) {
						for _, s := range w.services {
							w.script.On(digest(s, "two"), ecstest.Behaviour{Start: slow})
						}
						caused := w.promote("two")
						w.called.Forget()
						wait(w, caused)
						returned := time.Now()
						calls = len(w.calls())
						last := time.Time{}
						for _, d := range w.watch(caused) {
							if d.State != deploy.DeploymentSuccessful {
								t.Errorf("%+v", d)
							}
							if d.Finished.After(last) {
								last = d.Finished
							}
						}
						late = returned.Sub(last)
					})
					return late, calls
				}
				ours, calls := late(func(w *world, caused map[string]string) { w.watch(caused) })
				// The waiter draws its delays: one run says little.
				draws := 1
				if testing.Verbose() {
					draws = 10
				}
				waiter := func(longest time.Duration) string {
					var theirs []time.Duration
					polls := 0
					for range draws {
						late, calls := late(func(w *world, _ map[string]string) {
							waiter := sdk.NewServicesStableWaiter(w.raw, func(o *sdk.ServicesStableWaiterOptions) {
								o.MinDelay, o.MaxDelay = min(o.MinDelay, longest), min(o.MaxDelay, longest)
							})
							// It takes no more services than one call does.
							for ten := range slices.Chunk(w.services, 10) {
								if err := waiter.Wait(w.ctx, &sdk.DescribeServicesInput{Cluster: new("doc-platform-staging"), Services: ten}, 3*time.Hour); err != nil {
									t.Error(err)
								}
							}
						})
						theirs, polls = append(theirs, late.Round(time.Second)), max(polls, calls)
					}
					return fmt.Sprintf("%s to %s late in up to %d calls", slices.Min(theirs), slices.Max(theirs), polls)
				}
				if ours > tick || ours < 0 {
					t.Errorf("noticed %s late", ours)
				}
				t.Logf("figure: %s: noticed %s late in %d calls; the SDK's waiter in %d draws %s, and with looks at most 15s apart, as ecspresso's, %s",
					name, ours, calls, draws, waiter(time.Hour), waiter(15*time.Second))
			})
		}
	}
}

// 11. Throttling kills the wait. It is transient, and waited out: see also
// TestWatchSurvives. Registering is what AWS throttles first.
func TestPain11Throttling(t *testing.T) {
	inWorld(t, options{}, func(w *world) {
		w.runtime.Inject(ecstest.Throttle(4, "RegisterTaskDefinition"), ecstest.Throttle(4, "UpdateService"), ecstest.Throttle(4, "DescribeServiceDeployments"))
		for name, d := range w.watch(w.promote("two")) {
			if d.State != deploy.DeploymentSuccessful {
				t.Errorf("%s: %+v", name, d)
			}
		}
	})
}

// 12. A cancelled run: every call returns at once and starts nothing more; what
// is in flight can be named, and taken back by another run.
func TestPain12Cancel(t *testing.T) {
	inWorld(t, options{}, func(w *world) {
		ctx, cancel := context.WithCancel(w.ctx)
		caused := w.promote("two")
		go func() {
			pause(w.ctx, 30*time.Second)
			cancel()
		}()
		begin := time.Now()
		if _, err := w.watchIn(ctx, caused); !errors.Is(err, context.Canceled) || time.Since(begin) != 30*time.Second {
			t.Errorf("after %s: %v", time.Since(begin), err)
		}
		for name, d := range ok(w.env.DescribeDeployments(w.ctx, []string{caused["api"], caused["frontend"], caused["mcp"]}))(t) {
			if d.State.Ended() {
				t.Errorf("%s: %+v", name, d)
			}
			if err := w.env.StopDeployment(w.ctx, d.ARN); err != nil {
				t.Error(err)
			}
		}
		for name, d := range w.watch(caused) {
			if d.State != deploy.DeploymentRolledBack {
				t.Errorf("%s: %+v", name, d)
			}
		}
	})
}

// 13. Two deployments at once: one call makes one deployment; somebody else's
// is not taken for one's own, nor one's own end for a rollback.
func TestPain13ConcurrentDeployments(t *testing.T) {
	inWorld(t, options{services: 1}, func(w *world) {
		before := len(ok(w.env.FormerDeployments(w.ctx, w.services))(t)["s01"])
		ours := ok(w.env.UpdateService(w.ctx, deploy.Update{Service: "s01", TaskDefinition: w.register("s01", "two"), Desired: new(3)}))(t)
		theirs := w.promote("three")["s01"]
		// The same again changes nothing: it must not be taken for the cause of
		// what others do.
		current := ok(w.env.DescribeServices(w.ctx, w.services))(t)["s01"]
		pause(w.ctx, 10*time.Second)
		if arn := ok(w.env.UpdateService(w.ctx, deploy.Update{Service: "s01", TaskDefinition: current.TaskDefinition}))(t); arn != "" {
			t.Errorf("took %s for its own", arn)
		}
		if n := len(ok(w.env.FormerDeployments(w.ctx, w.services))(t)["s01"]) - before; n != 2 {
			t.Errorf("%d deployments", n)
		}
		ends := ok(w.env.DescribeDeployments(w.ctx, []string{ours, theirs}))(t)
		if ends[ours].State != deploy.DeploymentStopped || ends[ours].Reason != "" || ends[theirs].State != deploy.DeploymentInProgress || current.Deployment.ARN != theirs {
			t.Errorf("ours %+v\ntheirs %+v", ends[ours], ends[theirs])
		}
	})
}

// 14. The circuit breaker is slow: how far it is, is seen at every look.
func TestPain14CircuitBreakerCount(t *testing.T) {
	inWorld(t, options{services: 1}, func(w *world) {
		w.script.On(digest("s01", "two"), ecstest.Behaviour{Unhealthy: true})
		arn := w.promote("two")["s01"]
		var seen []string
		for {
			d := ok(w.env.DescribeDeployments(w.ctx, []string{arn}))(t)[arn]
			line := fmt.Sprintf("%d/%d %s", d.Failures, d.Threshold, d.State)
			if len(seen) == 0 || seen[len(seen)-1] != line {
				seen = append(seen, line)
			}
			if d.State.Ended() {
				break
			}
			pause(w.ctx, tick)
		}
		want := []string{"0/3 pending", "0/3 in progress", "2/3 in progress", "3/3 rolling back", "3/3 rolled back"}
		if diff := cmp.Diff(want, seen); diff != "" {
			t.Errorf("seen (- want, + got):\n%s", diff)
		}
	})
}
