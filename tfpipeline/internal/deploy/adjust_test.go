package deploy

import (
	"context"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/specboard/platform/tfpipeline/internal/console"
)

// A restart deploys what runs, whatever reads of ECS show meanwhile, is recorded,
// and changes nothing that a promotion or rollback goes by.
func TestRestart(t *testing.T) {
	for seed := range uint64(20) {
		inWorld(t, func(t *testing.T, w *world) {
			if seed > 0 {
				w.inconsistent(seed)
			}
			before, deployments := w.running(), map[string]string{}
			for name, s := range w.services {
				deployments[name] = s.latest.ARN
			}
			r, err := w.start().Restart(t.Context(), AdjustRequest{Actor: "ada", Caller: "arn:aws:iam::123456789012:user/ada"})
			if err != nil || r.Outcome != Done || r.Release.Tag != "v1.1" || r.Caller == "" || w.lease != nil {
				t.Fatalf("seed %d: %v, %+v, lease %v", seed, err, r, w.lease)
			}
			if !maps.Equal(before, w.running()) {
				t.Errorf("seed %d: the services run %v, before %v", seed, w.running(), before)
			}
			for name, s := range w.services {
				own := r.Services[name]
				if s.latest.ARN == deployments[name] || own.Deployment != s.latest.ARN || own.State != DeploymentSuccessful || own.Outcome != Done {
					t.Errorf("seed %d: %s: %+v, latest %s", seed, name, own, s.latest.ARN)
				}
			}
			if last := w.records[len(w.records)-1]; last.ID != r.ID || last.Kind != KindRestart {
				t.Errorf("seed %d: recorded %+v", seed, last)
			}
			told := len(w.notified)
			if r, err := w.start().promote(t.Context(), Request{Tag: "v1.2"}); err != nil || r.Previous.Tag != "v1.1" || len(w.notified) != told+1 {
				t.Errorf("seed %d: a promotion after it: %v, previous %s, %d told", seed, err, r.Previous, len(w.notified)-told)
			}
			if r, err := w.start().rollback(t.Context(), Request{}); err != nil || r.Release.Tag != "v1.1" {
				t.Errorf("seed %d: a rollback after it: %v, %s", seed, err, r.Release)
			}
		})
	}
}

// New tasks that do not stay healthy end a restart, with the exit code of how the
// services were left.
func TestRestartFails(t *testing.T) {
	for _, test := range []struct {
		name      string
		behaviour behaviour
		outcome   Outcome
		step      StepName
		code      int
		says      []string
	}{
		{"the circuit breaker brings the earlier tasks back", behaviour{after: 30 * time.Second, fails: true, reason: "exit code 1"},
			RolledBack, StepWatch, console.ExitRolledBack, []string{"service api: deployment", "service api: ECS brought the earlier tasks back"}},
		{"which fails", behaviour{after: 30 * time.Second, fails: true, rollbackFails: true},
			Broken, StepWatch, console.ExitBroken, []string{"1 of 1 services could not be rolled back", "rollback failed"}},
		{"nothing is brought back", behaviour{after: 30 * time.Second, fails: true, noRollback: true}, Broken, StepWatch, console.ExitBroken, []string{"its deployment is stopped"}},
		{"a task crashes later", behaviour{after: 30 * time.Second, crashes: []time.Duration{20 * time.Second}},
			Broken, StepVerify, console.ExitBroken, []string{"Essential container in task exited", "no earlier tasks to go back to"}},
		{"it hangs", behaviour{stuck: true}, RolledBack, StepWatch, console.ExitRolledBack, []string{"not done within 10m0s"}},
	} {
		inWorld(t, func(t *testing.T, w *world) {
			w.behave = func(string, string) behaviour { return test.behaviour }
			r, err := w.start().Restart(t.Context(), AdjustRequest{Services: []string{"api"}, Timeout: 10 * time.Minute})
			failure := wantError(t, err, test.outcome, test.step, test.says...)
			if failure.ExitCode() != test.code || r.Outcome != test.outcome || w.lease != nil {
				t.Errorf("%s: exit %d, %+v, lease %v", test.name, failure.ExitCode(), r, w.lease)
			}
			if last := w.records[len(w.records)-1]; last.ID != r.ID || last.Outcome != test.outcome || last.Error == "" || len(last.Next) == 0 {
				t.Errorf("%s: recorded %+v", test.name, last)
			}
			wantRuns(t, w, "v1.1")
			w.behave = nil
			if r, err := w.start().promote(t.Context(), Request{Tag: "v1.2"}); err != nil || r.Outcome != Deployed {
				t.Errorf("%s: a promotion after it: %v", test.name, err)
			}
		})
	}
}

