package root

import (
	"context"
	"fmt"
	"strings"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/plan"
)

// changesRoles reports whether a plan stores the password of a database role anew, or
// changes what the task migrate knows of the roles. Services that start afterwards log
// in as the plan says, so the database has to know of it first.
func changesRoles(platform config.Platform, p *plan.Plan) bool {
	roles := platform.DatabaseRoles()
	for _, c := range p.Changes {
		if c.Action == plan.Delete || c.Action == plan.Forget || c.Action == plan.Read {
			continue
		}
		if len(roles) > 0 && c.Type == "aws_ecs_task_definition" && strings.HasPrefix(c.Address, "module."+config.MigrateTask+".") {
			return true
		}
		for _, s := range roles {
			if c.Type == "aws_secretsmanager_secret_version" && strings.HasSuffix(c.Address, `["`+s.Name+`"]`) {
				return true
			}
		}
	}
	return false
}

// makeRoles has the database make the roles that an apply has changed.
func (r *Root) makeRoles(ctx context.Context, p *plan.Plan, c Choices) error {
	if c.Operation != Apply || r.roots.MakeRoles == nil || !changesRoles(r.roots.Platform, p) {
		return nil
	}
	r.Progress("task migrate makes the roles of the database")
	if err := r.roots.MakeRoles(ctx, r.Name); err != nil {
		return console.WithNext(fmt.Errorf("%s: it is applied, but the database does not have the roles and passwords yet that services log in with from now on: %w", r.Name, r.hide(err)),
			"tfpipeline run -env %s -task %s", r.Name, config.MigrateTask)
	}
	return nil
}
