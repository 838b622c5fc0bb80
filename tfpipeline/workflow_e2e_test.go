package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/tfpipeline/internal/calls"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/view"
)

// The workflows of this repository, executed as YAML on one platform, in the
// order in which a project meets them.
func TestWorkflowRuns(t *testing.T) {
	r := newRunner(t)
	for _, step := range []struct {
		name string
		do   func(*runner)
	}{
		{"pull requests", pullRequests},
		{"drift", driftIssues},
		{"push deploys staging", pushDeploysStaging},
		{"dashboard", publishesTheDashboard},
		{"an older push does nothing", olderPushDoesNothing},
		{"bootstrap of production", bootstrapsProduction},
		{"a pre-release starts nothing", preReleaseStartsNothing},
		{"release goes to production", releaseGoesToProduction},
		{"release gets binaries", releaseGetsBinaries},
		{"an old tag's program is started by nobody", oldTagStartsNothing},
		{"a tag that never ran on staging", unprovedTagIsRefused},
		{"re-run of an old release rolls back", rerunRollsBack},
		{"two releases are approved in the wrong order", approvedInTheWrongOrder},
		{"rollback while a release waits", rollbackWhileAReleaseWaits},
		{"operate", operates},
	} {
		if !t.Run(step.name, func(t *testing.T) {
			outer := r.promotions.t
			r.promotions.t, r.repo.t = t, t
			defer func() { r.promotions.t, r.repo.t = outer, outer }()
			step.do(r)
			r.clean()
		}) {
			break // what follows builds on it
		}
	}
}

func pushDeploysStaging(r *runner) {
	r.mustRun(true, r.push("first"))
	second := r.push("second")
	r.mustRun(true, second)
	r.assumes("staging-deploy/build: build", "staging-deploy/promote: deploy-staging", "staging-deploy/shared: plan")
	if got := r.last("staging"); got.Release.Commit != second.commit || got.Actor != "ada" || !strings.HasSuffix(got.RunURL, "/attempts/1") {
		r.t.Errorf("record %+v", got)
	}
	r.deploys("staging first success", "staging second success")
}

// A re-run of an older push builds nothing and changes nothing.
func olderPushDoesNothing(r *runner) {
	pushed := len(r.cloud.tagged)
	again := r.at("first")
	again.attempt, again.rerunBy = 2, "grace"
	log := r.mustRun(true, again)
	mentions(r.t, log, "superseded by")
	if len(r.cloud.tagged) != pushed || r.lastDeployed("staging").Release.Commit != r.at("second").commit {
		r.t.Errorf("a re-run of an older push changed something: %v", r.cloud.tagged[pushed:])
	}
	r.takeAssumed()
	r.deploys()
}

func bootstrapsProduction(r *runner) {
	r.tag("v1.0.0", "second")
	e := r.dispatch("prod-deploy", map[string]string{"tag": "v1.0.0", "bootstrap": "true"})
	log := r.mustRun(true, e)
	summarizes(r.t, log, "## Terraform plan of doc-platform\n\n| root | verdict | fingerprint |\n|---|---|---|\n| `production` | ✅ no changes |")
	mentions(r.t, log, "production: no changes", "bin/tfpipeline apply -env production -yes -reviewed")
	r.assumes("prod-deploy/preview: plan", "prod-deploy/promote: deploy-production")
}

// GitHub sends no event "released" of it; should it, every job is skipped.
func preReleaseStartsNothing(r *runner) {
	before := len(r.attempts("production"))
	e := r.released("v1.0.0")
	e.payload = map[string]any{"action": "prereleased", "release": map[string]any{"tag_name": "v1.0.0", "prerelease": true}}
	if log := r.mustRun(true, e); strings.Contains(log, "tfpipeline promote") {
		r.t.Errorf("a pre-release started something:\n%s", log)
	}
	r.assumes()
	r.deploys()
	if n := len(r.attempts("production")); n != before {
		r.t.Errorf("%d records, %d before", n, before)
	}
}