// An answer that is lost has no task replaced twice.
func TestRestartAsksASingleTime(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p := w.start()
		p.inject[point{StepUpdate, "UpdateService", 1}] = throttledLate
		if r, err := p.Restart(t.Context(), AdjustRequest{Services: []string{"api"}}); err != nil || r.Outcome != Done {
			t.Fatalf("%v, %+v", err, r)
		}
		if n := p.seen[point{step: StepUpdate, call: "UpdateService"}]; n != 1 {
			t.Errorf("ECS was asked %d times for new tasks", n)
		}
	})
}

// A restart that ends between two services goes back with the one that ECS was asked
// to restart, and says so if it cannot.
func TestRestartFailsHalfWay(t *testing.T) {
	for _, test := range []struct {
		name    string
		fault   fault
		unseen  bool
		outcome Outcome
		says    []string
	}{
		{"it is gone back", fails, false, RolledBack, []string{"service api: ECS brought the earlier tasks back", "service mcp was not changed"}},
		{"ECS shows nothing", fails, true, Broken, []string{"1 of 2 services could not be rolled back (api: it was restarted, and ECS may be replacing its tasks)", "service api may have been changed", "service mcp was not changed"}},
		{"nobody knows of the second", timesOut, true, Broken, []string{"2 of 2 services", "service mcp may have been changed"}},
	} {
		inWorld(t, func(t *testing.T, w *world) {
			p := w.start()
			p.inject[point{StepUpdate, "UpdateService", 2}] = test.fault
			if test.unseen {
				p.inject[point{StepRollBack, "DescribeServices", 1}] = timesOut
			}
			r, err := p.Restart(t.Context(), AdjustRequest{Services: []string{"api", "mcp"}, Timeout: 10 * time.Minute})
			wantError(t, err, test.outcome, StepUpdate, test.says...)
			if own := r.Services["api"]; own.Outcome != test.outcome || w.lease != nil {
				t.Errorf("%s: %+v, lease %v", test.name, own, w.lease)
			}
		})
	}
}

// An old task that crashes while it is being replaced is why it was restarted.
func TestRestartOfWhatCrashes(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		api := w.services["api"]
		api.crashed = append(api.crashed, StoppedTask{
			ARN: "old", Name: "api", TaskDefinition: api.definition, StopCode: "EssentialContainerExited",
			Created: time.Now().Add(-time.Hour), Stopped: time.Now().Add(20 * time.Second),
		})
		if r, err := w.start().Restart(t.Context(), AdjustRequest{Services: []string{"api"}}); err != nil || r.Outcome != Done {
			t.Errorf("%v, %+v", err, r)
		}
	})
}

// An interrupt leaves what ECS has begun, and no lock.
func TestRestartInterrupted(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(25*time.Second, func() { cancel(console.ErrInterrupted) })
		_, err := w.start().Restart(ctx, AdjustRequest{})
		failure := wantError(t, err, Interrupted, StepWatch, "interrupted", "service api: deployment arn:")
		if failure.ExitCode() != console.ExitInterrupted || w.lease != nil || w.records[len(w.records)-1].Outcome != Interrupted {
			t.Errorf("exit %d, lease %v", failure.ExitCode(), w.lease)
		}
		// A promotion waits for those deployments.
		if _, err := w.start().promote(t.Context(), Request{Tag: "v1.2"}); err != nil {
			t.Errorf("a promotion after it: %v", err)
		}
	})
}

// What cannot be adjusted is refused without a record.
func TestAdjustRefused(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		refused := func(what string, err error, parts ...string) {
			t.Helper()
			if err == nil {
				t.Errorf("%s is not refused", what)
				return
			}
			for _, p := range parts {
				if !strings.Contains(err.Error(), p) {
					t.Errorf("%s: %q is missing in: %v", what, p, err)
				}
			}
		}
		records := len(w.records)
		_, err := w.start().Scale(t.Context(), AdjustRequest{Services: []string{"api", "mcp"}, Tasks: 7})
		refused("7 tasks", err, "service api: 7 tasks: its Size in production allows 2 to 6", "service mcp: 7 tasks")
		_, err = w.start().Scale(t.Context(), AdjustRequest{Services: []string{"api"}, Tasks: 1})
		refused("1 task", err, "allows 2 to 6")
		w.lease = &Lease{Environment: testEnv, RecordID: "other", Actor: "bob", Kind: KindPromote}
		_, err = w.start().Restart(t.Context(), AdjustRequest{})
		refused("a held lock", err, "bob has held it")
		w.lease = nil
		api := w.services["api"]
		api.latest.State = DeploymentInProgress
		api.latest.behaviour.stuck = true
		_, err = w.start().Restart(t.Context(), AdjustRequest{})
		refused("a deployment in flight", err, "service api is being deployed: deployment")
		api.latest.State = DeploymentSuccessful
		api.deleted = true
		_, err = w.start().Restart(t.Context(), AdjustRequest{Services: []string{"api"}})
		refused("a deleted service", err, "ECS shows no service api")
		api.deleted = false
		if len(w.records) != records || w.lease != nil {
			t.Errorf("%d records, lease %v", len(w.records), w.lease)
		}
		w.records = nil
		if _, err = w.start().Restart(t.Context(), AdjustRequest{}); !errors.Is(err, ErrNotDeployed) {
			t.Errorf("without a release: %v", err)
		}
	})
}

