package main

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/specboard/platform/tfpipeline/internal/calls"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/localaws/ecs/ecstest"
)

// The life of an environment, by its commands: a first release, a second one,
// the way back, and what is refused after that.
func TestPromoteAndRollBack(t *testing.T) {
	t.Parallel()
	w := newPromotions(t)
	w.release("v1.0.0")
	stdout, _ := w.must(console.ExitOK, "status", "-env", "staging")
	for !strings.Contains(stdout, "0/0") && calls.Pause(t.Context(), 50*time.Millisecond) { // reads are late
		stdout, _ = w.must(console.ExitOK, "status", "-env", "staging")
	}
	mentions(t, stdout, "staging: no release yet")

	stdout, stderr := w.must(console.ExitOK, "promote", "-env", "staging", "-release", "v1.0.0")
	mentions(t, stdout, "staging: v1.0.0 is deployed to every service (")
	mentions(t, stderr, "staging: promote v1.0.0\n", "migrate | migrate says hello", "seed | seed says hello", "api: successful, 1/1 running")
	r := w.record()
	if !r.First || r.Outcome != deploy.Deployed || r.Actor != "ada" || !r.Migration.Succeeded() || !r.Seed.Succeeded() || r.Release.Commit != w.releases["v1.0.0"] {
		t.Errorf("record: %+v", r)
	}
	if left := w.keys("locks/"); left != nil {
		t.Errorf("locks: %v", left)
	}
	if !slices.Contains(w.cloud.tagged, "doc-platform/api:release-v1.0.0") {
		t.Errorf("tagged: %v", w.cloud.tagged)
	}

	w.release("v1.1.0")
	_, stderr = w.must(console.ExitOK, "promote", "-env", "staging", "-release", "v1.1.0")
	mentions(t, stderr, "staging: promote v1.0.0 → v1.1.0\n")
	stdout, _ = w.must(console.ExitOK, "status")
	mentions(t, stdout, "staging: v1.1.0 ("+w.releases["v1.1.0"]+") since ", ", by ada  https://staging.specboard.io", "production: no release yet")
	if strings.Contains(strings.Split(stdout, "production")[0], "!") {
		t.Errorf("staging has problems:\n%s", stdout)
	}

	stdout, _ = w.must(console.ExitOK, "status", "-env", "staging", "-json")
	mentions(t, stdout, `"problems": []`, `"runs_release": true`)
	if n := strings.Count(strings.Join(strings.Fields(stdout), " "), `"runs": [ "v1.1.0" ]`); n != 3 {
		t.Errorf("%d services run v1.1.0:\n%s", n, stdout)
	}

	// A slow older run leaves the newer release alone.
	before, summary := w.env, filepath.Join(t.TempDir(), "summary.md")
	w.env = append(slices.Clone(w.env), "GITHUB_ACTIONS=true", "GITHUB_STEP_SUMMARY="+summary)
	updates := len(w.cloud.called.Of("UpdateService"))
	stdout, stderr = w.must(console.ExitOK, "promote", "-env", "staging", "-release", "v1.0.0", "-forward")
	mentions(t, stdout, "staging: v1.0.0 was not promoted: superseded by v1.1.0")
	mentions(t, stderr, "\n::notice::superseded by v1.1.0\n")
	if content, err := os.ReadFile(summary); err != nil || string(content) != "`tfpipeline promote`:\n\n```\n"+stdout+"```\n\n" {
		t.Errorf("summary %q, %v", content, err)
	}
	w.env = before
	if n := len(w.cloud.called.Of("UpdateService")); n != updates || w.keys("locks/") != nil {
		t.Errorf("%d updates, %d before; locks %v", n, updates, w.keys("locks/"))
	}

	stdout, stderr = w.must(console.ExitOK, "rollback", "-env", "staging")
	mentions(t, stdout, "staging: v1.0.0 is deployed to every service")
	mentions(t, stderr, "staging: rollback v1.1.0 → the last good release")
	if r := w.record(); r.Rejected == nil || r.Rejected.Tag != "v1.1.0" {
		t.Errorf("record: %+v", r)
	}
	_, stderr = w.must(console.ExitFailed, "promote", "-env", "staging", "-release", "v1.1.0")
	mentions(t, stderr, "v1.1.0 was rolled back from", "\nnext: ")
	w.must(console.ExitOK, "promote", "-env", "staging", "-release", "v1.1.0", "-force=its data is mended")

	stdout, _ = w.must(console.ExitOK, "history", "-env", "staging")
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	if len(lines) != 7 {
		t.Fatalf("history:\n%s", stdout)
	}
	mentions(t, lines[1], "promote v1.1.0", "v1.0.0", "deployed", "ada")
	mentions(t, lines[2], "untouched at preflight")
	mentions(t, lines[3], "rollback v1.0.0", "v1.1.0", "deployed")
	mentions(t, lines[4], "promote v1.0.0", "v1.1.0", "superseded by v1.1.0")
	stdout, _ = w.must(console.ExitOK, "history", "-env", "staging", "-id", strings.Fields(lines[1])[2])
	mentions(t, stdout, "override   rejected release: its data is mended (v1.1.0 was rolled back from at ")
	id := strings.Fields(lines[3])[2]
	stdout, _ = w.must(console.ExitOK, "history", "-env", "staging", "-id", id)
	mentions(t, stdout, "record     "+id, "rejected   v1.1.0", "commit     "+w.releases["v1.0.0"], "SERVICE", "frontend")
	stdout, _ = w.must(console.ExitOK, "history", "-env", "staging", "-limit", "1", "-json")
	var h struct {
		Records []deploy.Record
		More    int
	}
	if err := json.Unmarshal([]byte(stdout), &h); err != nil || len(h.Records) != 1 || h.More != 5 {
		t.Errorf("%v, %s", err, stdout)
	}
	_, stderr = w.must(console.ExitFailed, "history", "-env", "staging", "-id", "20260101T000000Z-aaaaaa")
	mentions(t, stderr, "has no record")
}

