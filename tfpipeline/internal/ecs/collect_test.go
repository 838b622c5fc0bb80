package ecs_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
	model "github.com/specboard/platform/tfpipeline/internal/localaws/ecs"
	"github.com/specboard/platform/tfpipeline/internal/localaws/ecs/ecstest"
)

// crashing lets api crash a second after its start, with a log, and returns
// the scope of its failure.
func (w *world) crashing() deploy.Scope {
	w.t.Helper()
	since := time.Now()
	w.script.On(digest("api", "two"), ecstest.Behaviour{Exit: &ecstest.Exit{After: time.Second, Code: 2, Reason: ""}})
	w.wire.on("GetLogEvents", func(in members) (int, any) {
		stream := in["logStreamName"].(string)
		return http.StatusOK, members{"events": []any{members{"timestamp": 1000, "message": "panic in " + stream[:strings.LastIndex(stream, "/")]}}}
	})
	caused := w.promote("two")
	ends := w.watch(caused)
	return deploy.Scope{
		Services: w.services, TaskDefinitions: []string{ends["api"].TaskDefinition}, Since: since,
		Deployments: []string{caused["api"], caused["mcp"]},
	}
}

func TestCollect(t *testing.T) {
	inWorld(t, options{}, func(w *world) {
		old := time.Now()
		scope := w.crashing()
		w.script.On(digest("migrate", "two"), ecstest.Behaviour{Exit: &ecstest.Exit{After: time.Second, Code: 1}})
		migrate, _ := w.follow(ok(w.env.RunTask(w.ctx, w.migrate("two")))(t))
		scope.Tasks = []deploy.Task{migrate}
		w.called.Forget()
		got := w.env.Collect(w.ctx, scope)

		if len(got.Gaps) != 0 || got.Collected.Before(old) {
			t.Errorf("gaps %v, collected %s", got.Gaps, got.Collected)
		}
		var breakers []string
		for _, b := range got.Deployments {
			breakers = append(breakers, fmt.Sprintf("%s %s %d/%d", b.Service, b.State, b.Failures, b.Threshold))
		}
		if diff := cmp.Diff([]string{"api rolled back 3/3", "mcp successful 0/3"}, breakers); diff != "" {
			t.Errorf("circuit breakers (- want, + got):\n%s", diff)
		}
		if diff := cmp.Diff(map[string]deploy.Targets{"api": {Healthy: 2}, "frontend": {Healthy: 2}, "mcp": {Healthy: 2}}, got.Targets); diff != "" {
			t.Errorf("targets (- want, + got):\n%s", diff)
		}
		events := got.Events["api"]
		if !slices.ContainsFunc(events, func(e deploy.ServiceEvent) bool { return strings.Contains(e.Message, "rolling back to deployment") }) ||
			!slices.IsSortedFunc(events, func(a, b deploy.ServiceEvent) int { return a.Time.Compare(b.Time) }) || events[0].Time.Before(scope.Since) {
			t.Errorf("events: %+v", events)
		}

		var stopped []string
		for _, s := range got.Stopped {
			line := fmt.Sprintf("%s %s %s", s.Name, s.StopCode, s.Reason)
			for _, c := range s.Containers {
				line += fmt.Sprintf(" | %s %d %.10s", c.Name, *c.ExitCode, strings.TrimPrefix(c.Digest, digest(s.Name, "two")))
			}
			for _, l := range s.Log {
				line += " | " + l.Message
			}
			if s.ARN == "" || s.TaskDefinition == "" || s.Stopped.Before(scope.Since) {
				t.Errorf("%+v", s)
			}
			if !slices.Contains(stopped, line) {
				stopped = append(stopped, line)
			}
		}
		want := []string{
			"migrate EssentialContainerExited Essential container in task exited | migrate 1  | panic in migrate/migrate",
			"api EssentialContainerExited Essential container in task exited | api 2  | panic in api/api",
		}
		if len(stopped) != 3 { // the third: one more of api, whose log is not read
			t.Errorf("%d kinds of stopped tasks", len(stopped))
		}
		if diff := cmp.Diff(want, stopped[:2]); diff != "" {
			t.Errorf("stopped (- want, + got):\n%s", diff)
		}
		if !strings.Contains(w.wire.made()[0], `"limit":50,"logGroupName":"/doc-platform/staging/`) || !strings.Contains(w.wire.made()[0], `"startFromHead":false`) {
			t.Errorf("asked for the log by %s", w.wire.made()[0])
		}
	})
}