// A service that was never promoted runs a placeholder, of which nothing is started.
func TestAdjustLeavesPlaceholders(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for _, r := range w.records {
			delete(r.Services, "mcp")
		}
		mcp := w.services["mcp"]
		mcp.definition, mcp.desired, mcp.latest = w.arn("mcp", 1), 0, nil
		w.minimums["mcp"] = 0
		for kind, adjust := range map[Kind]func(context.Context, AdjustRequest) (Record, error){KindRestart: w.start().Restart, KindScale: w.start().Scale} {
			if _, err := adjust(t.Context(), AdjustRequest{Services: []string{"mcp"}, Tasks: 3}); err == nil || !strings.Contains(err.Error(), "promote first") {
				t.Errorf("%s of mcp: %v", kind, err)
			}
			r, err := adjust(t.Context(), AdjustRequest{Tasks: 3})
			if err != nil || r.Services["mcp"] != nil || len(r.Services) != 2 || mcp.desired != 0 || w.minimums["mcp"] != 0 {
				t.Errorf("%s of all: %v, %+v", kind, err, r.Services)
			}
		}
	})
}

// Scale sets what autoscaling keeps at least, and the next promotion sets it back.
func TestScale(t *testing.T) {
	for seed := range uint64(10) {
		inWorld(t, func(t *testing.T, w *world) {
			if seed > 0 {
				w.inconsistent(seed)
			}
			r, err := w.start().Scale(t.Context(), AdjustRequest{Services: []string{"api"}, Tasks: 4})
			if err != nil || r.Outcome != Done || w.minimums["api"] != 4 || w.services["api"].desired != 4 || w.minimums["mcp"] != 2 {
				t.Fatalf("seed %d: %v, %+v, minimums %v, %d tasks", seed, err, r, w.minimums, w.services["api"].desired)
			}
			if own := r.Services["api"]; *own.Tasks != 4 || *own.MinimumBefore != 2 || own.DesiredBefore != 2 || len(r.Services) != 1 {
				t.Errorf("seed %d: recorded %+v", seed, own)
			}
			if _, err := w.start().Scale(t.Context(), AdjustRequest{Services: []string{"api"}, Tasks: 3}); err != nil || w.minimums["api"] != 3 || w.services["api"].desired != 4 {
				t.Errorf("seed %d: down: %v, minimums %v, %d tasks", seed, err, w.minimums, w.services["api"].desired)
			}
			if _, err := w.start().promote(t.Context(), Request{Tag: "v1.2"}); err != nil || w.minimums["api"] != 2 {
				t.Errorf("seed %d: a promotion after it: %v, minimums %v", seed, err, w.minimums)
			}
		})
	}
}

// A number of tasks that does not stay healthy is set back. Of a service that is
// autoscaled that is the least: it may need more by now, and becomes fewer by itself.
func TestScaleFails(t *testing.T) {
	for autoscaled, says := range map[bool]string{true: "service api: autoscaling keeps at least 2 tasks again", false: "service api was set back to 2 tasks"} {
		inWorld(t, func(t *testing.T, w *world) {
			w.unhealthy["api"] = true
			time.AfterFunc(time.Minute, func() {
				w.mu.Lock()
				defer w.mu.Unlock()
				w.services["api"].desired++
			})
			want := 5
			if !autoscaled {
				delete(w.minimums, "api")
				want = 2
			}
			r, err := w.start().Scale(t.Context(), AdjustRequest{Services: []string{"api"}, Tasks: 4})
			wantError(t, err, RolledBack, StepVerify, "targets of service api are not healthy", says)
			if r.Outcome != RolledBack || autoscaled && w.minimums["api"] != 2 || w.services["api"].desired != want || w.lease != nil {
				t.Errorf("%+v, minimums %v, %d tasks", r, w.minimums, w.services["api"].desired)
			}
		})
	}
}