// A release that crashes is taken back; a dossier says why, in every place.
func TestPromotionOfABadRelease(t *testing.T) {
	t.Parallel()
	w := newPromotions(t)
	summary := filepath.Join(t.TempDir(), "summary.md")
	w.env = append(w.env, "NOTIFY_URL="+w.cloud.url+"/hook", "GITHUB_STEP_SUMMARY="+summary)
	w.release("v1.0.0")
	w.must(console.ExitOK, "promote", "-env", "staging", "-release", "v1.0.0")
	bad := w.release("v1.1.0")
	w.script.On(imageDigest("mcp", bad), ecstest.Behaviour{Exit: &ecstest.Exit{Code: 7, Reason: "password=hunter2hunter2 is wrong"}})

	stdout, stderr := w.must(console.ExitRolledBack, "promote", "-env", "staging", "-release", "v1.1.0", "-dossier", w.dossiers)
	mentions(t, stderr, "tfpipeline: watch: ", "service mcp is back on doc-platform-staging-mcp:", "next: fix the release", "dossier: ", "steps: lock, resolve, preflight, ")
	if r := w.record(); r.Outcome != deploy.RolledBack || r.Services["mcp"].Outcome != deploy.RolledBack {
		t.Errorf("record: %+v", r)
	}
	files, err := filepath.Glob(filepath.Join(w.dossiers, "staging-*"))
	if err != nil || len(files) != 2 {
		t.Fatalf("%v, %v", files, err)
	}
	// The record has the end of the log too: the folder is on the machine that ran it.
	inBucket, _ := w.must(console.ExitOK, "history", "-env", "staging", "-id", w.record().ID)
	mentions(t, inBucket, "of mcp stopped at ", "container mcp: exit code 7", "events of mcp\n  ", "(service mcp) has started 1 tasks")
	written := []string{stdout, stderr, inBucket}
	for _, f := range append(files, summary) {
		content, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		mentions(t, string(content), "rolled back", "v1.1.0")
		written = append(written, string(content))
	}
	if n := len(w.cloud.posts); n != 4 {
		t.Fatalf("%d posts, want two for each attempt: %v", n, w.cloud.posts)
	}
	mentions(t, w.cloud.posts[0], "doc-platform staging: promotion of v1.0.0: started, by ada")
	mentions(t, w.cloud.posts[1], "doc-platform staging: v1.0.0 is deployed")
	mentions(t, w.cloud.posts[2], "doc-platform staging: promotion of v1.1.0: started, after v1.0.0, by ada", "1 commit:")
	mentions(t, w.cloud.posts[3], "promotion of v1.1.0: rolled back", "exit code 3: ", "next: fix the release")
	for key := range w.cloud.objects {
		written = append(written, w.cloud.objects[key])
	}
	for _, text := range append(written, w.cloud.posts...) {
		for _, secret := range []string{"hunter2", "canary", w.cloud.url + "/hook"} {
			if strings.Contains(text, secret) {
				t.Errorf("%q is in:\n%s", secret, text)
			}
		}
	}
	stdout, _ = w.must(console.ExitOK, "status", "-env", "staging", "-markdown")
	mentions(t, stdout, "| [staging](https://staging.specboard.io) | `v1.0.0` |")
}