// Without a limit to task definitions the tasks that made way are shown too;
// what ended before is not.
func TestCollectLimits(t *testing.T) {
	inWorld(t, options{}, func(w *world) {
		scope := w.crashing()
		count := func(change func(*deploy.Scope)) map[string]int {
			s := scope
			change(&s)
			n := map[string]int{}
			for _, t := range w.env.Collect(w.ctx, s).Stopped {
				n[t.Name]++
			}
			return n
		}
		limited := count(func(*deploy.Scope) {})
		all := count(func(s *deploy.Scope) { s.TaskDefinitions = nil })
		if len(limited) != 1 || limited["api"] < 3 || all["api"] != limited["api"] || all["mcp"] != 2 || all["frontend"] != 2 {
			t.Errorf("limited to the new revision %v, else %v", limited, all)
		}
		if n := count(func(s *deploy.Scope) { s.Since = time.Now() }); len(n) != 0 {
			t.Errorf("since now: %v", n)
		}
		if n := count(func(s *deploy.Scope) { s.Services = nil }); len(n) != 0 {
			t.Errorf("of no service: %v", n)
		}
	})
}

// A task that never started has written nothing, which is no gap.
func TestCollectOfTasksThatNeverStarted(t *testing.T) {
	inWorld(t, options{}, func(w *world) {
		since := time.Now()
		w.script.On(digest("api", "two"), ecstest.Behaviour{NotStarted: "CannotPullContainerError: not found"})
		w.wire.on("GetLogEvents", func(members) (int, any) {
			return refusal("ResourceNotFoundException", "The specified log stream does not exist.")
		})
		ends := w.watch(w.promote("two"))
		got := w.env.Collect(w.ctx, deploy.Scope{Services: []string{"api"}, TaskDefinitions: []string{ends["api"].TaskDefinition}, Since: since})
		if len(got.Gaps) != 0 || len(got.Stopped) < 3 {
			t.Errorf("%d stopped tasks, gaps %v", len(got.Stopped), got.Gaps)
		}
		for _, s := range got.Stopped {
			if s.StopCode != "TaskFailedToStart" || s.Reason != "CannotPullContainerError: not found" || s.Containers[0].ExitCode != nil || s.Log != nil {
				t.Errorf("%+v", s)
			}
		}
	})
}

// Reads that lag behind hide nothing: a task that ended shows its end and its log,
// though the first look found it running, or not at all. So does a one-off task, and
// a deployment that was unknown.
func TestCollectUnderLateReads(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprintf("seed %d", seed+1), func(t *testing.T) {
			o := options{model: model.Options{Consistency: model.Consistency{Lag: 3 * time.Second, Seed: seed + 1}}}
			inWorld(t, o, func(w *world) {
				scope := w.crashing()
				w.script.On(digest("migrate", "two"), ecstest.Behaviour{Exit: &ecstest.Exit{After: time.Second, Code: 1}})
				migrate, _ := w.follow(ok(w.env.RunTask(w.ctx, w.migrate("two")))(t))
				scope.Tasks = []deploy.Task{migrate}
				begin := time.Now()
				got := w.env.Collect(w.ctx, scope)
				if took := time.Since(begin); took > 5*time.Second || len(got.Gaps) != 0 || len(got.Deployments) != 2 {
					t.Errorf("after %v: gaps %v, deployments %+v", took, got.Gaps, got.Deployments)
				}
				ends := map[string]bool{}
				for _, s := range got.Stopped {
					for _, c := range s.Containers {
						ends[fmt.Sprintf("%s %s %v", s.Name, s.StopCode, c.ExitCode != nil && *c.ExitCode > 0)] = true
					}
				}
				if want := map[string]bool{"migrate EssentialContainerExited true": true, "api EssentialContainerExited true": true}; !cmp.Equal(want, ends) {
					t.Errorf("ends (- want, + got):\n%s", cmp.Diff(want, ends))
				}
			})
		})
	}
}

