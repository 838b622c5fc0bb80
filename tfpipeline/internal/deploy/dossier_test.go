package deploy

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/specboard/platform/tfpipeline/internal/redact"
)

func TestDossier(t *testing.T) {
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	r := Record{
		Version: RecordVersion, ID: "20261123T115000Z-abcdef", Kind: KindPromote, Environment: "production", Actor: "ada", RunURL: "https://ci.example/7",
		Started: at.Add(-10 * time.Minute), Ended: at, Release: Release{Tag: "v1.2", Commit: commitOf("v1.2")}, Previous: Release{Tag: "v1.1", Commit: commitOf("v1.1")},
		Services: map[string]*ServiceRecord{
			"api": {Before: "arn:x/api:3", After: "arn:x/api:4", Deployment: "arn:x/d1", State: DeploymentRolledBack, Failures: 3, Threshold: 3, Reason: "circuit breaker: a | b", Outcome: RolledBack},
			"mcp": {Before: "arn:x/mcp:3", After: "arn:x/mcp:4", Deployment: "arn:x/d2", State: DeploymentSuccessful, Threshold: 3, Outcome: RolledBack},
		},
		Migration: &MigrationRecord{TaskRecord: TaskRecord{Token: "t", ARN: "arn:x/task1", ExitCode: new(0)}},
		Plan:      &Plan{Fingerprint: "fp-1", Summary: "1 to add"}, Applied: true,
		Overrides: []Override{{"proof", "staging is down"}},
		Outcome:   RolledBack, Step: StepWatch, Error: "service api: deployment d1 is rolled back", Left: []string{"task migrate has run", "service api is back on api:3"},
		Next: "fix the release and promote the next one",
	}
	e := Evidence{
		Collected: at,
		Events:    map[string][]ServiceEvent{"api": {{ID: "1", Time: at, Message: "(service api) is unhealthy in target group"}}},
		Stopped: []StoppedTask{{
			ARN: "arn:x/task2", Name: "api", TaskDefinition: "arn:x/api:4", StopCode: "EssentialContainerExited", Reason: "Essential container in task exited", Stopped: at,
			Containers: []StoppedContainer{{Name: "api", ExitCode: new(1), Digest: "sha256:00"}, {Name: "proxy"}},
			Log:        []LogLine{{Time: at, Message: "```\n# not a heading"}, {Time: at, Message: "panic: DB_PASSWORD=hunter2hunter2"}},
		}},
		Deployments: []Breaker{{Service: "api", ARN: "arn:x/d1", State: DeploymentRolledBack, Failures: 3, Threshold: 3}},
		Targets:     map[string]Targets{"api": {Unhealthy: 2, Reasons: []string{"Target.Timeout"}}},
		Gaps:        []string{"the log of task3: AccessDenied"},
	}
	d, err := NewDossier(e, r, redact.Redactor{})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", "dossier.md")
	if *update {
		if err := os.WriteFile(path, []byte(d.Markdown), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), d.Markdown); diff != "" {
		t.Errorf("%s (-want +got; go test -update rewrites it):\n%s", path, diff)
	}
	var back struct {
		Record   Record
		Evidence Evidence
	}
	if err := json.Unmarshal(d.JSON, &back); err != nil {
		t.Fatal(err)
	}
	if back.Record.ID != r.ID || len(back.Evidence.Stopped) != 1 || back.Evidence.Targets["api"].Unhealthy != 2 {
		t.Errorf("%+v", back)
	}
	if strings.Contains(d.Markdown, "hunter2") || strings.Contains(string(d.JSON), "hunter2") {
		t.Error("a secret is in the dossier")
	}
}
