package view_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/specboard/platform/tfpipeline/internal/plan"
	"github.com/specboard/platform/tfpipeline/internal/view"
)

// longPlan is a plan of n updates, each of some 2.5 kB of JSON.
func longPlan(tb testing.TB, n int) (*plan.Plan, int) {
	tb.Helper()
	changes := make([]object, n)
	for i := range changes {
		before, after := object{}, object{}
		for j := range 20 {
			name := fmt.Sprintf("attribute_%02d", j)
			before[name], after[name] = strings.Repeat("b", 40), strings.Repeat("a", 40)
		}
		changes[i] = change(fmt.Sprintf("module.m%d.aws_thing.number_%05d", i%50, i), "aws_thing", []string{"update"}, before, after, nil)
	}
	content, err := json.Marshal(object{"format_version": "1.2", "resource_changes": changes})
	if err != nil {
		tb.Fatal(err)
	}
	p, err := plan.Parse("staging", content)
	if err != nil {
		tb.Fatal(err)
	}
	return p, len(content)
}

// A comment costs no more than one fingerprint of the plan and some of the
// lines that fit, however long the plan is: both are counted in allocations.
func TestLongPlansCostOneFingerprint(t *testing.T) {
	p, _ := longPlan(t, 4000)
	fingerprint := testing.AllocsPerRun(1, func() { _ = p.Fingerprint() })
	comment := testing.AllocsPerRun(1, func() {
		got := view.Comment{Sections: []view.Section{{Root: "staging", Plan: p}}, Budget: view.CommentBudget}.Markdown()
		if len(got) > view.CommentBudget || !strings.Contains(got, "4000 to update") || !strings.Contains(got, p.Fingerprint()) {
			t.Errorf("%d bytes:\n%.300s", len(got), got)
		}
	})
	// The check above asks for a second fingerprint.
	if comment > 2.5*fingerprint {
		t.Errorf("a comment takes %.0f allocations, and a fingerprint %.0f", comment, fingerprint)
	}
}

// BenchmarkComment writes the comment of a plan of 50 MB.
func BenchmarkComment(b *testing.B) {
	p, size := longPlan(b, 20_000)
	for b.Loop() {
		_ = view.Comment{Sections: []view.Section{{Root: "staging", Plan: p}}, Budget: view.CommentBudget}.Markdown()
	}
	b.ReportMetric(float64(size)/1e6, "MB")
}
