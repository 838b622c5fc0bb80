package view_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/view"
)

func at(clock string) time.Time {
	t, err := time.Parse("2006-01-02 15:04:05", "2026-11-23 "+clock)
	if err != nil {
		panic(err)
	}
	return t
}

const (
	good  = "sha256:1111111111111111111111111111111111111111111111111111111111111111"
	other = "sha256:2222222222222222222222222222222222222222222222222222222222222222"
)

func status() view.Status {
	return view.Status{
		Environment: "production", URL: "https://specboard.io", Time: at("08:10:00"),
		Release: &deploy.Release{Tag: "v1.4.0", Commit: "c0ffee"}, Since: at("07:00:00"), By: "ada",
		Services: []view.ServiceStatus{
			{
				Name: "api", Known: true, TaskDefinition: family + "api:42", Desired: 2, Running: 2, Digests: []string{good}, Release: true,
				Deployment: deploy.DeploymentSuccessful, Targets: &deploy.Targets{Healthy: 2},
			},
			{
				Name: "mcp", Known: true, Restarts: 3, TaskDefinition: family + "mcp:7", Desired: 2, Running: 1, Digests: []string{good, other}, Runs: []string{"v1.5.0", ""},
				Deployment: deploy.DeploymentRolledBack, Targets: &deploy.Targets{Unhealthy: 1, Reasons: []string{"10.0.0.1:3002 is unhealthy"}},
			},
			{Name: "new"},
		},
		Lock: &deploy.Lease{
			Environment: "production", RecordID: "20261123T080000Z-abcdef", Kind: deploy.KindPromote, Release: deploy.Release{Tag: "v1.5.0"},
			Actor: "bob", Why: "by hand", Since: at("08:00:00"), Until: at("08:01:00"), Age: 10 * time.Minute,
		},
	}
}

func TestStatus(t *testing.T) {
	s := status()
	s.Judge()
	var out bytes.Buffer
	if err := s.Text(&out); err != nil {
		t.Fatal(err)
	}
	want := `production: v1.4.0 (c0ffee) since 2026-11-23 07:00:00Z, by ada  https://specboard.io
  SERVICE  TASKS  RESTARTS  REVISION  DEPLOYMENT   TARGETS           RUNS
  api      2/2    0         42        successful   2 healthy         v1.4.0
  mcp      1/2    3         7         rolled back  0 healthy, 1 not  v1.5.0, sha256:222222222222
  new      -      -         -         -            -                 -
  lock: promote v1.5.0, by bob since 2026-11-23 08:00:00Z (by hand)
    record 20261123T080000Z-abcdef
    gone: its lease ended 9m0s ago
  ! an attempt died: promote v1.5.0, record 20261123T080000Z-abcdef
  ! mcp: 1 of 2 tasks run
  ! mcp does not run v1.4.0 but v1.5.0 and sha256:222222222222
  ! mcp: 3 tasks stopped by themselves within the hour
  ! mcp: its last deployment is rolled back
  ! mcp: no target is healthy: 10.0.0.1:3002 is unhealthy
  ! new: ECS has no such service
`
	if d := cmp.Diff(want, out.String()); d != "" {
		t.Errorf("status (-want +got):\n%s", d)
	}
}

func TestStatusOfAHealthyEnvironmentHasNoProblems(t *testing.T) {
	s := status()
	s.Services, s.Lock = s.Services[:1], nil
	s.Judge()
	if len(s.Problems) != 0 {
		t.Errorf("%v", s.Problems)
	}
	nothing := view.Status{Environment: "staging", Services: []view.ServiceStatus{{Name: "api", Known: true}}}
	if nothing.Judge(); len(nothing.Problems) != 0 {
		t.Errorf("before the first release: %v", nothing.Problems)
	}
	var out bytes.Buffer
	if err := (view.Statuses{s, status()}).Markdown(&out); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); !strings.Contains(got, "| [production](https://specboard.io) | `v1.4.0` | 2026-11-23 07:00:00Z | `ada` | as released |") {
		t.Errorf("%s", got)
	}
	// What ECS rolled back by itself stays its last deployment until the next one.
	s.Services[0].Deployment = deploy.DeploymentRolledBack
	if s.Judge(); len(s.Problems) != 0 {
		t.Errorf("rolled back to the release: %v", s.Problems)
	}
	s.Services[0].Deployment = deploy.DeploymentRollbackFailed
	if s.Judge(); len(s.Problems) != 1 {
		t.Errorf("a rollback that failed: %v", s.Problems)
	}
}

