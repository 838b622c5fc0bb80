package view_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/plan"
	"github.com/specboard/platform/tfpipeline/internal/view"
)

// matches compares a text with a golden.
func matches(t *testing.T, golden, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (rewrite with -update):\n%s", golden, d)
	}
}

// driftOf is a root that somebody changed, that another system may change, and
// whose configuration was not applied.
func driftOf(t *testing.T) *view.DriftReport {
	t.Helper()
	grace := object{"health_check_grace_period_seconds": 30.0}
	p := parse(t, "production", object{
		"resource_drift": []object{
			change("module.api.aws_ecs_service.this", "aws_ecs_service", []string{"update"}, object{"desired_count": 2.0, "force": false}, object{"desired_count": 3.0, "force": true}, nil),
			change("module.network.aws_security_group.this", "aws_security_group", []string{"update"}, object{"description": "a|b `c`"}, object{"description": "<!-- x -->\n@team"}, nil),
			change("module.old.aws_sqs_queue.this", "aws_sqs_queue", []string{"delete"}, object{"name": "old"}, nil, nil),
		},
		"resource_changes": []object{
			change("module.mcp.aws_ecs_service.this", "aws_ecs_service", []string{"update"}, grace, object{"health_check_grace_period_seconds": 60.0}, nil),
		},
	})
	r := &view.DriftReport{}
	r.Add("production", plan.Classify(p, []config.AcceptedDrift{{Type: "aws_ecs_service", Attribute: "desired_count", Owner: "autoscaling"}}))
	r.Add("staging", plan.Classify(parse(t, "staging", object{}), nil))
	return r
}

func TestIssueGolden(t *testing.T) {
	r := driftOf(t)
	var got strings.Builder
	for _, root := range []string{"production", "staging"} {
		i := r.Issue("doc-platform", root, "https://example.org/1")
		if !strings.HasPrefix(i.Body, i.Marker+"\n"+i.Subject+"\n") || i.Clean != (root == "staging") {
			t.Errorf("%s: marker %q, subject %q, clean %t:\n%s", root, i.Marker, i.Subject, i.Clean, i.Body)
		}
		fmt.Fprintf(&got, "# %s\n\n%s\n---\n\n%s\n---\n\n%s\n---\n\n%s\n\n---\n\n", i.Title, i.Body, i.Changed, i.Reopened, i.Closed)
	}
	matches(t, "testdata/issue.md", got.String())
}

// Where nobody changed anything there is no issue, although all of a root waits to be
// applied.
func TestNoIssueOfWhatWaits(t *testing.T) {
	p := parse(t, "production", object{"resource_changes": []object{change("module.api.aws_ecs_service.this", "aws_ecs_service", []string{"create"}, nil, object{}, nil)}})
	r := &view.DriftReport{}
	r.Add("production", plan.Classify(p, nil))
	if i := r.Issue("doc-platform", "production", ""); !i.Clean || r.Clean() {
		t.Errorf("the issue is clean: %t, the root: %t", i.Clean, r.Clean())
	}
}

func TestDeployedGolden(t *testing.T) {
	first := record()
	first.Outcome, first.Previous, first.RunURL, first.Environment = deploy.Deployed, deploy.Release{}, "", "staging"
	first.Release.Digests = map[string]string{"mcp": good, "api": good}
	later := record()
	later.Outcome, later.Actor, later.RunURL = deploy.Deployed, "ada, re-run by `grace`", "https://example.org/1?a=(b) c"
	later.Release.Digests = map[string]string{"api": good}
	var got strings.Builder
	for _, r := range []deploy.Record{first, later} {
		begin, end, text := view.Deployed("doc-platform", r)
		fmt.Fprintf(&got, "%s\n%s\n%s\n\n---\n\n", begin, text, end)
	}
	matches(t, "testdata/deployed.md", got.String())
}