// A webhook that refuses every message changes nothing about a promotion but two
// warnings, and nobody reads its address.
func TestPromotionWithARefusingWebhook(t *testing.T) {
	t.Parallel()
	w := newPromotions(t)
	summary := filepath.Join(t.TempDir(), "summary.md")
	w.env = append(w.env, "NOTIFY_URL="+w.cloud.url+"/hook", "GITHUB_STEP_SUMMARY="+summary, "GITHUB_ACTIONS=true")
	w.cloud.refuseStart, w.cloud.refuseEnd = http.StatusInternalServerError, http.StatusTooManyRequests
	w.release("v1.0.0")
	stdout, stderr := w.must(console.ExitOK, "promote", "-env", "staging", "-release", "v1.0.0")
	mentions(t, stderr, "warning: notify: the webhook answered 500 Internal Server Error\n", "warning: notify: the webhook wants to be left alone for 10m0s\n")
	bad := w.release("v1.1.0")
	w.script.On(imageDigest("mcp", bad), ecstest.Behaviour{Exit: &ecstest.Exit{Code: 7}})
	w.cloud.refuseStart, w.cloud.refuseEnd = http.StatusTooManyRequests, http.StatusTooManyRequests
	more, said := w.must(console.ExitRolledBack, "promote", "-env", "staging", "-release", "v1.1.0", "-dossier", w.dossiers)
	written := []string{stdout, stderr, more, said}
	files, err := filepath.Glob(filepath.Join(w.dossiers, "staging-*"))
	if err != nil || len(files) != 2 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, f := range append(files, summary) {
		content, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		written = append(written, string(content))
	}
	for _, content := range w.cloud.objects {
		written = append(written, content)
	}
	for _, text := range append(written, w.cloud.posts...) {
		if strings.Contains(text, "/hook") {
			t.Errorf("the webhook's address is in:\n%s", text)
		}
	}
}

// An interrupt stops the waiting. The lease, the record and the error say what
// is in flight, and the same command continues.
func TestInterruptedPromotion(t *testing.T) {
	t.Parallel()
	w := newPromotions(t)
	w.release("v1.0.0")
	w.must(console.ExitOK, "promote", "-env", "staging", "-release", "v1.0.0")
	slow := w.release("v1.1.0")
	w.script.On(imageDigest("mcp", slow), ecstest.Behaviour{Start: 5 * time.Second})

	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		updated := func() bool { return len(w.cloud.called.Of("UpdateService")) == 6 }
		looked := func() int { return len(w.cloud.called.Of("DescribeServiceDeployments")) }
		for !updated() && calls.Pause(t.Context(), 10*time.Millisecond) {
		}
		calls.Pause(t.Context(), 300*time.Millisecond) // by then reads show it
		for before := looked(); looked() < before+5 && calls.Pause(t.Context(), 10*time.Millisecond); {
		}
		cancel(console.ErrInterrupted)
	}()
	stdout, stderr, code := w.runIn(ctx, "promote", "-env", "staging", "-release", "v1.1.0")
	if code != console.ExitInterrupted {
		t.Fatalf("exit %d\n%s\n%s", code, stdout, stderr)
	}
	mentions(t, stderr, "interrupted", "deployment arn:aws:ecs:",
		"next: tfpipeline promote -env staging -release v1.1.0 continues; tfpipeline rollback -env staging -to v1.0.0 goes back")
	if r := w.record(); r.Outcome != deploy.Interrupted || r.Services["mcp"].Deployment == "" {
		t.Errorf("record: %+v", r)
	}
	stdout, _ = w.must(console.ExitOK, "status", "-env", "staging")
	mentions(t, stdout, "lock: promote v1.1.0, by ada since", "not at work: it was left interrupted", "! an attempt was left interrupted")
	_, stderr = w.must(console.ExitFailed, "run", "-env", "staging", "-task", "migrate")
	mentions(t, stderr, "ada has held it since", "for promote v1.1.0")

	stdout, stderr = w.must(console.ExitOK, "promote", "-env", "staging", "-release", "v1.1.0")
	mentions(t, stdout, "staging: v1.1.0 is deployed to every service")
	mentions(t, stderr, "task migrate has run")
	if r := w.record(); r.Resumes == "" || r.Outcome != deploy.Deployed {
		t.Errorf("record: %+v", r)
	}
	if n := len(w.cloud.called.Of("UpdateService")); n != 6 {
		t.Errorf("%d updates, want one for each service and release", n)
	}
}

