package ecs_test

import (
	"testing"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/localaws/ecs/ecstest"
)

// A service that no load balancer watches is only as healthy as its container
// says. A release in which it never gets healthy is rolled back; without a
// health check ECS would have taken it for healthy as soon as it ran.
func TestSickInternalService(t *testing.T) {
	for _, c := range []struct {
		name      string
		unchecked bool
		outcome   deploy.Outcome
	}{
		{"with a health check", false, deploy.RolledBack},
		{"without one", true, deploy.Deployed},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, options{services: 2, tasks: 1, internal: true, unchecked: c.unchecked}, func(w *world) {
				p, images := w.pipeline(nil)
				request := w.release(p, images, "sick")
				w.script.On("storage", ecstest.Behaviour{Unhealthy: true}, ecstest.Behaviour{Unhealthy: true}, ecstest.Behaviour{Unhealthy: true}, ecstest.Behaviour{})
				record, err := p.Promote(w.ctx, request)
				if record.Outcome != c.outcome || (err == nil) != (c.outcome == deploy.Deployed) {
					t.Fatalf("%s: %v", record.Outcome, err)
				}
				for name, s := range ok(w.env.DescribeServices(w.ctx, w.services))(t) {
					if back := s.TaskDefinition == record.Services[name].Before; back != (c.outcome == deploy.RolledBack) {
						t.Errorf("%s runs %s, and ran %s before", name, s.TaskDefinition, record.Services[name].Before)
					}
				}
			})
		})
	}
}