func releaseGoesToProduction(r *runner) {
	r.hub.releases["v1.0.0"] = "What is new."
	log := r.mustRun(true, r.released("v1.0.0"))
	summarizes(r.t, log, "## Promotion of `v1.0.0` to `production`", "`tfpipeline promote`:\n\n```\nproduction: v1.0.0 is deployed to every service (")
	r.assumes("prod-deploy/preview: plan", "prod-deploy/promote: deploy-production")
	if got := r.last("production"); got.Release.Tag != "v1.0.0" || got.Release.Commit != r.at("second").commit || got.Outcome != deploy.Deployed {
		r.t.Errorf("record %+v", got)
	}
	r.deploys("production second success")
	mentions(r.t, r.hub.releases["edited"], "What is new.", "production", imageDigest("api", r.at("second").commit), "ada")
}

// What was built is attested, handed on and uploaded, and nobody has a way to AWS.
func releaseGetsBinaries(r *runner) {
	e := r.released("v1.0.0")
	e.workflow = "binaries"
	log := r.mustRun(true, e)
	mentions(r.t, log, "attested tfpipeline-linux-amd64 ", "tfpipeline-linux-amd64: OK", "gh release upload v1.0.0 --repo ", "--clobber -- SHA256SUMS tfpipeline-linux-amd64")
	r.assumes()
	r.deploys()
}

// A person may choose the tag of a release as the ref of a workflow.
func oldTagStartsNothing(r *runner) {
	for workflow, inputs := range map[string]map[string]string{
		"prod-rollback": {"tag": "", "skip_migrations": "true"},
		"operate":       {"environment": "production", "operation": "unlock"},
		"drift":         nil,
		"dashboard":     nil,
	} {
		e := r.dispatch(workflow, inputs)
		e.ref, e.commit = "refs/tags/v1.0.0", r.at("second").commit
		if log := r.mustRun(true, e); strings.Contains(log, "bin/tfpipeline") {
			r.t.Errorf("%s on a tag started something:\n%s", workflow, log)
		}
	}
	r.assumes()
	r.deploys()
}

func unprovedTagIsRefused(r *runner) {
	never := r.push("never")
	r.cloud.build(never.commit)
	r.tag("v0.9.0", "never")
	mentions(r.t, r.mustRun(false, r.released("v0.9.0")), "no proof for api from staging")
	r.assumes("prod-deploy/preview: plan")
}

func rerunRollsBack(r *runner) {
	r.mustRun(true, r.push("third"))
	r.tag("v1.1.0", "third")
	r.mustRun(true, r.released("v1.1.0"))
	again := r.released("v1.0.0")
	again.attempt, again.rerunBy = 2, "grace"
	mentions(r.t, r.mustRun(true, again), "## Rollback of `production` to `v1.0.0`")
	if got := r.last("production"); got.Release.Tag != "v1.0.0" || got.Actor != "ada, re-run by grace" {
		r.t.Errorf("record %+v", got)
	}
	r.deploys("staging third success", "production third success", "production second success")
	r.takeAssumed()
}

// The preview of both is approved, the newer one first: the older one ends as
// superseded.
func approvedInTheWrongOrder(r *runner) {
	for _, subject := range []string{"fourth", "fifth"} {
		r.mustRun(true, r.push(subject))
	}
	r.tag("v1.2.0", "fourth")
	r.tag("v1.3.0", "fifth")
	older, newer := r.released("v1.2.0").waiting(), r.released("v1.3.0").waiting()
	var group sync.WaitGroup
	logs := make([]string, 2)
	for i, e := range []event{older, newer} {
		group.Go(func() { logs[i], _ = r.run(e) })
		<-e.waits // both previews were made before anybody approves
	}
	close(newer.approved)
	for r.last("production").Release.Tag != "v1.3.0" && calls.Pause(r.t.Context(), 50*time.Millisecond) {
	}
	close(older.approved)
	group.Wait()
	mentions(r.t, logs[0], "superseded by v1.3.0")
	if got := r.lastDeployed("production"); got.Release.Tag != "v1.3.0" {
		r.t.Errorf("%s runs\n%s", got.Release, logs[0])
	}
	r.deploys("staging fourth success", "staging fifth success", "production fifth success")
	r.takeAssumed()
	// So the older one never ran, and there is nothing that a re-run of it could
	// roll back to.
	again := r.released("v1.2.0")
	again.attempt = 2
	mentions(r.t, r.mustRun(false, again), "v1.2.0 never ran here")
	r.assumes("prod-deploy/preview: plan")
}