func TestPromotionAsEvents(t *testing.T) {
	t.Parallel()
	w := newPromotions(t)
	commit := w.release("v1.0.0")
	stdout, stderr := w.must(console.ExitOK, "promote", "-env", "staging", "-commit", commit[:9], "-json")
	var last deploy.Event
	kinds := map[deploy.EventKind]int{}
	for lines := bufio.NewScanner(strings.NewReader(stdout)); lines.Scan(); {
		last = deploy.Event{}
		if err := json.Unmarshal(lines.Bytes(), &last); err != nil {
			t.Fatalf("%v: %s", err, lines.Bytes())
		}
		kinds[last.Kind]++
		if last.Environment != "staging" {
			t.Errorf("an event of environment %q: %s", last.Environment, lines.Bytes())
		}
	}
	if last.Kind != deploy.EventEnd || last.Record == nil || last.Record.Outcome != deploy.Deployed || last.Record.Release.Commit != commit {
		t.Errorf("the last event: %+v", last)
	}
	if kinds[deploy.EventStep] != 13 || kinds[deploy.EventDeployment] < 3 || kinds[deploy.EventLog] != 2 {
		t.Errorf("events: %v", kinds)
	}
	mentions(t, stderr, "staging: terraform plan")
}

// A dry run walks every check, and leaves no trace.
func TestDryRun(t *testing.T) {
	t.Parallel()
	w := newPromotions(t)
	w.release("v1.0.0")
	objects := len(w.cloud.objects)
	w.cloud.called.Forget()
	stdout, stderr := w.must(console.ExitOK, "promote", "-env", "staging", "-release", "v1.0.0", "-dry-run")
	mentions(t, stdout, "staging: promote of v1.0.0 passes every check; nothing was changed")
	mentions(t, stderr, "next: tfpipeline promote -env staging -release v1.0.0\n")
	if calls := w.cloud.called.Of("UpdateService", "RegisterTaskDefinition", "RunTask"); len(calls) > 0 || len(w.cloud.objects) != objects {
		t.Errorf("changed: %v, %d objects", calls, len(w.cloud.objects))
	}
	w.repo.write("envs/staging/main.tf", "changed")
	_, stderr = w.must(console.ExitFailed, "promote", "-env", "staging", "-release", "v1.0.0", "-dry-run")
	mentions(t, stderr, "differs from its commit in envs/staging/main.tf")
}

const lossOfData = `{"format_version":"1.2","terraform_version":"1.11.4","applyable":true,"resource_changes":[
 {"address":"module.vault.aws_secretsmanager_secret.x","mode":"managed","type":"aws_secretsmanager_secret","name":"x","provider_name":"registry.terraform.io/hashicorp/aws",
  "change":{"actions":["create"],"before":null,"after":{"name":"x"},"after_unknown":{}}}]}`

// What is applied is what was reviewed, and nothing else.
func TestPromotionAppliesTheReviewedPlan(t *testing.T) {
	t.Parallel()
	w := newPromotions(t)
	w.release("v1.0.0")
	if err := os.WriteFile(filepath.Join(w.fake, "show.out"), []byte(lossOfData), 0o644); err != nil {
		t.Fatal(err)
	}
	calls := func() string {
		content, _ := os.ReadFile(filepath.Join(w.fake, "calls"))
		return string(content)
	}
	_, stderr := w.must(console.ExitFailed, "promote", "-env", "staging", "-release", "v1.0.0", "-reviewed", "00000000000000000000")
	mentions(t, stderr, "not the plan that was reviewed", "create", "next: ")
	if strings.Contains(calls(), "\napply ") {
		t.Fatalf("applied:\n%s", calls())
	}
	_, reviewed, _ := strings.Cut(stderr, "its fingerprint is ")
	reviewed, _, _ = strings.Cut(reviewed, ",")
	w.must(console.ExitOK, "promote", "-env", "staging", "-release", "v1.0.0", "-reviewed", reviewed)
	if n, refreshed := strings.Count(calls(), " -json PLAN"), strings.Count(calls(), " -refresh-only "); n != 1 || refreshed != 1 {
		t.Errorf("applied %d times, refreshed %d times:\n%s", n, refreshed, calls())
	}
	if r := w.record(); !r.Applied || r.Plan == nil || r.Plan.Summary != "1 to create" {
		t.Errorf("record: %+v", r.Plan)
	}
}
