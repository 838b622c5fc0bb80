package main

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/specboard/platform/tfpipeline/internal/calls"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/localaws/ecs/ecstest"
)

// A restart replaces the tasks, of one service or of all, and stands in history and
// status with the caller's ARN; a bad one exits with how the services were left.
func TestRestartCommand(t *testing.T) {
	t.Parallel()
	w := newPromotions(t)
	_, stderr := w.must(console.ExitFailed, "restart", "-env", "staging")
	mentions(t, stderr, "staging: no release is deployed", "next: tfpipeline promote -env staging -release TAG")
	commit := w.release("v1.0.0")
	w.must(console.ExitOK, "promote", "-env", "staging", "-release", "v1.0.0")
	if r := w.record(); r.Caller != "arn:aws:iam::123456789012:user/ada" {
		t.Errorf("the promotion's caller: %q", r.Caller)
	}
	_, stderr = w.must(console.ExitFailed, "restart", "-env", "staging", "-service", "nope")
	mentions(t, stderr, `no service "nope"; there are api, frontend, mcp`, "next: tfpipeline restart -env staging -service api")

	w.must(console.ExitOK, "freeze", "-env", "staging", "-why", "an incident")
	before := len(w.cloud.called.Of("UpdateService"))
	stdout, stderr := w.must(console.ExitOK, "restart", "-env", "staging", "-service", "api")
	mentions(t, stdout, "staging: restart of api is done (")
	mentions(t, stderr, "a restart goes on all the same", "staging: restart api\n", "service api is set to new tasks of doc-platform-staging-api:", "it has to stay healthy")
	updates := w.cloud.called.Of("UpdateService")[before:]
	if len(updates) != 1 || !strings.Contains(ecstest.Describe(updates[0]), "api") {
		t.Errorf("%v", updates)
	}
	r := w.record()
	if r.Kind != deploy.KindRestart || r.Outcome != deploy.Done || r.Release.Commit != commit || len(r.Services) != 1 || r.Caller == "" {
		t.Errorf("record: %+v", r)
	}
	stdout, _ = w.must(console.ExitOK, "history", "-env", "staging")
	mentions(t, stdout, "restart api     v1.0.0  done ")
	stdout, _ = w.must(console.ExitOK, "history", "-env", "staging", "-id", r.ID)
	mentions(t, stdout, "staging: restart of api is done", "caller     arn:aws:iam::123456789012:user/ada", "api")
	stdout, _ = w.must(console.ExitOK, "status", "-env", "staging")
	mentions(t, stdout, "v1.0.0", "last attempt: restart api by ada at ")

	// As events, of all services.
	stdout, _ = w.must(console.ExitOK, "restart", "-env", "staging", "-json")
	var last deploy.Event
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil || last.Kind != deploy.EventEnd || len(last.Record.Services) != 3 || last.Message != "done" {
		t.Errorf("%v: %s", err, lines[len(lines)-1])
	}

	// New tasks that never run.
	w.script.On(imageDigest("mcp", commit), ecstest.Behaviour{Stuck: true})
	_, stderr = w.must(console.ExitRolledBack, "restart", "-env", "staging", "-service", "mcp", "-timeout", "8s")
	mentions(t, stderr, "tfpipeline: watch: ", "not done within 8s", "service mcp: ECS brought the earlier tasks back", "dossier: ", "next: what runs: tfpipeline status -env staging")
	if left := w.keys("locks/"); left != nil {
		t.Errorf("locks: %v", left)
	}

	// Ctrl-C leaves it to ECS.
	ctx, cancel := context.WithCancelCause(t.Context())
	before = len(w.cloud.called.Of("UpdateService"))
	go func() {
		for len(w.cloud.called.Of("UpdateService")) == before && calls.Pause(t.Context(), 10*time.Millisecond) {
		}
		cancel(console.ErrInterrupted)
	}()
	_, stderr, code := w.runIn(ctx, "restart", "-env", "staging", "-service", "api")
	if code != console.ExitInterrupted || w.record().Outcome != deploy.Interrupted || w.keys("locks/") != nil {
		t.Errorf("exit %d, %v, locks %v\n%s", code, w.record().Outcome, w.keys("locks/"), stderr)
	}
}

// Scale keeps to the bounds of the platform, tells autoscaling, and says that the
// next promotion sets the number back, which it does.
func TestScaleCommand(t *testing.T) {
	t.Parallel()
	w := newPromotions(t)
	size := &w.cloud.platform.Environments[0].Size
	size.MaxTasks, size.TargetCPUPercent = 3, 60
	p := w.cloud.platform
	target := "service/" + p.Cluster("staging") + "/api"
	w.cloud.minimums[target] = 0
	w.release("v1.0.0")
	w.must(console.ExitOK, "promote", "-env", "staging", "-release", "v1.0.0")

	_, stderr := w.must(console.ExitFailed, "scale", "-env", "staging", "-tasks", "2")
	mentions(t, stderr, "which service? Name one of api, frontend, mcp", "next: tfpipeline scale -env staging -service api")
	_, stderr = w.must(console.ExitFailed, "scale", "-env", "staging", "-service", "api", "-service", "mcp", "-tasks", "4")
	mentions(t, stderr, "service api: 4 tasks: its Size in staging allows 1 to 3", "service mcp: 4 tasks", "next: tfpipeline scale -env staging -service api -tasks 1")
	stdout, stderr := w.must(console.ExitOK, "scale", "-env", "staging", "-service", "api", "-tasks", "2")
	mentions(t, stdout, "staging: scale of api to 2 tasks is done")
	mentions(t, stderr, "autoscaling keeps at least 2 tasks (before: 1)", "the next promotion sets what gen/config/default.go says")
	if n := w.cloud.minimums[target]; n != 2 {
		t.Errorf("the minimum is %d", n)
	}
	stdout, _ = w.must(console.ExitOK, "history", "-env", "staging")
	mentions(t, stdout, "scale api to 2 tasks  v1.0.0  done ")
	w.release("v1.1.0")
	w.must(console.ExitOK, "promote", "-env", "staging", "-release", "v1.1.0")
	if n := w.cloud.minimums[target]; n != 1 {
		t.Errorf("after a promotion the minimum is %d", n)
	}
}