// Yesterday's release, which nobody has approved, keeps no rollback waiting.
func rollbackWhileAReleaseWaits(r *runner) {
	r.mustRun(true, r.push("sixth"))
	r.tag("v1.4.0", "sixth")
	e := r.released("v1.4.0").waiting()
	var group sync.WaitGroup
	group.Go(func() { r.run(e) })
	<-e.waits
	r.takeAssumed()
	mentions(r.t, r.mustRun(true, r.dispatch("prod-rollback", map[string]string{"tag": "", "skip_migrations": "true", "force": "search is down"})), "## Rollback of `production`")
	r.assumes("prod-rollback/preview: plan", "prod-rollback/rollback: deploy-production")
	back := r.lastDeployed("production")
	if back.Kind != deploy.KindRollback {
		r.t.Errorf("record %+v", back)
	}
	close(e.approved)
	group.Wait()
	if got := r.lastDeployed("production"); got.Release.Tag != "v1.4.0" {
		r.t.Errorf("%s runs", got.Release)
	}
	r.hub.takeEnded()
	r.takeAssumed()
}

// The repository is by now one that names itself with GitHub's ids.
func operates(r *runner) {
	p := configtest.Docs()
	p.Repository.OwnerID, p.Repository.ID = 1234567, 987654321
	r.trusts(p)
	for _, step := range []struct{ operation, answer string }{
		{"status", "production"}, {"history", "rollback"}, {"unlock", "production: nothing is locked"},
		{"apply -refresh-only", "production: the state knows all there is"},
	} {
		log := r.mustRun(true, r.dispatch("operate", map[string]string{"environment": "production", "operation": step.operation}))
		summarizes(r.t, log, step.answer, "| [production](https://specboard.io) | `v1.4.0` |")
	}
	r.assumes("operate/operate: deploy-production")
}

// The dashboard is an artifact, made with the rights of the role of plans.
func publishesTheDashboard(r *runner) {
	r.mustRun(true, r.dispatch("dashboard", nil))
	r.assumes("dashboard/dashboard: plan")
	page, err := os.ReadFile(filepath.Join(r.actions, "artifact"))
	if err != nil {
		r.t.Fatal(err)
	}
	mentions(r.t, string(page), r.at("second").commit, "as released", "none of 0 rings", "<dt>drift</dt><dd>none, as of ")
}

// Drift opens one issue, which stays the only one: it is opened again after
// somebody closed it, and closed when the root is clean.
func driftIssues(r *runner) {
	r.push("drifting")
	file := filepath.Join(r.fake, "show.production.out")
	state := func() (states []string) {
		for _, i := range r.hub.issues {
			states = append(states, fmt.Sprint(i["title"], " ", i["state"], " ", i["comments"]))
		}
		return states
	}
	for _, step := range []struct {
		drifted []string // the queues that differ
		closed  bool     // by a person, before
		want    string
	}{
		{drifted: []string{"jobs"}, want: "open 0"},
		{drifted: []string{"jobs"}, want: "open 0"},
		{drifted: []string{"jobs", "mails"}, want: "open 1"}, // which is a comment
		{drifted: []string{"jobs", "mails"}, closed: true, want: "open 2"},
		{want: "closed 3"},
		{want: "closed 3"},
	} {
		if step.closed {
			r.hub.issues[0]["state"], r.hub.issues[0]["closed_at"] = "closed", time.Now().UTC().Format(time.RFC3339)
		}
		os.Remove(file)
		if step.drifted != nil {
			var drifted []string
			for _, queue := range step.drifted {
				drifted = append(drifted, `{"address":"aws_sqs_queue.`+queue+`","mode":"managed","type":"aws_sqs_queue","name":"`+queue+`",
				 "provider_name":"registry.terraform.io/hashicorp/aws","change":{"actions":["update"],"before":{"delay_seconds":0},"after":{"delay_seconds":90},"after_unknown":{}}}`)
			}
			drift := `{"format_version":"1.2","terraform_version":"1.11.4","applyable":false,"resource_drift":[` + strings.Join(drifted, ",") + `]}`
			if err := os.WriteFile(file, []byte(drift), 0o644); err != nil {
				r.t.Fatal(err)
			}
		}
		r.mustRun(true, r.dispatch("drift", nil))
		if d := cmp.Diff([]string{"Drift: production of doc-platform " + step.want}, state()); d != "" {
			r.t.Fatalf("%+v: issues (-want +got):\n%s", step, d)
		}
	}
	r.assumes("drift/drift: plan")
}

