package ecs_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

// A look costs what the API's limits require, whatever the number of services:
// 10 of them, 20 service deployments, 100 tasks a call.
func TestCallsOfOneLook(t *testing.T) {
	for _, c := range []struct {
		services, tasks int
		want            map[string]int
	}{
		{1, 2, map[string]int{"DescribeServiceDeployments": 1, "DescribeServices": 1, "ListTasks": 1, "DescribeTasks": 1}},
		{3, 2, map[string]int{"DescribeServiceDeployments": 1, "DescribeServices": 1, "ListTasks": 1, "DescribeTasks": 1}},
		{10, 2, map[string]int{"DescribeServiceDeployments": 1, "DescribeServices": 1, "ListTasks": 1, "DescribeTasks": 1}},
		{11, 2, map[string]int{"DescribeServiceDeployments": 1, "DescribeServices": 2, "ListTasks": 1, "DescribeTasks": 1}},
		{20, 2, map[string]int{"DescribeServiceDeployments": 1, "DescribeServices": 2, "ListTasks": 1, "DescribeTasks": 1}},
		{21, 5, map[string]int{"DescribeServiceDeployments": 2, "DescribeServices": 3, "ListTasks": 2, "DescribeTasks": 2}},
		{50, 5, map[string]int{"DescribeServiceDeployments": 3, "DescribeServices": 5, "ListTasks": 3, "DescribeTasks": 3}},
	} {
		t.Run(fmt.Sprintf("%d services", c.services), func(t *testing.T) {
			inWorld(t, options{services: c.services, tasks: c.tasks}, func(w *world) {
				current := w.current()
				var arns []string
				for _, s := range w.services {
					arns = append(arns, current[s])
				}
				want := func(what string, operations ...string) {
					t.Helper()
					wanted, got := map[string]int{}, map[string]int{}
					for _, o := range operations {
						wanted[o] = c.want[o]
					}
					for _, call := range w.called.Of() {
						got[call.Operation]++
					}
					if diff := cmp.Diff(wanted, got); diff != "" {
						t.Errorf("calls of %s (- want, + got):\n%s", what, diff)
					}
					w.called.Forget()
				}
				w.called.Forget()
				if n := len(ok(w.env.DescribeDeployments(w.ctx, arns))(t)); n != c.services {
					t.Errorf("%d deployments", n)
				}
				want("DescribeDeployments", "DescribeServiceDeployments")
				see := func() {
					t.Helper()
					services := ok(w.env.DescribeServices(w.ctx, w.services))(t)
					if len(services) != c.services || services[w.services[0]].Deployment == nil {
						t.Errorf("%d services", len(services))
					}
				}
				see()
				want("DescribeServices right after that", "DescribeServices")
				pause(w.ctx, time.Second)
				see()
				want("DescribeServices", "DescribeServices", "DescribeServiceDeployments")
				for s, digests := range w.digests() {
					if len(digests) != c.tasks || digests[0] != digest(s, "one") {
						t.Errorf("%s runs %v", s, digests)
					}
				}
				want("RunningTasks", "ListTasks", "DescribeTasks")
			})
		})
	}
}

// Looking at nothing costs nothing.
func TestNoCallsForNothing(t *testing.T) {
	inWorld(t, options{services: 1}, func(w *world) {
		ok(w.env.DescribeDeployments(w.ctx, nil))(t)
		ok(w.env.DescribeDeployments(w.ctx, []string{""}))(t)
		ok(w.env.DescribeServices(w.ctx, nil))(t)
		ok(w.env.DescribeTaskDefinitions(w.ctx, nil))(t)
		ok(w.env.TargetHealth(w.ctx, nil))(t)
		ok(w.env.FormerDeployments(w.ctx, nil))(t)
		ok(w.env.Minimums(w.ctx, nil))(t)
		ok(w.env.Empty(w.ctx, nil))(t)
		ok(w.env.Digests(w.ctx, "abc", nil))(t)
		ok(w.env.Missing(w.ctx, nil))(t)
		if err := w.env.Tag(w.ctx, nil, "release-v1"); err != nil {
			t.Error(err)
		}
		w.env.Collect(w.ctx, deploy.Scope{})
		if calls := append(w.calls(), w.wire.made()...); len(calls) != 0 {
			t.Errorf("calls: %s", strings.Join(calls, ", "))
		}
	})
}

// What was seen just now is not believed once something was done about it.
func TestNothingIsRememberedAfterAChange(t *testing.T) {
	inWorld(t, options{services: 1}, func(w *world) {
		state := func() string {
			d := ok(w.env.DescribeServices(w.ctx, w.services))(t)["s01"].Deployment
			return short(d.ARN) + " " + string(d.State)
		}
		first := w.current()["s01"]
		definition := w.register("s01", "two")
		ok(w.env.DescribeDeployments(w.ctx, []string{first}))(t)
		arn := ok(w.env.UpdateService(w.ctx, deploy.Update{Service: "s01", TaskDefinition: definition}))(t)
		if got := state(); got != short(arn)+" pending" {
			t.Errorf("after the update: %s", got)
		}
		if err := w.env.StopDeployment(w.ctx, arn); err != nil {
			t.Fatal(err)
		}
		if got := state(); got != short(arn)+" rolling back" {
			t.Errorf("after the stop: %s", got)
		}
	})
}

func short(arn string) string { return arn[strings.LastIndex(arn, "/")+1:] }
