package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/calls"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
	model "github.com/specboard/platform/tfpipeline/internal/localaws/ecs"
	"github.com/specboard/platform/tfpipeline/internal/localaws/ecs/ecstest"
	"github.com/specboard/platform/tfpipeline/internal/report"
)

func TestRunTask(t *testing.T) {
	t.Parallel()
	w := newPromotions(t)
	_, stderr := w.must(console.ExitFailed, "run", "-env", "staging", "-task", "migrate")
	mentions(t, stderr, "staging: task migrate: no release is deployed", "next: tfpipeline promote -env staging")
	commit := w.release("v1.0.0")
	w.must(console.ExitOK, "promote", "-env", "staging", "-release", "v1.0.0")

	// With the image of the release, and its name in the environment.
	stdout, stderr := w.must(console.ExitOK, "run", "-env", "staging", "-task", "migrate", "--", "migrate", "status")
	mentions(t, stdout, "migrate says hello\n")
	mentions(t, stderr, "staging: task migrate is started: arn:aws:ecs:", "ended with exit code 0")
	runs := w.cloud.called.Of("RunTask")
	call := ecstest.Describe(runs[len(runs)-1])
	if !strings.Contains(call, "migrate") {
		t.Errorf("%s", call)
	}
	registered := w.cloud.called.Of("RegisterTaskDefinition")
	if got := taskImage(t, w, registered); !strings.HasSuffix(got, "@"+imageDigest("api", commit)) {
		t.Errorf("it ran %s", got)
	}

	// Without words of its own it overrides no command: an empty one would have the task
	// run the image's.
	w.must(console.ExitOK, "run", "-env", "staging", "-task", "migrate")
	runs = w.cloud.called.Of("RunTask")
	if in := runs[len(runs)-1].Input.(*sdk.RunTaskInput); in.Overrides == nil || in.Overrides.ContainerOverrides[0].Command != nil {
		t.Errorf("it overrides %+v", in.Overrides)
	}

	w.script.On("fails", ecstest.Behaviour{Exit: &ecstest.Exit{Code: 3}})
	_, stderr = w.must(console.ExitFailed, "run", "-env", "staging", "-task", "migrate", "--", "fails")
	mentions(t, stderr, "task migrate ended with exit code 3")

	// Ctrl-C leaves the task alone, and says how to stop it.
	w.script.On("long", ecstest.Behaviour{Exit: &ecstest.Exit{After: time.Hour}})
	ctx, cancel := context.WithCancelCause(t.Context())
	before := len(w.cloud.called.Of("RunTask"))
	go func() {
		for len(w.cloud.called.Of("RunTask")) == before && calls.Pause(t.Context(), 10*time.Millisecond) {
		}
		calls.Pause(t.Context(), 300*time.Millisecond)
		cancel(console.ErrInterrupted)
	}()
	_, stderr, code := w.runIn(ctx, "run", "-env", "staging", "-task", "migrate", "--", "long")
	if code != console.ExitInterrupted || len(w.cloud.called.Of("StopTask")) != 0 {
		t.Errorf("exit %d: %s", code, stderr)
	}
	mentions(t, stderr, "task migrate (arn:aws:ecs:", "it goes on: interrupted", "to stop it: aws ecs stop-task --cluster doc-platform-staging --task arn:aws:ecs:")
}

// taskImage is the image of the last task definition that was registered.
func taskImage(t *testing.T, w *promotions, calls []model.Call) string {
	t.Helper()
	if len(calls) == 0 {
		t.Fatal("nothing was registered")
	}
	e, err := w.app(nil, nil, nil).openEnvironment(t.Context(), "staging", "run")
	if err != nil {
		t.Fatal(err)
	}
	runs := w.cloud.called.Of("RunTask")
	for _, field := range strings.Fields(ecstest.Describe(runs[len(runs)-1])) {
		if !strings.Contains(field, "migrate:") {
			continue
		}
		arn := "arn:aws:ecs:us-west-2:123456789012:task-definition/" + field[strings.LastIndex(field, "/")+1:]
		found, err := e.ecs.DescribeTaskDefinitions(t.Context(), []string{arn})
		if err != nil {
			t.Fatal(err)
		}
		return found[arn].Image
	}
	t.Fatalf("no task definition in %s", ecstest.Describe(runs[len(runs)-1]))
	return ""
}

