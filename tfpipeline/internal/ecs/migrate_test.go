package ecs_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/localaws/ecs/ecstest"
)

// After an apply, migrate runs with what Terraform has just applied and with the image
// that it ran last, however many templates came since.
func TestMigrate(t *testing.T) {
	inWorld(t, options{services: 1}, func(w *world) {
		outputs := func() deploy.Outputs {
			return deploy.Outputs{Templates: w.templates, Placements: map[string]deploy.Placement{"migrate": {Subnets: []string{"subnet-1"}, SecurityGroups: []string{"sg-1"}}}}
		}
		if ran := ok(w.env.Migrate(w.ctx, outputs(), "roles-0"))(t); ran {
			t.Error("it ran, though no release has one")
		}
		w.register("migrate", "one")
		w.register("migrate", "two")
		w.template("migrate")
		w.template("migrate")
		if ran := ok(w.env.Migrate(w.ctx, outputs(), "roles-1"))(t); !ran {
			t.Error("it did not run")
		}
		run := w.calls("RunTask")
		if len(run) != 1 || !strings.Contains(run[0], "migrate") {
			t.Fatalf("calls %v", run)
		}
		known := ok(w.env.DescribeTaskDefinitions(w.ctx, []string{"doc-platform-staging-migrate"}))(t)
		if diff := cmp.Diff(w.image("migrate", "two"), known["doc-platform-staging-migrate"].Image); diff != "" {
			t.Error(diff)
		}
		w.wire.on("GetLogEvents", func(members) (int, any) {
			return 200, members{"events": []any{members{"message": "role reports: it is there", "timestamp": 1}}}
		})
		w.script.On(digest("migrate", "two"), ecstest.Behaviour{Exit: &ecstest.Exit{After: time.Second, Code: 1}})
		if _, err := w.env.Migrate(w.ctx, outputs(), "roles-2"); err == nil || !strings.Contains(err.Error(), "ended with exit code 1\n  role reports: it is there") {
			t.Errorf("a task that fails: %v", err)
		}
		w.script.On(digest("migrate", "two"), ecstest.Behaviour{NotStarted: "ResourceInitializationError: unable to pull secrets"})
		if _, err := w.env.Migrate(w.ctx, outputs(), "roles-3"); err == nil || !strings.Contains(err.Error(), "never began: TaskFailedToStart: ResourceInitializationError") {
			t.Errorf("a task that never begins: %v", err)
		}
	})
}
