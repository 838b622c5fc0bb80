package view_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/specboard/platform/migrations"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/view"
)

// preview is a promotion with everything that an approver wants to know.
func preview(t *testing.T) view.Preview {
	t.Helper()
	p := parse(t, "production", object{"resource_changes": []object{
		change("module.api.aws_ecs_service.this", "aws_ecs_service", []string{"update"}, object{"health_check_grace_period_seconds": 30.0}, object{"health_check_grace_period_seconds": 60.0}, nil),
	}})
	r := record()
	r.Overrides, r.Outcome, r.Step, r.Error, r.Left, r.Next = nil, deploy.Untouched, "", "", nil, nil
	r.Release.Digests = map[string]string{"api": good, "mcp": good}
	r.Plan = &deploy.Plan{Fingerprint: p.Fingerprint(), Summary: "1 to update"}
	r.Proof.Since = at("06:40:00")
	return view.Preview{
		Record: r, Plan: p,
		Subjects: []string{"Ask before a document is deleted", "Mention @team in `code` <b>"},
		Pending: deploy.Schema{
			{Number: 17, Name: "add_index"},
			{Number: 18, Name: "drop_old", Header: migrations.Header{Phase: migrations.Contract, UnusedSince: "v1.2.0"}},
		},
		Lease: &deploy.Lease{
			Environment: "production", RecordID: "20261123T070000Z-zyxwvu", Kind: deploy.KindRollback, Actor: "grace", Why: "by hand",
			Since: at("08:00:00"), Until: at("08:06:00"), Release: deploy.Release{Tag: "v1.2.0"},
		},
		Gaps: []string{"read the queue: no answer"},
	}
}

func TestPreviewGolden(t *testing.T) {
	promotion := preview(t)
	rollback := preview(t)
	rollback.Record.Kind, rollback.Lease, rollback.Gaps = deploy.KindRollback, nil, nil
	rollback.Record.Release, rollback.Record.Previous = deploy.Release{Tag: "v1.3.0", Commit: "decade", Digests: map[string]string{"api": good}}, deploy.Release{Tag: "v1.4.0", Commit: "c0ffee"}
	rollback.Record.Proof = nil
	refused := preview(t)
	refused.Refusal, refused.Next = errors.New("preflight: no proof for api from staging: it never ran there"), "fix that, then: tfpipeline promote -env production -release v1.4.0"
	refused.Record.Release.Digests, refused.Record.Proof, refused.Record.Plan, refused.Plan = nil, nil, nil, nil
	refused.Subjects, refused.Pending, refused.Lease, refused.Gaps = nil, nil, nil, nil
	superseded := preview(t)
	superseded.Record.SupersededBy = &deploy.Release{Tag: "v1.5.0"}
	var got strings.Builder
	for _, p := range []view.Preview{promotion, rollback, refused, superseded} {
		got.WriteString(p.Markdown(view.SummaryBudget) + "\n---\n\n")
	}
	const golden = "testdata/preview.md"
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got.String()); d != "" {
		t.Errorf("preview (rewrite with -update):\n%s", d)
	}
}

// What is told at each moment, and no more commits than anybody reads.
func TestMessages(t *testing.T) {
	r := record()
	many := []string{"one", "two", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12"}
	want := `doc-platform production: promotion of v1.4.0: awaiting approval, after v1.3.0, by ada
overridden: rejected release: mended⏎by hand
12 commits:
• one
• two
• 3
• 4
• 5
• 6
• 7
• 8
• 9
• 10
and 2 more
next: review and approve it at https://example.org/1`
	if d := cmp.Diff(want, view.Message{Platform: "doc-platform", Moment: view.AwaitingApproval, Record: r, Subjects: many}.Text()); d != "" {
		t.Errorf("awaiting approval (-want +got):\n%s", d)
	}
	want = "doc-platform production: promotion of v1.4.0: started, after v1.3.0, by ada\noverridden: rejected release: mended⏎by hand\n1 commit:\n• one\nhttps://example.org/1"
	if d := cmp.Diff(want, view.Message{Platform: "doc-platform", Moment: view.Started, Record: r, Subjects: many[:1]}.Text()); d != "" {
		t.Errorf("started (-want +got):\n%s", d)
	}
	want = `doc-platform production: promotion of v1.4.0: rolled back (5m3s), by ada
exit code 3: failed, and every service runs again what it ran before
overridden: rejected release: mended⏎by hand
watch: service api failed
• task migrate has run
next: what runs: tfpipeline status -env production
https://example.org/1`
	if d := cmp.Diff(want, view.Message{Platform: "doc-platform", Moment: view.Ended, Record: r}.Text()); d != "" {
		t.Errorf("rolled back (-want +got):\n%s", d)
	}
	r.SupersededBy, r.Outcome, r.Ended = &deploy.Release{Tag: "v1.5.0"}, deploy.Untouched, time.Time{}
	want = "doc-platform production: promotion of v1.4.0: superseded by v1.5.0, which is newer; nothing was changed, by ada\noverridden: rejected release: mended⏎by hand\nhttps://example.org/1"
	if d := cmp.Diff(want, view.Message{Platform: "doc-platform", Moment: view.Ended, Record: r}.Text()); d != "" {
		t.Errorf("superseded (-want +got):\n%s", d)
	}
}