func TestLogs(t *testing.T) {
	t.Parallel()
	w := newPromotions(t)
	now := time.Now().UnixMilli()
	line := func(at int64, text string) string { return fmt.Sprintf("%d %s", at, text) }
	p := w.cloud.platform
	w.cloud.logs[p.LogGroup("staging", "api")] = []string{line(now, "second Error"), line(now+20, "token=abcdefabcdef")}
	w.cloud.logs[p.LogGroup("staging", "frontend")] = []string{line(now-10, "first"), line(now+10, "third")}
	w.cloud.logs[p.LogGroup("staging", "mcp")] = nil
	stdout, _ := w.must(console.ExitOK, "logs", "-env", "staging")
	var got []string
	for l := range strings.Lines(stdout) {
		got = append(got, strings.TrimSpace(l[len("2006-01-02T15:04:05.000Z "):]))
	}
	want := "frontend/01234567 first|api/01234567 second Error|frontend/01234567 third|api/01234567 token=[hidden]"
	if strings.Join(got, "|") != want {
		t.Errorf("got %v", got)
	}
	asJSON, _ := w.must(console.ExitOK, "logs", "-env", "staging", "-json")
	objects := strings.Split(strings.TrimSpace(asJSON), "\n")
	for i, text := range objects {
		var l report.LogLine
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		line := fmt.Sprintf("%s %s/%s %s", l.Time.Format("2006-01-02T15:04:05.000Z"), l.Name, l.Task, l.Message)
		if l.Environment != "staging" || line != strings.Split(stdout, "\n")[i] {
			t.Errorf("%+v, and as text:\n%s", l, stdout)
		}
	}
	stdout, _ = w.must(console.ExitOK, "logs", "-env", "staging", "-service", "api", "-grep", "error")
	if strings.Count(stdout, "\n") != 1 {
		t.Errorf("%s", stdout)
	}

	// What goes elsewhere is not there, and that is said.
	w.cloud.platform.Services[0].Sidecars = []config.Sidecar{{Name: "router", LogRouter: config.LogRouter{Type: "fluentbit", Options: map[string]string{"Name": "datadog"}}}}
	name := w.cloud.platform.Services[0].Name
	_, stderr := w.must(console.ExitOK, "logs", "-env", "staging", "-service", name)
	mentions(t, stderr, name+": its own lines are not here: sidecar router sends them to another place than CloudWatch")
	w.cloud.platform.Services[0].Sidecars = nil

	// Following prints what comes, each line once, until Ctrl-C.
	ctx, cancel := context.WithCancelCause(t.Context())
	before := w.cloud.tails
	go func() {
		read := func() int {
			w.cloud.mu.Lock()
			defer w.cloud.mu.Unlock()
			return w.cloud.tails
		}
		await := func(reads int) {
			for read() < reads && calls.Pause(t.Context(), 10*time.Millisecond) {
			}
		}
		await(before + 1)
		w.cloud.mu.Lock()
		group := p.LogGroup("staging", "api")
		w.cloud.logs[group] = append(w.cloud.logs[group], line(time.Now().UnixMilli(), "new"))
		w.cloud.mu.Unlock()
		await(read() + 3) // the one after that prints what this one read
		cancel(console.ErrInterrupted)
	}()
	stdout, stderr, code := w.runIn(ctx, "logs", "-env", "staging", "-service", "api", "-f")
	if code != console.ExitOK || strings.Count(stdout, "\n") != 3 || !strings.Contains(stdout, " new\n") {
		t.Errorf("exit %d\n%s\n%s", code, stdout, stderr)
	}
	_, stderr = w.must(console.ExitFailed, "logs", "-env", "production")
	mentions(t, stderr, "there is no log group /doc-platform/production/api", "next: tfpipeline bootstrap -env production")
}

