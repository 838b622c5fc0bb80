package view_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/view"
)

func TestDossier(t *testing.T) {
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	r := deploy.Record{
		Version: deploy.RecordVersion, ID: "20261123T115000Z-abcdef", Kind: deploy.KindPromote, Environment: "production", Actor: "ada", RunURL: "https://ci.example/7",
		Started: at.Add(-10 * time.Minute), Ended: at, Release: deploy.Release{Tag: "v1.2", Commit: "c0ffee"}, Previous: deploy.Release{Tag: "v1.1", Commit: "decade"},
		Services: map[string]*deploy.ServiceRecord{
			"api": {Before: "arn:x/api:3", After: "arn:x/api:4", Deployment: "arn:x/d1", State: deploy.DeploymentRolledBack, Failures: 3, Threshold: 3, Reason: "circuit breaker: a | b", Outcome: deploy.RolledBack},
			"mcp": {Before: "arn:x/mcp:3", After: "arn:x/mcp:4", Deployment: "arn:x/d2", State: deploy.DeploymentSuccessful, Threshold: 3, Outcome: deploy.RolledBack},
		},
		Migration: &deploy.MigrationRecord{TaskRecord: deploy.TaskRecord{Token: "t", ARN: "arn:x/task1", ExitCode: new(0)}},
		Plan:      &deploy.Plan{Fingerprint: "fp-1", Summary: "1 to add"}, Applied: true,
		Overrides: []deploy.Override{{Check: "proof", Reason: "staging is down"}},
		Outcome:   deploy.RolledBack, Step: deploy.StepWatch, Error: "service api: deployment d1 is rolled back", Left: []string{"task migrate has run", "service api is back on api:3", "@ops <!-- look -->"},
		Next: deploy.Next{{Advice: deploy.AdviceReplace}, {Advice: deploy.AdviceRetry, Verb: deploy.VerbPromote, Release: deploy.Release{Tag: "v1.2"}}},
	}
	e := deploy.Evidence{
		Collected: at,
		Events:    map[string][]deploy.ServiceEvent{"api": {{ID: "1", Time: at, Message: "(service api) is unhealthy in (target-group arn:aws:elasticloadbalancing:us-west-2:123456789012:targetgroup/api/0a1b)"}}},
		Stopped: []deploy.StoppedTask{{
			ARN: "arn:x/task2", Name: "api", TaskDefinition: "arn:x/api:4", StopCode: "EssentialContainerExited", Reason: "Essential container in task exited", Stopped: at,
			Containers: []deploy.StoppedContainer{{Name: "api", ExitCode: new(1), Digest: "sha256:00"}, {Name: "proxy"}},
			Log:        []deploy.LogLine{{Time: at, Message: "```\n# not a heading"}, {Time: at, Message: "panic: two\nlines"}},
		}},
		Deployments: []deploy.Breaker{{Service: "api", ARN: "arn:x/d1", State: deploy.DeploymentRolledBack, Failures: 3, Threshold: 3}},
		Targets:     map[string]deploy.Targets{"api": {Unhealthy: 2, Reasons: []string{"Target.Timeout"}}},
		Gaps:        []string{"the log of task3: AccessDenied"},
	}
	got := view.Dossier(e, r)
	path := filepath.Join("testdata", "dossier.md")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; go test -update rewrites it):\n%s", path, diff)
	}
	var text bytes.Buffer
	if err := view.DossierJSON(&text, e, r); err != nil {
		t.Fatal(err)
	}
	var back struct {
		Record   deploy.Record
		Evidence deploy.Evidence
	}
	if err := json.Unmarshal(text.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r, back.Record); diff != "" || len(back.Evidence.Stopped) != 1 || back.Evidence.Targets["api"].Unhealthy != 2 {
		t.Errorf("%s\n%+v", diff, back.Evidence)
	}
}

// Every move that the domain can name is a command that a person can copy.
func TestNext(t *testing.T) {
	v := deploy.Release{Tag: "v1.2", Commit: "c0ffee"}
	for _, c := range []struct {
		move deploy.Move
		want string
	}{
		{deploy.Move{Advice: deploy.AdviceContinue, Verb: deploy.VerbPromote, Release: v, Reviewed: "fp"}, "tfpipeline promote -env staging -release v1.2 -reviewed fp continues"},
		{deploy.Move{Advice: deploy.AdviceFix, Verb: deploy.VerbPromote, Release: deploy.Release{Commit: "c0ffee"}}, "fix that, then: tfpipeline promote -env staging -commit c0ffee"},
		{deploy.Move{Advice: deploy.AdviceOverride, Verb: deploy.VerbPromote, Release: v, Force: true}, "to override that: tfpipeline promote -env staging -release v1.2 -force"},
		{deploy.Move{Advice: deploy.AdviceRepeat, Verb: deploy.VerbPromote, Release: v, OverrideProof: "it's down"}, `tfpipeline promote -env staging -release v1.2 -override-proof 'it'\''s down'`},
		{deploy.Move{Advice: deploy.AdviceBack, Verb: deploy.VerbRollback, Release: v}, "tfpipeline rollback -env staging -to v1.2 goes back"},
		{deploy.Move{Advice: deploy.AdviceElsewhere, Verb: deploy.VerbRollback, WithMigrations: true}, "go to another release: tfpipeline rollback -env staging -to RELEASE -with-migrations"},
		{deploy.Move{Advice: deploy.AdviceEnd, Verb: deploy.VerbRollback}, "tfpipeline rollback -env staging ends it"},
		{deploy.Move{Advice: deploy.AdviceLower, Verb: deploy.VerbScale, Service: "api", Tasks: 3}, "let it keep fewer: tfpipeline scale -env staging -service api -tasks 3"},
		{deploy.Move{Advice: deploy.AdviceCheck, Verb: deploy.VerbListSecrets}, "since when its value is the current one: tfpipeline secrets list -env staging"},
		{deploy.Move{Advice: deploy.AdviceGiveUp, Verb: deploy.VerbUnlock}, "tfpipeline unlock -env staging gives it up"},
	} {
		if got := view.Next("staging", deploy.Next{c.move}); got != c.want {
			t.Errorf("%+v: %q, want %q", c.move, got, c.want)
		}
	}
}