// The log of a task that crashed comes seconds after its end.
func TestCollectWaitsForTheLog(t *testing.T) {
	inWorld(t, options{}, func(w *world) {
		scope := w.crashing()
		begin := time.Now()
		w.wire.on("GetLogEvents", func(in members) (int, any) {
			if time.Since(begin) < 3*time.Second {
				return http.StatusOK, members{"events": []any{}}
			}
			return http.StatusOK, members{"events": []any{members{"timestamp": 1000, "message": "panic"}}}
		})
		for _, s := range w.env.Collect(w.ctx, scope).Stopped[:3] {
			if len(s.Log) != 1 {
				t.Errorf("task %s: log %v", s.ARN, s.Log)
			}
		}
		w.wire.on("GetLogEvents", func(members) (int, any) { return http.StatusOK, members{"events": []any{}} })
		begin = time.Now()
		if w.env.Collect(w.ctx, scope); time.Since(begin) != 5*time.Second {
			t.Errorf("a task that wrote nothing was waited for for %v", time.Since(begin))
		}
	})
}

// Events and tasks are of the attempt by AWS's clock, not by that of a machine which
// is minutes ahead.
func TestCollectGoesByTheClockOfAWS(t *testing.T) {
	inWorld(t, options{}, func(w *world) {
		scope := w.crashing()
		scope.Since = scope.Since.Add(10 * time.Minute) // as such a machine recorded it
		w.ahead = 10 * time.Minute
		ok(w.env.DescribeServices(w.ctx, w.services))(t)
		if got := w.env.Collect(w.ctx, scope); len(got.Stopped) == 0 || len(got.Events["api"]) == 0 {
			t.Errorf("%d tasks, events %v", len(got.Stopped), got.Events)
		}
	})
}

// What cannot be had is said, and the rest is had.
func TestCollectSaysWhatIsMissing(t *testing.T) {
	inWorld(t, options{}, func(w *world) {
		scope := w.crashing()
		scope.Tasks = []deploy.Task{{Name: "migrate", ARN: "arn:aws:ecs:us-west-2:123456789012:task/doc-platform-staging/forgotten"}, {Name: "seed"}}
		scope.Deployments = append(scope.Deployments, scope.Deployments[0]+"x")
		w.runtime.Inject(ecstest.ThrottleFor(time.Hour, "ListTasks"))
		w.runtime.Inject(model.Fault{For: time.Hour, Operations: []string{"DescribeTargetHealth"}, Code: "AccessDenied", Message: "not authorized"})
		got := w.env.Collect(w.ctx, scope)
		gaps := strings.Join(got.Gaps, "\n")
		for _, want := range []string{
			"circuit breakers: ECS does not know service-deployment/doc-platform-staging/api/",
			"one-off tasks: ECS does not know task/doc-platform-staging/forgotten any more",
			"one-off tasks: seed was never started",
			"stopped tasks: list tasks of doc-platform-staging: ECS ListTasks: ThrottlingException: Rate exceeded",
			"targets: read target health of ",
		} {
			if !strings.Contains(gaps, want) {
				t.Errorf("gaps lack %q:\n%s", want, gaps)
			}
		}
		if len(got.Gaps) != 5 || len(got.Events) != 3 || len(got.Deployments) != 2 {
			t.Errorf("%d gaps, events of %d services, %d circuit breakers", len(got.Gaps), len(got.Events), len(got.Deployments))
		}
		// CloudWatch remembers longer than ECS.
		if len(got.Stopped) != 1 || got.Stopped[0].Name != "migrate" || len(got.Stopped[0].Log) != 1 {
			t.Errorf("stopped: %+v", got.Stopped)
		}

		ctx, cancel := context.WithTimeout(w.ctx, 5*time.Second)
		defer cancel()
		w.runtime.Inject(model.Fault{For: time.Hour, Operations: []string{"DescribeServices", "DescribeServiceDeployments"}, Answered: true, Delay: time.Hour})
		begin := time.Now()
		got = w.env.Collect(ctx, scope)
		if took := time.Since(begin); took != 5*time.Second || len(got.Gaps) < 4 {
			t.Errorf("after %s with %d gaps: %v", took, len(got.Gaps), got.Gaps)
		}
	})
}