// An attempt's own log lines are those of its time, of its services, and of the one-off
// tasks that it ran.
func TestLogsOfAnAttempt(t *testing.T) {
	w := newPromotions(t)
	p := w.cloud.platform
	w.release("v1.0.0")
	w.must(console.ExitOK, "promote", "-env", "staging", "-release", "v1.0.0")
	r := w.record()
	migrate := r.Migration.ARN[strings.LastIndexByte(r.Migration.ARN, '/')+1:]
	line := func(at time.Time, text, task string) string {
		return fmt.Sprintf("%d %s\x00%s", at.UnixMilli(), text, task)
	}
	for _, name := range p.ServiceNames() {
		w.cloud.logs[p.LogGroup("staging", name)] = []string{
			line(r.Started.Add(-time.Second), "before", ""), line(r.Started, name+" begins", ""), line(r.Ended, name+" ends", ""), line(r.Ended.Add(time.Second), "after", ""),
		}
	}
	w.cloud.logs[p.LogGroup("staging", "migrate")] = []string{line(r.Started, "its migration", migrate), line(r.Started, "another", "ffffffffffffffff")}
	stdout, stderr := w.must(console.ExitOK, "logs", "-env", "staging", "-id", r.ID)
	mentions(t, stdout, "api begins", "frontend ends", "its migration")
	if n := strings.Count(stdout, "\n"); n != 2*len(p.ServiceNames())+1 {
		t.Errorf("%d lines:\n%s", n, stdout)
	}
	mentions(t, stderr, "staging: api, frontend, mcp, migrate", "from "+r.Started.UTC().Format(time.RFC3339))
	stdout, _ = w.must(console.ExitOK, "logs", "-env", "staging", "-id", r.ID, "-task", "migrate")
	if !strings.HasSuffix(stdout, " migrate/"+migrate[:8]+" its migration\n") || strings.Count(stdout, "\n") != 1 {
		t.Errorf("%s", stdout)
	}
	for _, refused := range []struct {
		args []string
		says string
	}{
		{[]string{"-id", "nope"}, "staging has no record nope"},
		{[]string{"-id", r.ID, "-f"}, "it goes without -since and -f"},
		{[]string{"-id", r.ID, "-since", "1h"}, "it goes without -since and -f"},
		{[]string{"-id", r.ID, "-since", "0s"}, "-since must be more than 0"},
	} {
		_, stderr = w.must(console.ExitFailed, append([]string{"logs", "-env", "staging"}, refused.args...)...)
		mentions(t, stderr, refused.says)
	}
	w.must(console.ExitOK, "restart", "-env", "staging", "-service", "api")
	_, stderr = w.must(console.ExitFailed, "logs", "-env", "staging", "-id", w.record().ID, "-service", "mcp")
	mentions(t, stderr, "has no tasks of what was asked for", "next: tfpipeline history -env staging -id ")
}

// Unlock shows who holds which lock, and removes what its holder has left.
func TestUnlock(t *testing.T) {
	t.Parallel()
	w := newPromotions(t)
	w.release("v1.0.0")
	stdout, _ := w.must(console.ExitOK, "unlock", "-env", "staging", "-yes")
	mentions(t, stdout, "staging: nothing is locked")

	lease := deploy.Lease{
		Environment: "staging", RecordID: "20261123T080000Z-abcdef", Kind: deploy.KindPromote, Actor: "bob", Why: "workflow Deploy",
		Release: deploy.Release{Tag: "v1.0.0", Commit: "c0ffee"}, Since: time.Now(), Until: time.Now().Add(time.Minute), RunURL: "https://example.org/run/1",
	}
	e, err := w.app(nil, nil, nil).openEnvironment(t.Context(), "staging", "unlock")
	if err != nil {
		t.Fatal(err)
	}
	held, err := e.lock.Take(t.Context(), lease, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, stderr := w.must(console.ExitFailed, "unlock", "-env", "staging")
	mentions(t, stderr, "no terminal to ask on", "next: end that run; its lock ends by itself within a minute\n")
	_, stderr = w.must(console.ExitFailed, "unlock", "-env", "staging", "-yes")
	mentions(t, stderr, "promote v1.0.0, by bob since", "(workflow Deploy)", "record 20261123T080000Z-abcdef", "at work", "https://example.org/run/1",
		"-yes does not remove such a lock")
	if len(w.keys("locks/")) != 1 {
		t.Error("the lock of a run at work is removed")
	}
	held.Left, held.Until = deploy.Interrupted, time.Now()
	if _, err := e.lock.Renew(t.Context(), held); err != nil {
		t.Fatal(err)
	}
	stdout, stderr = w.must(console.ExitOK, "unlock", "-env", "staging", "-yes")
	mentions(t, stderr, "not at work: it was left interrupted", "tfpipeline promote -env staging -release v1.0.0 continues; tfpipeline rollback -env staging ends it")
	mentions(t, stdout, "staging: the lock is removed")

	// What is no lock stands in the way too, and so does Terraform's.
	w.cloud.objects["locks/staging.json"] = "oh"
	w.cloud.objects["terraform/staging.tfstate.tflock"] = `{"ID":"f216bbea-1111","Operation":"OperationTypeApply","Who":"ada@laptop","Created":"2026-11-23T06:00:00Z"}`
	stdout, stderr = w.must(console.ExitOK, "unlock", "-env", "staging", "-yes")
	mentions(t, stderr, "what stands in the place of the lock is none: locks/staging.json", "the lock of the Terraform state f216bbea-1111", "OperationTypeApply, by ada@laptop since 2026-11-23T06:00:00Z",
		"next: tfpipeline apply -env staging -adopt")
	mentions(t, stdout, "staging: the lock is removed", "staging: lock f216bbea-1111 is removed")
	if left := w.keys("locks/"); left != nil {
		t.Errorf("left: %v", left)
	}
}
