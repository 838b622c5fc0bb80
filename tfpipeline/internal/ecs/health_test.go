package ecs_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/localaws/ecs/ecstest"
)

func TestTargetHealth(t *testing.T) {
	inWorld(t, options{}, func(w *world) {
		w.script.On(digest("mcp", "two"), ecstest.Behaviour{Unhealthy: true})
		caused := w.promote("two")
		pause(w.ctx, 24*time.Second) // started, not yet checked
		got := ok(w.env.TargetHealth(w.ctx, w.services))(t)
		for _, s := range w.services {
			targets := got[s]
			if targets.Healthy != 2 || targets.Initial != 2 || targets.Unhealthy != 0 || targets.Draining != 0 || len(targets.Reasons) != 2 || !strings.Contains(targets.Reasons[0], " is initial") {
				t.Errorf("%s while it starts: %+v", s, targets)
			}
		}
		pause(w.ctx, 28*time.Second)
		got = ok(w.env.TargetHealth(w.ctx, w.services))(t)
		if targets := got["api"]; targets.Healthy != 2 || targets.Draining != 2 || targets.Unhealthy != 0 || targets.Reasons != nil {
			t.Errorf("api while the old tasks go: %+v", targets)
		}
		if targets := got["mcp"]; targets.Healthy != 2 || targets.Unhealthy+targets.Draining == 0 {
			t.Errorf("mcp: %+v", targets)
		}
		w.watch(caused)
		want := map[string]deploy.Targets{"api": {Healthy: 2}, "frontend": {Healthy: 2}, "mcp": {Healthy: 2}}
		pause(w.ctx, time.Minute)
		if diff := cmp.Diff(want, ok(w.env.TargetHealth(w.ctx, w.services))(t)); diff != "" {
			t.Errorf("in the end (- want, + got):\n%s", diff)
		}
	})
}

func TestGet(t *testing.T) {
	inWorld(t, options{services: 1}, func(w *world) {
		const url = "https://staging.specboard.io/health"
		for _, status := range []int{200, 301, 404, 503} {
			w.wire.on("GET "+url, func(members) (int, any) { return status, "" })
			if got := ok(w.env.Get(w.ctx, url))(t); got != status {
				t.Errorf("status %d, want %d", got, status)
			}
		}
		w.wire.on("GET "+url, func(members) (int, any) { return 0, errors.New("dial tcp: lookup staging.specboard.io: no such host") })
		if _, err := w.env.Get(w.ctx, url); !deploy.IsTransient(err) || err.Error() != `Get "`+url+`": dial tcp: lookup staging.specboard.io: no such host` {
			t.Errorf("nobody there: %v", err)
		}
		ctx, cancel := context.WithCancel(w.ctx)
		cancel()
		if _, err := w.env.Get(ctx, url); !errors.Is(err, context.Canceled) || deploy.IsTransient(err) {
			t.Errorf("cancelled: %v", err)
		}
		if _, err := w.env.Get(w.ctx, "https://staging specboard.io"); err == nil || deploy.IsTransient(err) {
			t.Errorf("no URL: %v", err)
		}
		if n := len(w.wire.made()); n != 5 {
			t.Errorf("%d requests for 5 calls that were allowed one each", n)
		}
	})
}

// silent is a server that never answers.
type silent struct{}

func (silent) RoundTrip(req *http.Request) (*http.Response, error) {
	<-req.Context().Done()
	return nil, req.Context().Err()
}

func TestGetGivesUpOnSilence(t *testing.T) {
	inWorld(t, options{services: 1}, func(w *world) {
		env := w.with(&http.Client{Transport: silent{}})
		begin := time.Now()
		if _, err := env.Get(w.ctx, "https://staging.specboard.io/health"); !deploy.IsTransient(err) {
			t.Errorf("%v", err)
		}
		if took := time.Since(begin); took != 10*time.Second {
			t.Errorf("gave up after %s", took)
		}
	})
}

// A task whose own health check fails runs until another one is healthy, and shows
// that it fails.
func TestRunningTasksTellTheirHealth(t *testing.T) {
	inWorld(t, options{services: 1, tasks: 1}, func(w *world) {
		w.template("s01", func(in *sdk.RegisterTaskDefinitionInput) {
			in.ContainerDefinitions[0].HealthCheck = &types.HealthCheck{Command: []string{"CMD", "/bin/check"}, Interval: new(int32(10)), Retries: new(int32(2))}
		})
		w.script.On(digest("s01", "two"), ecstest.Behaviour{Sick: 3 * time.Minute}, ecstest.Behaviour{})
		w.watch(w.promote("two"))
		var seen []string
		for begin := time.Now(); time.Since(begin) < 10*time.Minute; pause(w.ctx, tick) {
			line := ""
			for _, t := range ok(w.env.RunningTasks(w.ctx, w.services))(w.t)["s01"] {
				line += map[bool]string{false: "+", true: "-"}[t.Unhealthy]
			}
			if len(seen) == 0 || seen[len(seen)-1] != line {
				seen = append(seen, line)
			}
		}
		if got := strings.Join(seen, " "); got != "+ - -+ +" {
			t.Errorf("tasks that run, healthy (+) and not (-): %s", got)
		}
	})
}
