package view_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/specboard/platform/tfpipeline/internal/view"
)

// serviceResources are those of a service's module, with two more rules.
var serviceResources = []string{
	"aws_appautoscaling_policy.cpu", "aws_appautoscaling_policy.memory", "aws_appautoscaling_target.this", "aws_cloudwatch_log_group.this",
	"aws_cloudwatch_metric_alarm.cpu", "aws_cloudwatch_metric_alarm.memory", "aws_ecs_service.this", "aws_ecs_task_definition.this",
	"aws_iam_role.execution", "aws_iam_role.task", "aws_iam_role_policy.execution", "aws_iam_role_policy.task",
	"aws_lb_listener_rule.this[0]", "aws_lb_listener_rule.this[1]", "aws_lb_target_group.this[0]", "aws_security_group.this",
	"aws_vpc_security_group_egress_rule.all", "aws_vpc_security_group_ingress_rule.balancer", "aws_vpc_security_group_ingress_rule.peer",
}

// swap is the plan of an environment that loses a service and gets another.
func swap(t *testing.T, root string) view.Section {
	t.Helper()
	var changes []object
	for _, r := range serviceResources {
		kind, _, _ := strings.Cut(r, ".")
		changes = append(changes,
			change("module.mcp."+r, kind, []string{"delete"}, object{"name": "mcp"}, nil, object{"action_reason": "delete_because_no_module"}),
			change("module.storage."+r, kind, []string{"create"}, nil, object{"name": "storage"}, nil))
	}
	container := func(mounts, environment string) string {
		return fmt.Sprintf(`[{"name":"api","image":"placeholder","mountPoints":%s,"environment":[%s]}]`, mounts, environment)
	}
	metrics := func(services ...string) string {
		var list []string
		for _, s := range services {
			list = append(list, fmt.Sprintf(`{"properties":{"metrics":[["AWS/ECS","CPUUtilization","ClusterName","x","ServiceName",%q]]}}`, s))
		}
		return `{"widgets":[` + strings.Join(list, ",") + `]}`
	}
	changes = append(changes,
		change("module.api.aws_ecs_task_definition.this", "aws_ecs_task_definition", []string{"create", "delete"},
			object{"cpu": "256", "skip_destroy": true, "container_definitions": container("null", "")},
			object{"cpu": "256", "skip_destroy": true, "container_definitions": container("[]", `{"name":"STORAGE_URL","value":"http://storage:3003"}`)},
			object{"replace_paths": []any{[]any{"container_definitions"}}}),
		change("module.api.aws_ecs_service.this", "aws_ecs_service", []string{"update"},
			object{"service_connect_configuration": []any{object{"enabled": false}}}, object{"service_connect_configuration": []any{object{"enabled": true}}}, nil),
		change("module.alarms.aws_cloudwatch_dashboard.this", "aws_cloudwatch_dashboard", []string{"update"},
			object{"dashboard_body": metrics("api", "frontend", "mcp")}, object{"dashboard_body": metrics("api", "frontend", "storage")}, nil),
		change("module.database.aws_db_instance.this", "aws_db_instance", []string{"update"},
			object{"instance_class": "db.t4g.micro", "apply_immediately": false, "maintenance_window": "sun:04:00-sun:05:00"},
			object{"instance_class": "db.t4g.small", "apply_immediately": false, "maintenance_window": "sun:04:00-sun:05:00"}, nil),
		change("module.database.aws_vpc_security_group_ingress_rule.service[\"mcp\"]", "aws_vpc_security_group_ingress_rule", []string{"delete"}, object{}, nil, object{"action_reason": "delete_because_each_key"}),
		change("module.database.aws_vpc_security_group_ingress_rule.service[\"storage\"]", "aws_vpc_security_group_ingress_rule", []string{"create"}, nil, object{}, nil),
		change("module.frontend.aws_lb_target_group.this[0]", "aws_lb_target_group", []string{"create", "delete"}, object{"port": 3000.0}, object{"port": 3001.0},
			object{"action_reason": "replace_because_cannot_update", "replace_paths": []any{[]any{"port"}}}),
	)
	drift := []object{
		change("module.api.aws_ecs_service.this", "aws_ecs_service", []string{"update"},
			object{"desired_count": 0.0, "task_definition": "a:1"}, object{"desired_count": 2.0, "task_definition": "a:7"}, nil),
	}
	return view.Section{Root: root, Plan: parse(t, root, object{"resource_changes": changes, "resource_drift": drift, "output_changes": object{"services": object{"actions": []string{"update"}}}})}
}

var foldedPart = regexp.MustCompile(`(?s)<details><summary>(.*?)</summary>.*?</details>`)

// A reviewer of a service that goes and of one that comes sees what matters of
// every root within two screens; nothing stands there twice.
func TestServiceSwapFitsTwoScreens(t *testing.T) {
	shared := view.Section{Root: "shared", Plan: parse(t, "shared", object{"resource_changes": []object{
		change(`module.repository["mcp"].aws_ecr_repository.this`, "aws_ecr_repository", []string{"delete"}, object{}, nil, object{"action_reason": "delete_because_no_module"}),
		change(`module.repository["mcp"].aws_ecr_lifecycle_policy.this`, "aws_ecr_lifecycle_policy", []string{"delete"}, object{}, nil, object{"action_reason": "delete_because_no_module"}),
		change(`module.repository["storage"].aws_ecr_repository.this`, "aws_ecr_repository", []string{"create"}, nil, object{}, nil),
		change(`module.repository["storage"].aws_ecr_lifecycle_policy.this`, "aws_ecr_lifecycle_policy", []string{"create"}, nil, object{}, nil),
	}})}
	got := view.Comment{
		Platform: "doc-platform", Sections: []view.Section{shared, swap(t, "staging"), swap(t, "production")},
		RunURL: "https://github.com/o/r/actions/runs/1", Commit: "abc123", Run: 1, Budget: view.CommentBudget,
	}.Markdown()
	const golden = "testdata/swap.md"
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
		t.Errorf("comment (rewrite with -update):\n%s", d)
	}
	const screen = 40 // lines
	lines := 0
	for line := range strings.Lines(foldedPart.ReplaceAllString(got, "$1")) {
		if strings.TrimSpace(line) != "" && !strings.HasPrefix(line, "<!--") {
			lines++
		}
	}
	if lines > 2*screen {
		t.Errorf("%d lines are open, want %d at most", lines, 2*screen)
	}
	_, staging, _ := strings.Cut(got, "### `staging`")
	staging, _, _ = strings.Cut(staging, "### `production`")
	for _, r := range serviceResources {
		for _, module := range []string{"module.mcp.", "module.storage."} {
			if n := strings.Count(staging, " "+module+r+"\n"); n != 1 {
				t.Errorf("%s%s stands there %d times", module, r, n)
			}
		}
	}
	for _, noise := range []string{"(hidden)", "mountPoints", "desired_count", "revise", "metrics"} {
		if strings.Contains(got, noise) {
			t.Errorf("%q is in the comment", noise)
		}
	}
	for _, effect := range []string{
		"restarts the database, in its maintenance window (sun:04:00-sun:05:00 UTC)", "rolled out by the next promotion",
		"its targets register anew", "starts a deployment",
	} {
		if !strings.Contains(got, effect) {
			t.Errorf("%q is missing", effect)
		}
	}
}
