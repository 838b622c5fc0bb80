package root

import (
	"testing"

	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/tfpipeline/internal/plan"
)

func TestChangesRoles(t *testing.T) {
	const version = "aws_secretsmanager_secret_version"
	for _, tt := range []struct {
		name    string
		without bool // a platform without roles
		change  plan.Change
		want    bool
	}{
		{"a password is stored anew", false, plan.Change{Action: plan.Update, Type: version, Address: `module.secrets.` + version + `.generated["stock-login"]`}, true},
		{"a role is new", false, plan.Change{Action: plan.Create, Type: version, Address: `module.secrets.` + version + `.generated["stock-login"]`}, true},
		{"what a role may do", false, plan.Change{Action: plan.Replace, Type: "aws_ecs_task_definition", Address: "module.migrate.aws_ecs_task_definition.this"}, true},
		{"a secret that is no role", false, plan.Change{Action: plan.Update, Type: version, Address: `module.secrets.` + version + `.generated["cookie-key"]`}, false},
		{"a role is gone", false, plan.Change{Action: plan.Delete, Type: version, Address: `module.secrets.` + version + `.generated["stock-login"]`}, false},
		{"another task", false, plan.Change{Action: plan.Replace, Type: "aws_ecs_task_definition", Address: "module.report.aws_ecs_task_definition.this"}, false},
		{"no roles", true, plan.Change{Action: plan.Replace, Type: "aws_ecs_task_definition", Address: "module.migrate.aws_ecs_task_definition.this"}, false},
	} {
		p := configtest.Shop()
		if tt.without {
			p = configtest.Docs()
		}
		if got := changesRoles(p, &plan.Plan{Changes: []plan.Change{tt.change}}); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}