// A pull request of this repository gets one comment, however long its plan;
// a fork's and Dependabot's get neither credentials nor a comment, and pass.
func pullRequests(r *runner) {
	long := map[string]any{"format_version": "1.2", "terraform_version": "1.11.4", "applyable": true}
	var changes []any
	for i := range 700 {
		changes = append(changes, map[string]any{
			"address": fmt.Sprintf("module.network.aws_subnet.private[%d]", i), "mode": "managed", "type": "aws_subnet", "name": "private",
			"provider_name": "registry.terraform.io/hashicorp/aws",
			"change":        map[string]any{"actions": []string{"create"}, "before": nil, "after": map[string]any{"cidr_block": strings.Repeat("x", 100)}, "after_unknown": map[string]any{}},
		})
	}
	long["resource_changes"] = changes
	content, err := json.Marshal(long)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(r.fake, "show.out"), content, 0o644); err != nil {
		r.t.Fatal(err)
	}
	defer os.Remove(filepath.Join(r.fake, "show.out"))
	e := r.push("feature")
	pull := func(repository, actor string) event {
		e.workflow, e.name, e.ref, e.actor = "plan", "pull_request", "refs/pull/7/merge", actor
		e.payload = map[string]any{"number": 7, "pull_request": map[string]any{
			"number": 7, "head": map[string]any{"sha": e.commit, "ref": "feature", "repo": map[string]any{"full_name": repository}},
			"base": map[string]any{"ref": "main"},
		}}
		return e
	}
	const own = "specboard/doc-platform"
	for range 2 {
		r.mustRun(true, pull(own, "ada"))
	}
	r.assumes("plan/plan: plan")
	if len(r.hub.comments) != 1 || len(r.hub.comments[0]["body"].(string)) > view.CommentBudget {
		r.t.Errorf("%d comments", len(r.hub.comments))
	}
	for _, e := range []event{pull("somebody/fork", "eve"), pull(own, "dependabot[bot]")} {
		summarizes(r.t, r.mustRun(true, e), "**Offline plan**")
	}
	r.assumes()
	// Dependabot's branch is in the repository, so only GitHub's answer says
	// that its token may not comment.
	if d := cmp.Diff([]string{"plan/plan-offline: GET issues/7/comments needs pull-requests: write"}, r.hub.refused); d != "" || len(r.hub.comments) != 1 {
		r.t.Errorf("%d comments; refused (-want +got):\n%s", len(r.hub.comments), d)
	}
	r.hub.refused = nil
	// A merge queue gets the required check, and plans nothing again.
	e.name, e.ref, e.payload = "merge_group", "refs/heads/gh-readonly-queue/main/pr-7-0123", map[string]any{"action": "checks_requested"}
	mentions(r.t, r.mustRun(true, e), "plan: skipped, plan-offline: skipped")
	r.assumes()
}

