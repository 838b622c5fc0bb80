package view_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/specboard/platform/tfpipeline/internal/plan"
	"github.com/specboard/platform/tfpipeline/internal/view"
)

// What a promotion, autoscaling or AWS owns is shown in no form of a plan.
func TestAcceptedDriftIsNotShown(t *testing.T) {
	resource := func(address, kind, before, after string) string {
		return `{"address":"` + address + `","type":"` + kind + `","mode":"managed","name":"this","change":{"actions":["update"],"before":` +
			before + `,"after":` + after + `,"after_unknown":{},"before_sensitive":false,"after_sensitive":false}}`
	}
	p, err := plan.Parse("production", []byte(`{"format_version":"1.2","terraform_version":"1.11.4","resource_drift":[`+strings.Join([]string{
		resource("promoted", "aws_ecs_service", `{"desired_count":0,"task_definition":"api:1"}`, `{"desired_count":2,"task_definition":"api:2"}`),
		resource("grown", "aws_db_instance", `{"allocated_storage":20}`, `{"allocated_storage":22}`),
		resource("opened", "aws_db_instance", `{"publicly_accessible":false}`, `{"publicly_accessible":true}`),
	}, ",")+`]}`))
	if err != nil {
		t.Fatal(err)
	}
	var text, machine bytes.Buffer
	if err := (view.Text{}).Plan(&text, p); err != nil {
		t.Fatal(err)
	}
	if err := view.PlanJSON(&machine, "aws", p); err != nil {
		t.Fatal(err)
	}
	comment := view.Comment{Sections: []view.Section{{Root: p.Root, Plan: p}}, Budget: view.CommentBudget}.Markdown()
	for form, got := range map[string]string{"text": text.String(), "JSON": machine.String(), "comment": comment} {
		if strings.Contains(got, "promoted") || strings.Contains(got, "grown") || !strings.Contains(got, "opened") {
			t.Errorf("%s shows accepted drift, or hides what somebody changed:\n%s", form, got)
		}
	}
}