func record() deploy.Record {
	zero := 0
	return deploy.Record{
		ID: "20261123T080000Z-abcdef", Kind: deploy.KindPromote, Environment: "production", Actor: "ada", RunURL: "https://example.org/1",
		Started: at("08:00:00"), Ended: at("08:05:03"), Release: deploy.Release{Tag: "v1.4.0", Commit: "c0ffee"}, Previous: deploy.Release{Tag: "v1.3.0", Commit: "decade"},
		Migration: &deploy.MigrationRecord{TaskRecord: deploy.TaskRecord{ARN: "arn:task", ExitCode: &zero}},
		Plan:      &deploy.Plan{Fingerprint: "47773ac14efb91b0cb53"}, Applied: true,
		Proof:     &deploy.Proof{Environment: "staging", Baked: time.Hour, MinimumBake: 10 * time.Minute},
		Overrides: []deploy.Override{{Check: "rejected release", Reason: "mended\nby hand"}},
		Services: map[string]*deploy.ServiceRecord{"api": {
			Digest: good, Before: family + "api:41", After: family + "api:42", Updated: true, State: deploy.DeploymentRolledBack, Failures: 3, Threshold: 3,
			Started: at("08:01:00"), Ended: at("08:03:00"),
			Seen: &deploy.Seen{
				At: at("08:04:30"), TaskDefinition: family + "api:41", State: deploy.DeploymentSuccessful, Desired: 3, Running: 3,
				Deployment: "arn:aws:ecs:us-west-2:123456789012:service-deployment/doc-platform-production/api/kBq1", Digests: []string{good, "", good},
			},
		}},
		Outcome: deploy.RolledBack, Step: deploy.StepWatch, Error: "service api failed", Left: []string{"task migrate has run"}, Next: deploy.Next{{Advice: deploy.AdviceInspect, Verb: deploy.VerbStatus}},
	}
}

func TestRecordText(t *testing.T) {
	var out bytes.Buffer
	if err := view.Record(&out, record()); err != nil {
		t.Fatal(err)
	}
	want := `production: promotion of v1.4.0: rolled back (5m3s)
record     20261123T080000Z-abcdef
by         ada https://example.org/1
begun      2026-11-23 08:00:00Z
ended      2026-11-23 08:05:03Z
commit     c0ffee
before     v1.3.0 (decade)
proof      ran in staging for 1h0m0s, 10m0s asked for
override   rejected release: mended⏎by hand
plan       47773ac14efb91b0cb53 (applied)
migrate    exit code 0, arn:task
step       watch
error      service api failed
left       task migrate has run
next       what runs: tfpipeline status -env production

SERVICE  REVISION  DEPLOYMENT   BREAKER  ELAPSED  DIGEST
api      41 → 42   rolled back  3/3      2m0s     sha256:111111111111

SEEN  AT                    REVISION  DEPLOYMENT  STATE       TASKS  IMAGES
api   2026-11-23 08:04:30Z  41        kBq1        successful  3/3    2 of sha256:111111111111, 1 of unknown
`
	if d := cmp.Diff(want, out.String()); d != "" {
		t.Errorf("record (-want +got):\n%s", d)
	}
}

func TestAnnouncement(t *testing.T) {
	r := record()
	want := `doc-platform production: promotion of v1.4.0: rolled back (5m3s), by ada
watch: service api failed
• task migrate has run
next: what runs: tfpipeline status -env production
https://example.org/1`
	if d := cmp.Diff(want, view.Announcement("doc-platform", r)); d != "" {
		t.Errorf("failed (-want +got):\n%s", d)
	}
	r.Outcome, r.RunURL = deploy.Deployed, ""
	if got, want := view.Announcement("doc-platform", r), "doc-platform production: v1.4.0 is deployed to every service (5m3s), after v1.3.0, by ada"; got != want {
		t.Errorf("got %s", got)
	}
}

func TestHistory(t *testing.T) {
	killed := record()
	killed.ID, killed.Outcome, killed.Started = "20261123T090000Z-zzzzzz", "", at("09:00:00")
	h := view.History{
		Environment: "production", Records: []deploy.Record{record()}, More: 7,
		Unfinished: []deploy.Journal{{Step: deploy.StepUpdate, Record: killed}},
		Skipped:    []deploy.Skipped{{Key: "history/production/notes.txt", Reason: "the key is not that of a record"}},
	}
	var out bytes.Buffer
	if err := h.Text(&out); err != nil {
		t.Fatal(err)
	}
	want := `BEGUN                 ATTEMPT                  RELEASE         BEFORE  OUTCOME               ELAPSED  BY
2026-11-23 09:00:00Z  20261123T090000Z-zzzzzz  promote v1.4.0  v1.3.0  no end: update        -        ada
2026-11-23 08:00:00Z  20261123T080000Z-abcdef  promote v1.4.0  v1.3.0  rolled back at watch  5m3s     ada
and 7 older
left out: history/production/notes.txt: the key is not that of a record
`
	if d := cmp.Diff(want, out.String()); d != "" {
		t.Errorf("history (-want +got):\n%s", d)
	}
	out.Reset()
	if err := (view.History{Environment: "production"}).JSON(&out); err != nil || !strings.Contains(out.String(), `"records": []`) {
		t.Errorf("%v: %s", err, out.String())
	}
}

// What died before it could say what it was about is shown all the same.
func TestResultOfTheDead(t *testing.T) {
	for kind, want := range map[deploy.Kind]string{
		deploy.KindRestart: "staging: restart of services: interrupted", deploy.KindSecret: "staging: change of secret whose name is not recorded: interrupted",
	} {
		if got := view.Result(deploy.Record{Environment: "staging", Kind: kind, Outcome: deploy.Interrupted}); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