// assumes compares the roles that jobs have assumed since the last time.
func (r *runner) assumes(want ...string) {
	r.t.Helper()
	if d := cmp.Diff(want, r.takeAssumed()); d != "" {
		r.t.Errorf("roles (-want +got):\n%s", d)
	}
}

// deploys compares how GitHub's deployments have ended since the last time, by
// environment and subject of the commit.
func (r *runner) deploys(want ...string) {
	r.t.Helper()
	if d := cmp.Diff(want, r.hub.takeEnded()); d != "" {
		r.t.Errorf("deployments (-want +got):\n%s", d)
	}
}

// takeEnded are the statuses that are not on the way, since the last call.
func (h *fakeHub) takeEnded() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var ended []string
	for _, s := range h.statuses {
		words := strings.Fields(s)
		if words[2] != "in_progress" && words[2] != "queued" {
			ended = append(ended, words[0]+" "+h.runner.repo.do("log", "-1", "--format=%s", words[1])+" "+words[2])
		}
	}
	h.statuses = nil
	return ended
}

// clean fails the test if a job was refused something, or a lock is left.
func (r *runner) clean() {
	r.t.Helper()
	if refused := append(r.refused(), r.hub.refused...); len(refused) > 0 {
		r.t.Errorf("refused:\n%s", strings.Join(refused, "\n"))
	}
	if left := r.keys("locks/"); left != nil {
		r.t.Errorf("locks: %v", left)
	}
}

// at is the push of a commit, by its subject.
func (r *runner) at(subject string) event {
	r.t.Helper()
	commit := r.repo.do("log", "--all", "--format=%H", "--grep=^"+subject+"$", "-1")
	return event{workflow: "staging-deploy", name: "push", ref: "refs/heads/main", commit: commit, actor: "ada"}
}

// tag makes an annotated tag of a commit.
func (r *runner) tag(tag, subject string) {
	r.t.Helper()
	r.repo.do("tag", "-a", "-m", tag, tag, r.at(subject).commit)
}

// released is the event of a published release.
func (r *runner) released(tag string) event {
	r.t.Helper()
	return event{
		workflow: "prod-deploy", name: "release", ref: "refs/tags/" + tag, commit: r.repo.do("rev-parse", tag+"^{commit}"), actor: "ada",
		payload: map[string]any{"action": "released", "release": map[string]any{"tag_name": tag}},
	}
}

// dispatch starts a workflow by hand, on main.
func (r *runner) dispatch(workflow string, inputs map[string]string) event {
	r.t.Helper()
	return event{workflow: workflow, name: "workflow_dispatch", ref: "refs/heads/main", commit: r.repo.do("rev-parse", "main"), actor: "ada", inputs: inputs}
}

// waiting makes the jobs of the protected environment wait.
func (e event) waiting() event {
	e.approved, e.waits = make(chan struct{}), make(chan string, 1)
	return e
}

// attempts are the records of an environment, oldest first.
func (r *runner) attempts(env string) []deploy.Record {
	r.t.Helper()
	var all []deploy.Record
	for _, key := range r.keys("history/" + env + "/") {
		if strings.HasSuffix(key, ".journal.json") {
			continue
		}
		r.cloud.mu.Lock()
		content := r.cloud.objects[key]
		r.cloud.mu.Unlock()
		var record deploy.Record
		if err := json.Unmarshal([]byte(content), &record); err != nil {
			r.t.Fatalf("%s: %v", key, err)
		}
		all = append(all, record)
	}
	slices.SortFunc(all, func(a, b deploy.Record) int { return a.Started.Compare(b.Started) })
	return all
}

// last is the latest record, and lastDeployed the latest of one that changed
// what runs.
func (r *runner) last(env string) deploy.Record {
	all := r.attempts(env)
	if len(all) == 0 {
		return deploy.Record{}
	}
	return all[len(all)-1]
}

func (r *runner) lastDeployed(env string) deploy.Record {
	all := slices.DeleteFunc(r.attempts(env), func(x deploy.Record) bool { return x.Outcome != deploy.Deployed })
	return all[len(all)-1]
}
